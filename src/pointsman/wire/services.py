"""How an answer was served, and what its provider did besides, in the words of `core.usage.Usage`.

Only what has prices of its own gets a name; every provider has words of its own for the usual way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from pointsman.core.usage import Fees, Usage
from pointsman.wire.counts import MOST, stated
from pointsman.wire.parse import BAD_JSON, as_dict

USUAL = (None, "default", "standard", "auto", "on_demand")
"""What providers call the usual way; only for speed, since any word that is not among the services is usual."""
_SERVICES = frozenset({"batch", "flex", "priority", "scale", "performance", "fast"})
_TOOLS = {
    "web_search_requests": "web_search",
    "web_search_calls": "web_search",
    "x_search_calls": "x_search",
    "code_interpreter_calls": "code_execution",
    "code_execution_requests": "code_execution",
    "file_search_calls": "file_search",
    "document_search_calls": "attachment_search",
    "image_generation_calls": "image_generation",
}
"""What counts of tools in a usage object are called here; fetching pages and calling MCP servers costs nothing."""
_ITEMS = {"file_search_call": "file_search", "image_generation_call": "image_generation"}


def service_of(word: Any) -> str:
    """A service tier as chat and Responses name it; empty is the usual one."""
    return word if isinstance(word, str) and word in _SERVICES else ""


def served(usage: Usage | None, service: str, fees: Fees = ()) -> Usage | None:
    """Usage with what else is known of it; fees that the usage itself states are not counted again."""
    if usage is None or not (service or fees):
        return usage
    return replace(usage, service=service or usage.service, fees=usage.fees or fees)


def fees_of(*stated_in: Any) -> Fees:
    """What a usage object says of tools that were used, from its fields that may say it.

    Raises:
        NoCountError: a count is none.
    """
    found: dict[str, int] = {}
    for fields in stated_in:
        for name, value in as_dict(fields).items():
            ours = _TOOLS.get(name)
            count = stated(value) if ours is not None else 0
            if ours is not None and count:
                found[ours] = max(found.get(ours, 0), count)
    return tuple(found.items())


def sound(seconds: Any) -> Fees:
    """Seconds of sound that were heard, as a fee; none where no number is stated."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MOST:
        return ()
    return (("audio_second", round(seconds)),) if round(seconds) else ()


class _Action(msgspec.Struct):
    type: str | None = None


class _Item(msgspec.Struct):
    type: str | None = None
    action: _Action | None = None
    container_id: str | None = None


_ITEM = msgspec.json.Decoder(_Item)


def fees_in_items(items: Iterable[Any]) -> Fees:
    """What the items of a response say of tools of the provider's: each search, each container once."""
    found: dict[str, int] = {}
    containers: set[str] = set()
    for raw in items:
        try:
            item = _ITEM.decode(raw) if isinstance(raw, msgspec.Raw) else msgspec.convert(raw, _Item)
        except (*BAD_JSON, TypeError):
            continue
        kind = item.type or ""
        if kind == "web_search_call" and (item.action is None or item.action.type in (None, "search")):
            found["web_search"] = found.get("web_search", 0) + 1  # opening a page that was found is none
        elif kind == "code_interpreter_call":
            containers.add(item.container_id or "")
        elif kind in _ITEMS:
            found[_ITEMS[kind]] = found.get(_ITEMS[kind], 0) + 1
    if containers:
        found["container"] = len(containers)
    return tuple(found.items())


def joined(*services: str) -> str:
    """Several services at once."""
    return "+".join(one for one in services if one)


def searches_in(candidate: Mapping[str, Any]) -> int:
    """How many searches of the web ground one of Gemini's candidates."""
    queries = as_dict(candidate.get("groundingMetadata")).get("webSearchQueries")
    return len(queries) if isinstance(queries, list) else 0


def grounding(searches: int, model: str) -> Fees:
    """The fee for Gemini's grounding: by the search, for models before Gemini 3 by the answer that is grounded."""
    if not searches:
        return ()
    return (("web_search", 1 if model.startswith(("gemini-1", "gemini-2")) else searches),)
