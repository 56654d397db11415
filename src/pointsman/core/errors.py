"""Every error that Pointsman raises, in one tree.

    PointsmanError
    + CallerError                 fault "caller": the request has to change
    |  - InvalidJson              400 invalid_json
    |  - InvalidRequest           400 invalid_request
    |  - UnsupportedParameter     400 unsupported_parameter
    |  - ContextTooLong           400 context_length_exceeded
    |  - MissingKey               401 missing_api_key
    |  - InvalidKey               401 invalid_api_key
    |  - BudgetExceeded           402 budget_exceeded
    |    - Unbounded              402 unbounded
    |  - Forbidden                403 not_permitted
    |  - NotFound                 404 not_found
    |  - UnknownModel             404 model_not_found
    |  - PreviousNotFound         404 previous_response_not_found
    |  - MethodNotAllowed         405 method_not_allowed
    |  - SlowSender               408 request_timeout
    |  - BodyTooLarge             413 body_too_large
    |  - RateLimited              429 rate_limited
    |  - HeadersTooLarge          431 headers_too_large
    |  - TooManyCalls             429 too_many_calls
    |  - CallerGone               499 caller_gone
    + GatewayError                fault "gateway": the operator has to act
    |  - InternalError            500 internal_error
    |  - ConfigError              500 invalid_configuration
    |  - MissingExtra             501 missing_extra
    |  - FetchFailed              502 fetch_failed
    |  - NoCandidate              503 no_candidate
    |  - Overloaded               503 overloaded
    |  - StoreUnavailable         503 store_unavailable
    |  - Stopping                 503 stopping
    + UpstreamError               fault "upstream": another provider may answer
       - ConnectFailed            502 connect_failed
       - NoCredentials            502 no_credentials
       - UpstreamCut              502 upstream_cut
       - UpstreamGarbage          502 upstream_garbage
       - UpstreamTimeout          504 upstream_timeout
       - UpstreamRefused          the provider's status, upstream_refused
       - UpstreamResting          503 upstream_resting
       - Outpaced                 502 outpaced
       - AllAttemptsFailed        the status of the last failure, all_attempts_failed

Each class answers five questions: `code` (stable, for programs), `status` (HTTP), `fault` (whose), `retryable` (is the
same request worth sending again?) and, per instance, `hint` (the way out, for people). A dialect prints any of them
in its own shape; nothing else in the code base builds an error body.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Fault = Literal["caller", "gateway", "upstream"]
Phase = Literal["connect", "first_byte", "between_bytes", "total"]


def forget_frames(error: BaseException) -> None:
    """Let go of the frames that an error passed through, and of the errors that it came of.

    Whoever keeps an error keeps them, and they keep all that the failed call knew: its request, what was answered so
    far, and mostly the error itself. Without this all of it would stay until the next garbage collection.
    """
    last: BaseException | None = error
    while last is not None:
        earlier = last.__cause__ or last.__context__
        last.__traceback__ = last.__cause__ = last.__context__ = None
        last = earlier


def codes(error: type[PointsmanError]) -> frozenset[str]:
    """The codes of an error and of all below it in the tree."""
    return frozenset((error.code,)).union(*(codes(one) for one in error.__subclasses__()))


class PointsmanError(Exception):
    """Root of the tree; never raised itself."""

    code: ClassVar[str] = "internal_error"
    default_status: ClassVar[int] = 500
    fault: ClassVar[Fault] = "gateway"
    default_retryable: ClassVar[bool] = False
    retry_after: float | None = None
    """Seconds after which the same request may succeed, where that is known."""

    def __init__(self, message: str, *, hint: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.param = param

    @property
    def status(self) -> int:
        """HTTP status that the caller sees."""
        return self.default_status

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when it is sent again."""
        return self.default_retryable


class CallerError(PointsmanError):
    """The request cannot be served as it is."""

    code = "invalid_request"
    default_status = 400
    fault = "caller"


