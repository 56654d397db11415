"""Metrics in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).

Counting happens on the path of every call, so the places that one kind of call counts in are looked up once and kept
as a tally; a call is then two look-ups and a handful of additions. All text is made at the scrape.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from pointsman.core.failure import State, Target
from pointsman.core.health import Transition
from pointsman.core.money import usd_text
from pointsman.core.outcome import Attempt, Outcome

_MAX_SERIES = 2_000
_MAX_STRANGERS = 200
_OTHER = "other"
_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_OVERHEAD_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
_WAIT_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_NANO = 1e-9
_STATES: dict[State, int] = {"closed": 0, "degraded": 1, "half_open": 2, "open": 3}
_MOST_TARGETS = 2_000
# What would break a line, or the text's encoding: control characters, line separators, halves of surrogate pairs.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Labels = tuple[str, ...]


class Names:
    """Which names of routes and models get series of their own: all that are configured, and of the others a few.

    Callers can write any name behind `provider/`, so without a bound each slip of the pen would be a series for ever.
    """

    def __init__(self) -> None:
        self._expected: frozenset[str] = frozenset()
        self._strangers: set[str] = set()

    def expect(self, names: Iterable[str]) -> None:
        """Names that are configured now."""
        self._expected = frozenset(names)

    def admit(self, labels: Labels, free: tuple[int, ...]) -> Labels:
        """The label set to count under; `free` are the places of names."""
        return tuple([self._name(text) if place in free else text for place, text in enumerate(labels)])

    def _name(self, name: str) -> str:
        if not name or name in self._expected or name in self._strangers:
            return name
        if len(self._strangers) >= _MAX_STRANGERS:
            return _OTHER
        self._strangers.add(name)
        return name


class Sum:
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Spread:
    """One series of a histogram: counts per bucket, and the sum of all values (seconds)."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


_Series = TypeVar("_Series")


class _Family(Generic[_Series]):
    """The series of one family by label set, in a bounded number."""

    def __init__(self, names: Names, labels: tuple[str, ...], make: Callable[[], _Series]) -> None:
        self._names, self._free, self._make = names, _free(labels), make
        self._series: dict[Labels, _Series] = {}

    def at(self, labels: Labels) -> _Series:
        """The series to count in."""
        series = self._series
        found = series.get(labels)
        if found is None:
            labels = self._names.admit(labels, self._free)
            if len(series) >= _MAX_SERIES and labels not in series:
                labels = (_OTHER,) * len(labels)
            found = series.get(labels)
            if found is None:
                found = series[labels] = self._make()
        return found

    def items(self) -> Iterable[tuple[Labels, _Series]]:
        """Label sets and their series, oldest first."""
        return self._series.items()


