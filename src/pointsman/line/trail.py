"""The notes that one call takes while it runs: attempts, times, what was tried. Private to its call, so mutable."""

from __future__ import annotations

import msgspec

from pointsman.core.chat import Dropped
from pointsman.core.clock import Clock
from pointsman.core.errors import CallerGone, Outpaced, PointsmanError, UpstreamError, UpstreamRefused
from pointsman.core.failure import FailureKind, Target
from pointsman.core.health import AttemptEnd, Health
from pointsman.core.model import Model
from pointsman.core.outcome import Attempt, Form, Purpose
from pointsman.core.ports import Headers, UpstreamResponse
from pointsman.core.usage import Usage
from pointsman.line.failover import kind_of
from pointsman.line.words import brief, without_secrets
from pointsman.wire.itemised import itemising

_MAX_DETAIL = 2_000
_NEARLY_ALL = 0.95
_LONG_SILENCE, _SHORT_SILENCE = 30.0, 5.0
"""Seconds without a word after which a caller's leaving counts against the provider: where nothing is known of what is
usual for it, and at least."""


class Note(msgspec.Struct, eq=False):
    """One attempt while it runs. Times are nanoseconds, `at` monotonic and `started` since the epoch.

    Of what is `sent` with it, credentials may not come back in an error's text. `widest` is the longest silence between
    two pieces of its answer.
    """

    number: int
    model: Model
    target: Target | None
    sent: Headers
    started: int
    at: int
    stream: bool = False
    purpose: Purpose = "answer"
    response: UpstreamResponse | None = None
    first_token: int | None = None
    first_byte: int | None = None
    widest: int | None = None


