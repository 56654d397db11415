"""The notes that one call takes while it runs: attempts, times, what was tried. Private to its call, so mutable."""

from __future__ import annotations

from pointsman.core.chat import Dropped
from pointsman.core.clock import Clock
from pointsman.core.errors import PointsmanError, UpstreamError, UpstreamRefused
from pointsman.core.failure import Target
from pointsman.core.health import AttemptEnd, Health
from pointsman.core.model import Model
from pointsman.core.outcome import Attempt, Form
from pointsman.core.ports import Headers
from pointsman.core.usage import Usage
from pointsman.line.failover import kind_of
from pointsman.line.words import brief, without_secrets

_MAX_DETAIL = 2_000


class Trail:
    """What happened so far. Times are nanoseconds.

    `waited` is the time spent on providers: asking, reading, pausing between attempts. `out` and `own` are the time
    until content went out, and our own part of it; None before. `tried` has one line for each failure, for people.
    `spent` is the cost of all attempts that ended (nano-dollars; None is unknown).
    """

    __slots__ = (
        "_attempt_at",
        "_attempt_started",
        "_clock",
        "_first_token",
        "_headers",
        "_health",
        "_sent",
        "_stream",
        "_target",
        "attempts",
        "cost",
        "dropped",
        "first_byte",
        "model",
        "number",
        "out",
        "own",
        "passed",
        "spent",
        "tried",
        "waited",
        "widest",
    )

    def __init__(self, clock: Clock, health: Health) -> None:
        self._clock = clock
        self._health = health
        self._target: Target | None = None
        self._stream = False
        self._headers: Headers = ()
        self._first_token: int | None = None
        self.widest: int | None = None
        self._attempt_at = 0
        self._attempt_started = 0
        self._sent: Headers = ()
        self.attempts: list[Attempt] = []
        self.spent: int | None = 0
        self.passed: tuple[str, ...] = ()
        self.tried: tuple[str, ...] = ()
        self.model: Model | None = None
        self.number = 0
        self.first_byte: int | None = None
        self.cost: int | None = None
        self.dropped: tuple[Dropped, ...] = ()
        self.waited = 0
        self.out: int | None = None
        self.own: int | None = None

    def begin(self, model: Model, sent: Headers = (), dropped: tuple[Dropped, ...] = ()) -> None:
        """An attempt starts now; of what is `sent` with it, credentials may not come back in an error's text.

        `dropped` is what the request had to leave out for this model.
        """
        self._sent = sent
        self._target = None
        self._headers = ()
        self._first_token = self.widest = None
        self.dropped = dropped
        self.number += 1
        self.model = model
        self._attempt_started = self._clock.now()
        self._attempt_at = self._clock.monotonic()
        self.first_byte = None

    def asks(self, target: Target, *, stream: bool) -> None:
        """The health book has let the attempt that began through; it is told how it ends."""
        self._target = target
        self._stream = stream

    def heard(self, headers: Headers) -> None:
        """The first content of an answer is there, or all of a whole one."""
        self._headers = headers
        self._first_token = self._clock.monotonic() - self._attempt_at

    def content(self, received: int) -> int:
        """Content goes out to the caller, whose call came at `received` (monotonic): note when, and our own part of it.

        Returns the nanoseconds since `received` that were not spent waiting for providers.
        """
        now = self._clock.monotonic()
        self.first_byte = now - self._attempt_at
        self.out = now - received
        self.own = max(self.out - self.waited, 0)
        return self.own

    def _tell(self, error: PointsmanError | None) -> None:
        """Tell the health book of the attempt's end; what is no provider's failure tells nothing."""
        target = self._target
        if target is None:
            return
        self._target = None
        failure = None
        if isinstance(error, UpstreamError):
            failure = kind_of(error, begun=self._first_token is not None)
        now = self._clock.monotonic()
        end = AttemptEnd(
            failure=failure,
            neutral=error is not None and failure is None,
            retry_after=error.retry_after if isinstance(error, UpstreamRefused) else None,
            stream=self._stream,
            first_token=self._first_token,
            widest=self.widest,
            duration=now - self._attempt_at,
            headers=self._headers,
        )
        self._health.end(target, end, now)

    def skip(self, model: Model, error: PointsmanError) -> None:
        """A model could not even be asked: no attempt, for nothing was sent."""
        self._failed(model, f"not asked, {error.code}", brief(error.message))

    def _failed(self, model: Model, what: str, detail: str) -> None:
        self.passed = (*self.passed, model.name)
        self.tried = (*self.tried, f"{model.name} at {model.provider.name}: {what}: {detail}")

    def finish(
        self,
        *,
        status: int = 0,
        error: PointsmanError | None = None,
        usage: Usage | None = None,
        cost: int | None = None,
        form: Form = "",
        told: PointsmanError | None = None,
    ) -> None:
        """The attempt that `begin` started is over; safe to call when none is open.

        `told` is what the health book hears, where `error` is in words for the caller.
        """
        model = self.model
        if model is None:
            return
        self.model = None
        self._tell(told or error)
        if isinstance(error, UpstreamRefused):
            status = error.status
        detail = ""
        if cost is None:
            self.spent = None
        elif self.spent is not None:
            self.spent += cost
        if error is not None:
            detail = without_secrets(error.message[:_MAX_DETAIL], self._sent)
            self._failed(model, f"{error.code}{f' ({status})' if status else ''}", brief(detail))
        self.attempts.append(
            Attempt(
                number=self.number,
                provider=model.provider.name,
                model=model.name,
                upstream=model.upstream,
                started=self._attempt_started,
                duration=self._clock.monotonic() - self._attempt_at,
                first_byte=self.first_byte,
                status=status,
                error=error.code if error is not None else "",
                detail=detail,
                usage=usage,
                cost=cost,
                form=form,
            )
        )
