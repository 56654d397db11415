"""From exports and the ledger to the answer: read, then walk the ledger once, by id or by bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import groupby
from typing import TypeVar

import msgspec
from sqlalchemy.engine import Connection

from pointsman.core.errors import InvalidRequest
from pointsman.insight.periods import DAY_NS, NANO, Period
from pointsman.insight.reconcile import ours
from pointsman.insight.reconcile.answer import By, Reconciliation
from pointsman.insight.reconcile.comparing import COUNTS, Judge, Sums, dollars, drift, plain, told
from pointsman.insight.reconcile.figures import EXACT
from pointsman.insight.reconcile.lines import Line
from pointsman.insight.reconcile.names import Models
from pointsman.insight.reconcile.reading import Export
from pointsman.insight.reconcile.staging import Kept, Left, Staged
from pointsman.insight.reconcile.tally import Pair, Tally

SKEW_NS = 120 * NANO
"""Two clocks, and the time between a request's beginning here and its note there, differ by less than this."""

Progress = Callable[[str, int, int], None]
"""Is told what is done (`read`, `compared`), of how many rows, and of how many there are; 0 is not known yet."""
_EVERY = 500
_WIDTHS = (60 * NANO, 3_600 * NANO, DAY_NS)
_Bucket = tuple[int, str, str, Sums]
_Side = tuple[int, list[_Bucket], list[Kept]]
_Row = TypeVar("_Row", _Bucket, tuple[int, Kept])
_DEFAULT = {"openai": "openai", "anthropic": "anthropic", "openrouter": "openrouter"}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """How to compare.

    Attributes:
        provider: its name in the configuration; None takes that of the format, and everybody for other CSV.
        keys: the provider's word for a key to the variable that it is in; where there are any, other keys' lines are
            set aside and keys are compared one by one.
        models: the provider's word for a model to the ledger's.
        period: what to compare; None is what the export covers.
        tolerance: the share of drift above which there is an alarm.
    """

    provider: str | None = None
    keys: Mapping[str, str] = {}
    models: Mapping[str, str] = {}
    period: Period | None = None
    tolerance: Decimal = Decimal("0.01")


