"""How far a provider may go with a request of this dialect: see `wire.extents`.

`max_tool_calls` bounds the calls of all tools that run at the provider, together. Each of them is one more time that
all is read.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.extent import OPEN, Extent
from pointsman.wire.capping import with_fields
from pointsman.wire.extents import Reading, extent, kinds, kinds_of, plain, says, served_usually, tiered, whole
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import Fields, dump, object_of, text_in
from pointsman.wire.trip import Incoming

_KEPT = ("previous_response_id", "conversation", "prompt")
_TELLING = frozenset({"service_tier", "reasoning", "context_management", "text", *_KEPT})
_AT_THE_CALLER: frozenset[str | None] = frozenset(
    {
        "function",
        "custom",
        "namespace",
        "local_shell",
        "apply_patch",
        "computer",
        "computer_use_preview",
        "computer_use",
    }
)
_FEES: dict[str, tuple[str, ...]] = {
    "web_search": ("web_search",),
    "file_search": ("file_search",),
    "collections_search": ("file_search",),
    "attachment_search": ("attachment_search",),
    "x_search": ("x_search",),
    "code_interpreter": ("container", "code_execution"),
    "code_execution": ("code_execution",),
    "image_generation": ("image_generation",),
    "mcp": (),
    "tool_search": (),
}
"""By the piece, in the words of `Usage.fees`; a kind that is not here is billed under its own name."""
_STRANGE = kinds(
    *("message", "input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text", "reasoning"),
    *(r"function_call(?:_output)?", r"custom_tool_call(?:_output)?", r"local_shell_call(?:_output)?", "exec"),
    *(r"apply_patch_call(?:_output)?", "url_citation", "file_citation"),
)


class _Item(msgspec.Struct):
    type: str | None = None
    role: str | None = None


_ITEMS = msgspec.json.Decoder(list[_Item])


def extent_of(incoming: Incoming) -> Extent:
    """See `port.Spoken.extent`."""
    fields = incoming.fields
    given = fields.get("input")
    if given is not None and not incoming.needs.tools and _TELLING.isdisjoint(fields):
        told, instructions = bytes(given), bytes(fields.get("instructions", b""))
        if plain(told) and plain(instructions) and (told[:1] == b'"' or b'"id"' not in told):
            return OPEN
    reading = Reading()
    reading.text(given, _STRANGE)
    reading.text(fields.get("instructions"))
    if given is not None and _refers(bytes(given)):
        reading.kept = True
    if incoming.needs.tools:
        reading.text(fields.get("tools"))
    reading.text(fields.get("text"))
    asks = bytes(fields.get("reasoning", b""))
    brings_more = asks.find(b'"mode"') >= 0 or asks.find(b'"context"') >= 0 or says(fields, "context_management")
    reading.kept = reading.kept or brings_more or any(says(fields, name) for name in _KEPT)
    ways, is_open = tiered(fields)
    return extent(reading, ways, is_open=is_open, **_tools(fields))


def _refers(given: bytes) -> bool:
    """Whether an item of the input stands for one that is kept elsewhere: it has an id, and is of no kind."""
    if given[:1] != b"[" or given.find(b'"id"') < 0:
        return False
    try:
        return any(item.type is None and item.role is None for item in _ITEMS.decode(given))
    except BAD_JSON:
        return True


def _tools(fields: Fields) -> dict[str, Any]:
    """What an extent says of them: they have one bound for all, so that each may be used that often."""
    names, fees = [], []
    for kind, tool in kinds_of(fields.get("tools"), _AT_THE_CALLER):
        if kind == "shell" and _is_local(tool):
            continue
        names.append(kind or "tools")
        name = "web_search" if kind.startswith("web_search") else kind
        fees.append(_FEES.get(name, (name,)))
    if not names:
        return {}
    uses = whole(fields.get("max_tool_calls"))
    billed = tuple((fee, uses or 0) for fee in dict.fromkeys(fees) if fee)
    return {"tools": tuple(names), "uses": uses, "settable": True, "rounds": uses or 0, "fees": billed}


def _is_local(tool: Fields) -> bool:
    return text_in(object_of(tool.get("environment")) or {}, "type") in ("", "local")


def bounded(incoming: Incoming, *, usual: bool, uses: int) -> Incoming:
    """See `port.Spoken.bounded`."""
    if uses:
        incoming = with_fields(incoming, {"max_tool_calls": dump(uses)})
    return served_usually(incoming) if usual else incoming
