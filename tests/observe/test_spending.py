"""Alerts on cost, on a clock of the test's own: told once, and told again when it is over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.outcome import Attempt, Outcome
from pointsman.core.usage import Usage
from pointsman.observe.alerts.alert import Alert, MoneyRules, Thresholds
from pointsman.observe.alerts.engine import Alerts
from pointsman.observe.alerts.spending import Figures, Spending, dollars, forecast

S = 1_000_000_000
USD = 1_000_000_000
START = 1_795_000_000 * S
RULES = MoneyRules(per_hour=10 * USD, times_usual=3.0, call=2 * USD, month=1_000 * USD)


class Watch:
    """An engine with what watches the money, what it told, and a clock."""

    def __init__(self, rules: MoneyRules = RULES) -> None:
        self.told: list[Alert] = []
        self.now = START
        self.engine = Alerts(self.told.append)
        self.engine.configure(Thresholds(money=rules), [])
        self.spending = Spending(self.engine)
        self.spending.configure(rules, {}, START)

    def pass_(self, seconds: int, step: int = 1) -> None:
        for _ in range(0, seconds, step):
            self.now += step * S
            self.spending.tick(self.now)
            self.engine.tick(self.now)

    def call(self, cost: int | None, model: str = "small", usage: Usage | None = None) -> None:
        usage = usage or Usage(input=10, output=5)
        attempt = Attempt(
            number=1, provider="lab", model=model, upstream=model, started=self.now, duration=S, usage=usage, cost=cost
        )
        self.spending.record(
            Outcome(
                id="c1", started=self.now - S, duration=S, surface="chat.completions", dialect="openai-chat",
                asked=model, status="ok", http_status=200, attempts=(attempt,), usage=usage, cost=cost,
            )
        )  # fmt: skip

    def spent(self, hour: int, usual: int | None = None, month: int = 0, **more: object) -> None:
        values = {"name": "2026-11", "gone": 300.0, "left": 100.0, **more}
        self.spending.look(Figures(hour=hour * USD, usual=usual, month=month * USD, **values), self.now)

    @property
    def states(self) -> list[tuple[str, str, str]]:
        return [(alert.kind, alert.state, alert.subject) for alert in self.told]


def test_spending_above_the_limit_is_told_once_and_so_is_its_end() -> None:
    watch = Watch()
    watch.spent(9)
    assert watch.told == []
    for _ in range(5):
        watch.spent(12, unpriced=3)
        watch.pass_(60)
    assert watch.states == [("spend_rate", "firing", "this installation")]
    assert "$12.00" in watch.told[0].summary
    assert "$10.00" in watch.told[0].summary
    assert "3 calls without a price are not in it" in watch.told[0].summary
    watch.spent(2)
    watch.pass_(61)
    assert watch.states[1:] == [("spend_rate", "resolved", "this installation")]


def test_spending_is_held_against_what_is_usual_where_that_is_known() -> None:
    watch = Watch(MoneyRules(times_usual=3.0))
    watch.spent(50, usual=None)
    watch.spent(5, usual=2 * USD)
    assert watch.told == []
    watch.spent(7, usual=2 * USD)
    assert watch.states == [("spend_rate", "firing", "this installation")]
    assert "3 times" in watch.told[0].summary


def test_one_dear_call_is_told_and_others_soon_after_are_not() -> None:
    watch = Watch()
    watch.call(2 * USD)
    assert watch.told == [], "at the limit is not above it"
    watch.call(2 * USD + 1, usage=Usage(input=1, estimated=True))
    watch.call(9 * USD)
    watch.call(9 * USD, model="large")
    assert watch.states == [("call_cost", "firing", "small"), ("call_cost", "firing", "large")]
    assert "about $2.00" in watch.told[0].summary, "what stands on an estimate says so"
    assert watch.told[0].details["call"] == "c1"
    watch.pass_(800, 10)
    watch.call(3 * USD)
    watch.pass_(800, 10)
    assert len(watch.told) == 3
    assert watch.states[2] == ("call_cost", "resolved", "large")
    watch.pass_(200, 10)
    assert watch.states[3] == ("call_cost", "resolved", "small")


def test_an_unpriced_model_is_told_once_until_it_has_a_price() -> None:
    watch = Watch()
    for _ in range(50):
        watch.call(None, model="bare")
        watch.pass_(1)
    assert watch.states == [("unpriced_model", "firing", "bare")]
    watch.spending.configure(RULES, {"bare": False}, watch.now)
    watch.pass_(100)
    assert len(watch.told) == 1
    watch.spending.configure(RULES, {"bare": True}, watch.now)
    watch.pass_(61)
    assert watch.states[1:] == [("unpriced_model", "resolved", "bare")]


def test_what_is_free_or_failed_is_not_unpriced() -> None:
    watch = Watch()
    watch.call(0, model="free")
    failed = Attempt(
        number=1, provider="lab", model="x", upstream="x", started=1, duration=1, error="timeout", cost=None
    )
    watch.spending.record(
        Outcome(
            id="c", started=1, duration=1, surface="chat.completions", dialect="openai-chat", asked="x",
            status="failed", http_status=502, attempts=(failed,),
        )
    )  # fmt: skip
    assert watch.told == []


def test_a_month_that_will_cost_more_than_planned_is_told_and_ends_with_the_month() -> None:
    watch = Watch()
    watch.spent(1, usual=1 * USD, month=850)
    assert watch.told == []
    watch.spent(1, usual=2 * USD, month=850)
    assert watch.states == [("spend_forecast", "firing", "2026-11")]
    assert "$1,050.00" in watch.told[0].summary
    watch.spent(1, usual=2 * USD, month=1, name="2026-12", gone=0.1, left=743.9)
    watch.pass_(61)
    assert watch.states[1] == ("spend_forecast", "firing", "2026-12")
    assert watch.states[2] == ("spend_forecast", "resolved", "2026-11")


@given(st.integers(0, 10**15), st.integers(0, 10**12) | st.none(), st.floats(0, 744), st.floats(0, 744))
def test_a_forecast_is_never_less_than_what_is_spent(month: int, usual: int | None, gone: float, left: float) -> None:
    found = Figures(hour=0, usual=usual, month=month, name="m", gone=gone, left=left)
    assert forecast(found) >= month


def test_a_price_that_changes_is_news_without_an_end() -> None:
    watch = Watch()
    watch.spending.repriced("small", "in $1 out $2", "in $2 out $4", watch.now)
    watch.pass_(100_000, 100)
    assert watch.states == [("price_change", "firing", "small")]
    assert "in $1 out $2 -> in $2 out $4" in watch.told[0].summary


def test_each_share_of_a_budget_is_told_once() -> None:
    watch = Watch()
    for share in (0.5, 0.79, 0.81, 0.9, 1.02, 1.02):
        watch.spending.budget_used("team blue", share, 50 * USD, watch.now)
        watch.pass_(30)
    assert watch.states == [
        ("budget_used", "firing", "team blue at 80 %"),
        ("budget_used", "firing", "team blue at 100 %"),
    ]
    assert "81.0% of $50.00" in watch.told[0].summary
    watch.spending.budget_used("team blue", 0.0, 50 * USD, watch.now)
    watch.pass_(61)
    assert [state for _, state, _ in watch.states[2:]] == ["resolved", "resolved"]


def test_kinds_that_are_not_wanted_are_not_told() -> None:
    watch = Watch()
    watch.engine.configure(Thresholds(kinds=("route_down",), money=RULES), [])
    watch.call(None, model="bare")
    watch.call(9 * USD)
    watch.spent(99, month=99_999)
    watch.spending.repriced("small", "a", "b", watch.now)
    watch.spending.budget_used("b", 2.0, USD, watch.now)
    assert watch.told == []


@pytest.mark.parametrize(("nanos", "shown"), [(0, "$0.00"), (4_100, "$0.0000041"), (1_234_560_000_000, "$1,234.56")])
def test_money_is_read_by_people(nanos: int, shown: str) -> None:
    assert dollars(nanos) == shown
