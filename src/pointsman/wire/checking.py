"""What fields of a request may hold where it changes its dialect, as tables: a field's name to its kind.

A provider of the caller's dialect judges a request itself. One of another never sees what was wrong with it: a field
that cannot be read would be left out, and the rest answered and billed. So such a field is refused here, by name, as
the vendor would. Null says nothing, as it does with them. What no table names is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pointsman.core.errors import InvalidRequest
from pointsman.wire.asked import refuse
from pointsman.wire.numbers import number, whole
from pointsman.wire.raw import Fields, list_of, object_of, value_of

_NULL = ord("n")
_OBJECT, _LIST = ord("{"), ord("[")
_DEEP = b"{["
_TEXT, _FLAG, _NUMBER = b'"', b"tf", b"-0123456789"
"""What JSON of a type begins with."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What a field may hold.

    Attributes:
        words: what was expected, for people.
        starts: the types, by the bytes that their JSON may begin with.
        fits: whether a text or number is one of those that are meant; None where all are.
        fields: of an object, those that are looked at.
        needs: of an object, those that have to be there.
        items: of a list.
    """

    words: str
    starts: bytes
    fits: Callable[[Any], bool] | None = None
    fields: Mapping[str, Kind] = msgspec.field(default_factory=dict)
    needs: tuple[str, ...] = ()
    items: Kind | None = None


Table = Mapping[str, Kind]

TEXT = Kind(words="a string", starts=_TEXT)
FLAG = Kind(words="true or false", starts=_FLAG)
NUMBER = Kind(words="a number", starts=_NUMBER, fits=lambda value: number(value) is not None)
WHOLE = Kind(words="a whole number", starts=_NUMBER, fits=lambda value: whole(value) is not None)
OBJECT = Kind(words="an object", starts=b"{")


def number_from(least: float, most: float) -> Kind:
    """A number within bounds."""
    return Kind(
        words=f"a number from {least} to {most}",
        starts=_NUMBER,
        fits=lambda value: (found := number(value)) is not None and least <= found <= most,
    )


def count_from(least: int, most: int | None = None) -> Kind:
    """A whole number within bounds."""
    return Kind(
        words=f"a whole number from {least} {'on' if most is None else f'to {most}'}",
        starts=_NUMBER,
        fits=lambda value: (found := whole(value)) is not None and least <= found and (most is None or found <= most),
    )


def word_of(*words: str) -> Kind:
    """One of some words."""
    return Kind(words=f"one of {', '.join(f'`{word}`' for word in words)}", starts=_TEXT, fits=words.__contains__)


def an_object(fields: Table, *needs: str) -> Kind:
    """An object with such fields, of which some have to be there."""
    return Kind(words="an object", starts=b"{", fields=fields, needs=needs)


def list_with(items: Kind, words: str) -> Kind:
    """A list of such things."""
    return Kind(words=words, starts=b"[", items=items)


def either(words: str, *kinds: Kind) -> Kind:
    """One of several kinds that begin with different things."""
    return Kind(
        words=words,
        starts=b"".join(kind.starts for kind in kinds),
        fits=next((kind.fits for kind in kinds if kind.fits is not None), None),
        fields=next((kind.fields for kind in kinds if kind.fields), {}),
        needs=next((kind.needs for kind in kinds if kind.needs), ()),
        items=next((kind.items for kind in kinds if kind.items is not None), None),
    )


TEXTS = list_with(TEXT, "a list of strings")


def check(
    fields: Fields, table: Table, path: str = "", read: Callable[[msgspec.Raw], Fields | None] = object_of
) -> None:
    """Look at the fields that a table names.

    Args:
        fields: an object's, raw.
        table: what they may hold.
        path: what stands before a field's name, its dot included.
        read: takes an object inside apart; for dialects that spell names in several ways.

    Raises:
        InvalidRequest: one of them holds something else; it says where, what was expected and what was sent.
    """
    for name, raw in fields.items():
        kind = table.get(name)
        if kind is None:
            continue
        start = memoryview(raw)[0]
        if start == _NULL or (kind.fits is None and start in kind.starts and start not in _DEEP):
            continue
        _check(raw, kind, path + name, read)


def no_offer(choice: str, tools: str) -> InvalidRequest:
    """The error for a choice among tools that asks for a call where none are offered."""
    return InvalidRequest(f"`{choice}` asks for a call, and `{tools}` offers none.", param=choice)


def _check(raw: msgspec.Raw, kind: Kind, path: str, read: Callable[[msgspec.Raw], Fields | None]) -> None:
    start = memoryview(raw)[0]
    if start not in kind.starts or (kind.fits is not None and start not in _DEEP and not kind.fits(value_of(raw))):
        refuse(path, kind.words, raw)
    if start == _OBJECT and kind.fields:
        inner = read(raw) or {}
        for name in kind.needs:
            if name not in inner or memoryview(inner[name])[0] == _NULL:
                refuse(f"{path}.{name}", kind.fields[name].words, None)
        check(inner, kind.fields, f"{path}.", read)
    elif start == _LIST and kind.items is not None:
        for at, one in enumerate(list_of(raw)):
            _check(one, kind.items, f"{path}[{at}]", read)
