"""An event loop whose time jumps: hours of waiting run in milliseconds, and the same program runs the same way twice.

Nothing else differs from asyncio's own loops: `sleep`, `timeout`, `wait_for`, `call_later`, tasks, queues and locks
work as they do elsewhere. While anything is ready it runs, and no time passes; when nothing is, time jumps to the next
timer. So code that waits for something outside the loop cannot run here: no sockets, no subprocesses, no threads. Each
of these raises, and what waits for an event that nobody will ever set raises `Deadlock` instead of hanging.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, NoReturn, TypeVar, TypeVarTuple

START = 1_767_225_600_000_000_000
"""Nanoseconds since the epoch when virtual time begins unless told otherwise: 1 January 2026, 00:00 UTC."""
_SHOWN = 10
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: what the tasks wait for cannot happen any more."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop on virtual time; deterministic as long as what runs on it is.

    `time()` begins at 0.0 seconds.

    Args:
        start: nanoseconds since the epoch that the wall clock shows at time 0.0.
    """

    _scheduled: list[asyncio.TimerHandle]  # of asyncio's own base class: a heap, the next timer first

    def __init__(self, start: int = START) -> None:
        super().__init__()
        self._start = start
        self._time = 0.0
        self._selector = self  # the base class waits by asking its selector; here waiting is a jump

    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self._time

    @property
    def wall(self) -> int:
        """Virtual nanoseconds since the epoch."""
        return self._start + round(self._time * 1e9)

    def select(self, timeout: float | None) -> tuple[()]:
        """Jump to the next timer, where nothing is ready (`timeout` is above zero then).

        Raises:
            Deadlock: there is no timer.
        """
        if timeout is None:
            raise Deadlock(self._stuck())
        if timeout > 0:
            self._time = max(self._time, self._scheduled[0].when())
            # The base class runs what is due before `time() + resolution`: so exactly what is due now, also after
            # a year, when a nanosecond is less than a float can add.
            self._clock_resolution = math.ulp(self._time)
        return ()

    def call_later(
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As everywhere, and later by something: what waits for the rest of a time would else never see it pass.

        After days a float cannot tell apart two moments that lie a tenth of a nanosecond from each other.
        """
        when = self._time + delay
        if delay > 0 and when == self._time:
            when = math.nextafter(when, math.inf)
        return self.call_at(when, callback, *args, context=context)

    def run_in_executor(self, _executor: Any, func: Any, *_args: Any) -> NoReturn:  # type: ignore[override]
        """Refused: threads have a time of their own.

        Raises:
            RuntimeError: always.
        """
        name = getattr(func, "__qualname__", repr(func))
        raise RuntimeError(f"{name} wants a thread (or an address looked up), and virtual time knows none")

    def _process_events(self, event_list: tuple[()]) -> None:
        """There are none: `select` finds no sockets."""

    def _write_to_self(self) -> None:
        """Nothing ever has to be woken."""

    def _stuck(self) -> str:
        waiting = [f"{task.get_name()} in {_place(task)}" for task in asyncio.all_tasks(self)]
        shown = "; ".join(sorted(waiting)[:_SHOWN]) or "no task"
        more = f"; and {len(waiting) - _SHOWN} more" if len(waiting) > _SHOWN else ""
        return f"at {self._time:g} s of virtual time everything waits and no timer is set: {shown}{more}"


class VirtualClock:
    """The clock of a virtual loop; satisfies `core.clock.Clock`.

    Args:
        loop: None takes the one that is running.

    Raises:
        RuntimeError: none is running, or one on real time.
    """

    def __init__(self, loop: VirtualLoop | None = None) -> None:
        running = loop or asyncio.get_running_loop()
        if not isinstance(running, VirtualLoop):
            raise RuntimeError("this event loop runs on real time: use run_virtual")  # noqa: TRY004 - no argument's type
        self._loop = running

    def now(self) -> int:
        """Virtual nanoseconds since the epoch."""
        return self._loop.wall

    def monotonic(self) -> int:
        """Virtual nanoseconds since the loop was made."""
        return round(self._loop.time() * 1e9)


def run_virtual(main: Coroutine[Any, Any, _T], *, start: int = START) -> _T:
    """Run a coroutine to its end on virtual time, as `asyncio.run` does on real time.

    Args:
        main: what to run.
        start: nanoseconds since the epoch that the wall clock shows when it begins.

    Raises:
        Deadlock: everything waits for something that cannot happen.
        RuntimeError: an event loop is running already.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(main)


def _place(task: asyncio.Task[Any]) -> str:
    """Where a task's own coroutine waits."""
    frames = task.get_stack(limit=1)
    if not frames:
        return "no frame"
    code, line = frames[-1].f_code, frames[-1].f_lineno
    return f"{code.co_name} ({code.co_filename.rpartition('/')[2]}:{line})"
