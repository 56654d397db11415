"""Our errors as callers of this dialect read them: Google's `Status`, with what is ours among its details."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pointsman.core.errors import PointsmanError, UpstreamRefused
from pointsman.wire.our_errors import ours

_STATUSES = {
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPE = "type.googleapis.com/google.rpc."
_OTHER = re.compile(r"[^A-Z0-9]+")
_encode = msgspec.json.Encoder().encode


def write_error(error: PointsmanError, request_id: str) -> bytes:
    """An error body."""
    status = error.status
    word = _STATUSES.get(status) or ("INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    fields = {"code": status, "message": error.message, "status": word, "details": _details(error, request_id)}
    return _encode({"error": fields})


def _details(error: PointsmanError, request_id: str) -> list[dict[str, Any]]:
    said = ours(error, request_id)
    code = error.kind if isinstance(error, UpstreamRefused) else error.code
    metadata = {name: _text(value) for name, value in said.items()}
    metadata |= {"param": error.param} if error.param else {}
    details: list[dict[str, Any]] = [
        {
            "@type": f"{_TYPE}ErrorInfo",
            "reason": _OTHER.sub("_", code.upper()).strip("_"),
            "domain": "pointsman",
            "metadata": metadata,
        }
    ]
    if "retry_after" in said:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{round(said['retry_after'], 3):g}s"})
    return details


def _text(value: Any) -> str:
    """A value as the text that `metadata` has to hold."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(str(one) for one in value)
    return _encode(value).decode()
