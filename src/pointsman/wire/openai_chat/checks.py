"""What the fields of a chat request may hold where it changes its dialect; see `checking`."""

from __future__ import annotations

import msgspec

from pointsman.core.errors import InvalidRequest
from pointsman.wire.asked import refuse
from pointsman.wire.checking import (
    FLAG,
    OBJECT,
    TEXT,
    TEXTS,
    WHOLE,
    Table,
    an_object,
    check,
    count_from,
    either,
    list_with,
    no_offer,
    number_from,
    word_of,
)
from pointsman.wire.raw import Fields, list_of, object_of, text_in, text_of, value_of

_FUNCTION = an_object({"name": TEXT, "description": TEXT, "parameters": OBJECT, "strict": FLAG}, "name")
_SCHEMA = an_object({"name": TEXT, "description": TEXT, "schema": OBJECT, "strict": FLAG})
_LIMIT = count_from(1)
_PENALTY = number_from(-2, 2)
_WORDS = ("none", "auto", "required", "any")  # the last is Mistral's

_REQUEST: Table = {
    "tools": list_with(an_object({"type": TEXT, "function": _FUNCTION}), "a list of tools"),
    "functions": list_with(_FUNCTION, "a list of functions"),
    "tool_choice": either(
        f"one of {', '.join(f'`{word}`' for word in _WORDS)}, or an object that names a tool",
        word_of(*_WORDS),
        an_object({"type": TEXT, "function": an_object({"name": TEXT}, "name")}),
    ),
    "function_call": either(
        "`none`, `auto` or an object that names a function", word_of("none", "auto"), an_object({"name": TEXT}, "name")
    ),
    "parallel_tool_calls": FLAG,
    "response_format": an_object(
        {"type": word_of("text", "json_object", "json_schema"), "json_schema": _SCHEMA}, "type"
    ),
    "max_completion_tokens": _LIMIT,
    "max_tokens": _LIMIT,
    "stop": either("a string or a list of strings", TEXT, TEXTS),
    "n": count_from(1),
    "logprobs": FLAG,
    "top_logprobs": count_from(0, 20),
    "temperature": number_from(0, 2),
    "top_p": number_from(0, 1),
    "presence_penalty": _PENALTY,
    "frequency_penalty": _PENALTY,
    "top_k": count_from(-1),  # -1 is "all of them" to several servers
    "seed": WHOLE,
    "reasoning_effort": TEXT,
    "reasoning": an_object({"effort": TEXT, "max_tokens": count_from(0), "enabled": FLAG, "exclude": FLAG}),
    "thinking": an_object({"type": word_of("enabled", "disabled", "adaptive"), "budget_tokens": count_from(1)}),
    "stream_options": an_object({"include_usage": FLAG}),
    "user": TEXT,
}
_PLACE = either("an object with a `url`", TEXT, an_object({"url": TEXT}))  # a text at Mistral
_PART = an_object(
    {
        "type": TEXT,
        "text": TEXT,
        "refusal": TEXT,
        "image_url": _PLACE,
        "video_url": _PLACE,
        "file": an_object({"file_data": TEXT, "file_id": TEXT, "filename": TEXT}),
    },
    "type",
)
_CALL = an_object({"id": TEXT, "type": TEXT, "function": an_object({"name": TEXT}, "name")})
_MESSAGE: Table = {
    "content": either("a string or a list of parts", TEXT, list_with(_PART, "a list of parts")),
    "name": TEXT,
    "refusal": TEXT,
    "tool_call_id": TEXT,
    "tool_calls": list_with(_CALL, "a list of calls"),
    "function_call": an_object({"name": TEXT, "arguments": TEXT}),
}
_SPEAKERS = frozenset({"system", "developer", "user"})
"""Who cannot say nothing; the assistant can, who calls tools."""


def check_request(fields: Fields) -> None:
    """Everything but the messages.

    Raises:
        InvalidRequest: a field holds what it may not, or asks for what another one would have to allow.
    """
    check(fields, _REQUEST)
    if "top_logprobs" in fields and value_of(fields["top_logprobs"]) and value_of(fields.get("logprobs")) is not True:
        raise InvalidRequest("`top_logprobs` needs `logprobs: true` beside it.", param="top_logprobs")
    for name, offer in (("tool_choice", "tools"), ("function_call", "functions")):
        if name in fields and _forces(fields, name) and not list_of(fields.get("tools") or fields.get("functions")):
            raise no_offer(name, offer)
    form = object_of(fields.get("response_format"))
    if form and text_in(form, "type") == "json_schema" and object_of(form.get("json_schema")) is None:
        path = "response_format.json_schema"
        raise InvalidRequest(f"`{path}` is missing; an object with a `schema` was expected.", param=path)


def _forces(fields: Fields, name: str) -> bool:
    """Whether a choice among tools is that one of them has to be called."""
    raw = fields[name]
    return text_of(raw) in ("required", "any") or object_of(raw) is not None


def check_message(fields: Fields, path: str) -> None:
    """The fields of a message. Raises as `check_request`."""
    check(fields, _MESSAGE, f"{path}.")
    if text_of(fields.get("role")) in _SPEAKERS and _is_null(fields.get("content")):
        refuse(f"{path}.content", _MESSAGE["content"].words, fields.get("content"))


def _is_null(raw: msgspec.Raw | None) -> bool:
    return raw is None or bytes(raw) == b"null"
