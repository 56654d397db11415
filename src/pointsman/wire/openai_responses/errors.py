"""Our errors as callers of this dialect read them."""

from __future__ import annotations

from typing import Any

from pointsman.core.errors import AllAttemptsFailed, CallerError, PointsmanError, UpstreamRefused
from pointsman.wire.openai_chat.errors import error_fields
from pointsman.wire.openai_responses.frames import frame
from pointsman.wire.openai_responses.response_object import Ids
from pointsman.wire.raw import object_of

_LAST = (1 << 31) - 3
"""Sequence number of an error. Whoever writes it has not counted the events before; clients that resume a stream skip
numbers that they have seen, so it has to be a large one."""


def write_stream_error(error: PointsmanError, request_id: str, so_far: bytes) -> bytes:
    """One of our errors as the end of a stream.

    Two events, as OpenAI sends them: `error`, with its fields both beside the type (as documented) and in an object (as
    sent), on which OpenAI's clients raise; and `response.failed`, which is what Codex understands. It holds the
    response `so_far`: who has had its beginning knows it by that id.
    """
    fields = error_fields(error, request_id)
    plain = {name: fields[name] for name in ("code", "message", "param")}
    failed: dict[str, Any] = {
        "id": Ids.of_call(request_id).answer,
        "object": "response",
        "created_at": 0,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        **(object_of(so_far) or {}),
        "status": "failed",
        "error": {"code": _code(error), "message": _message(error)},
    }
    told: dict[str, Any] = {**plain, "error": fields}
    return frame("error", _LAST, told) + frame("response.failed", _LAST + 1, {"response": failed})


def _code(error: PointsmanError) -> str:
    """A code that clients act on, such as `context_length_exceeded` and `rate_limit_exceeded`."""
    last = error.last if isinstance(error, AllAttemptsFailed) else error
    if isinstance(last, UpstreamRefused):
        return last.kind
    return last.code if isinstance(last, CallerError) else "server_error"


def _message(error: PointsmanError) -> str:
    """The message; Codex finds in it how long it has to wait."""
    wait = error.retry_after
    if wait is None or "try again in" in error.message.lower():
        return error.message
    return f"{error.message} Please try again in {wait:g}s."
