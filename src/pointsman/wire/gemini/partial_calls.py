"""Calls whose arguments come in pieces (`partialArgs`, on Vertex AI where the caller asked for it)."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from pointsman.wire.parse import as_dict, as_list, as_text

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,6})\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
_VALUES = ("stringValue", "numberValue", "boolValue")
_GAP = 64
"""How many places behind its end a piece may leave a list; more is no list but an attack."""


class PartialCall:
    """One call on its way.

    Attributes:
        name, id, seal: as far as they have come.
        args: the arguments so far.
    """

    __slots__ = ("args", "id", "name", "seal")

    def __init__(self, name: str, call_id: str) -> None:
        self.name = name
        self.id = call_id
        self.seal = ""
        self.args: dict[str, Any] = {}

    def take(self, call: dict[str, Any], seal: str) -> bool:
        """More of it; returns whether more is to come."""
        self.id = self.id or as_text(call.get("id"))
        self.seal = self.seal or seal
        self.args.update(as_dict(call.get("args")))
        for piece in as_list(call.get("partialArgs")):
            _place(self.args, as_dict(piece))
        return call.get("willContinue") is True


def _place(args: dict[str, Any], piece: dict[str, Any]) -> None:
    """Put a piece where its path says; texts grow. One that says no place, or an impossible one, is left out."""
    path = as_text(piece.get("jsonPath"))
    steps: list[str | int] = [
        int(found[2]) if found[2] else (found[1] or found[3] or found[4] or "") for found in _STEP.finditer(path)
    ]
    if not steps:
        return
    value: Any = args
    for step, following in pairwise(steps):
        value = _inside(value, step, [] if isinstance(following, int) else {})
    _put(value, steps[-1], next((piece[name] for name in _VALUES if name in piece), None))


def _inside(value: Any, step: str | int, new: Any) -> Any:
    if isinstance(value, dict) and isinstance(step, str):
        return value.setdefault(step, new)
    if isinstance(value, list) and isinstance(step, int) and step <= len(value) + _GAP:
        while len(value) <= step:
            value.append(type(new)())
        return value[step]
    return None


def _put(value: Any, step: str | int, new: Any) -> None:
    if isinstance(value, dict) and isinstance(step, str):
        old = value.get(step)
        value[step] = old + new if isinstance(old, str) and isinstance(new, str) else new
    elif isinstance(value, list) and isinstance(step, int) and step <= len(value) + _GAP:
        while len(value) <= step:
            value.append(None)
        old = value[step]
        value[step] = old + new if isinstance(old, str) and isinstance(new, str) else new
