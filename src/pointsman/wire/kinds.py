"""From a provider's words to our kind of error: the table of wordings, codes and statuses."""

from __future__ import annotations

import re
from typing import NamedTuple


class Verdict(NamedTuple):
    """What an error means: our code, the status for the caller, and whether another attempt may succeed."""

    kind: str
    status: int
    retryable: bool


_CONTEXT = re.compile(
    r"maximum context length|max(?:imum)? (?:context|prompt) (?:length|size|window)|context[_ ]length[_ ]exceeded"
    r"|prompt (?:is )?too long|input is too long|exceeds? the (?:available |model'?s? )?(?:maximum )?context"
    r"|context window|input (?:token count|length).{0,40}exceed"
    r"|exceed.{0,40}(?:context|maximum number of (?:input )?tokens)"
    r"|too many (?:input |prompt )?tokens(?! per)|too_many_prompt_tokens|exceed_context_size"
    r"|total length of all messages is too long|model_context_window_exceeded|is longer than the model's context"
    r"|token limit exceeded|reduce the length of (?:the )?(?:messages|prompt|input)|longer than the context",
    re.IGNORECASE | re.DOTALL,
)
_KEY = re.compile(
    r"api[_ ]?key[_ ]invalid|api[- ]?key not valid|(?:invalid|incorrect|wrong|unknown) api[_ -]?key"
    r"|api[- ]?key (?:provided )?(?:is )?(?:invalid|incorrect)|invalid subscription key|invalid x-api-key",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"model[^.]{0,80}(?:does not exist|not found|not exist|is not available|has been deprecated|decommissioned)"
    r"|model `[^`]{0,120}` (?:does not exist|not found|has been deprecated)"
    r"|model_not_found|deploymentnotfound|(?:unknown|no such|invalid) model|not a valid model"
    r"|model identifier is invalid",
    re.IGNORECASE | re.DOTALL,
)
_FILTER = re.compile(
    r"content[_ ](?:filter|policy)|content management policy|responsibleaipolicy|safety system|data_inspection_failed"
    r"|flagged (?:as|by)|moderation",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"insufficient[_ ](?:quota|balance|credits?|funds)|exceeded your current quota|billing|credit balance"
    r"|out of credits|payment required|spending limit",
    re.IGNORECASE,
)
_UNPAID = re.compile(
    r"credit balance is too low|credits are depleted|insufficient[_ ](?:balance|quota|credits)", re.IGNORECASE
)
_RATE = re.compile(
    r"rate[_ -]?limit|too many requests|throttl|tokens per min|requests per min|resource_exhausted", re.IGNORECASE
)
_OVERLOAD = re.compile(r"overloaded|(?:over|at) capacity|service.?unavailable|engine is currently", re.IGNORECASE)

_REFUSED = "upstream_refused"
_BY_STATUS = {
    400: "invalid_request",
    401: "invalid_api_key",
    402: "insufficient_quota",
    403: "not_permitted",
    404: "not_found",
    408: "request_timeout",
    413: "body_too_large",
    422: "invalid_request",
    429: "rate_limit_exceeded",
    503: "overloaded",
}
_RETRIED = frozenset({402, 408, 409, 425, 429})
_TYPES = {  # statuses of error types, for errors that come without one
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "invalid_argument": 400,
    "authentication_error": 401,
    "unauthenticated": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "not_found": 404,
    "notfounderror": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "overloaded_error": 529,
    "unavailable": 503,
    "timeout_error": 504,
}


def classify(status: int, message: str, code: str, type_: str) -> Verdict:
    """The kind of an error.

    Args:
        status: HTTP status; 0 where the error came inside a 200, then the type says it, else 502.
        message: the provider's text.
        code: its code, if it is a word.
        type_: its type.
    """
    if not status:
        status = _TYPES.get(type_.lower()) or _TYPES.get(code.lower()) or 0
    words = f"{code} {type_} {message[:4000]}"
    if status in (0, 400, 404, 413, 422) and (verdict := _by_words(status, words)):
        return verdict
    if status in (402, 403, 429) and (_UNPAID.search(words) or (_QUOTA.search(words) and not _RATE.search(words))):
        return Verdict("insufficient_quota", status, retryable=True)
    if not status:
        return _without_status(words)
    if status == 529 or (status == 500 and _OVERLOAD.search(words)):
        return Verdict("overloaded", 503, retryable=True)
    kind = _BY_STATUS.get(status) or ("server_error" if status >= 500 else _REFUSED)
    return Verdict(kind, status, retryable=status >= 500 or status in _RETRIED)


def _by_words(status: int, words: str) -> Verdict | None:
    """Errors that many providers send as 400, told by their wording."""
    if _CONTEXT.search(words):
        return Verdict("context_length_exceeded", 400, retryable=False)
    if _KEY.search(words):
        return Verdict("invalid_api_key", 401, retryable=False)
    if _MODEL.search(words):
        return Verdict("model_not_found", 404, retryable=False)
    if status == 400 and _UNPAID.search(words):
        return Verdict("insufficient_quota", 402, retryable=True)
    if status and _FILTER.search(words):
        return Verdict("content_filter", 400, retryable=False)
    return None


def _without_status(words: str) -> Verdict:
    """An error inside a 200 that names no status and no known type: by wording, else a server error."""
    if _FILTER.search(words):
        return Verdict("content_filter", 400, retryable=False)
    if _RATE.search(words):
        return Verdict("rate_limit_exceeded", 429, retryable=True)
    if _OVERLOAD.search(words):
        return Verdict("overloaded", 503, retryable=True)
    return Verdict("server_error", 502, retryable=True)
