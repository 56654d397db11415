"""The questions: recent calls, one call in full, totals, series. Same SQL on both engines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal_column, select
from sqlalchemy.engine import Connection

from pointsman.core.budget import Budget
from pointsman.insight import summing
from pointsman.insight.answers import (
    Bucket,
    CallDetail,
    CallRow,
    Conformance,
    Filters,
    ModelUse,
    Reliability,
    Totals,
    Written,
)
from pointsman.insight.answers import Period as Stretches
from pointsman.insight.bill import MOST_LINES, Bill, By, bill
from pointsman.insight.budgets import BudgetUse, budgets_in_use
from pointsman.insight.periods import Period
from pointsman.insight.reconcile.answer import Reconciliation
from pointsman.insight.reconcile.reading import Export
from pointsman.insight.reconcile.reconciling import Ask, Progress, read, reconcile, to_nobody
from pointsman.insight.recount import prices_of
from pointsman.insight.reliability import reliability
from pointsman.insight.unfold import attempt_row, call_row, decision, needs_of
from pointsman.store import tables
from pointsman.store.reading import Reader
from pointsman.store.tables import attempts, calls, contents, plans
from pointsman.store.text import clip

MOST_ROWS = 1_000
_BILL_SECONDS = 60  # a year of a busy gateway
_RECONCILE_SECONDS = 600
MOST_BUCKETS = 1_000
_LAST_OF_ALPHABET = "z"
_WHOLE = select(
    calls, summing.ESTIMATED_COST.label("estimated_cost"), case((summing.UNPRICED, 1), else_=0).label("unpriced")
)
"""A call with what its attempts say of its cost."""


class Questions:
    """Asks one ledger. Every method blocks; any thread may call.

    Args:
        url: as for the ledger.

    Raises:
        ConfigError: the URL names no store.
    """

    def __init__(self, url: str) -> None:
        self._reader = Reader(url)

    def calls(self, limit: int = 50, before_id: str = "", filters: Filters | None = None) -> list[CallRow]:
        """Calls, newest first.

        Args:
            limit: how many, at most 1,000.
            before_id: only those before this id: the last one of the page before.
            filters: which.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        query = _WHOLE.order_by(calls.c.id.desc()).limit(max(1, min(limit, MOST_ROWS)))
        query = query.where(*conditions(filters or Filters()))
        if before_id:
            query = query.where(calls.c.id < before_id)
        with self._reader.connect() as connection:
            return [call_row(row) for row in connection.execute(query).mappings()]

    def place(self) -> int:
        """The place of the newest call in the order of writing: from where `written` brings only what is new."""
        with self._reader.connect() as connection:
            return _ends(connection)[1]

    def written(self, after: int, limit: int = MOST_ROWS, filters: Filters | None = None) -> Written:
        """Calls that the store got after this place, in that order.

        A list by time misses calls: one that took long is in it further down than where the last look ended, and one
        that waited on disk or in another worker comes later than others that ended after it. What the store gets next
        comes after all that it has, so nothing is passed by, and nothing comes twice.

        Args:
            after: a `place`, or the `next` of the answer before; 0 is from the beginning.
            limit: how many, at most 1,000.
            filters: which.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        limit = max(1, min(limit, MOST_ROWS))
        with self._reader.connect() as connection:
            oldest, newest = _ends(connection)
            gap = after > newest or after < oldest - 1
            begin = oldest - 1 if gap else after
            query = (
                _WHOLE.add_columns(tables.written.c.place)
                .select_from(tables.written)
                .join(calls, calls.c.id == tables.written.c.call_id)
                .where(tables.written.c.place > begin, tables.written.c.place <= newest)
                .where(*conditions(filters or Filters()))
                .order_by(tables.written.c.place)
                .limit(limit)
            )
            rows = connection.execute(query).mappings().all()
        full = len(rows) == limit
        return Written(
            calls=tuple([call_row(row) for row in rows]),
            next=rows[-1]["place"] if full else newest,
            more=full,
            gap=gap,
        )

    def call(self, call_id: str) -> CallDetail | None:
        """One call in full, by its id; None if there is none."""
        return self._detail(_WHOLE.where(calls.c.id == call_id))

    def by_answer_id(self, answer_id: str, since: int = 0) -> CallDetail | None:
        """The newest call whose answer carried this id; None if there is none.

        There is no index: answers' ids are random, and keeping them sorted would cost three times as much as all the
        rest of a row. The search walks back from now, so a recent answer is found at once; one that does not exist
        costs 0.3 s per million calls, unless `since` (nanoseconds since the epoch) bounds it.
        """
        if not answer_id:
            return None
        same = calls.c.answer_id == clip(answer_id)
        where = conditions(Filters(since=since))
        return self._detail(_WHOLE.where(same, *where).order_by(calls.c.id.desc()).limit(1))

    def totals(self, since: int = 0, key: str = "") -> Totals:
        """Sums over the calls since a moment (nanoseconds since the epoch), over all and by name; of one key."""
        with self._reader.connect() as connection:
            return summing.totals(connection, since, conditions(Filters(since=since, key=key)))

    def series(self, since: int, until: int, buckets: int) -> list[Bucket]:
        """Calls, tokens and cost over time, in equal stretches from `since` to `until` (nanoseconds), none left out."""
        with self._reader.connect() as connection:
            where = [*conditions(Filters(since=since)), calls.c.started_ns < until]
            return summing.series(connection, (since, until), max(1, min(buckets, MOST_BUCKETS)), where)

    def model_uses(self, since: int, names: Sequence[str]) -> dict[str, ModelUse]:
        """What these models were used for, and booked at, since a moment (nanoseconds since the epoch)."""
        with self._reader.connect() as connection:
            return summing.model_uses(connection, since, names)

    def conformance(self, since: int = 0, key: str = "") -> list[Conformance]:
        """How many answers to requests for JSON had that form, by model; of calls since a moment, of one key."""
        with self._reader.connect() as connection:
            return summing.conformance(connection, conditions(Filters(since=since, key=key)))

    def reliability(self, since: int, now: int, by: Stretches = "day") -> Reliability:
        """How reliable providers were, and how often routes failed over (nanoseconds since the epoch)."""
        with self._reader.connect() as connection:
            return reliability(connection, since, now, by)

    def budgets(self, budgets: Iterable[Budget], now: int, key: str = "") -> list[BudgetUse]:
        """What is used and left of budgets (nanoseconds since the epoch); with `key`, of that key alone."""
        with self._reader.connect() as connection:
            return budgets_in_use(connection, budgets, now, key)

    def bill(self, period: Period, by: Sequence[By], *, key: str = "", limit: int = MOST_LINES) -> Bill:
        """What was spent in a period, by whatever names, of one key's calls or of all; see `insight.bill`."""
        with self._reader.connect(_BILL_SECONDS) as connection:
            return bill(connection, period, by, key=key, limit=limit)

    def reconcile(self, exports: Iterable[Export], ask: Ask, progress: Progress = to_nobody) -> Reconciliation:
        """What exports of a provider say, compared with what the ledger has; see `insight.reconcile`."""
        with read(exports, progress) as staged, self._reader.connect(_RECONCILE_SECONDS) as connection:
            return reconcile(connection, staged, ask, progress)

    def close(self) -> None:
        """Let go of the store."""
        self._reader.close()

    def _detail(self, query: Select[Any]) -> CallDetail | None:
        with self._reader.connect() as connection:
            row = connection.execute(query).mappings().first()
            if row is None:
                return None
            tried = select(attempts).where(attempts.c.call_id == row["id"]).order_by(attempts.c.number)
            rows = connection.execute(tried).mappings().all()
            billed = prices_of(connection, [one["price_digest"] for one in rows])
            content = connection.execute(select(contents).where(contents.c.call_id == row["id"])).mappings().first()
            return CallDetail(
                call=call_row(row),
                attempts=tuple([attempt_row(one, billed.get(one["price_digest"]), row["surface"]) for one in rows]),
                decision=decision(row, _plan(connection, row["plan_digest"])),
                needs=needs_of(row),
                request=None if content is None else content["request"],
                answer=None if content is None else content["answer"],
            )


