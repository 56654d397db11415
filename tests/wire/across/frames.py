"""Event streams read by the book, without our own code: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

_LINE = re.compile(r"\r\n|\n|\r")
DONE = "[DONE]"


class Sse(NamedTuple):
    """One event: its name (empty if none), its data as sent, and what they are as JSON (None: they are none)."""

    name: str
    data: str
    value: Any


def events(text: str) -> list[Sse]:
    """Every event of a stream; one without its blank line at the end counts as well."""
    found: list[Sse] = []
    name, data = "", list[str]()
    for line in [*_LINE.split(text.removeprefix("\ufeff")), ""]:
        if line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
            continue
        if data:
            whole = "\n".join(data)
            found.append(Sse(name, whole, json_of(whole)))
        name, data = "", []
    return found


def json_of(text: str) -> Any:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects that a stream's events hold, in order."""
    return [event.value for event in events(text) if isinstance(event.value, dict)]


def items(value: Any) -> list[Any]:
    """A list's items; none of anything else."""
    return value if isinstance(value, list) else []


def fields(value: Any) -> dict[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """A string; an empty one for anything else."""
    return value if isinstance(value, str) else ""


def number(value: Any) -> int:
    """A count; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
