"""How far a provider may go with a request, as its dialect says it: see `core.extent`.

Only what is offered under a budget is looked at like this. Texts are searched as bytes, since reading them would cost
more than all the rest; what may be anything but text counts as that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec

from pointsman.core.extent import OPEN, PLAIN, Extent
from pointsman.core.reach import SILENT
from pointsman.wire.capping import with_fields
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import Fields, dump, list_of, object_of, value_of
from pointsman.wire.trip import Incoming

MOST_USES = 5
"""How often a tool may be used that runs at the provider, where the request does not say and somebody has to."""
_SMALL = 64 * 1024
_SPELLED_OUT = 10
"""A sign becomes at most so many times its bytes longer where a tokenizer spells it out (U+FDFA does)."""
_ESCAPED = (
    (re.compile(rb"\\u[fF][dD][fF]"), 27),
    (re.compile(rb"\\u3(?:3|21)"), 12),
    (re.compile(rb"\\u(?:20[35][47]|22[23][dD0]|2[aA]0[cC]|0[fF]7[79])"), 6),
)
"""Of signs that are escaped, those that become longer than their six bytes, and by how many."""
_HIDDEN_LETTERS = re.compile(rb"\\u00(?:[46][1-9a-fA-F]|[57][0-9aA]|5[fF])")
"""Nobody escapes the letters of a field's name but who wants it not to be found."""
_MARK = b'"type"'
_BACKSLASH = 0x5C
_WORDS = frozenset({"flex", "priority", "scale", "performance", "fast", "batch"})
"""Ways that have names; any other word is one for the usual way."""


def kinds(*names: str) -> re.Pattern[bytes]:
    """Finds a part of any other kind than these."""
    return re.compile(rb'"type"\s*:\s*"(?!(?:%s)")' % "|".join(names).encode())


class Reading(msgspec.Struct):
    """What was found so far of one request."""

    kept: bool = False
    added: int = 0

    def text(self, raw: msgspec.Raw | None, strange: re.Pattern[bytes] | None = None) -> None:
        """Look at a field whose texts are read; `strange` finds in it what its bytes say nothing of."""
        if raw is None:
            return
        body = bytes(raw)
        escaped = body.find(b"\\u") >= 0
        if escaped or not body.isascii():
            self.added += _grown(body, escaped=escaped)
            self.kept = self.kept or (escaped and _HIDDEN_LETTERS.search(body) is not None)
        if strange is not None and body.find(_MARK) >= 0 and strange.search(body) is not None:
            self.kept = True


def plain(body: bytes, *, typed: bool = True) -> bool:
    """Whether nothing but plain texts can stand in messages, by a look that costs next to nothing.

    `typed` False: `"type"` does not stand in them, as somebody has looked.
    """
    if not body.isascii() or (_BACKSLASH in body and b"\\u" in body):
        return False
    return not (typed and _MARK in body) and b'"audio"' not in body


def _grown(body: bytes, *, escaped: bool) -> int:
    """Tokens at most that signs become more than their bytes, where a tokenizer spells them out first."""
    added = sum(len(found.findall(body)) * more for found, more in _ESCAPED) if escaped else 0
    if body.isascii():
        return added
    if len(body) > _SMALL:
        return added + len(body) * _SPELLED_OUT
    text = body.decode("utf-8", "replace")
    if not unicodedata.is_normalized("NFKC", text):
        added += max(len(unicodedata.normalize("NFKC", text).encode()) - len(body), 0)
    return added


def says(fields: Mapping[str, Any], name: str) -> bool:
    """Whether a field is there and not null."""
    raw = fields.get(name)
    return raw is not None and bytes(raw) != b"null"


def tiered(fields: Mapping[str, msgspec.Raw], name: str = "service_tier") -> tuple[frozenset[str], bool]:
    """How a request may be served by its word for that, and whether it leaves it open, in OpenAI's words.

    `auto` is what the account's project is set up for, and so is silence.
    """
    raw = fields.get(name)
    word = None if raw is None else value_of(raw)
    if word is None or word == "auto":
        return SILENT, True
    if not isinstance(word, str):
        return SILENT, False
    return frozenset((word,)) & _WORDS, False


class Tools:
    """Those of a request that run at the provider, and what is known of how often they are used."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.fees: list[tuple[tuple[str, ...], int]] = []
        self._uses = 0
        self._unbounded: list[bool] = []

    def add(self, name: str, uses: int | None, fees: tuple[str, ...] = (), *, settable: bool = False) -> None:
        """One more; `uses` None is without a bound, which can be told where it is `settable`."""
        if uses is None:
            self.names.insert(0, name)  # the first is the one that is named
            self._unbounded.append(settable)
        else:
            self.names.append(name)
            self._uses += uses
        if fees:
            self.fees.append((fees, uses or 0))

    def found(self, most_rounds: int | None = None) -> dict[str, Any]:
        """What an extent says of them; nothing where there are none."""
        if not self.names:
            return {}
        rounds = self._uses if most_rounds is None else min(self._uses, most_rounds)
        return {
            "tools": tuple(self.names),
            "uses": None if self._unbounded else self._uses,
            "settable": bool(self._unbounded) and all(self._unbounded),
            "rounds": rounds,
            "fees": tuple(self.fees),
        }


def extent(reading: Reading, ways: frozenset[str], *, is_open: bool, **more: Any) -> Extent:
    """What was found, in one value; the same one where there is nothing of it."""
    if ways is SILENT and not (reading.kept or reading.added or more):
        return OPEN if is_open else PLAIN
    return Extent(ways=ways, open=is_open, kept=reading.kept, added=reading.added, **more)


def served_usually(incoming: Incoming) -> Incoming:
    """The request told to be served the usual way, in OpenAI's words."""
    return with_fields(incoming, {"service_tier": dump("default")})


class _Kind(msgspec.Struct):
    type: str | None = None


_KINDS = msgspec.json.Decoder(list[_Kind])


def kinds_of(raw: msgspec.Raw | None, known: frozenset[str | None]) -> list[tuple[str, Fields]]:
    """The tools of a request that are of other kinds than those, with their kinds."""
    if raw is None:
        return []
    try:
        if all(one.type in known for one in _KINDS.decode(raw)):
            return []
    except BAD_JSON:
        pass  # one by one, as far as they can be read
    found = []
    for one in list_of(raw):
        fields = object_of(one) or {}
        kind = value_of(fields.get("type"))
        if kind not in known:
            found.append((kind if isinstance(kind, str) else "", fields))
    return found


def whole(raw: msgspec.Raw | None) -> int | None:
    """A whole number above 0; None where there is none."""
    try:
        number = None if raw is None else msgspec.json.decode(raw, type=int)
    except BAD_JSON:
        return None
    return number if number is not None and number > 0 else None
