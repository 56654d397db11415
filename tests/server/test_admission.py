"""Who is served, who waits and who is turned away, with the time handed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.server.admission import PRIORITIES, Admission, Pressure, Priority, Rules, Ticket, TurnedAway

SECOND = 1_000_000_000


def full(places: int = 2, **more: object) -> Admission:
    """Every place is taken."""
    admission = Admission(Rules(places=places, **{"room": 4, "share": 1.0, **more}))  # type: ignore[arg-type]
    admission.in_flight = places
    return admission


def waits(admission: Admission, priority: Priority = "normal", key: str = "", size: int = 0, now: int = 0) -> Ticket:
    ticket = admission.enter(key, priority, size, now)
    assert ticket is not None
    return ticket


def turned_away(admission: Admission, priority: Priority = "normal", key: str = "", size: int = 0) -> TurnedAway:
    with pytest.raises(TurnedAway) as caught:
        admission.enter(key, priority, size, 0)
    return caught.value


def test_high_goes_before_normal_before_low_and_within_one_the_first_first() -> None:
    admission = full()
    tickets = [waits(admission, one) for one in ("low", "normal", "high", "normal")]
    order: list[int] = []
    for number, ticket in enumerate(tickets):
        ticket.on_call = lambda number=number: order.append(number)  # type: ignore[misc]
    for _ in tickets:
        admission.leave(0)
    assert order == [2, 1, 3, 0]
    assert admission.in_flight == 2, "a place that is handed on stays taken"


def test_keys_take_turns() -> None:
    admission = full()
    order: list[str] = []
    for key in ("a", "a", "a", "b"):
        waits(admission, key=key).on_call = lambda key=key: order.append(key)  # type: ignore[misc]
    for _ in range(4):
        admission.leave(0)
    assert order == ["a", "b", "a", "a"]


def test_a_full_room_turns_away_who_comes_or_who_matters_less() -> None:
    admission = full(room=2)
    first, last = waits(admission, "low", now=1), waits(admission, "low", now=2)
    assert turned_away(admission, "low").reason == "full"
    waits(admission, "normal")
    assert (first.lost, last.lost) == ("", "pushed_out")
    waits(admission, "high")
    assert first.lost == "pushed_out"
    assert turned_away(admission, "normal").reason == "full"
    assert admission.waiting == 2


def test_no_key_takes_more_than_its_share_and_nobody_is_no_key() -> None:
    admission = full(room=4, share=0.5)
    for _ in range(2):
        waits(admission, key="a")
    assert turned_away(admission, key="a", priority="high").reason == "share"
    waits(admission, key="b")
    waits(admission)
    assert turned_away(admission).reason == "full"
    admission.leave(0)
    waits(admission, key="a")
    assert turned_away(admission, key="a").reason == "share"


def test_bodies_that_wait_are_bounded_together() -> None:
    admission = full(room_bytes=100)
    ticket = waits(admission, size=60)
    assert turned_away(admission, size=50).reason == "bytes"
    admission.give_up(ticket)
    waits(admission, size=50)


def test_without_a_room_nobody_waits() -> None:
    assert turned_away(full(room=0), "high").reason == "full"


def test_who_gives_up_is_not_called() -> None:
    admission = full()
    gone, stays = waits(admission), waits(admission)
    assert admission.give_up(gone).reason == "waited"
    admission.leave(0)
    assert (gone.granted, stays.granted) == (False, True)


def test_a_lagging_loop_turns_low_calls_away_and_then_takes_no_more_at_once_than_it_has() -> None:
    admission = Admission(Rules(places=10, room=4))
    admission.in_flight = 3
    admission.press(1)
    assert turned_away(admission, "low").reason == "lag"
    assert admission.enter("", "normal", 0, 0) is None, "normal calls find their place"
    admission.press(2)
    held = waits(admission)
    assert admission.enter("", "high", 0, 0) is None, "high calls too, up to the number of places"
    admission.leave(0)
    assert not held.granted
    admission.leave(0)
    assert held.granted
    other = waits(admission)
    admission.press(1)
    assert other.granted
    admission.press(0)
    assert admission.free == 10


def test_low_calls_that_wait_go_when_it_begins_to_lag() -> None:
    admission = full()
    low, normal = waits(admission, "low"), waits(admission)
    admission.press(1)
    assert (low.lost, normal.lost) == ("lag", "")


def test_retry_after_follows_the_pace_at_which_places_become_free() -> None:
    slow, quick = full(room=50), full(room=50)
    for _ in range(20):
        waits(slow)
        waits(quick)
    for number in range(1, 9):
        slow.leave(number * 2 * SECOND)
        quick.leave(number * SECOND // 1000)
    assert quick.retry_after() == 1
    assert 10 <= slow.retry_after() <= 30


def test_a_priority_that_nobody_knows_is_the_configured_one() -> None:
    admission = Admission(Rules(priority="low"))
    assert [admission.priority_of(said) for said in (None, b"urgent", b"High ", b"normal")] == [
        "low", "low", "high", "normal",
    ]  # fmt: skip


@given(st.data())
def test_whatever_happens_the_counts_are_right(data: st.DataObject) -> None:
    admission = Admission(Rules(places=3, room=5, share=0.5))
    inside, waiting = 0, []
    for now in range(data.draw(st.integers(1, 60))):
        match data.draw(st.sampled_from(["enter", "enter", "leave", "give_up", "press"])):
            case "enter":
                try:
                    ticket = admission.enter(
                        data.draw(st.sampled_from(["", "a", "b"])), data.draw(st.sampled_from(PRIORITIES)), 1, now
                    )
                except TurnedAway:
                    pass
                else:
                    inside += ticket is None
                    waiting += [ticket] if ticket is not None else []
            case "leave" if inside:
                inside -= 1
                admission.leave(now)
            case "give_up" if waiting:
                admission.give_up(waiting.pop(data.draw(st.integers(0, len(waiting) - 1))))
            case "press":
                admission.press(data.draw(st.integers(0, 2)))
        inside += sum(ticket.granted for ticket in waiting)
        waiting = [ticket for ticket in waiting if not (ticket.granted or ticket.lost)]
        assert (admission.in_flight, admission.waiting) == (inside, len(waiting))
        assert inside <= 3
        assert len(waiting) <= 5
        assert not waiting or inside, "somebody is served as long as anybody waits"
    for _ in range(inside):
        admission.leave(0)


def levels(lates: list[float]) -> list[int]:
    """The level after each second in which every tenth of it was late by so much."""
    pressure, found = Pressure(), []
    pressure.sample(0.0, 100.0)
    for second, late in enumerate(lates):
        for tenth in range(1, 11):
            level = pressure.sample(late, 100.0 + second + tenth / 10 + 1e-6)
        found.append(level)
    return found


def test_pressure_rises_after_a_second_of_lag_and_falls_only_when_it_is_well_below() -> None:
    assert levels([0.0, 0.3, 0.2, 0.2, 0.05]) == [0, 1, 1, 1, 0]
    assert levels([0.3, 0.3, 0.3, 0.3, 0.2, 0.05, 0.05]) == [1, 1, 2, 2, 2, 1, 0]
    assert levels([0.2] * 5) == [0] * 5


def test_one_late_moment_in_a_good_second_is_no_pressure() -> None:
    pressure = Pressure()
    for tenth in range(30):
        level = pressure.sample(0.6 if tenth == 15 else 0.0, 100.0 + tenth / 10)
        assert level == 0
