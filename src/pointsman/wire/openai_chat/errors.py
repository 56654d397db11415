"""Our errors as callers of this dialect read them."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import PointsmanError, UpstreamRefused
from pointsman.wire.our_errors import ours

_TYPES = {401: "authentication_error", 402: "insufficient_quota", 403: "permission_error", 429: "rate_limit_error"}
_ENCODER = msgspec.json.Encoder()


def write_error(error: PointsmanError, request_id: str) -> bytes:
    """An error body: OpenAI's four fields, and ours beside them under `pointsman`."""
    return _ENCODER.encode({"error": error_fields(error, request_id)})


def write_stream_error(error: PointsmanError, request_id: str) -> bytes:
    """The same as the last event of a stream; no `[DONE]` follows, so that nobody takes the answer for whole."""
    return b"data: " + write_error(error, request_id) + b"\n\n"


def error_fields(error: PointsmanError, request_id: str) -> dict[str, Any]:
    """OpenAI's four fields, and ours beside them."""
    return {
        "message": error.message,
        "type": _type(error.status),
        "param": error.param,
        "code": error.kind if isinstance(error, UpstreamRefused) else error.code,
        "pointsman": ours(error, request_id),
    }


def _type(status: int) -> str:
    return _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