class Trail(msgspec.Struct, eq=False):
    """What happened so far. Times are nanoseconds.

    `waited` is the time spent on providers: asking, reading, pausing between attempts. `out` and `own` are the time
    until content went out, and our own part of it; None before. `tried` has one line for each failure, for people.
    `spent` is the cost of all attempts that ended (nano-dollars; None is unknown), but for those that failed without
    a word on what they cost: with one of these it is not `certain`. `open` is the attempt that began
    last, or whose answer is being delivered; None where it has ended.
    """

    _clock: Clock
    _health: Health
    open: Note | None = None
    attempts: list[Attempt] = []
    spent: int | None = 0
    certain: bool = True
    passed: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    number: int = 0
    cost: int | None = None
    dropped: tuple[Dropped, ...] = ()
    waited: int = 0
    out: int | None = None
    own: int | None = None

    def begin(
        self,
        model: Model,
        sent: Headers = (),
        dropped: tuple[Dropped, ...] = (),
        target: Target | None = None,
        *,
        stream: bool = False,
        purpose: Purpose = "answer",
    ) -> Note:
        """An attempt starts now; `dropped` is what the request had to leave out for this model.

        `target` is whose health it tells of, where it does; `purpose` what it is for.
        """
        self.dropped = dropped
        self.number = number = self.number + 1
        clock = self._clock
        self.open = note = Note(number, model, target, sent, clock.now(), clock.monotonic(), stream, purpose)
        return note

    def heard(self, note: Note, response: UpstreamResponse) -> None:
        """The first content of an answer is there, or all of a whole one: from then on nobody waits for it."""
        now = self._clock.monotonic()
        note.response = response
        note.first_token = took = now - note.at
        self.waited += took
        if note.target is not None and note.stream:
            self._health.heard(note.target, note.at, now)

    def content(self, received: int) -> int:
        """Content goes out to the caller, whose call came at `received` (monotonic): note when, and our own part of it.

        Returns the nanoseconds since `received` that were not spent waiting for providers.
        """
        now = self._clock.monotonic()
        if self.open is not None:
            self.open.first_byte = now - self.open.at
        self.out = out = now - received
        own = out - self.waited
        self.own = own = own if own > 0 else 0  # noqa: FURB136 - on every call, and cheaper than `max`
        return own

    def _tell(self, target: Target, note: Note, error: PointsmanError | None, now: int) -> None:
        """Tell the health book of an attempt's end; what is no provider's failure tells nothing."""
        failure: FailureKind | None = None
        if isinstance(error, UpstreamError) and not isinstance(error, Outpaced):
            failure = kind_of(error, begun=note.first_token is not None)
        elif isinstance(error, CallerGone) and self._was_silent(note, now):
            failure = "silent"
        response = note.response
        connected = response.connected if response is not None else None
        end = AttemptEnd(
            failure=failure,
            neutral=error is not None and failure is None,
            outpaced=isinstance(error, Outpaced),
            retry_after=error.retry_after if isinstance(error, UpstreamRefused) else None,
            stream=note.stream,
            connect=None if connected is None else int(connected * 1e9),
            first_token=note.first_token,
            widest=note.widest,
            duration=now - note.at,
            headers=response.headers if response is not None else (),
        )
        self._health.end(target, end, now)

    def _was_silent(self, note: Note, now: int) -> bool:
        """Whether a caller left who had waited long: else a provider that hangs is never found out by the impatient."""
        if note.first_token is not None or note.target is None:
            return False
        usual = self._health.usual(note.target, _NEARLY_ALL, stream=note.stream)
        return now - note.at >= (_LONG_SILENCE if usual is None else max(3 * usual, _SHORT_SILENCE)) * 1e9

    def cost_of(self, model: Model, usage: Usage | None) -> int | None:
        """What the open attempt costs by then, in nano-dollars; None where its usage or its price is unknown."""
        price = model.price
        if price is None or usage is None:
            return None
        return price.cost(usage, None if self.open is None else self.open.started)

    def itemised(self, model: Model, usage: Usage | None) -> int | None:
        """The same, with what it is made of."""
        price = itemising(model.price)
        if price is None or usage is None:
            return None
        return price.cost(usage, None if self.open is None else self.open.started)

    def skip(self, model: Model, error: PointsmanError) -> None:
        """A model could not even be asked: no attempt, for nothing was sent."""
        self._failed(model, f"not asked, {error.code}", brief(error.message))

    def _failed(self, model: Model, what: str, detail: str) -> None:
        self.passed = (*self.passed, model.name)
        self.tried = (*self.tried, f"{model.name} at {model.provider.name}: {what}: {detail}")

    def finish(
        self,
        ended: Ended,
        *,
        error: PointsmanError | None = None,
        note: Note | None = None,
    ) -> None:
        """An attempt is over, the open one where none is named; safe to call when none is open."""
        note = note or self.open
        if note is None:
            return
        if note is self.open:
            self.open = None
        now = self._clock.monotonic()
        target, response = note.target, note.response
        if target is not None:
            news = error is not None or response is None or response.connected is not None
            if news or not self._health.passed(target, now):
                self._tell(target, note, ended.told or error, now)
        status = error.status if isinstance(error, UpstreamRefused) else ended.status
        if ended.cost is None and ended.usage is None and isinstance(error, UpstreamError):
            self.certain = False  # the call's cost is what is known; that attempt is `unknown` in the bill
        elif ended.cost is None:
            self.spent = None
        elif self.spent is not None:
            self.spent += ended.cost
        detail = ""
        if error is not None:
            detail = without_secrets(error.message[:_MAX_DETAIL], note.sent)
            if not isinstance(error, Outpaced):
                self._failed(note.model, f"{error.code}{f' ({status})' if status else ''}", brief(detail))
        self.attempts.append(
            Attempt(
                number=note.number,
                provider=note.model.provider.name,
                model=note.model.name,
                upstream=note.model.upstream,
                started=note.started,
                duration=now - note.at,
                first_byte=note.first_byte,
                status=status,
                error=error.code if error is not None else "",
                detail=detail,
                usage=ended.usage,
                cost=ended.cost,
                form=ended.form,
                key_env="" if target is None else target.key,
                purpose=note.purpose,
                price=note.model.price,
            )
        )


class Ended(msgspec.Struct, frozen=True):
    """How an attempt ended.

    Attributes:
        status: HTTP status of the provider; 0 where none came.
        usage: tokens, where known.
        cost: nano-dollars; None is unpriced or unknown.
        form: whether the JSON that was asked for is what came.
        told: what the health book hears, where the caller is told in other words.
    """

    status: int = 0
    usage: Usage | None = None
    cost: int | None = None
    form: Form = ""
    told: PointsmanError | None = None
