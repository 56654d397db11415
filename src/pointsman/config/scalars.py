"""Single values from their source text: whole numbers, numbers, amounts, sizes, truth values, and JSON.

YAML 1.2's core schema, so `no`, `on` and `1:30` are text. Each reader gives the value, or None where the text is
something else.
"""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from pointsman.config.nodes import Mapping, Node, Scalar, Sequence
from pointsman.config.secret import looks_secret

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"[-+]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?")
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_SIZE = re.compile(r"([0-9]{1,12}) ?([kKMGT]i?)?B?", re.ASCII)
_UNITS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_SHOWN = 40
_QUERY = re.compile(r"[?#][^=]*=.*", re.DOTALL)
"""From a URL's query on; some providers take their key there."""


def is_null(node: Node) -> bool:
    """Whether nothing is written there."""
    return isinstance(node, Scalar) and node.plain and node.text in _NULL


def integer(node: Scalar) -> int | None:
    """A whole number in decimal digits."""
    return int(node.text) if node.plain and _INTEGER.fullmatch(node.text) else None


def amount(node: Scalar) -> Decimal | None:
    """A number, exactly as written."""
    return Decimal(node.text) if node.plain and _NUMBER.fullmatch(node.text) else None


def truth(node: Scalar) -> bool | None:
    """`true` or `false`."""
    return _TRUTH.get(node.text) if node.plain else None


def size(node: Scalar) -> int | None:
    """Bytes: a whole number, or one with a unit: `50MB` (millions), `32MiB` (1024 times 1024)."""
    found = _SIZE.fullmatch(node.text)
    if not found or (not node.plain and not found[2]):
        return None
    unit = found[2] or ""
    base = 1024 if unit.endswith("i") else 1000
    power: int = base ** _UNITS.get(unit[:1], 0)
    return int(found[1]) * power


def is_text(node: Scalar) -> bool:
    """Whether it is text: quoted, or nothing that reads as a number, a truth value or null."""
    return not node.plain or not (is_null(node) or truth(node) is not None or _NUMBER.fullmatch(node.text))


def found(node: Node, key: str = "") -> str:
    """What stands there, for an error; a secret is not repeated."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if is_null(node):
        return "nothing"
    if looks_secret(node.text, key):
        return "a text that looks like a secret"
    text = _QUERY.sub("?…", node.text)
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    shown = shown.replace("\n", "⏎")
    kind = "the text " if is_text(node) else "the number " if amount(node) is not None else ""
    return f"{kind}`{shown}`"


def json_text(node: Scalar) -> bytes | None:
    """A scalar as JSON, numbers as they were written; None where JSON has no such number."""
    if is_null(node):
        return b"null"
    said = truth(node)
    if said is not None:
        return b"true" if said else b"false"
    number = amount(node)
    if number is None:
        return None if node.plain and node.text.lstrip("+-").lower() in (".inf", ".nan") else _quoted(node.text)
    if _JSON_NUMBER.fullmatch(node.text):
        return node.text.encode()
    return str(number).encode()


def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)
