"""What an error means to a caller, from the providers' own words.

Statuses are the recorded ones, with three exceptions (gotcha 47): 529 is 503 elsewhere; a bad key is 401 whatever xAI
and Google call it; a model that does not exist may be 404 where the provider says 400.
"""

from __future__ import annotations

import re
from typing import Any

from wire.across.facts import Failure
from wire.across.frames import fields, items, json_of, text

_KEY = re.compile(r"api key (?:provided|not valid|is invalid)|invalid api key", re.IGNORECASE)
_MODEL = re.compile(r"model.{0,80} does not exist", re.IGNORECASE)


def of_record(response: dict[str, Any]) -> Failure:
    """Facts of an answer with status 400 or more."""
    body = response.get("body")
    if body is None:
        body = json_of(response.get("text") or response.get("sse") or "")
    status = response["status"]
    said = message_of(body)
    statuses = {503 if status == 529 else status}
    if status == 400 and _KEY.search(said):
        statuses = {401}
    if status == 400 and _MODEL.search(said):
        statuses |= {404}
    return Failure(statuses=frozenset(statuses), text=said)


def failure_in(body: dict[str, Any], event: str = "") -> Failure | None:
    """The error inside an answer with status 200, or inside one event of a stream."""
    error = body.get("error")
    if not error:
        error = next((one["error"] for one in items(body.get("choices")) if fields(one).get("error")), None)
    if not error and event != "error":
        return None
    error = error or body
    said = fields(error)
    stated = [code for name in ("code", "status_code") if isinstance(code := said.get(name), int)]
    kinds = {"invalid_request_error": 400, "overloaded_error": 503, "rate_limit_error": 429, "api_error": 500}
    named = kinds.get(text(said.get("type")))
    status = next((code for code in stated if code >= 400), named)
    # Without any word about it, it is the provider's fault; gateways say 502 as well as 500.
    return Failure(statuses=frozenset({status} if status else {500, 502}), text=message_of({"error": error}))


def message_of(body: Any) -> str:
    """What an error says to people; empty where it is a page."""
    if isinstance(body, list):  # Google, without `alt=sse`
        body = body[0] if body else {}
    value = fields(body)
    error = value.get("error") or value
    if isinstance(error, str):
        return error
    said = fields(error)
    for name in ("message", "detail"):
        if isinstance(said.get(name), str):
            return text(said[name])
    return ""
