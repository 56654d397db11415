"""A check that asks a model for one token: an ordinary call of one step, on the line, booked under `check`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pointsman.core.call import Arrival
from pointsman.core.errors import PointsmanError
from pointsman.core.failure import RULES, State, Target
from pointsman.core.health import AttemptEnd, Health, Load
from pointsman.core.model import HealthCheck, Model, TimeLimits
from pointsman.core.plan import Needs, Plan, Step, Sticky
from pointsman.core.ports import Headers
from pointsman.core.scope import Allow
from pointsman.health.book import Book
from pointsman.health.checkup import Checkup
from pointsman.health.rounds import holds
from pointsman.line.parts import NoStale, Parts, Router
from pointsman.line.walk import Line
from pointsman.routing.filters import spoken
from pointsman.wire.openai_chat.dialect import OpenAIChat

ROUTE = "check"
"""Of the plans; no caller can name it."""
_ONCE = {b"x-pointsman-retries": b"0"}


class Asked:
    """One such check.

    Args:
        parts: of the line for calls of this process itself.
        book: is told how it ended, but not how long it took.
        check: how long it may take.
        model: who is asked.
        key: the variable of the key, where its provider has several.
    """

    def __init__(self, parts: Parts, book: Book, check: HealthCheck, model: Model, key: str) -> None:
        limits = within(model.provider.limits, check.timeout)
        provider = msgspec.structs.replace(model.provider, limits=limits)
        self._model = msgspec.structs.replace(model, provider=provider, template=None)
        router: Router = _One(self._model, key)
        health: Health = _Told(book, holds(check))
        own = msgspec.structs.replace(parts, router=router, health=health, stale=NoStale(), keep_content=False)
        self._line = Line(own)

    async def answer(self) -> PointsmanError | None:
        """Ask; None where it answered, else why not. Never raises but for cancellation."""
        body = {"model": self._model.name, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        arrival = Arrival(
            method="POST",
            path="/v1/chat/completions",
            lookup=dict(_ONCE),
            headers=tuple(_ONCE.items()),
            body=msgspec.json.encode(body),
            received=self._line.parts.clock.monotonic(),
        )
        return await self._line.walk(arrival, "check", OpenAIChat(), _Nowhere())


class _One:
    """A router with a single answer."""

    def __init__(self, model: Model, key: str) -> None:
        self._model = model
        self._key = key

    def plan(
        self,
        asked: str,  # noqa: ARG002 - the port's
        needs: Needs,
        *,
        now: int,  # noqa: ARG002 - the port's
        draw: float,  # noqa: ARG002 - the port's
        session: Callable[[Sticky], str],  # noqa: ARG002 - the port's
        allow: Allow = (),  # noqa: ARG002 - the port's
    ) -> Plan:
        """This model, once."""
        step = Step(model=self._model, dialect=spoken(self._model.provider, needs), start="at_once", key=self._key)
        reason = "the gateway asks whether it is well"
        return Plan(
            route=ROUTE, strategy="fixed", steps=(step,), reason=reason, retries=0, patience=0.0, on_cut="error"
        )


class _Told:
    """The book of health, as a check sees it: who rests since it failed may be asked, and no times are learned."""

    def __init__(self, book: Book, hold: float) -> None:
        self._book = book
        self._checkup = Checkup(book)
        self._hold = hold

    def version(self, now: int) -> int:
        """See `core.health.Health.version`."""
        return self._book.version(now)

    def states(self, now: int) -> Mapping[Target, State]:
        """See `core.health.Health.states`."""
        return self._book.states(now)

    def begin(self, target: Target, now: int, *, anyway: bool = False) -> float:  # noqa: ARG002 - always
        """See `core.health.Health.begin`."""
        return self._book.begin(target, now, anyway=True)

    def heard(self, target: Target, began: int, now: int) -> None:
        """See `core.health.Health.heard`."""
        self._book.heard(target, began, now)

    def usual(self, target: Target, share: float, *, stream: bool) -> float | None:
        """See `core.health.Health.usual`."""
        return self._book.usual(target, share, stream=stream)

    def passed(self, target: Target, now: int) -> bool:  # noqa: ARG002 - the port's
        """See `core.health.Health.passed`; each of them is looked at."""
        return False

    def end(self, target: Target, end: AttemptEnd, now: int) -> None:
        """See `core.health.Health.end`; a failure makes it rest until it is checked again."""
        self._book.end(
            target, msgspec.structs.replace(end, first_token=None, widest=None, connect=None, check=True), now
        )
        if end.failure is not None and RULES[end.failure].tells in ("failure", "provider_failure"):
            self._checkup.hold(target, now, self._hold)

    def load(self, target: Target, now: int, *, stream: bool) -> Load:
        """See `core.health.Health.load`."""
        return self._book.load(target, now, stream=stream)

    def limits(self, target: Target, configured: TimeLimits, *, stream: bool, thinks: bool) -> TimeLimits:  # noqa: ARG002 - the port's
        """The check's own."""
        return configured


class _Nowhere:
    """Nobody reads the answer."""

    started = False

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """See `core.ports.Reply.whole`."""

    async def start(self, status: int, headers: Headers) -> None:
        """See `core.ports.Reply.start`."""

    async def write(self, data: bytes) -> None:
        """See `core.ports.Reply.write`."""

    async def end(self) -> None:
        """See `core.ports.Reply.end`."""


def within(limits: TimeLimits, seconds: float) -> TimeLimits:
    """Limits, none longer than so many seconds."""
    return TimeLimits(
        connect=min(limits.connect, seconds),
        first_byte=min(limits.first_byte, seconds),
        between_bytes=min(limits.between_bytes, seconds),
        total=min(limits.total, seconds),
    )
