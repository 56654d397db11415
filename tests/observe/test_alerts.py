"""Which alerts are due, on a clock of the test's own: told once, reminded of, told again when it is over."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.failure import State, Target
from pointsman.core.health import Cause, Transition
from pointsman.observe.alerts.alert import Alert, Thresholds, length
from pointsman.observe.alerts.engine import Alerts
from pointsman.observe.alerts.matter import Matter

S = 1_000_000_000
START = 1_795_000_000 * S
HOUR = 3_600
SMALL = Target("lab", "small-1")
RULES = Thresholds()


class Watch:
    """An engine, what it told, and a clock that ticks every second."""

    def __init__(self, rules: Thresholds = RULES) -> None:
        self.told: list[Alert] = []
        self.now = START
        self.engine = Alerts(self.told.append)
        self.engine.configure(rules, ["auto", "chain"])

    def pass_(self, seconds: int, step: int = 1) -> None:
        for _ in range(0, seconds, step):
            self.now += step * S
            self.engine.tick(self.now)

    def turn(self, after: State, target: Target = SMALL, why: str = "503", cause: Cause = "failures") -> None:
        self.engine.hear(Transition(target=target, before="closed", after=after, at=self.now, why=why, cause=cause))

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(alert.kind, alert.state) for alert in self.told]


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_an_open_breaker_is_told_once_and_its_end_with_its_duration(watch: Watch) -> None:
    watch.turn("open", why="5 of 6 attempts failed")
    for _ in range(4):  # probes that fail
        watch.pass_(60)
        watch.turn("half_open")
        watch.turn("open")
    watch.pass_(10)
    watch.turn("half_open")
    watch.turn("closed")
    assert watch.states == [("breaker_open", "firing")], "the end is told when it has lasted"
    watch.pass_(61)
    assert watch.states == [("breaker_open", "firing"), ("breaker_open", "resolved")]
    first, last = watch.told
    assert first.subject == "lab/small-1"
    assert first.severity == "warning"
    assert first.summary == "lab/small-1 is not asked for now: 5 of 6 attempts failed"
    assert first.details == {
        "provider": "lab",
        "model": "small-1",
        "why": "5 of 6 attempts failed",
        "cause": "failures",
    }
    assert last.summary == "lab/small-1 is asked again after 4 min 10 s"
    assert (last.since, last.until, last.severity) == (START, START + 250 * S, "info")
    assert first.key == last.key
    watch.pass_(3 * HOUR, 60)
    assert len(watch.told) == 2


def test_degraded_is_well_enough_to_be_asked(watch: Watch) -> None:
    watch.turn("degraded")
    watch.pass_(1)
    assert watch.told == []
    watch.turn("open")
    watch.pass_(1)
    watch.turn("degraded")
    watch.pass_(61)
    assert [alert.state for alert in watch.told] == ["firing", "resolved"]


def test_what_lasts_is_told_again_every_four_hours(watch: Watch) -> None:
    watch.turn("open", why="no connection")
    watch.pass_(13 * HOUR, 30)
    assert [alert.state for alert in watch.told] == ["firing", "reminder", "reminder", "reminder"]
    assert watch.told[1].summary == "for 4 h now: lab/small-1 is not asked for now: no connection"
    assert watch.told[1].at - START == 4 * HOUR * S


def test_what_comes_back_within_a_minute_was_not_over(watch: Watch) -> None:
    watch.turn("open")
    watch.pass_(5)
    watch.turn("closed")
    watch.pass_(30)
    watch.turn("open")
    watch.pass_(120)
    assert [alert.state for alert in watch.told] == ["firing"]


def test_what_comes_and_goes_is_told_once_as_flapping_and_is_over_when_it_rests(watch: Watch) -> None:
    for _ in range(20):
        watch.turn("open", why="reset")
        watch.pass_(10)
        watch.turn("closed")
        watch.pass_(20)
    assert [alert.state for alert in watch.told] == ["firing", "flapping"]
    assert watch.told[1].summary == "lab/small-1 flaps: 3 times in 1 min. Now: lab/small-1 is not asked for now: reset"
    watch.pass_(9 * 60)
    assert len(watch.told) == 2
    watch.pass_(60)
    assert watch.told[-1].state == "resolved"
    assert watch.told[-1].summary == "lab/small-1 is asked again after 9 min 40 s, 20 times in that time"


def test_slower_flapping_whose_ends_were_told_is_flapping_too(watch: Watch) -> None:
    for _ in range(6):
        watch.turn("open")
        watch.pass_(30)
        watch.turn("closed")
        watch.pass_(90)
    assert [alert.state for alert in watch.told] == ["firing", "resolved", "firing", "resolved", "flapping"]


def test_what_begins_again_much_later_is_a_new_trouble(watch: Watch) -> None:
    for _ in range(5):
        watch.turn("open")
        watch.pass_(60)
        watch.turn("closed")
        watch.pass_(HOUR, 10)
    assert [alert.state for alert in watch.told] == ["firing", "resolved"] * 5


def test_a_provider_that_is_down_is_told_in_place_of_its_models(watch: Watch) -> None:
    other, whole = Target("lab", "large-1"), Target("lab", "")
    watch.turn("open", other)
    watch.pass_(5)
    watch.turn("open")
    watch.turn("open", whole, why="all 2 models in use there are not answering")
    watch.pass_(5)
    assert watch.states == [("breaker_open", "firing"), ("provider_down", "firing")]
    assert watch.told[1].severity == "critical"
    assert watch.told[1].summary == "provider lab is down: all 2 models in use there are not answering"
    watch.pass_(85)
    for target in (whole, SMALL, other):
        watch.turn("closed", target)
    watch.pass_(61)
    assert [alert.summary for alert in watch.told[2:]] == [
        "lab/large-1 is asked again after 1 min 35 s",
        "provider lab is back after 1 min 30 s",
    ]


@pytest.mark.parametrize("cause", ["pause", "limits"])
def test_a_pause_that_a_provider_asks_for_is_nobodys_trouble(watch: Watch, cause: Cause) -> None:
    for _ in range(5):
        watch.turn("open", cause=cause)
        watch.pass_(30)
        watch.turn("half_open", cause="time")
        watch.pass_(30)
    assert watch.told == []


def test_what_is_over_before_anybody_could_look_is_not_told(watch: Watch) -> None:
    watch.turn("open")
    watch.turn("closed")
    watch.pass_(120)
    assert watch.told == []


def fail(make: ModuleType, watch: Watch, **changes: Any) -> Any:
    tried = make.attempt(error="upstream_refused", status=503, cost=0, usage=None)
    values = {"status": "failed", "error": "all_attempts_failed", "http_status": 503, "attempts": (tried,)}
    return make.outcome(now=watch.now, duration=1, **(values | changes))


def test_a_route_that_answers_nobody_is_told_with_codes_and_no_providers_words(watch: Watch, make: ModuleType) -> None:
    for _ in range(2):
        watch.engine.record(fail(make, watch, detail="SECRET TEXT OF A CALLER"))
    assert watch.told == []
    watch.engine.record(fail(make, watch, detail="SECRET TEXT OF A CALLER"))
    assert watch.states == [("route_down", "firing")]
    says = watch.told[0].summary
    assert says == ("all models of route auto are down: nobody could answer the last 3 calls (small: upstream_refused)")
    watch.pass_(42)
    watch.engine.record(make.outcome(now=watch.now, duration=1))
    watch.pass_(61)
    assert watch.told[-1].summary == "route auto answers again after 42 s"


def test_a_call_between_that_was_answered_begins_the_count_anew(watch: Watch, make: ModuleType) -> None:
    for one in (
        fail(make, watch),
        fail(make, watch),
        make.outcome(now=watch.now),
        fail(make, watch),
        fail(make, watch),
    ):
        watch.engine.record(one)
    assert watch.told == []


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "refused", "error": "upstream_refused"},
        {"status": "cancelled", "error": "caller_gone"},
        {"error": "internal_error"},
        {"error": "store_unavailable"},
        {"plan": None},
    ],
)
def test_what_says_nothing_of_a_routes_models_is_no_trouble_of_it(
    watch: Watch, make: ModuleType, changes: dict[str, Any]
) -> None:
    for _ in range(10):
        watch.engine.record(fail(make, watch, **changes))
    assert watch.told == []


def test_a_route_whose_models_all_rest_is_down_although_nothing_was_sent(watch: Watch, make: ModuleType) -> None:
    for _ in range(3):
        watch.engine.record(fail(make, watch, attempts=(), error="no_candidate"))
    assert watch.states == [("route_down", "firing")]


def test_names_that_callers_invent_are_not_watched(make: ModuleType) -> None:
    watch = Watch()
    watch.engine.configure(RULES, ["chain"])
    for _ in range(50):
        watch.engine.record(fail(make, watch))
    assert watch.told == []


def failed_over(make: ModuleType, now: int) -> Any:
    return make.outcome(
        now=now,
        duration=1,
        attempts=(make.attempt(1, error="upstream_timeout"), make.attempt(2, model="large")),
    )


def test_a_tenth_of_calls_that_fail_over_advises_another_primary(watch: Watch, make: ModuleType) -> None:
    for n in range(18):
        watch.engine.record(make.outcome(now=watch.now + n, duration=1))
    watch.engine.record(failed_over(make, watch.now))
    assert watch.told == [], "19 calls say nothing"
    watch.engine.record(failed_over(make, watch.now))
    assert watch.states == [("failover_rate", "firing")]
    assert watch.told[0].summary == (
        "failover on 10 % of the calls of route auto in the last 15 minutes (2 of 20): "
        "its primary small should be reconsidered"
    )
    assert watch.told[0].details == {"route": "auto", "model": "small", "failovers": 2, "calls": 20}
    for _ in range(30):
        watch.engine.record(failed_over(make, watch.now))
    assert len(watch.told) == 1
    watch.pass_(20 * 60)
    assert watch.told[-1].summary.startswith("route auto is back below its threshold of failovers after 15 min")


def test_fewer_than_a_tenth_are_nothing_to_speak_of(watch: Watch, make: ModuleType) -> None:
    for n in range(1000):
        at = watch.now + n * 10 * S
        watch.engine.record(failed_over(make, at) if n % 12 == 11 else make.outcome(now=at, duration=1))
    assert watch.told == []


def test_calls_older_than_the_window_do_not_count(watch: Watch, make: ModuleType) -> None:
    for _ in range(19):
        watch.engine.record(failed_over(make, watch.now))
    later = watch.now + 17 * 60 * S
    watch.engine.record(failed_over(make, later))
    assert watch.told == []


def test_a_clock_that_is_set_back_begins_the_count_anew(watch: Watch, make: ModuleType) -> None:
    for _ in range(19):
        watch.engine.record(failed_over(make, watch.now))
    earlier = watch.now - 3_600 * S
    watch.engine.record(failed_over(make, earlier))
    assert watch.told == []
    for _ in range(19):
        watch.engine.record(failed_over(make, earlier))
    assert "(20 of 20)" in watch.told[0].summary


def test_another_model_than_the_plans_first_is_a_failover_with_a_single_attempt(watch: Watch, make: ModuleType) -> None:
    for _ in range(20):
        watch.engine.record(make.outcome(now=watch.now, duration=1, attempts=(make.attempt(model="large"),)))
    assert watch.states == [("failover_rate", "firing")]
    assert "(20 of 20)" in watch.told[0].summary


def test_a_primary_that_rests_is_left_by_every_call_that_its_route_plans_around_it(
    watch: Watch, make: ModuleType
) -> None:
    around = msgspec.structs.replace(make.PLAN, steps=make.PLAN.steps[::-1], preferred="small")
    for _ in range(20):
        watch.engine.record(make.outcome(now=watch.now, plan=around, attempts=(make.attempt(model="large"),)))
    assert watch.states == [("failover_rate", "firing")]
    assert watch.told[0].summary.endswith("(20 of 20): its primary small should be reconsidered")


def test_kinds_that_are_not_wanted_are_not_told(make: ModuleType) -> None:
    watch = Watch(Thresholds(kinds=("provider_down",)))
    watch.turn("open")
    for _ in range(30):
        watch.engine.record(fail(make, watch))
    assert watch.told == []
    watch.turn("open", Target("lab", ""), why="503")
    assert watch.states == [("provider_down", "firing")]


def test_thresholds_that_change_keep_what_was_counted(watch: Watch, make: ModuleType) -> None:
    for _ in range(19):
        watch.engine.record(failed_over(make, watch.now))
    watch.engine.configure(Thresholds(least_calls=10), ["auto"])
    watch.engine.record(failed_over(make, watch.now))
    assert watch.states == [("failover_rate", "firing")]


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=80))
def test_whatever_comes_and_goes_no_trouble_is_told_twice_and_every_one_ends(steps: list[tuple[int, bool]]) -> None:
    """Between two ends there is one beginning; at most one alert says that it flaps; reminders keep their distance."""
    matter, now, told = Matter("breaker_open", "lab/x"), START, []
    for pause, wrong in [*steps, (1, False)]:
        for _ in range(pause):
            now += S
            told.append(matter.tick(now, RULES))
        told.append(matter.begin(now, "it is", {}, RULES) if wrong else matter.end(now))
    for _ in range(700):
        now += S
        told.append(matter.tick(now, RULES))
    states = [alert.state for alert in told if alert is not None]
    turns = " ".join(states).replace(" resolved", " resolved;").split("; ") if states else []
    for turn in turns:
        words = turn.replace(";", "").split()
        assert words[0] in ("firing", "flapping")
        assert words[-1] == "resolved"
        assert words.count("firing") + words.count("flapping") <= 2
        assert words.count("flapping") <= 1
    assert matter.rests(now + 700 * S, RULES)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (60, "1 min"), (250, "4 min 10 s"), (11_100, "3 h 5 min"), (9e4, "1 d 1 h")]
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert length(int(seconds * S)) == text
