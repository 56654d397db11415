from __future__ import annotations

import asyncio
import socket
import time

import pytest

from pointsman.testing.virtual import START, Deadlock, VirtualClock, VirtualLoop, run_virtual

DAY = 86_400


def test_a_year_of_sleep_takes_no_time_and_both_clocks_show_it() -> None:
    async def main() -> tuple[int, int, float]:
        clock = VirtualClock()
        await asyncio.sleep(365 * DAY)
        return clock.now() - START, clock.monotonic(), asyncio.get_running_loop().time()

    begun = time.perf_counter()
    wall, monotonic, loop_time = run_virtual(main())
    assert time.perf_counter() - begun < 1
    assert wall == monotonic == 365 * DAY * 1_000_000_000
    assert loop_time == 365 * DAY


def test_the_wall_clock_begins_where_it_is_told_to() -> None:
    async def main() -> int:
        await asyncio.sleep(1.5)
        return VirtualClock().now()

    assert run_virtual(main(), start=7) == 1_500_000_007


def test_timers_run_in_their_order_each_at_its_own_time() -> None:
    seen: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append((name, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(wait("late", 7200), wait("first", 0.25), wait("soon", 0.5), wait("day", 2 * DAY))

    run_virtual(main())
    assert seen == [("first", 0.25), ("soon", 0.5), ("late", 7200), ("day", 2 * DAY)]


def test_whoever_waits_for_the_rest_of_a_time_sees_it_pass_also_after_a_year() -> None:
    async def main() -> bool:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(365 * DAY + 0.1)
        begun, woken = loop.time(), 0
        while (left := 1e-9 - (loop.time() - begun)) > 0:  # less than a float can add to a year
            woken += 1
            assert woken < 5, "time stands still"
            await asyncio.sleep(left)
        return loop.time() > begun

    assert run_virtual(main())


def test_no_time_passes_while_anything_is_ready() -> None:
    async def main() -> float:
        timer = asyncio.create_task(asyncio.sleep(1))
        for _ in range(1000):
            await asyncio.sleep(0)
        passed = asyncio.get_running_loop().time()
        await timer
        return passed

    assert run_virtual(main()) == 0.0


def test_time_limits_strike_on_virtual_time() -> None:
    async def main() -> list[float]:
        loop, at = asyncio.get_running_loop(), []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(600):
                await asyncio.sleep(601)
        at.append(loop.time())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 30)
        at.append(loop.time())
        async with asyncio.timeout(600):
            await asyncio.sleep(599)
        at.append(loop.time())
        return at

    assert run_virtual(main()) == [600, 630, 1229]


def test_tasks_hand_on_through_queues_and_events() -> None:
    async def main() -> list[tuple[int, float]]:
        loop, queue, got = asyncio.get_running_loop(), asyncio.Queue[int](1), []

        async def make() -> None:
            for number in range(3):
                await asyncio.sleep(60)
                await queue.put(number)

        async with asyncio.TaskGroup() as group:
            group.create_task(make())
            got += [(await queue.get(), loop.time()) for _ in range(3)]
        return got

    assert run_virtual(main()) == [(0, 60), (1, 120), (2, 180)]


def test_what_can_never_happen_raises_and_says_who_waits_where() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.sleep(5)
        await asyncio.create_task(forever(), name="the waiter")

    with pytest.raises(Deadlock, match=r"at 5 s of virtual time .* the waiter in forever \(test_virtual.py:"):
        run_virtual(main())


def test_a_deadlock_still_lets_cleaning_up_run() -> None:
    cleaned = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)
            cleaned.append(asyncio.get_running_loop().time())

    with pytest.raises(Deadlock):
        run_virtual(main())
    assert cleaned == [3]


def test_threads_and_sockets_are_refused_with_a_word() -> None:
    async def thread() -> None:
        await asyncio.to_thread(time.sleep, 0)

    async def connect() -> None:
        await asyncio.open_connection("127.0.0.1", 9)

    async def read() -> None:
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            await asyncio.get_running_loop().sock_recv(left, 1)

    with pytest.raises(RuntimeError, match="virtual time knows none"):
        run_virtual(thread())
    with pytest.raises((RuntimeError, NotImplementedError)):
        run_virtual(connect())
    with pytest.raises(NotImplementedError):
        run_virtual(read())


def test_a_virtual_clock_is_not_to_be_had_on_real_time() -> None:
    async def main() -> None:
        VirtualClock()

    with pytest.raises(RuntimeError, match="run_virtual"):
        asyncio.run(main())


def test_the_result_and_the_error_come_back() -> None:
    async def good() -> str:
        return "done"

    async def bad() -> None:
        raise KeyError("lost")

    assert run_virtual(good()) == "done"
    with pytest.raises(KeyError, match="lost"):
        run_virtual(bad())


def test_a_timer_that_was_cancelled_does_not_move_time() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(10, lambda: None).cancel()
        await asyncio.sleep(1)
        return loop.time()

    assert run_virtual(main()) == 1


def test_a_loop_and_its_clock_can_be_had_apart() -> None:
    loop = VirtualLoop(start=0)
    clock = VirtualClock(loop)
    loop.run_until_complete(asyncio.sleep(0.001))
    loop.close()
    assert (clock.now(), clock.monotonic()) == (1_000_000, 1_000_000)
