"""What only one dialect understands, carried beside the core values: opaque fields that remember where they came from.

The way back to their own dialect restores them; any other drops them by name (see `losses`). Nobody has to know them.
"""

from __future__ import annotations

from collections.abc import Iterator

from pointsman.core.chat import Extras
from pointsman.wire.raw import Fields, rest


def keep(dialect: str, fields: Fields, *, model: str = "") -> tuple[Extras, ...]:
    """Extras of a dialect; none where there is nothing to keep.

    Args:
        dialect: whose they are.
        fields: by their own names.
        model: the upstream model, where they are bound to it.
    """
    return (Extras(dialect=dialect, model=model, fields=fields),) if fields else ()


def leftover(dialect: str, fields: Fields, *known: str) -> tuple[Extras, ...]:
    """What an object with a `type` holds beside it and the known fields."""
    if len(fields) == 1 + sum(name in fields for name in known):  # the usual case
        return ()
    return keep(dialect, rest(fields, ("type", *known)))


def of_dialect(extras: tuple[Extras, ...], dialect: str) -> Iterator[Fields]:
    """The fields of a dialect's own extras."""
    return (extra.fields for extra in extras if extra.dialect == dialect)


def own(extras: tuple[Extras, ...], dialect: str) -> Fields:
    """A dialect's own extra fields."""
    if not extras:
        return {}
    return {name: raw for fields in of_dialect(extras, dialect) for name, raw in fields.items()}
