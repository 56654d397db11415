"""What only one dialect understands, carried beside the core values so that the way back to it restores it.

Two kinds of it share one mapping. A field keeps its own name, and another dialect that cannot express it says so (see
`losses`). A hint is about shape alone (how its dialect had written what the core values already say); its name begins
with `#`, and another dialect loses nothing by ignoring it. A field whose own name begins with `#` is carried with one
more, so that nobody's JSON can pose as a hint.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, TypeVar

import msgspec

from pointsman.core.chat import Block, Choice, Extras, Message, Tool
from pointsman.core.errors import PointsmanError
from pointsman.wire.raw import Fields, dump, object_of, rest, same

_MARK = "#"
FORM = "raw"
"""Hint: an object's JSON as it was read."""
ABSENT = msgspec.Raw(b'"#absent"')
"""Hint for a field that its dialect usually has and that was left out."""

Kept = TypeVar("Kept", bound=Block | Choice | Message | Tool)


def keep(dialect: str, fields: Fields, *, model: str = "", hints: Fields | None = None) -> tuple[Extras, ...]:
    """Extras of a dialect; none where there is nothing to keep.

    Args:
        dialect: whose they are.
        fields: by their own names.
        model: the upstream model, where they are bound to it.
        hints: by their names without the mark.
    """
    found = {_MARK + name if name.startswith(_MARK) else name: raw for name, raw in fields.items()}
    found |= {_MARK + name: raw for name, raw in (hints or {}).items()}
    return (Extras(dialect=dialect, model=model, fields=found),) if found else ()


def leftover(dialect: str, fields: Fields, *known: str) -> tuple[Extras, ...]:
    """What an object with a `type` holds beside it and the known fields."""
    return keep(dialect, rest(fields, ("type", *known)))


def shown(extra: Extras) -> Fields:
    """The fields of some extras by their own names, hints left out."""
    return {
        name.removeprefix(_MARK): raw
        for name, raw in extra.fields.items()
        if not name.startswith(_MARK) or name.startswith(_MARK * 2)
    }


def own(extras: tuple[Extras, ...], dialect: str) -> Fields:
    """A dialect's own extra fields, hints left out."""
    return {name: raw for extra in extras if extra.dialect == dialect for name, raw in shown(extra).items()}


def hints_of(extras: tuple[Extras, ...], dialect: str) -> Fields:
    """A dialect's own hints, by their names without the mark."""
    return {
        name.removeprefix(_MARK): raw
        for extra in extras
        if extra.dialect == dialect
        for name, raw in extra.fields.items()
        if name.startswith(_MARK) and not name.startswith(_MARK * 2)
    }


def hint(extras: tuple[Extras, ...], dialect: str, name: str) -> msgspec.Raw | None:
    """One of a dialect's own hints."""
    for extra in extras:
        if extra.dialect == dialect and _MARK + name in extra.fields:
            return extra.fields[_MARK + name]
    return None


def shape_hints(fields: Fields, written: dict[str, Any], names: Container[str]) -> Fields:
    """Hints on how an object's fields of these names stood, where their usual form `written` does not say the same."""
    return {
        name: fields.get(name, ABSENT)
        for name in {**fields, **written}
        if name in names and not (name in fields and name in written and same(fields[name], written[name]))
    }


def shaped(fields: dict[str, Any], hints: Fields) -> dict[str, Any]:
    """An object's fields as hints about them remember their shape."""
    gone = {name for name, raw in hints.items() if raw == ABSENT}
    return {name: value for name, value in {**fields, **hints}.items() if name not in gone}


def remembering(value: Kept, raw: msgspec.Raw, written: Any, dialect: str) -> Kept:
    """What was read from `raw`; with the JSON itself where the value's usual form `written` would not say the same."""
    if same(raw, written):
        return value
    extras = keep(dialect, own(value.extras, dialect), hints={FORM: raw})
    return msgspec.structs.replace(value, extras=extras)


def remembered(value: Kept, read: Callable[[msgspec.Raw], object], dialect: str) -> msgspec.Raw | None:
    """The JSON that a value was read from, if it was kept and still reads as this value."""
    raw = hint(value.extras, dialect, FORM)
    if raw is None:
        return None
    try:
        return raw if read(raw) == value else None
    except PointsmanError:
        return None  # extras that came back through a caller may hold anything


def tuck(fields: Fields, name: str, inner: Fields) -> None:
    """Put what is left of an inner object beside its parent's extra fields, under the inner object's own name."""
    if inner:
        fields[name] = dump(inner)


def untuck(fields: Fields, name: str) -> Fields:
    """Take it out again."""
    return object_of(fields.pop(name, None)) or {}
