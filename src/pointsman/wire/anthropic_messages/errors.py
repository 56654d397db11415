"""Our errors as callers of this dialect read them."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import PointsmanError
from pointsman.wire.our_errors import ours

# https://platform.claude.com/docs/en/api/errors (2026-11)
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_encode = msgspec.json.Encoder().encode


def write_error(error: PointsmanError, request_id: str) -> bytes:
    """An error body: type and message as Anthropic has them, and ours beside them under `pointsman`."""
    return _encode(_body(error, request_id))


def write_stream_error(error: PointsmanError, request_id: str) -> bytes:
    """The same as the last event of a stream; no `message_stop` follows, so that nobody takes the answer for whole."""
    return b"event: error\ndata: " + write_error(error, request_id) + b"\n\n"


def _body(error: PointsmanError, request_id: str) -> dict[str, Any]:
    inner = {"type": _type(error.status), "message": error.message, "pointsman": ours(error, request_id)}
    return {"type": "error", "error": inner, "request_id": request_id}


def _type(status: int) -> str:
    return _TYPES.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
