"""When a whole provider is down, from what is told of its models."""

from __future__ import annotations

from types import ModuleType

import pytest

from pointsman.core.clock import SystemDraw
from pointsman.core.failure import State, Target
from pointsman.core.health import AttemptEnd, Cause, Transition
from pointsman.health.book import Book
from pointsman.observe.transitions import Transitions, shown

S = 1_000_000_000
START = 1_795_000_000 * S
SMALL, LARGE = Target("lab", "small-1"), Target("lab", "large-1")


class Heard:
    """A standing with two models of one provider, and the transitions that it told."""

    def __init__(self, *targets: Target) -> None:
        self.all: list[Transition] = []
        self.transitions = Transitions()
        self.transitions.listen(self.all.append)
        self.transitions.expect(targets or (SMALL, LARGE), START)

    def turn(self, target: Target, after: State, cause: Cause = "failures") -> None:
        change = Transition(target=target, before="closed", after=after, at=START, why="503", cause=cause)
        self.transitions.hear(change)

    @property
    def providers(self) -> list[tuple[str, State]]:
        return [(one.target.provider, one.after) for one in self.all if not one.target.upstream]


def asked(make: ModuleType, heard: Heard, upstream: str, at: int = START, **changes: str) -> None:
    attempt = make.attempt(provider="lab", upstream=upstream, started=at, **changes)
    heard.transitions.record(make.outcome(now=at, attempts=(attempt,)))


def test_a_provider_is_down_when_all_that_is_in_use_there_is(make: ModuleType) -> None:
    heard = Heard()
    asked(make, heard, "small-1")
    asked(make, heard, "large-1")
    heard.turn(SMALL, "open")
    assert heard.providers == []
    heard.turn(LARGE, "open")
    assert heard.providers == [("lab", "open")]
    assert heard.all[-1].why == "all 2 models in use there are not answering; the last, large-1: 503"
    heard.turn(SMALL, "half_open")
    heard.turn(SMALL, "open")
    assert len(heard.providers) == 1
    heard.turn(SMALL, "closed")
    assert heard.providers == [("lab", "open"), ("lab", "closed")]
    assert [one.target for one in heard.all if one.target.upstream] == [SMALL, LARGE, SMALL, SMALL, SMALL]


def test_a_model_that_nobody_asked_for_an_hour_does_not_keep_its_provider_up(make: ModuleType) -> None:
    heard = Heard()
    asked(make, heard, "large-1", START - 3_700 * S)
    asked(make, heard, "small-1")
    heard.turn(SMALL, "open")
    assert heard.providers == [("lab", "open")]


def test_a_degraded_model_still_answers(make: ModuleType) -> None:
    heard = Heard()
    asked(make, heard, "small-1")
    heard.turn(LARGE, "degraded")
    heard.turn(SMALL, "open")
    assert heard.providers == []


def test_a_model_with_two_keys_is_down_with_both() -> None:
    one, two = Target("lab", "small-1", "KEY_A"), Target("lab", "small-1", "KEY_B")
    heard = Heard(one, two)
    heard.turn(one, "open")
    assert heard.providers == []
    heard.turn(two, "open")
    assert heard.providers == [("lab", "open")]


def test_a_key_that_is_named_stands_for_the_unnamed_one() -> None:
    heard = Heard(SMALL)
    heard.turn(Target("lab", "small-1", "KEY_A"), "open")
    assert heard.providers == [("lab", "open")]


def test_other_providers_are_not_touched(make: ModuleType) -> None:
    heard = Heard(SMALL, Target("other", "small-1"))
    heard.turn(SMALL, "open")
    assert heard.providers == [("lab", "open")]


def test_names_that_callers_invent_are_told_to_nobody_until_they_answer(make: ModuleType) -> None:
    heard = Heard()
    invented = Target("lab", "no-such-model")
    asked(make, heard, "no-such-model", error="upstream_refused")
    heard.turn(invented, "open")
    assert heard.all == []
    asked(make, heard, "no-such-model")
    heard.turn(invented, "open")
    assert invented in {one.target for one in heard.all}


def test_what_is_not_configured_any_more_is_no_trouble_any_more(make: ModuleType) -> None:
    heard = Heard()
    asked(make, heard, "small-1")
    heard.turn(SMALL, "open")
    heard.transitions.expect([LARGE], START + S)
    assert [(one.target, one.after) for one in heard.all[-2:]] == [(SMALL, "closed"), (Target("lab", ""), "closed")]
    heard.transitions.expect([LARGE], START + 2 * S)
    assert len(heard.all) == 4


@pytest.mark.parametrize("cause", ["pause", "limits"])
def test_a_provider_that_asks_for_a_pause_is_not_down(cause: Cause) -> None:
    heard = Heard(SMALL)
    heard.turn(SMALL, "open", cause)
    heard.turn(SMALL, "half_open", "time")
    assert heard.providers == []
    heard.turn(SMALL, "open")
    assert heard.providers == [("lab", "open")]
    heard.turn(SMALL, "half_open", "time")
    assert heard.providers == [("lab", "open")]
    heard.turn(SMALL, "open", cause)
    assert heard.providers == [("lab", "open"), ("lab", "closed")], "it answers, if only that it wants a pause"


def test_the_book_survives_a_listener_with_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_transition: Transition) -> None:
        raise KeyError

    heard = Heard(SMALL)
    heard.transitions.listen(broken)
    book = Book(SystemDraw(1), lambda: START, subscribers=(heard.transitions.hear,))
    for n in range(3):
        assert book.begin(SMALL, n * S) == 0.0
        book.end(SMALL, AttemptEnd(failure="server_error"), n * S)
    assert book.states(3 * S) == {SMALL: "open"}
    assert "a subscriber to changes of health failed" in caplog.text


def test_targets_as_people_read_them() -> None:
    assert shown(SMALL) == "lab/small-1"
    assert shown(Target("lab", "small-1", "KEY_A")) == "lab/small-1 (key $KEY_A)"
    assert shown(Target("lab", "")) == "lab"