def _ends(connection: Connection) -> tuple[int, int]:
    """The first and the last place that are known; (1, 0) where there is none."""
    place = tables.written.c.place  # two look-ups: SQLite would walk the table for both ends in one
    oldest = connection.execute(select(func.min(place))).scalar()
    newest = connection.execute(select(func.max(place))).scalar()
    return oldest or 1, newest or 0


def _plan(connection: Connection, digest: str | None) -> Any:
    if digest is None:
        return None
    return connection.execute(select(plans).where(plans.c.digest == digest)).mappings().first()


def conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """Filters as SQL."""
    found: list[ColumnElement[bool]] = []
    exact = (
        (calls.c.route, "route"),
        (calls.c.model, "model"),
        (calls.c.provider, "provider"),
        (calls.c.key_id, "key"),
        (calls.c.team, "team"),
        (calls.c.project, "project"),
    )
    for column, name in exact:
        if value := getattr(filters, name):
            found.append(column == value)
    if filters.status:
        found.append(calls.c.status == filters.status)
        if filters.status != "ok":
            found.append(calls.c.status != literal_column("'ok'"))  # lets the index of the troubled serve
    if filters.since > 0:
        # Ids sort by time: where to begin in the primary key. The exact bound is the time itself.
        found.append(calls.c.id >= summing.first_id(filters.since))
        found.append(calls.c.started_ns >= filters.since)
    if filters.id_prefix:
        found.append(calls.c.id >= filters.id_prefix)
        found.append(calls.c.id <= filters.id_prefix + _LAST_OF_ALPHABET * 26)
    return found
