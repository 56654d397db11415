"""Metrics in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4).

Counting happens on the path of every call, so it is a handful of dictionary updates; all text is made at the scrape.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping

from pointsman.core.outcome import Outcome

_MAX_SERIES = 2_000
_MAX_STRANGERS = 200
_OTHER = "other"
_BUCKETS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_OVERHEAD_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0)
_NANO = 1e-9
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


class Counter:
    """One counter family; a sum per label set."""

    def __init__(self, names: Names, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.values: dict[Labels, float] = {}
        self._names, self._free = names, _free(labels)

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Add `amount` to the sum of a label set."""
        values = self.values
        if labels in values:
            values[labels] += amount
            return
        labels = self._names.admit(labels, self._free)
        if len(values) >= _MAX_SERIES and labels not in values:
            labels = (_OTHER,) * len(labels)
        values[labels] = values.get(labels, 0) + amount

    def lines(self) -> list[str]:
        """The family as text."""
        head = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} counter"]
        return head + [f"{self.name}{_braces(self.labels, key)} {_number(v)}" for key, v in self.values.items()]


class Histogram:
    """One histogram family; counts per bucket and label set. Values are seconds."""

    def __init__(
        self, names: Names, name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...] = _BUCKETS
    ) -> None:
        self.name, self.text, self.labels, self.buckets = name, text, labels, buckets
        self._names, self._free = names, _free(labels)
        self.counts: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = {}

    def observe(self, labels: Labels, seconds: float) -> None:
        """Count one value."""
        counts = self.counts.get(labels)
        if counts is None:
            labels = self._names.admit(labels, self._free)
            if len(self.counts) >= _MAX_SERIES and labels not in self.counts:
                labels = (_OTHER,) * len(labels)
            counts = self.counts.setdefault(labels, [0] * (len(self.buckets) + 1))
            self.sums.setdefault(labels, 0.0)
        counts[bisect_left(self.buckets, seconds)] += 1
        self.sums[labels] += seconds

    def lines(self) -> list[str]:
        """The family as text."""
        out = [f"# HELP {self.name} {self.text}", f"# TYPE {self.name} histogram"]
        names = (*self.labels, "le")
        for key, counts in self.counts.items():
            running = 0
            for bound, count in zip((*map(str, self.buckets), "+Inf"), counts, strict=True):
                running += count
                out.append(f"{self.name}_bucket{_braces(names, (*key, bound))} {running}")
            out.append(f"{self.name}_sum{_braces(self.labels, key)} {self.sums[key]!r}")
            out.append(f"{self.name}_count{_braces(self.labels, key)} {running}")
        return out


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
        self.cost = Counter(names, "gw_cost_usd_total", "US dollars spent, priced models only.", ("provider", "model"))
        self.unpriced = Counter(
            names, "gw_unpriced_calls_total", "Answers whose cost is unknown.", ("provider", "model")
        )
        self.failovers = Counter(names, "gw_failovers_total", "Calls answered after a failed attempt.", ("route",))
        self.turned_away = Counter(
            names,
            "gw_turned_away_total",
            "Requests refused because too many were in flight; not in `gw_calls_total`.",
            (),
        )
        self.duration = Histogram(names, "gw_call_duration_seconds", "Whole call.", ("route",))
        self.first = Histogram(
            names, "gw_first_byte_seconds", "Until the first content byte of an attempt.", ("model",)
        )
        self.overhead = Histogram(
            names, "gw_overhead_seconds", "Time in the gateway itself until content goes out.", (), _OVERHEAD_BUCKETS
        )

    def record(self, outcome: Outcome) -> None:
        """Count one outcome."""
        plan = outcome.plan
        route = plan.route if plan is not None else ""
        self.calls.add((outcome.surface, route, outcome.status))
        self.duration.observe((route,), outcome.duration * _NANO)
        if outcome.overhead:
            self.overhead.observe((), outcome.overhead * _NANO)
        attempts = outcome.attempts
        for attempt in attempts:
            who = (attempt.provider, attempt.model)
            self.attempts.add((*who, attempt.error))
            if attempt.first_byte is not None:
                self.first.observe((attempt.model,), attempt.first_byte * _NANO)
            usage = attempt.usage
            if usage is not None:
                self.tokens.add((*who, "input"), usage.input)
                self.tokens.add((*who, "output"), usage.output)
                if usage.cache_read:
                    self.tokens.add((*who, "cache_read"), usage.cache_read)
                if usage.reasoning:
                    self.tokens.add((*who, "reasoning"), usage.reasoning)
            if attempt.cost:
                self.cost.add(who, attempt.cost * _NANO)
        if outcome.status == "ok" and attempts:
            if len(attempts) > 1:
                self.failovers.add((route,))
            if outcome.cost is None:
                self.unpriced.add((attempts[-1].provider, attempts[-1].model))

    def render(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> bytes:
        """The whole exposition; `gauges` maps a name to its help text and a function that reads it."""
        out: list[str] = []
        for counter in (
            self.calls,
            self.attempts,
            self.tokens,
            self.cost,
            self.unpriced,
            self.failovers,
            self.turned_away,
        ):
            out += counter.lines()
        for histogram in (self.duration, self.first, self.overhead):
            out += histogram.lines()
        for name, (text, read) in gauges.items():
            out += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {_number(read())}"]
        return ("\n".join(out) + "\n").encode()


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


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
