"""Findings and sums as they come, and the answer that they make in the end."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Literal

from pointsman.insight.periods import DAY_NS, moment_text
from pointsman.insight.reconcile.answer import Finding, Part
from pointsman.insight.reconcile.comparing import VERDICTS, Judge, Sums, Verdict, told
from pointsman.insight.reconcile.figures import EXACT

MOST_FINDINGS = 10_000
_MOST_PARTS = 20_000


@lru_cache(maxsize=1_024)
def _day(number: int) -> str:
    """A day since the epoch, as its ISO date."""
    return moment_text(number * DAY_NS)[:10]


class Pair:
    """Both sides of one thing: a request, or a bucket of one model and key."""

    __slots__ = ("call", "end", "here", "id", "key", "model", "start", "there")

    def __init__(self, start: int, end: int, model: str, key: str) -> None:
        self.start = start
        self.end = end
        self.model = model
        self.key = key
        self.id = self.call = ""
        self.here: Sums | None = None
        self.there: Sums | None = None

    @property
    def both(self) -> tuple[Sums, Sums]:
        """Here and there; nothing where one has nothing."""
        return self.here or Sums(), self.there or Sums()


class _Tab:
    """Sums and counts of a day, model or key."""

    def __init__(self) -> None:
        self.here = Sums()
        self.there = Sums()
        self.counts = dict.fromkeys(("matched", *VERDICTS), 0)

    def part(self, name: str) -> Part:
        return Part(name=name, here=told(self.here), there=told(self.there), **self.counts)


class Tally:
    """Takes pairs with what was found of them."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.counts = dict.fromkeys(("matched", *VERDICTS), 0)
        self.here = Sums()
        self.there = Sums()
        self.paired = 0
        self.gross = Decimal(0)
        self.of: Literal["money", "tokens", "requests"] = "money"
        if not judge.money:
            self.of = "tokens" if {"input", "output"} & set(judge.counts) else "requests"
        self._findings: list[tuple[Verdict, Pair]] = []
        self.unnamed = 0
        self._tabs: dict[str, dict[str, _Tab]] = {"day": {}, "model": {}, "key": {}}
        self._last: dict[tuple[str, str], int] = {}  # the newest finding of a model and key

    def see(self, pair: Pair) -> None:
        """Judge a pair, name it if it does not match, and add up both sides."""
        here, there = pair.both
        if pair.there is None:
            verdict: Verdict | None = "missing_there"
        elif pair.here is None:
            verdict = "missing_here"
        else:
            verdict = "differing" if self.judge.differs(here, there) else None
        self._book(pair, verdict)

    def twice(self, pair: Pair) -> None:
        """A line that repeats another: its `there` comes on top of what is owed."""
        self._book(pair, "doubled")

    def findings(self) -> tuple[Finding, ...]:
        """Those that are named, in order of time."""
        return tuple(self._told(*one) for one in sorted(self._findings, key=lambda one: (one[1].start, one[1].model)))

    def parts(self, by: str) -> tuple[Part, ...]:
        """By `day`, `model` or `key`, in order of names."""
        return tuple(tab.part(name) for name, tab in sorted(self._tabs[by].items()))

    def share_of(self, sums: Sums) -> Decimal:
        """The figure of which drift is a share."""
        if self.of == "money":
            return sums.cost or Decimal(0)
        return Decimal(sums.tokens if self.of == "tokens" else sums.requests or 0)

    def _book(self, pair: Pair, verdict: Verdict | None) -> None:
        here, there = pair.both
        self.here.add(here)
        self.there.add(there)
        tabs = [self._tab("day", _day(pair.start // DAY_NS)), self._tab("model", pair.model)]
        tabs.append(self._tab("key", pair.key))
        for tab in tabs:
            tab.here.add(here)
            tab.there.add(there)
        if verdict is None:
            self._count("matched", tabs)
            return
        gap = self._gap(pair)
        self.gross = EXACT.add(self.gross, gap.copy_abs())
        at = self._last.get((pair.model, pair.key))
        self._count(verdict, tabs)
        if len(self._findings) >= MOST_FINDINGS:
            self.unnamed += 1
            return
        self._findings.append((verdict, pair))
        if pair.end > pair.start and verdict != "doubled":
            if at is not None:
                self._border(at, tabs)
            self._last[pair.model, pair.key] = len(self._findings) - 1

    def _border(self, at: int, tabs: list[_Tab]) -> None:
        """Where the finding before is of the stretch before, and both cancel out: neither is missing anything."""
        before, newest = self._findings[at], self._findings[-1]
        if before[0] == "border" or before[1].end != newest[1].start:
            return
        if not self.judge.cancels(before[1].both, newest[1].both):
            return
        earlier = [self._tab("day", _day(before[1].start // DAY_NS)), *tabs[1:]]
        for index, (verdict, pair), where in ((at, before, earlier), (len(self._findings) - 1, newest, tabs)):
            self._findings[index] = ("border", pair)
            self._count(verdict, where, -1)
            self._count("border", where)
            self.gross = EXACT.subtract(self.gross, self._gap(pair).copy_abs())

    def _gap(self, pair: Pair) -> Decimal:
        here, there = pair.both
        return EXACT.subtract(self.share_of(there), self.share_of(here))

    def _count(self, name: str, tabs: list[_Tab], by: int = 1) -> None:
        self.counts[name] += by
        for tab in tabs:
            tab.counts[name] += by

    def _tab(self, by: str, name: str) -> _Tab:
        tabs = self._tabs[by]
        found = tabs.get(name)
        if found is None:
            found = tabs.setdefault(name if len(tabs) < _MOST_PARTS else "(others)", _Tab())
        return found

    def _told(self, verdict: Verdict, pair: Pair) -> Finding:
        here, there = pair.both
        both = pair.here is not None and pair.there is not None
        file, line = there.place
        return Finding(
            verdict=verdict,
            start=pair.start,
            end=pair.end,
            model=pair.model,
            key=pair.key,
            id=pair.id,
            call=pair.call,
            place=f"{file}, line {line}" if file else "",
            here=None if pair.here is None else told(pair.here),
            there=None if pair.there is None else told(pair.there),
            fields=self.judge.differs(here, there) if both else (),
            lacks=self.judge.lacks(here, there) if both else (),
        )
