"""What the fields of a Responses request may hold where it changes its dialect; see `checking`."""

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
from pointsman.wire.raw import Fields, items_of, object_of, text_in, text_of

_WORDS = ("none", "auto", "required")
_FORMAT = an_object(
    {
        "type": word_of("text", "json_object", "json_schema"),
        "name": TEXT,
        "description": TEXT,
        "schema": OBJECT,
        "strict": FLAG,
    },
    "type",
)
_REQUEST: Table = {
    "instructions": TEXT,
    "tools": list_with(
        an_object({"type": TEXT, "name": TEXT, "description": TEXT, "parameters": OBJECT, "strict": FLAG}, "type"),
        "a list of tools",
    ),
    "tool_choice": either(
        f"one of {', '.join(f'`{word}`' for word in _WORDS)}, or an object that names a tool",
        word_of(*_WORDS),
        an_object({"type": TEXT, "name": TEXT, "mode": TEXT}, "type"),
    ),
    "parallel_tool_calls": FLAG,
    "text": an_object({"format": _FORMAT, "verbosity": TEXT}),
    "max_output_tokens": count_from(1),
    "temperature": number_from(0, 2),
    "top_p": number_from(0, 1),
    "top_logprobs": count_from(0, 20),
    "include": TEXTS,
    "reasoning": an_object({"effort": TEXT, "summary": TEXT, "generate_summary": TEXT}),
    "user": TEXT,
    "background": FLAG,
}
_PART = an_object(
    {
        "type": TEXT,
        "text": TEXT,
        "refusal": TEXT,
        "image_url": TEXT,
        "file_id": TEXT,
        "file_data": TEXT,
        "file_url": TEXT,
        "filename": TEXT,
        "input_audio": OBJECT,
    },
    "type",
)
_PARTS = list_with(_PART, "a list of parts")
_ITEM: Table = {"type": TEXT, "call_id": TEXT, "id": TEXT, "name": TEXT, "namespace": TEXT}
_MESSAGE: Table = {"content": either("a string or a list of parts", TEXT, _PARTS)}


def check_request(fields: Fields) -> None:
    """Everything but the input.

    Raises:
        InvalidRequest: a field holds what it may not, or asks for what another one would have to allow.
    """
    check(fields, _REQUEST)
    raw = fields.get("tool_choice")
    forced = text_of(raw) == "required" or text_in(object_of(raw) or {}, "type") in ("function", "custom")
    # Items of the input may offer tools, too.
    if forced and not items_of(fields.get("tools")) and b'"additional_tools"' not in bytes(fields.get("input", b"")):
        raise no_offer("tool_choice", "tools")


def check_item(fields: Fields, path: str) -> None:
    """The fields of an item of the input. Raises as `check_request`."""
    check(fields, _ITEM, f"{path}.")


def check_message(fields: Fields, path: str) -> None:
    """The content of a message. Raises as `check_request`."""
    check(fields, _MESSAGE, f"{path}.")
