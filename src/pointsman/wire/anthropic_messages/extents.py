"""How far a provider may go with a request of this dialect: see `wire.extents`.

A tool that runs at the provider is used `max_uses` times at most where the request says so, and however that is, all is
read at most ten times: then the turn is paused (`pause_turn`). Source:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools (2026-11).
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.extent import PLAIN, Extent
from pointsman.core.reach import SILENT
from pointsman.wire.capping import with_fields
from pointsman.wire.extents import Reading, Tools, extent, kinds, kinds_of, plain, says, whole
from pointsman.wire.raw import Fields, dump, list_of, object_of, text_in
from pointsman.wire.trip import Incoming

_MOST_ROUNDS = 10
"""Iterations of a request with tools that run there, by default: `pause_turn` in the reference of the Messages API
(https://docs.anthropic.com/en/api/messages, as others quote it, 2026-11-28). One may use several tools at once; eleven
were measured, which is the first and ten more. Fees are not counted by it: what is billed has to say `max_uses`."""
_TELLING = frozenset(
    {
        "service_tier",
        "speed",
        "inference_geo",
        "container",
        "mcp_servers",
        "context_management",
        "output_config",
    }
)
_SEARCHES = ("web_search", "web_fetch")
_FREE = ("tool_search", "mcp_toolset")
_FUNCTIONS = frozenset({None, "custom"})
_AT_THE_CALLER = ("bash", "text_editor", "computer", "memory")
_ADDED = 1_024
"""Tokens at most of what a provider tells a model of a tool that it defines and the caller runs."""
_STRANGE = kinds(
    *("text", "tool_use", "tool_result", "thinking", "redacted_thinking", "ephemeral"),
)


def extent_of(incoming: Incoming) -> Extent:
    """See `port.Spoken.extent`."""
    fields = incoming.fields
    if not incoming.needs.tools and _TELLING.isdisjoint(fields):
        system = fields.get("system")
        if plain(bytes(fields["messages"])) and (system is None or plain(bytes(system))):
            return PLAIN
    reading = Reading()
    reading.text(fields.get("messages"), _STRANGE)
    reading.text(fields.get("system"), _STRANGE)
    if incoming.needs.tools:
        reading.text(fields.get("tools"))
    reading.text(fields.get("output_config"))
    reading.kept = reading.kept or says(fields, "container")
    tools = _tools(fields, reading)
    found = tools.found(_MOST_ROUNDS)
    if bytes(fields.get("context_management", b"")).find(b"compact") >= 0:  # all is read and summed up before
        found["rounds"] = found.get("rounds", 0) + 1
        found["answers"] = 2
    return extent(reading, _ways(fields), is_open=False, **found)


def _ways(fields: Fields) -> frozenset[str]:
    ways = SILENT
    if text_in(fields, "service_tier") == "standard_only":
        ways = frozenset({"us"})
    if text_in(fields, "inference_geo") == "global":
        ways -= {"us"}
    if says(fields, "speed") and text_in(fields, "speed") != "standard":
        ways |= {"fast"}
    return ways


def _tools(fields: Fields, reading: Reading) -> Tools:
    found = Tools()
    if says(fields, "mcp_servers"):
        found.add("mcp_servers", _MOST_ROUNDS)
    for kind, tool in kinds_of(fields.get("tools"), _FUNCTIONS):
        if kind.startswith(_AT_THE_CALLER):
            reading.added += _ADDED
        elif kind.startswith(_SEARCHES):
            billed = ("web_search",) if kind.startswith("web_search") else ()
            most = whole(tool.get("max_uses"))
            found.add(kind, most if most or billed else _MOST_ROUNDS, billed, settable=True)
        elif kind.startswith(_FREE):
            found.add(kind, _MOST_ROUNDS)
        else:
            found.add(kind, None, (kind.rpartition("_")[0] or kind,))
    return found


def bounded(incoming: Incoming, *, usual: bool, uses: int) -> Incoming:  # noqa: ARG001 - the port's
    """See `port.Spoken.bounded`."""
    raw = incoming.fields.get("tools")
    if not uses or raw is None:
        return incoming
    tools: list[msgspec.Raw | dict[str, Any]] = []
    for one in list_of(raw):
        fields = object_of(one) or {}
        if text_in(fields, "type").startswith(_SEARCHES[0]) and whole(fields.get("max_uses")) is None:
            tools.append({**fields, "max_uses": uses})
        else:
            tools.append(one)
    return with_fields(incoming, {"tools": dump(tools)})
