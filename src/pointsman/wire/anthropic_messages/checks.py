"""What the fields of a Messages request may hold where it changes its dialect; see `checking`."""

from __future__ import annotations

from pointsman.wire.checking import (
    FLAG,
    OBJECT,
    TEXT,
    TEXTS,
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
from pointsman.wire.raw import Fields, list_of, object_of, text_in

_MARK = an_object({"type": TEXT, "ttl": TEXT}, "type")
_FORMAT = an_object({"type": word_of("json_schema"), "schema": OBJECT}, "type")
_REQUEST: Table = {
    "max_tokens": count_from(1),
    "tools": list_with(
        an_object({"type": TEXT, "name": TEXT, "description": TEXT, "input_schema": OBJECT, "strict": FLAG}),
        "a list of tools",
    ),
    "tool_choice": an_object({"type": TEXT, "name": TEXT, "disable_parallel_tool_use": FLAG}, "type"),
    "stop_sequences": TEXTS,
    "temperature": number_from(0, 1),
    "top_p": number_from(-1, 1),  # of this and the next, -1 is taken there for no limit
    "top_k": count_from(-1),
    "thinking": an_object({"type": TEXT, "budget_tokens": count_from(1), "display": TEXT}, "type"),
    "output_config": an_object({"effort": TEXT, "format": _FORMAT}),
    "output_format": _FORMAT,
    "metadata": an_object({"user_id": TEXT}),
    "cache_control": _MARK,
}
_BLOCK = an_object(
    {
        "type": TEXT,
        "text": TEXT,
        "thinking": TEXT,
        "signature": TEXT,
        "id": TEXT,
        "name": TEXT,
        "tool_use_id": TEXT,
        "is_error": FLAG,
        "cache_control": _MARK,
    },
    "type",
)
_BLOCKS = list_with(_BLOCK, "a list of blocks")
_SAID: Table = {
    "system": either("a string or a list of text blocks", TEXT, _BLOCKS),
    "content": either("a string or a list of blocks", TEXT, _BLOCKS),
}


def check_request(fields: Fields) -> None:
    """Everything but the conversation.

    Raises:
        InvalidRequest: a field holds what it may not, or asks for what another one would have to allow.
    """
    check(fields, _REQUEST)
    kind = text_in(object_of(fields.get("tool_choice")) or {}, "type")
    if kind in ("any", "tool") and not list_of(fields.get("tools")):
        raise no_offer("tool_choice", "tools")


def check_said(fields: Fields, path: str = "") -> None:
    """The system prompt, or the content of a message. Raises as `check_request`."""
    check(fields, _SAID, path)
