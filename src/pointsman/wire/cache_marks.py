"""Cache marks: `{"type": "ephemeral", "ttl": "1h"}` on a block, as Anthropic writes them and others have taken over."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import CacheMark
from pointsman.wire.raw import object_of, text_in

NAME = "cache_control"


def read_mark(raw: msgspec.Raw | None) -> CacheMark:
    """The lifetime that a mark asks for; empty where there is none."""
    fields = object_of(raw)
    if not fields or text_in(fields, "type") != "ephemeral":
        return ""
    return "1h" if text_in(fields, "ttl") == "1h" else "5m"


def write_mark(mark: CacheMark) -> dict[str, Any]:
    """A mark as a field to be merged into a block; nothing where none is wanted."""
    if not mark:
        return {}
    value = {"type": "ephemeral", "ttl": "1h"} if mark == "1h" else {"type": "ephemeral"}
    return {NAME: value}