def to_nobody(doing: str, done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


@contextmanager
def read(exports: Iterable[Export], progress: Progress = to_nobody) -> Iterator[Staged]:
    """Every line of some exports of one provider, staged; before the ledger is even opened.

    Raises:
        InvalidRequest: a file cannot be read.
    """
    with closing(Staged()) as staged:
        for file in exports:
            staged.files.append(file.name)
            for line in file.lines():
                staged.take(line)
                if not staged.rows % _EVERY:
                    progress("read", staged.rows, 0)
            staged.format = staged.format or file.format or "csv"
            staged.more = staged.more or file.more
        if staged.odd is not None:
            place = f"{staged.odd.file}, line {staged.odd.line}"
            raise InvalidRequest(f"{place}: some lines are of single requests and some are sums; compare one at a time")
        staged.ready()
        yield staged


def reconcile(connection: Connection, staged: Staged, ask: Ask, progress: Progress = to_nobody) -> Reconciliation:
    """Compare what was read with the ledger.

    Raises:
        InvalidRequest: it cannot be compared.
    """
    if not staged.rows:
        if ask.period is None:
            names = ", ".join(staged.files)
            hint = "with --period, all that the ledger has of that time is missing there"
            raise InvalidRequest(f"there is nothing in {names} to compare", hint=hint)
        staged.says.add("cost")
        staged.longest = DAY_NS
    return _Run(connection, staged, ask, progress).answer()


class _Run:
    """One comparison."""

    def __init__(self, connection: Connection, staged: Staged, ask: Ask, progress: Progress) -> None:
        self.progress = progress
        self.compared = 0
        self.connection = connection
        self.staged = staged
        self.ask = ask
        self.by: By = "id" if staged.singles else "bucket"
        self.width = 0 if staged.singles else _width(staged.longest)
        self.format = staged.format
        self.whose = ours.Whose(
            provider=ask.provider if ask.provider is not None else _DEFAULT.get(self.format, ""),
            keys=tuple(sorted(set(ask.keys.values()))),
            start=self._edge(ask.period.start if ask.period else staged.start, up=False),
            end=self._edge(ask.period.end if ask.period else staged.end, up=True),
        )
        self.asked = ours.models(connection, self.whose)
        self.models = Models(self.asked, staged.models(), ask.models)
        self.with_models = "model" in staged.says
        self.tally = Tally(Judge(staged.says, staged.finest))
        self.outside = self.others = 0
        self.others_cost = Decimal(0)

    def answer(self) -> Reconciliation:
        """Walk, and tell."""
        if self.by == "id":
            self._by_id()
        else:
            self._by_bucket()
        tally, counts = self.tally, self.tally.counts
        owed, owing = tally.share_of(tally.there), tally.share_of(tally.here)
        net, gross = drift(EXACT.subtract(owed, owing), owed), drift(tally.gross, owed)
        limit = float(self.ask.tolerance)
        return Reconciliation(
            files=tuple(self.staged.files),
            format=self.format,
            provider=self.whose.provider,
            start=self.whose.start,
            end=self.whose.end,
            by=self.by,
            width=self.width,
            rows=tally.there.rows,
            outside=self.outside,
            others=self.others,
            others_cost=plain(self.others_cost),
            **counts,
            paired=tally.paired,
            findings=tally.findings(),
            unnamed=tally.unnamed,
            here=told(tally.here),
            there=told(tally.there),
            of=tally.of,
            drift=net,
            gross=gross,
            tolerance=limit,
            alarm=any(share is None or abs(share) > limit for share in (net, gross)),
            notes=tuple(self._notes()),
            by_day=tally.parts("day"),
            by_model=tally.parts("model"),
            by_key=tally.parts("key") if self.ask.keys else (),
        )

    # By bucket

    def _by_bucket(self) -> None:
        """Both sides in order of time: a bucket of each at a time."""
        by_key = len(self.whose.keys) > 1
        here = ours.buckets(self.connection, self.whose, self.width, by_key=by_key)
        there = ((self._place(kept.line), kept) for kept in self._lines())
        for start, attempts, lines in _together(here, there):
            self._bucket(start, attempts, lines)

    def _bucket(self, start: int, attempts: list[_Bucket], lines: list[Kept]) -> None:
        here: dict[tuple[str, str], Sums] = {}
        there: dict[tuple[str, str], Sums] = {}
        again: dict[tuple[str, str], list[Kept]] = {}
        for _, model, key, sums in attempts:
            here.setdefault((self.models(model) if self.with_models else "", key), Sums()).add(sums)
        for kept in lines:
            name = (self.models(kept.line.model), self._key(kept.line))
            if kept.again:
                again.setdefault(name, []).append(kept)
            else:
                there.setdefault(name, Sums()).add(_sums_of(kept.line))
        for name in sorted(here.keys() | there.keys()):
            pair = Pair(start, start + self.width, *name)
            found, known = there.get(name), here.get(name)
            pair.here = known if known is not None and (found is not None or known.billed) else None
            pair.there = found if found is not None and (known is not None or found.billed) else None
            repeated = again.get(name, [])
            if repeated and pair.here is not None and self._is_twice_for_a_reason(pair, repeated):
                repeated = []
            if pair.here is not None or pair.there is not None:
                self.tally.see(pair)
            for kept in repeated:
                self._twice(kept, name)

    def _is_twice_for_a_reason(self, pair: Pair, repeated: list[Kept]) -> bool:
        """Equal lines are two requests, where all of them together are what the ledger has; they are added then."""
        here, there = pair.both
        whole = Sums()
        whole.add(there)
        for kept in repeated:
            whole.add(_sums_of(kept.line))
        if not self.tally.judge.differs(here, there) or self.tally.judge.differs(here, whole):
            return False
        pair.there = whole
        return True

    # By id

    def _by_id(self) -> None:
        """Each attempt looks its line up; what is left on both sides is paired by tokens and time, then told."""
        near = self.whose._replace(start=max(0, self.whose.start - SKEW_NS), end=self.whose.end + SKEW_NS)
        for one in ours.one_by_one(self.connection, near):
            self._count()
            kept = self.staged.by_id(one.answer) if one.answer else None
            if kept is not None and self._counts(kept.line):
                self._see_both(kept, one.sums, one.call, one.key)
            elif kept is None and one.sums.billed:
                sums = one.sums
                figures = (sums.input, sums.cache_read, sums.cache_write, sums.output, one.nanos, sums.estimated)
                self.staged.leave((one.call, one.at, one.model, one.key, *figures))
        names = self.staged.models()
        for left in self.staged.left():
            self._leftover(left, self.models.all_of(left.model, names))
        for kept in self.staged.unmet():
            if self._counts(kept.line, say=True):
                name = (self.models(kept.line.model), self._key(kept.line))
                if kept.again:
                    self._twice(kept, name)
                else:
                    pair = Pair(kept.line.start, kept.line.start, *name)
                    pair.id, pair.there = kept.line.id, _sums_of(kept.line)
                    self.tally.see(pair)

    def _leftover(self, left: Left, names: tuple[str, ...]) -> None:
        judge, sums = self.tally.judge, _sums_left(left)
        by_tokens = {"input", "output"} <= set(judge.counts) and names
        kept = self.staged.nearest(left, names, SKEW_NS) if by_tokens else None
        if kept is not None and self._counts(kept.line):
            self.tally.paired += 1
            self._see_both(kept, sums, left.call, left.key)
        elif kept is None and self.whose.start <= left.at < self.whose.end:
            pair = Pair(left.at, left.at, self.models(left.model), left.key)
            pair.call, pair.here = left.call, sums
            self.tally.see(pair)

    def _see_both(self, kept: Kept, sums: Sums, call: str, key: str) -> None:
        pair = Pair(kept.line.start, kept.line.start, self.models(kept.line.model), key)
        pair.id, pair.call, pair.here, pair.there = kept.line.id, call, sums, _sums_of(kept.line)
        self.tally.see(pair)

    # What both ways need

    def _lines(self) -> Iterator[Kept]:
        """Lines that are to be compared; the others are counted."""
        for kept in self.staged.in_order():
            self._count()
            if self._counts(kept.line, say=True):
                yield kept

    def _count(self) -> None:
        """One more is compared."""
        self.compared += 1
        if not self.compared % _EVERY:
            self.progress("compared", self.compared, self.staged.rows)

    def _counts(self, line: Line, *, say: bool = False) -> bool:
        """Whether a line lies in the stretch, and is of a key that was named, if any was."""
        at = line.start if self.by == "id" else self._place(line)
        if not self.whose.start <= at < self.whose.end:
            self.outside += say
            return False
        if self.ask.keys and line.key not in self.ask.keys:
            self.others += say
            if say:
                self.others_cost = EXACT.add(self.others_cost, line.cost or Decimal(0))
            return False
        return True

    def _twice(self, kept: Kept, name: tuple[str, str]) -> None:
        single = self.by == "id"
        start = kept.line.start if single else self._place(kept.line)
        pair = Pair(start, start if single else start + self.width, *name)
        pair.id, pair.there = kept.line.id, _sums_of(kept.line)
        self.tally.twice(pair)

    def _key(self, line: Line) -> str:
        return self.ask.keys.get(line.key, "") if len(self.whose.keys) > 1 or self.by == "id" else ""

    def _place(self, line: Line) -> int:
        return line.start // self.width * self.width

    def _edge(self, moment: int, *, up: bool) -> int:
        """A moment at the border of a bucket, so that none is compared in part."""
        if not self.width:
            return moment
        return -(-moment // self.width) * self.width if up else moment // self.width * self.width

    def _notes(self) -> Iterator[str]:
        if not self.asked:
            there = ours.providers(self.connection, self.whose)
            who = f"by the name of `{self.whose.provider}` " if self.whose.provider else ""
            yield (
                f"the ledger has no attempts at a provider {who}in that time"
                + (f"; it has {', '.join(there)}: say --provider" if there else "")
            )
        if self.staged.more:
            yield "a page says that there are more pages, and they are not here"
        if not self.with_models and self.by == "bucket":
            yield "the export does not tell models apart, so they are compared together (ask for group_by=model)"
        found = self.staged.keys()
        if len(found) > 1 and not self.ask.keys and self.by == "bucket":
            yield f"the export names {len(found)} keys, compared together; --key THEIRS=VARIABLE tells them apart"
        here = self.tally.here
        if here.estimated:
            yield f"{here.estimated} attempts of the ledger are estimates, which seldom match to the token"
        if here.unpriced:
            yield f"{here.unpriced} attempts of the ledger are unpriced: their cost is missing here"
        if here.unknown:
            yield f"{here.unknown} attempts ended before their tokens were known: the provider may bill them"


def _width(longest: int) -> int:
    """The buckets that both sides are put in: the export's longest."""
    for width in _WIDTHS:
        if longest <= width:
            return width
    days = longest / DAY_NS
    raise InvalidRequest(f"a line covers {days:.0f} days; lines of a day at most can be compared", hint="export by day")


def _together(mine: Iterator[_Bucket], theirs: Iterator[tuple[int, Kept]]) -> Iterator[_Side]:
    """Two sequences in order of their starts: for each start, what both have of it."""
    one, other = _grouped(mine), _grouped(theirs)
    left, right = next(one, None), next(other, None)
    while left is not None or right is not None:
        start = min(group[0] for group in (left, right) if group is not None)
        here = left[1] if left is not None and left[0] == start else []
        there = right[1] if right is not None and right[0] == start else []
        yield start, here, [kept for _, kept in there]
        left = next(one, None) if here else left
        right = next(other, None) if there else right


def _grouped(rows: Iterator[_Row]) -> Iterator[tuple[int, list[_Row]]]:
    return ((start, list(group)) for start, group in groupby(rows, lambda row: row[0]))


def _sums_of(line: Line) -> Sums:
    sums = Sums()
    sums.rows = 1
    for name in COUNTS:
        setattr(sums, name, getattr(line, name))
    sums.cost = line.cost
    sums.kinds = {line.kind} if line.kind else set()
    sums.place = (line.file, line.line)
    return sums


def _sums_left(left: Left) -> Sums:
    sums = Sums()
    sums.rows = sums.requests = 1
    sums.input, sums.cache_read = left.input, left.cache_read
    sums.cache_write, sums.output = left.cache_write, left.output
    sums.cost = None if left.cost is None else dollars(left.cost)
    sums.unpriced, sums.estimated = int(left.cost is None), int(left.estimated)
    return sums
