"""How far a provider may go with a request of this dialect: see `wire.extents`."""

from __future__ import annotations

from typing import Any

from pointsman.core.extent import OPEN, Extent
from pointsman.wire.extents import Reading, Tools, extent, kinds, kinds_of, plain, says, tiered, whole
from pointsman.wire.raw import Fields
from pointsman.wire.trip import Incoming

_TOOLS = ("web_search_options", "plugins", "search_parameters", "enable_search", "data_sources", "venice_parameters")
"""Fields that have a provider search or read besides; none of them says how often."""
_TELLING = frozenset({"service_tier", "prediction", "best_of", "response_format", *_TOOLS})
_FUNCTIONS: frozenset[str | None] = frozenset({"function", "custom"})
_STRANGE = kinds(
    *("text", "function", "custom", "refusal", "ephemeral", "thinking", "redacted_thinking", "input_text"),
    *("output_text", r"reasoning[a-z_.]*", "tool_use", "tool_result"),
)


def extent_of(incoming: Incoming) -> Extent:
    """See `port.Spoken.extent`."""
    fields = incoming.fields
    chat = fields.get("messages")
    if (
        chat is not None
        and not incoming.needs.tools
        and _TELLING.isdisjoint(fields)
        and plain(bytes(chat), typed=incoming.typed)
    ):
        return OPEN
    reading = Reading()
    reading.text(chat if chat is not None else fields.get("prompt"), _STRANGE)
    if chat is not None and bytes(chat).find(b'"audio"') >= 0:
        reading.kept = True  # an earlier answer that was spoken, by its id
    if chat is not None and bytes(chat).find(b'"cache_control"') >= 0:
        reading.added += len(bytes(chat))  # some providers count what they read from the cache and write to it twice
    if incoming.needs.tools:
        reading.text(fields.get("tools"))
        reading.text(fields.get("functions"))
    reading.text(fields.get("response_format"))
    ways, is_open = tiered(fields)
    return extent(reading, ways, is_open=is_open, **_tools(fields).found(), **_more(fields))


def _tools(fields: Fields) -> Tools:
    found = Tools()
    for name in _TOOLS:
        if says(fields, name) and bytes(fields[name]) not in (b"false", b"[]"):
            found.add(name, None)
    for kind, _ in kinds_of(fields.get("tools"), _FUNCTIONS):
        found.add(kind or "tools", None)
    return found


def _more(fields: Fields) -> dict[str, Any]:
    """What is written besides the answers: of a prediction what was wrong, of completions those that are not best."""
    more: dict[str, Any] = {}
    if says(fields, "prediction"):
        more["written"] = len(bytes(fields["prediction"]))
    best = whole(fields.get("best_of"))
    if best is not None:
        more["answers"] = best
    return more
