"""Every way in which a provider is known to fail, as data: a name, what happens, and what a gateway owes its caller.

The simulator plays them; a test can run over all of them. `whole` and `stream` say what a gateway with a second,
healthy provider owes for a whole and for a streamed answer:

    next     nothing usable has arrived: the second provider answers, the caller notices nothing
    refuse   the request itself is at fault: the caller gets the error, nobody else is asked
    error    part of the answer is out: the caller gets an error, never a clean end (a gateway that has not yet
             passed any of it on may go to the next provider instead)
    deliver  odd, but an answer: it is handed on
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "status",
    "refuse",
    "reset",
    "silent",
    "silent_body",
    "slow_first",
    "cut",
    "stall",
    "malformed",
    "no_end",
    "html",
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
        kind: what happens on the wire.
        meaning: one sentence for people.
        status: HTTP status, for `status`, `html`.
        error: the provider's word for it, e.g. `rate_limit_exceeded`.
        after: content events that go out before it happens (streams).
        seconds: how long, for `slow_first`, `slow_drip` (between pieces), and the wait announced by Retry-After.
        retry_after: how that wait is announced.
        reset: the connection ends with RST instead of FIN.
        size: bytes, for `huge` (the answer) and `slow_drip` (a piece).
        whole: what a gateway owes for a whole answer.
        stream: what it owes for a streamed one.
    """

    name: str
    kind: Kind
    meaning: str
    status: int = 200
    error: str = ""
    after: int = 0
    seconds: float = 0.0
    retry_after: Literal["", "seconds", "date", "ms"] = ""
    reset: bool = False
    size: int = 0
    whole: Owed = "next"
    stream: Owed = "next"


def _status(name: str, status: int, error: str, meaning: str, owed: Owed) -> Fault:
    return Fault(name=name, kind="status", status=status, error=error, meaning=meaning, whole=owed, stream=owed)


_STATUSES = (
    _status("bad_request", 400, "invalid_value", "The request is wrong.", "refuse"),
    _status("context_length", 400, "context_length_exceeded", "The prompt is too long.", "refuse"),
    _status("content_filter", 400, "content_filter", "The prompt was blocked by a filter.", "refuse"),
    _status("unsupported_parameter", 400, "unsupported_parameter", "A field is not supported.", "next"),
    _status("bad_key", 401, "invalid_api_key", "The gateway's key is wrong there.", "next"),
    _status("no_money", 402, "insufficient_quota", "The account is out of credit.", "next"),
    _status("forbidden", 403, "access_denied", "The account may not use this model.", "next"),
    _status("model_gone", 404, "model_not_found", "The provider does not know the model.", "next"),
    _status("request_timeout", 408, "timeout", "The provider gave up reading.", "next"),
    _status("rate_limit", 429, "rate_limit_exceeded", "Too many requests, with no word on when.", "next"),
    _status("server_error", 500, "server_error", "The provider broke.", "next"),
    _status("bad_gateway", 502, "bad_gateway", "Something behind the provider broke.", "next"),
    _status("unavailable", 503, "service_unavailable", "Down or overloaded.", "next"),
    _status("gateway_timeout", 504, "gateway_timeout", "Something behind the provider took too long.", "next"),
    _status("overloaded", 529, "overloaded_error", "Overloaded, in Anthropic's number.", "next"),
)
_Form = Literal["", "seconds", "date", "ms"]
_FORMS: tuple[tuple[_Form, str], ...] = (("seconds", "seconds"), ("date", "an HTTP date"), ("ms", "`retry-after-ms`"))
_WAITS: tuple[Fault, ...] = tuple(
    Fault(
        name=f"rate_limit_{form}",
        kind="status",
        status=429,
        error="rate_limit_exceeded",
        seconds=2.0,
        retry_after=form,
        meaning=f"Too many requests; the wait is told as {word}.",
    )
    for form, word in _FORMS
)
_CONNECTION = (
    Fault(name="refused", kind="refuse", meaning="Connection refused (a reset where the port is shared)."),
    Fault(name="reset", kind="reset", reset=True, meaning="The connection is reset before any header."),
    Fault(name="closed", kind="reset", meaning="The connection is closed before any header."),
    Fault(name="silent", kind="silent", meaning="The request is taken and nothing ever comes."),
    Fault(name="silent_body", kind="silent_body", meaning="Status and headers come, then nothing."),
    Fault(
        name="slow_first",
        kind="slow_first",
        seconds=5.0,
        whole="deliver",
        stream="deliver",
        meaning="The first byte takes long.",
    ),
    Fault(
        name="slow_drip",
        kind="slow_drip",
        seconds=0.02,
        size=16,
        whole="deliver",
        stream="deliver",
        meaning="Bytes drip in small pieces.",
    ),
)
_CUTS = (
    Fault(name="cut_at_once", kind="cut", reset=True, meaning="Reset right after the headers."),
    Fault(name="cut_reset", kind="cut", after=3, reset=True, stream="error", meaning="Reset in the middle."),
    Fault(name="cut_clean", kind="cut", after=3, stream="error", meaning="Closed in the middle, politely."),
    Fault(name="stall", kind="stall", after=3, stream="error", meaning="Stops in the middle and stays open."),
    Fault(name="no_end", kind="no_end", whole="deliver", stream="error", meaning="No finish reason, no end mark."),
    Fault(
        name="no_done", kind="no_end", after=1, whole="deliver", stream="deliver", meaning="Finished, without [DONE]."
    ),
)
_GARBAGE = (
    Fault(name="malformed", kind="malformed", after=3, stream="error", meaning="An event that is not JSON."),
    Fault(name="malformed_first", kind="malformed", meaning="The first event is not JSON; whole: cut-off JSON."),
    Fault(name="html", kind="html", meaning="200 with an HTML page."),
    Fault(name="html_502", kind="html", status=502, meaning="502 with an HTML page."),
    Fault(name="error_in_200", kind="error_in_200", error="server_error", meaning="An error object in a 200."),
    Fault(
        name="error_in_stream",
        kind="error_in_stream",
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

FAULTS: dict[str, Fault] = {f.name: f for f in (*_STATUSES, *_WAITS, *_CONNECTION, *_CUTS, *_GARBAGE, *_ODD)}
"""Every named fault."""