class InvalidJson(CallerError):
    """The body is not JSON."""

    code = "invalid_json"


class InvalidRequest(CallerError):
    """The body is JSON of the wrong shape."""


class UnsupportedParameter(CallerError):
    """A parameter that no permitted model takes, under the policy `refuse`."""

    code = "unsupported_parameter"


class ContextTooLong(CallerError):
    """The request is larger than every permitted model's context window."""

    code = "context_length_exceeded"


class MissingKey(CallerError):
    """No key was sent where one is demanded."""

    code = "missing_api_key"
    default_status = 401


class InvalidKey(CallerError):
    """The key is unknown, expired, revoked or replaced; which, the message says to whoever holds it."""

    code = "invalid_api_key"
    default_status = 401


class BudgetExceeded(CallerError):
    """A budget has not enough left for this request; which, how much, and when it resets stands in the message."""

    code = "budget_exceeded"
    default_status = 402


class Unbounded(BudgetExceeded):
    """Nobody can say what this request costs at most, and a hard budget binds it; the message says why."""

    code = "unbounded"


class Forbidden(CallerError):
    """The key is good but may not do this; or a web page asked a gateway without keys."""

    code = "not_permitted"
    default_status = 403


class NotFound(CallerError):
    """No such path or object."""

    code = "not_found"
    default_status = 404


class UnknownModel(CallerError):
    """No route, model or provider of that name; the message names the nearest ones."""

    code = "model_not_found"
    default_status = 404


class PreviousNotFound(CallerError):
    """No stored response of that id is this caller's."""

    code = "previous_response_not_found"
    default_status = 404


class MethodNotAllowed(CallerError):
    """The path exists, with another method."""

    code = "method_not_allowed"
    default_status = 405


class SlowSender(CallerError):
    """The request did not arrive whole in time."""

    code = "request_timeout"
    default_status = 408
    default_retryable = True


class BodyTooLarge(CallerError):
    """The body exceeds `server.max_body`."""

    code = "body_too_large"
    default_status = 413


class RateLimited(CallerError):
    """A limit on requests, tokens or money in a short time is reached; `retry_after` is in seconds, where it resets."""

    code = "rate_limited"
    default_status = 429
    default_retryable = True

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class HeadersTooLarge(CallerError):
    """The header block exceeds its limit."""

    code = "headers_too_large"
    default_status = 431


class TooManyCalls(CallerError):
    """The key has as many calls under way as it may have; `retry_after` is in seconds."""

    code = "too_many_calls"
    default_status = 429
    default_retryable = True
    retry_after = 1.0


class CallerGone(CallerError):
    """The caller hung up; nobody reads this error, the ledger keeps it."""

    code = "caller_gone"
    default_status = 499


class GatewayError(PointsmanError):
    """Something of ours is missing, full or broken."""


class InternalError(GatewayError):
    """A defect of ours."""


class ConfigError(GatewayError):
    """The configuration is refused; `where` is `file:line:column`, 1-based, where known."""

    code = "invalid_configuration"

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.where = where
        self.bare = message


class MissingExtra(GatewayError):
    """A feature needs a package that is not installed; the hint says which extra brings it."""

    code = "missing_extra"
    default_status = 501


class FetchFailed(GatewayError):
    """Something the operator asked for could not be fetched, or was not what it should be; nothing was changed."""

    code = "fetch_failed"
    default_status = 502
    default_retryable = True


class NoCandidate(GatewayError):
    """No model is left after the filters; the message says what each one lacked."""

    code = "no_candidate"
    default_status = 503


class Overloaded(GatewayError):
    """A bounded queue of ours is full."""

    code = "overloaded"
    default_status = 503
    default_retryable = True


class Stopping(GatewayError):
    """The gateway ends before the answer was complete."""

    code = "stopping"
    default_status = 503
    default_retryable = True


