"""What our errors say beside the fields of a dialect: the object `pointsman`, the same for callers of every dialect."""

from __future__ import annotations

from typing import Any

from pointsman.core.errors import AllAttemptsFailed, PointsmanError


def ours(error: PointsmanError, request_id: str) -> dict[str, Any]:
    """Code, fault, whether to try again, and whatever else is known of an error."""
    said: dict[str, Any] = {
        "code": error.code,
        "fault": error.fault,
        "retryable": error.retryable,
        "request_id": request_id,
    }
    if error.hint:
        said["hint"] = error.hint
    if isinstance(error, AllAttemptsFailed):
        said["attempts"] = list(error.tried)
    if error.retry_after is not None:
        said["retry_after"] = error.retry_after
    return said