class Counter:
    """One counter family; a sum per label set, which `write` makes text."""

    def __init__(
        self, names: Names, name: str, text: str, labels: tuple[str, ...], write: Callable[[float], str] | None = None
    ) -> None:
        self.name, self.text, self.labels = name, text, labels
        self._write = write or _number
        self._series = _Family(names, labels, Sum)

    def at(self, labels: Labels) -> Sum:
        """The sum of a label set; further names than are admitted share one."""
        return self._series.at(labels)

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Add `amount` to the sum of a label set."""
        self._series.at(labels).value += amount

    def lines(self) -> list[str]:
        """The family as text."""
        head, write = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} counter"], self._write
        return head + [f"{self.name}{_braces(self.labels, key)} {write(s.value)}" for key, s in self._series.items()]


class Gauge:
    """One gauge family; what was set last per label set."""

    def __init__(self, names: Names, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.name, self.text, self.labels = name, text, labels
        self._series = _Family(names, labels, Sum)

    def set(self, labels: Labels, value: float) -> None:
        """What is measured now."""
        self._series.at(labels).value = value

    def lines(self) -> list[str]:
        """The family as text."""
        head = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} gauge"]
        return head + [f"{self.name}{_braces(self.labels, key)} {_number(s.value)}" for key, s in self._series.items()]


class Histogram:
    """One histogram family; counts per bucket and label set. Values are seconds."""

    def __init__(
        self, names: Names, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...] = _BUCKETS
    ) -> None:
        self.name, self.text, self.labels, self.buckets = name, text, labels, buckets
        self._series = _Family(names, labels, lambda: Spread(buckets))

    def at(self, labels: Labels) -> Spread:
        """The series of a label set; further names than are admitted share one."""
        return self._series.at(labels)

    def lines(self) -> list[str]:
        """The family as text."""
        out = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} histogram"]
        names = (*self.labels, "le")
        for key, spread in self._series.items():
            running = 0
            for bound, count in zip((*map(str, self.buckets), "+Inf"), spread.counts, strict=True):
                running += count
                out.append(f"{self.name}_bucket{_braces(names, (*key, bound))} {running}")
            out.append(f"{self.name}_sum{_braces(self.labels, key)} {spread.sum!r}")
            out.append(f"{self.name}_count{_braces(self.labels, key)} {running}")
        return out


class _Calls:
    """Where calls of one kind count: surface, route, status."""

    __slots__ = ("duration", "number")

    def __init__(self, metrics: Metrics, labels: Labels) -> None:
        self.number = metrics.calls.at(labels)
        self.duration = metrics.duration.at((labels[1],))


class _Attempts:
    """Where attempts of one kind count: provider, model, error. Tokens and cost have series once there are any."""

    __slots__ = ("cost", "first", "input", "number", "output")

    def __init__(self, metrics: Metrics, labels: Labels) -> None:
        self.number = metrics.attempts.at(labels)
        self.first: Spread | None = None
        self.input: Sum | None = None
        self.output: Sum | None = None
        self.cost: Sum | None = None


class Metrics:
    """All metrics of one process; a recorder of outcomes."""

    def __init__(self) -> None:
        self.names = names = Names()
        self.calls = Counter(names, "gw_calls_total", "Calls by what became of them.", ("surface", "route", "status"))
        self.attempts = Counter(
            names,
            "gw_attempts_total",
            "Requests to providers; no `error` is a success.",
            ("provider", "model", "error"),
        )
        self.tokens = Counter(names, "gw_tokens_total", "Tokens by kind.", ("provider", "model", "type"))
        self.cost = Counter(  # in nano-dollars: sums of dollars in binary would not be what the ledger has
            names, "gw_cost_usd_total", "US dollars spent, priced models only.", ("provider", "model"), _dollars
        )
        self.unpriced = Counter(
            names, "gw_unpriced_calls_total", "Calls that used tokens whose cost is unknown.", ("provider", "model")
        )
        self.estimated = Counter(
            names,
            "gw_estimated_calls_total",
            "Calls whose tokens were counted here, since the provider states none.",
            ("provider", "model"),
        )
        self.failovers = Counter(names, "gw_failovers_total", "Calls answered after a failed attempt.", ("route",))
        self.json = Counter(
            names,
            "gw_json_answers_total",
            "Answers to requests for JSON by whether they are: `ok` or `broken`.",
            ("model", "form"),
        )
        self.turned_away = Counter(
            names,
            "gw_turned_away_total",
            "Requests refused because the gateway was full or too busy; not in `gw_calls_total`.",
            ("priority", "reason"),
        )
        self.waits = Histogram(
            names, "gw_wait_seconds", "Waits for a place among the calls in flight.", ("priority",), _WAIT_BUCKETS
        )
        self.breaker_transitions = Counter(
            names,
            "gw_breaker_transitions_total",
            "Changes of state of a model at its provider; without a model of the whole provider.",
            ("provider", "model", "to"),
        )
        self.alerts = Counter(names, "gw_alerts_total", "Alerts by what became of them.", ("kind", "channel", "result"))
        self.breaker_state = Gauge(
            names,
            "gw_breaker_state",
            "0 closed, 1 degraded, 2 half open, 3 open; the worst over its keys.",
            ("provider", "model"),
        )
        self.duration = Histogram(names, "gw_call_duration_seconds", "Whole call.", ("route",))
        self.first = Histogram(
            names, "gw_first_byte_seconds", "Until the first content byte of an attempt.", ("model",)
        )
        self.overhead = Histogram(
            names, "gw_overhead_seconds", "Time in the gateway itself until content goes out.", (), _OVERHEAD_BUCKETS
        )

        self._all_overheads = self.overhead.at(())
        self._calls: dict[Labels, _Calls] = {}
        self._attempts: dict[Labels, _Attempts] = {}
        self._states: dict[Target, int] = {}

    def expect(self, names: Iterable[str]) -> None:
        """Names of routes and models that are configured now."""
        self.names.expect(names)
        self._calls.clear()
        self._attempts.clear()

    def record(self, outcome: Outcome) -> None:
        """Count one outcome."""
        plan = outcome.plan
        route = plan.route if plan is not None else ""
        kind = (outcome.surface, route, outcome.status)
        calls = self._calls.get(kind) or _opened(self._calls, kind, _Calls(self, kind))
        calls.number.value += 1
        calls.duration.observe(outcome.duration * _NANO)
        if outcome.overhead:
            self._all_overheads.observe(outcome.overhead * _NANO)
        attempts = outcome.attempts
        for attempt in attempts:
            self._attempt(attempt)
        if attempts:
            usage = outcome.usage
            if outcome.cost is None and (usage is not None or outcome.status == "ok" or _unread(outcome)):
                self.unpriced.add((attempts[-1].provider, attempts[-1].model))
            if usage is not None and usage.estimated:
                self.estimated.add((attempts[-1].provider, attempts[-1].model))
            if len(attempts) > 1 and outcome.status == "ok" and outcome.failed_over:
                self.failovers.add((route,))

    def _attempt(self, attempt: Attempt) -> None:
        provider, model = attempt.provider, attempt.model
        kind = (provider, model, attempt.error)
        tally = self._attempts.get(kind) or _opened(self._attempts, kind, _Attempts(self, kind))
        tally.number.value += 1
        if attempt.first_byte is not None:
            if tally.first is None:
                tally.first = self.first.at((model,))
            tally.first.observe(attempt.first_byte * _NANO)
        usage = attempt.usage
        if usage is not None:
            if tally.input is None or tally.output is None:
                tally.input = self.tokens.at((provider, model, "input"))
                tally.output = self.tokens.at((provider, model, "output"))
            tally.input.value += usage.input
            tally.output.value += usage.output
            if usage.cache_read:
                self.tokens.add((provider, model, "cache_read"), usage.cache_read)
            if usage.reasoning:
                self.tokens.add((provider, model, "reasoning"), usage.reasoning)
        if attempt.form:
            self.json.add((model, attempt.form))
        if attempt.cost:
            if tally.cost is None:
                tally.cost = self.cost.at((provider, model))
            tally.cost.value += attempt.cost

    def transition(self, transition: Transition) -> None:
        """Count one change of health."""
        target, after = transition.target, transition.after
        provider, model = target.provider, target.upstream
        self.breaker_transitions.add((provider, model, after))
        states = self._states
        if after == "closed":
            states.pop(target, None)
        elif target in states or len(states) < _MOST_TARGETS:
            states[target] = _STATES[after]
        worst = max([value for one, value in states.items() if one[:2] == (provider, model)], default=0)
        self.breaker_state.set((provider, model), worst)

    def alert(self, kind: str, channel: str, result: str) -> None:
        """Count what became of one alert on one channel."""
        self.alerts.add((kind, channel, result))

    def render(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> bytes:
        """The whole exposition; `gauges` maps a name to its help text and a function that reads it."""
        out: list[str] = []
        for counter in (
            self.calls,
            self.attempts,
            self.tokens,
            self.cost,
            self.unpriced,
            self.estimated,
            self.failovers,
            self.json,
            self.turned_away,
            self.breaker_transitions,
            self.alerts,
        ):
            out += counter.lines()
        out += self.breaker_state.lines()
        for histogram in (self.duration, self.first, self.overhead, self.waits):
            out += histogram.lines()
        for name, (text, read) in gauges.items():
            out += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {_number(read())}"]
        return ("\n".join(out) + "\n").encode()


def _unread(outcome: Outcome) -> bool:
    """Whether it was passed through and ended early: nobody saw what it used until then."""
    return outcome.surface == "passthrough" and outcome.attempts[-1].cost is None


def _opened(known: dict[Labels, _Series], kind: Labels, tally: _Series) -> _Series:
    if len(known) >= _MAX_SERIES:
        known.clear()
    known[kind] = tally
    return tally


def _free(labels: tuple[str, ...]) -> tuple[int, ...]:
    """The places of names that callers write."""
    return tuple([place for place, label in enumerate(labels) if label in {"route", "model"}])


def _braces(names: tuple[str, ...], values: Labels) -> str:
    if not names:
        return ""
    return "{" + ",".join(f'{n}="{_escape(v)}"' for n, v in zip(names, values, strict=True)) + "}"


def _escape(text: str) -> str:
    """A label's value as the format writes it; an unfit character is spelt out by its number."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return _UNFIT.sub(_spelt, text) if not text.isprintable() else text


def _spelt(found: re.Match[str]) -> str:
    return f"\\\\u{ord(found[0]):04x}"


def _dollars(nanos: float) -> str:
    return usd_text(int(nanos))


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