class StoreUnavailable(GatewayError):
    """The store does not answer and the request cannot do without it."""

    code = "store_unavailable"
    default_status = 503
    default_retryable = True


class UpstreamError(PointsmanError):
    """One attempt failed at the provider; the executor may go on to the next step."""

    code = "upstream_error"
    default_status = 502
    fault = "upstream"
    default_retryable = True


class ConnectFailed(UpstreamError):
    """No connection: refused, unreachable, unresolved, TLS.

    `kind` says which of them.
    """

    code = "connect_failed"

    def __init__(
        self, message: str, *, hint: str = "", kind: Literal["no_connection", "no_address", "tls"] | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind: Literal["no_connection", "no_address", "tls"] = kind or "no_connection"


class NoCredentials(UpstreamError):
    """The provider's key is not in the environment; nothing was sent, another provider may have one."""

    code = "no_credentials"
    default_retryable = False


class ProviderAccount(UpstreamError):
    """The provider turned down this gateway's key or account: nothing that the caller could put right."""

    code = "provider_account"
    default_retryable = False


class UpstreamCut(UpstreamError):
    """The connection ended before the answer did.

    `headed`: its headers had come.
    """

    code = "upstream_cut"

    def __init__(self, message: str, *, hint: str = "", headed: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.headed = headed


class UpstreamGarbage(UpstreamError):
    """The provider sent what its dialect does not allow."""

    code = "upstream_garbage"


class UpstreamTimeout(UpstreamError):
    """A phase took longer than its limit (seconds)."""

    code = "upstream_timeout"
    default_status = 504

    def __init__(self, message: str, *, phase: Phase, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.phase: Phase = phase


class UpstreamRefused(UpstreamError):
    """The provider answered with an error of its own.

    Args:
        message: the provider's text, or a summary where it sent none.
        status: the status the caller should see (already normalised, e.g. 529 becomes 503).
        body: the provider's body, untouched, for callers of the same dialect.
        kind: our code for the error class where known, e.g. `context_length_exceeded`.
        retry_after: seconds to wait, where the provider said so.
        retryable: whether another attempt may succeed.

    Attributes:
        ours: it speaks of how the gateway is set up (a name, a permission), not of the caller's request.
    """

    code = "upstream_refused"

    def __init__(  # noqa: PLR0913 - an error answer has that many parts, all of them optional
        self,
        message: str,
        *,
        status: int,
        body: bytes = b"",
        content_type: bytes = b"application/json",
        kind: str = "upstream_refused",
        retry_after: float | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self._status = status
        self._retryable = retryable
        self.body = body
        self.content_type = content_type
        self.kind = kind
        self.retry_after = retry_after
        self.ours = False

    @property
    def status(self) -> int:
        """The provider's status, normalised."""
        return self._status

    @property
    def retryable(self) -> bool:
        """Whether another attempt, here or elsewhere, may succeed."""
        return self._retryable


class UpstreamResting(UpstreamError):
    """The target rests, because it failed again and again or asked for it; nothing was sent.

    `retry_after` is in seconds.
    """

    code = "upstream_resting"
    default_status = 503

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Outpaced(UpstreamError):
    """Another attempt of the same call answered sooner, and this one was called off; no caller sees it."""

    code = "outpaced"


class AllAttemptsFailed(UpstreamError):
    """Every step of the plan failed; `tried` says what, in order, for the caller to read."""

    code = "all_attempts_failed"

    def __init__(self, last: UpstreamError, tried: tuple[str, ...], *, sent: int | None = None) -> None:
        sent = len(tried) if sent is None else sent
        what = f"All {sent} attempts failed" if sent > 1 else "The only attempt failed" if sent else "Nothing was sent"
        super().__init__(f"{what}: " + "; ".join(tried))
        self.last = last
        self.tried = tried
        self.retry_after = last.retry_after

    @property
    def status(self) -> int:
        """The status of the last failure."""
        return self.last.status
