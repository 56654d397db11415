"""The reading API behind the first page, `pointsman logs` and anybody else: JSON over the ledger.

Where keys are demanded, a key sees its own calls only, an admin or a viewer everybody's. Questions block on the
database, so each runs in a thread, a few at a time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import urllib.parse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

import msgspec

from pointsman.core.budget import Budget
from pointsman.core.call import Arrival
from pointsman.core.clock import Clock
from pointsman.core.errors import InvalidRequest, NotFound
from pointsman.core.outcome import Status
from pointsman.core.ports import Principal, Reply
from pointsman.insight.answers import CallDetail, Filters, Period, Written
from pointsman.insight.periods import between, period
from pointsman.server.tenants import overseer

if TYPE_CHECKING:  # brings SQLAlchemy, 0.2 s; whoever answers a call need not wait for it
    from pointsman.insight.bill import Bill
    from pointsman.insight.queries import Questions

T = TypeVar("T")
_JSON = (b"content-type", b"application/json")
_HTML = (b"content-type", b"text/html; charset=utf-8")
_ALONE = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
_FRESH = (b"cache-control", b"no-store")
_AT_ONCE = 4
_MOST = 1000
_DEFAULT = 50
_DAY = 86_400
_NANO = 1_000_000_000
_MOST_PLACES = (1 << 63) - 1
_MAX_SECONDS = 10 * 366 * _DAY
_MONTH = "30d"
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": _DAY, "w": 7 * _DAY}


class Reading:
    """Handlers over one ledger."""

    def __init__(
        self,
        questions: Callable[[], Questions],
        admit: Callable[[Arrival], Principal],
        clock: Clock,
        budgets: Callable[[], Sequence[Budget]] = tuple,
    ) -> None:
        self._questions = questions
        self._admit = admit
        self._clock = clock
        self._budgets = budgets
        self._gate = asyncio.Semaphore(_AT_ONCE)

    async def calls(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/calls?limit=&before=&after=&route=&model=&provider=&key=&team=&project=&status=&seconds=&id=`.

        Calls, newest first.

        With `after`, which is the `next` of an earlier answer: those that came since, in the order in which they came.
        """
        principal = self._admit(arrival)
        said = query(arrival)
        limit = whole(said, "limit", _DEFAULT, _MOST)
        filters = self._filters(said, principal)
        if "after" in said:
            after = whole(said, "after", 0, _MOST_PLACES, least=0)
            await send(reply, _come(await self._ask(lambda: self._questions().written(after, limit, filters))))
            return

        def ask() -> dict[str, Any]:
            questions = self._questions()
            place = questions.place()  # before the list: a call that comes in between is in both, not in neither
            return {"calls": questions.calls(limit, said.get("before", ""), filters), "next": str(place)}

        await send(reply, await self._ask(ask))

    async def call(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/calls/{id}`: one call with its decision and attempts."""
        principal = self._admit(arrival)
        found = await self._find(arrival.path.rpartition("/")[2], principal)
        await send(reply, found)

    async def generation(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /v1/generation?id=`: one call by our id or by the id inside the answer."""
        principal = self._admit(arrival)
        wanted = query(arrival).get("id", "")
        if not wanted:
            raise InvalidRequest("Which one? Give `?id=` with an answer's id or an x-request-id", param="id")
        await send(reply, {"data": await self._find(wanted, principal)})

    async def totals(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/totals?seconds=`: sums over a stretch of time that ends now; of the key's own calls."""
        principal = self._admit(arrival)
        seconds = whole(query(arrival), "seconds", _DAY, _MAX_SECONDS)
        since = self._clock.now() - seconds * _NANO
        await send(reply, await self._ask(lambda: self._questions().totals(since, principal.sees)))

    async def conformance(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/conformance?seconds=`: which share of each model's answers is the JSON asked for."""
        principal = self._admit(arrival)
        said = query(arrival)
        seconds = whole(said, "seconds", 0, _MAX_SECONDS)
        since = self._clock.now() - seconds * _NANO if seconds else 0
        await send(reply, {"models": await self._ask(lambda: self._questions().conformance(since, principal.sees))})

    async def reliability(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/reliability?since=&by=`: uptime and incidents by provider, failovers by route; of all calls."""
        overseer(self._admit)(arrival)
        said = query(arrival)
        by = said.get("by", "day")
        if by not in get_args(Period):
            raise InvalidRequest(f"`by` is one of {', '.join(get_args(Period))}", param="by")
        now = self._clock.now()
        since = begun(said.get("since", _MONTH), now)
        await send(reply, await self._ask(lambda: self._questions().reliability(since, now, cast("Period", by))))

    async def budgets(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/budgets`: what is used and left of every budget; for a key, of its own."""
        principal = self._admit(arrival)
        budgets, now = self._budgets(), self._clock.now()
        await send(reply, {"budgets": await self._ask(lambda: self._questions().budgets(budgets, now, principal.sees))})

    async def spend(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/spend?by=&from=&to=&period=&limit=`: the bill of a period, of the key's own calls."""
        await send(reply, await self._bill(arrival))

    async def bill(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /bill`, with the same query: the same as a page to print."""
        from pointsman.insight.bill_page import page  # noqa: PLC0415 - SQLAlchemy takes 0.2 s to load

        found = await self._bill(arrival)
        await reply.whole(200, (_HTML, _FRESH, _ALONE), page(found, made=self._clock.now()).encode())

    async def _bill(self, arrival: Arrival) -> Bill:
        principal = self._admit(arrival)
        said = query(arrival)
        limit = whole(said, "limit", _MOST, 10 * _MOST)
        now = self._clock.now()
        if "from" in said or "to" in said:
            when = between(said.get("from", ""), said.get("to", ""), now)
        else:
            when = period(said.get("period", "this-month"), now)

        def ask() -> Bill:
            from pointsman.insight.bill import wanted  # noqa: PLC0415 - likewise

            return self._questions().bill(when, wanted(said.get("by", "")), key=principal.sees, limit=limit)

        return await self._ask(ask)

    async def _find(self, wanted: str, principal: Principal) -> CallDetail:
        def ask() -> CallDetail | None:
            questions = self._questions()
            return questions.call(wanted) or questions.by_answer_id(wanted)

        found = await self._ask(ask)
        # The same answer for "none" and for "not yours": an id must not be a way to learn about others.
        if found is None or (principal.sees and found.call.key != principal.sees):
            raise NotFound(f"There is no call `{wanted[:60]}`", hint="a call is listed a moment after its answer")
        return found

    def _filters(self, said: dict[str, str], principal: Principal) -> Filters:
        status = said.get("status", "")
        if status and status not in get_args(Status):
            raise InvalidRequest(f"`status` is one of {', '.join(get_args(Status))}", param="status")
        seconds = whole(said, "seconds", 0, _MAX_SECONDS)
        return Filters(
            route=said.get("route", ""),
            model=said.get("model", ""),
            provider=said.get("provider", ""),
            status=cast("Status", status) if status else None,
            key=principal.sees or said.get("key", ""),
            team=said.get("team", ""),
            project=said.get("project", ""),
            since=self._clock.now() - seconds * _NANO if seconds else 0,
            id_prefix=said.get("id", ""),
        )

    async def _ask(self, question: Callable[[], T]) -> T:
        async with self._gate:
            return await asyncio.to_thread(question)


def query(arrival: Arrival) -> dict[str, str]:
    """The query's fields; of a repeated one the last."""
    return dict(urllib.parse.parse_qsl(arrival.query, max_num_fields=50))


def _come(found: Written) -> dict[str, Any]:
    """`next` is a text, so that nobody computes with it."""
    return {"calls": found.calls, "next": str(found.next), "more": found.more, "gap": found.gap}


def whole(said: dict[str, str], name: str, default: int, most: int, *, least: int = 1) -> int:
    """A field that is a whole number.

    Raises:
        InvalidRequest: it is none, or out of bounds.
    """
    text = said.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not least <= int(text[:20]) <= most:
        raise InvalidRequest(f"`{name}` must be a whole number from {least} to {most}", param=name)
    return int(text)


def begun(text: str, now: int) -> int:
    """A moment in nanoseconds since the epoch: a UTC date such as `2026-11-01`, or a length of time up to `now`.

    Raises:
        InvalidRequest: it is neither, or more than ten years ago.
    """
    span = _SPAN.fullmatch(text)
    try:
        seconds = int(span[1]) * _UNITS[span[2]] if span else None
        date = None if span else dt.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=dt.UTC)
    except ValueError:
        raise InvalidRequest("`since` is a date such as 2026-11-01, or 15m, 1h, 7d, 2w …", param="since") from None
    moment = int(date.timestamp()) * _NANO if date else now - (seconds or 0) * _NANO
    if not now - _MAX_SECONDS * _NANO <= moment <= now:
        raise InvalidRequest("`since` is a moment within the last ten years", param="since")
    return moment


async def send(reply: Reply, value: Any) -> None:
    """A value as JSON."""
    await reply.whole(200, (_JSON, _FRESH), msgspec.json.encode(value))
