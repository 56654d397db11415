"""Our errors as callers of this dialect read them."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import AllAttemptsFailed, PointsmanError, UpstreamRefused

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ENCODER = msgspec.json.Encoder()


def write_error(error: PointsmanError, request_id: str) -> bytes:
    """An error body: OpenAI's four fields, and ours beside them under `pointsman`."""
    return _ENCODER.encode({"error": error_fields(error, request_id)})


def write_stream_error(error: PointsmanError, request_id: str) -> bytes:
    """The same as the last event of a stream; no `[DONE]` follows, so that nobody takes the answer for whole."""
    return b"data: " + write_error(error, request_id) + b"\n\n"


def error_fields(error: PointsmanError, request_id: str) -> dict[str, Any]:
    """OpenAI's four fields, and ours beside them."""
    ours: dict[str, Any] = {
        "code": error.code,
        "fault": error.fault,
        "retryable": error.retryable,
        "request_id": request_id,
    }
    if error.hint:
        ours["hint"] = error.hint
    if isinstance(error, AllAttemptsFailed):
        ours["attempts"] = list(error.tried)
    wait = error.retry_after if isinstance(error, UpstreamRefused | AllAttemptsFailed) else None
    if wait is not None:
        ours["retry_after"] = wait
    return {
        "message": error.message,
        "type": _type(error.status),
        "param": error.param,
        "code": error.kind if isinstance(error, UpstreamRefused) else error.code,
        "pointsman": ours,
    }


def _type(status: int) -> str:
    return _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
