"""How far a provider may go with a request of this dialect: see `wire.extents`.

Nothing says here how often a tool of Google's may be used.
"""

from __future__ import annotations

from pointsman.core.extent import PLAIN, Extent
from pointsman.wire.extents import Reading, Tools, extent, tiered
from pointsman.wire.gemini.names import fields_of, null, objects_of, spelled
from pointsman.wire.raw import Fields
from pointsman.wire.trip import Incoming

_AT_THE_CALLER = frozenset({"functionDeclarations", "computerUse"})
_FILES = (b'ineData"', b'ileData"', b'e_data"')
"""How the names of parts end that are files, in both spellings."""


def extent_of(incoming: Incoming) -> Extent:
    """See `port.Spoken.extent`."""
    fields, reading = spelled(incoming.fields), Reading()
    for name in ("contents", "systemInstruction"):
        raw = fields.get(name)
        if raw is not None:
            reading.text(raw)
            find = bytes(raw).find
            reading.kept = reading.kept or any(find(one) >= 0 for one in _FILES)
    if "cachedContent" in fields:
        reading.kept = reading.kept or not null(fields["cachedContent"])
    if incoming.needs.tools:
        reading.text(fields.get("tools"))
    reading.text(fields.get("generationConfig"))
    ways, is_open = tiered(fields, "serviceTier") if "serviceTier" in fields else (PLAIN.ways, False)
    if not is_open:
        ways = ways if ways is PLAIN.ways else ways | {"provisioned"}
    return extent(reading, ways, is_open=False, **_tools(fields).found())


def _tools(fields: Fields) -> Tools:
    found = Tools()
    for item in objects_of(fields.get("tools")):
        for name, one in (fields_of(item) or {}).items():
            if name not in _AT_THE_CALLER and not null(one):
                found.add(name, None)
    return found
