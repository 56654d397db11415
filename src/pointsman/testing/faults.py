"""Every way in which a provider is known to fail, as data: a name, what happens, and what a gateway owes its caller.

The simulator plays them; a test can run over all of them. `whole` and `stream` say what a gateway with a second,
healthy provider owes for a whole and for a streamed answer:

    next     nothing usable has arrived: the second provider answers, the caller notices nothing
    refuse   the request itself is at fault: the caller gets the error, nobody else is asked
    error    part of the answer is out: the caller gets an error, never a clean end (a gateway that has not yet
             passed any of it on may go to the next provider instead, and one that has may let another go on with
             the text, to the letter)
    deliver  odd, but an answer: it is handed on
"""

from __future__ import annotations

from typing import Literal

import msgspec

from pointsman.core.failure import FailureKind

Kind = Literal[
    "status",
    "refuse",
    "reset",
    "silent",
    "silent_body",
    "slow_first",
    "slow_token",
    "cut",
    "stall",
    "malformed",
    "no_end",
    "truncated",
    "html",
    "plain_text",
    "error_in_200",
    "error_in_stream",
    "broken_arguments",
    "empty",
    "huge",
    "usage_twice",
    "usage_missing",
    "slow_drip",
]
Owed = Literal["next", "refuse", "error", "deliver"]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to fail.

    Attributes:
        name: how scripts and tests call it.
        failure: the row of `core.failure.RULES` that it is; None where it is an answer, if an odd one.
        kind: what happens on the wire.
        meaning: one sentence for people.
        status: HTTP status, for `status`, `html`, `plain_text`.
        error: the provider's word for it, e.g. `rate_limit_exceeded`.
        after: content events that go out before it happens (streams).
        seconds: how long, for `slow_first`, `slow_token`, `slow_drip` (between pieces), and the wait that is told.
        retry_after: how that wait is told: in a header, or (`body`) in the error's own words only.
        begun: it strikes only requests that end in an assistant's turn, to be gone on from.
        reset: the connection ends with RST instead of FIN.
        size: bytes, for `huge` (the answer) and `slow_drip` (a piece).
        whole: what a gateway owes for a whole answer.
        stream: what it owes for a streamed one.
    """

    name: str
    kind: Kind
    meaning: str
    failure: FailureKind | None = None
    status: int = 200
    error: str = ""
    after: int = 0
    seconds: float = 0.0
    retry_after: Literal["", "seconds", "date", "ms", "body"] = ""
    begun: bool = False
    reset: bool = False
    size: int = 0
    whole: Owed = "next"
    stream: Owed = "next"


def _status(name: str, status: int, error: str, failure: FailureKind, meaning: str) -> Fault:
    return Fault(name=name, kind="status", status=status, error=error, failure=failure, meaning=meaning)


def _refused(name: str, error: str, failure: FailureKind, meaning: str) -> Fault:
    made = _status(name, 400, error, failure, meaning)
    return msgspec.structs.replace(made, whole="refuse", stream="refuse")


_REFUSALS = (
    _refused("bad_request", "invalid_value", "bad_request", "The request is wrong."),
    _refused("context_length", "context_length_exceeded", "context_length", "The prompt is too long."),
    _refused("content_filter", "content_filter", "content_filter", "The prompt was blocked by a filter."),
)
_PREFILL = Fault(
    name="prefill_refused",
    kind="status",
    status=400,
    error="prefill_refused",
    failure="prefill_refused",
    begun=True,
    meaning="The model does not go on from a begun answer; other requests are answered.",
    whole="deliver",
    stream="deliver",
)
_STATUSES = (
    _status(
        "unsupported_parameter", 400, "unsupported_parameter", "unsupported_parameter", "A field is not supported."
    ),
    _status("bad_key", 401, "invalid_api_key", "bad_key", "The gateway's key is wrong there."),
    _status("no_money", 402, "insufficient_quota", "out_of_credit", "The account is out of credit."),
    _status("quota_used_up", 429, "insufficient_quota", "out_of_credit", "Out of credit, told with the wrong status."),
    _status("forbidden", 403, "access_denied", "forbidden", "The account may not use this model."),
    _status("model_gone", 404, "model_not_found", "model_gone", "The provider does not know the model."),
    _status("model_retired", 404, "model_retired", "model_gone", "The model is no longer served."),
    _status("request_timeout", 408, "timeout", "server_error", "The provider gave up reading."),
    _status("rate_limit", 429, "rate_limit_exceeded", "rate_limited", "Too many requests, with no word on when."),
    _status("server_error", 500, "server_error", "server_error", "The provider broke."),
    _status("bad_gateway", 502, "bad_gateway", "server_error", "Something behind the provider broke."),
    _status("unavailable", 503, "service_unavailable", "overloaded", "Down or overloaded."),
    _status("gateway_timeout", 504, "gateway_timeout", "server_error", "Something behind the provider took too long."),
    _status("overloaded", 529, "overloaded_error", "overloaded", "Overloaded, in Anthropic's number."),
)
_Form = Literal["", "seconds", "date", "ms", "body"]
_FORMS: tuple[tuple[_Form, str], ...] = (
    ("seconds", "seconds"),
    ("date", "an HTTP date"),
    ("ms", "`retry-after-ms`"),
    ("body", "words or `RetryInfo` in the body only"),
)
_LIMITS: tuple[Fault, ...] = tuple(
    Fault(
        name=f"rate_limit_{form}",
        kind="status",
        status=429,
        error="rate_limit_exceeded",
        failure="rate_limited",
        seconds=2.0,
        retry_after=form,
        meaning=f"Too many requests; the wait is told as {word}.",
    )
    for form, word in _FORMS
)
_WAITS = (
    *_LIMITS,
    Fault(
        name="unavailable_seconds",
        kind="status",
        status=503,
        error="service_unavailable",
        failure="overloaded",
        seconds=2.0,
        retry_after="seconds",
        meaning="Down or overloaded; the wait is told as seconds.",
    ),
)


def _broken(name: str, kind: Kind, failure: FailureKind, meaning: str, *, reset: bool = False) -> Fault:
    return Fault(name=name, kind=kind, failure=failure, meaning=meaning, reset=reset)


def _slow(name: str, kind: Kind, seconds: float, meaning: str, size: int = 0) -> Fault:
    owed: Owed = "deliver"
    return Fault(name=name, kind=kind, seconds=seconds, size=size, meaning=meaning, whole=owed, stream=owed)


_CONNECTION = (
    _broken("refused", "refuse", "no_connection", "Connection refused (a reset where the port is shared)."),
    _broken("reset", "reset", "reset", "The connection is reset before any header.", reset=True),
    _broken("closed", "reset", "reset", "The connection is closed before any header."),
    _broken("silent", "silent", "silent", "The request is taken and nothing ever comes."),
    _broken("silent_body", "silent_body", "silent", "Status and headers come, then nothing."),
    _slow("slow_first", "slow_first", 5.0, "The first byte takes long."),
    _slow("slow_token", "slow_token", 5.0, "Status and headers come at once, the first content takes long."),
    _slow("slow_drip", "slow_drip", 0.02, "Bytes drip in small pieces.", size=16),
)


def _midway(name: str, kind: Kind, failure: FailureKind, meaning: str, *, reset: bool = False) -> Fault:
    """After three pieces of content."""
    made = _broken(name, kind, failure, meaning, reset=reset)
    return msgspec.structs.replace(made, after=3, stream="error")


_CUTS = (
    _broken("cut_at_once", "cut", "cut", "Reset right after the headers.", reset=True),
    _midway("cut_reset", "cut", "cut", "Reset in the middle.", reset=True),
    _midway("cut_clean", "cut", "cut", "Closed in the middle, politely."),
    _midway("stall", "stall", "stalled", "Stops in the middle and stays open."),
    Fault(
        name="no_end",
        kind="no_end",
        failure="cut",
        whole="deliver",
        stream="error",
        meaning="No finish reason, no end mark.",
    ),
    Fault(
        name="no_done", kind="no_end", after=1, whole="deliver", stream="deliver", meaning="Finished, without [DONE]."
    ),
)
_GARBAGE = (
    _midway("malformed", "malformed", "garbage", "An event that is not JSON."),
    _broken("malformed_first", "malformed", "garbage", "The first event is not JSON; whole: cut-off JSON."),
    _midway("truncated", "truncated", "garbage", "The JSON breaks off, the message ends as if all of it had come."),
    _broken("html", "html", "garbage", "200 with an HTML page."),
    _broken("plain_text", "plain_text", "garbage", "200 with a sentence as plain text."),
    Fault(name="html_502", kind="html", failure="server_error", status=502, meaning="502 with an HTML page."),
    Fault(
        name="error_in_200",
        kind="error_in_200",
        failure="server_error",
        error="server_error",
        meaning="An error object in a 200.",
    ),
    Fault(
        name="error_in_stream",
        kind="error_in_stream",
        failure="server_error",
        after=3,
        error="server_error",
        whole="deliver",
        stream="error",
        meaning="An error event in the middle of a stream.",
    ),
)


def _odd(kind: Kind, meaning: str, size: int = 0) -> Fault:
    return Fault(name=kind, kind=kind, size=size, whole="deliver", stream="deliver", meaning=meaning)


_ODD = (
    _odd("broken_arguments", "A tool call's arguments are cut-off JSON."),
    _odd("empty", "An answer without content."),
    _odd("huge", "An answer of megabytes.", 4 * 1024 * 1024),
    _odd("usage_twice", "Usage is sent twice."),
    _odd("usage_missing", "No usage, though it was asked for."),
)

FAULTS: dict[str, Fault] = {
    f.name: f for f in (*_REFUSALS, _PREFILL, *_STATUSES, *_WAITS, *_CONNECTION, *_CUTS, *_GARBAGE, *_ODD)
}
"""Every named fault."""
