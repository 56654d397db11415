"""The schema's classes as data: what a key may hold, as the decoder, the JSON Schema and the reference page read it."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from msgspec import inspect as kinds

from pointsman.config.schema import Config


class Extra(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `values.py` says about a kind of value beyond msgspec's own limits."""

    type: str = ""
    expects: str = ""
    hint: str = ""
    read: str = ""
    most: str = ""
    places: int = 0
    shorthand: str = ""
    list: str = ""


def unwrap(kind: kinds.Type) -> tuple[kinds.Type, Extra]:
    """A type without its wrappers and its `| None`, and what `values.py` says about it."""
    extra: dict[str, Any] = {}
    while True:
        if isinstance(kind, kinds.Metadata):
            extra |= kind.extra or {}
            kind = kind.type
        elif isinstance(kind, kinds.UnionType):
            kind = next(t for t in kind.types if not isinstance(t, kinds.NoneType))
        else:
            return kind, msgspec.convert(extra, Extra)


def is_optional(kind: kinds.Type) -> bool:
    """Whether nothing may stand there: sections, lists and what is `| None`."""
    inner = kind.type if isinstance(kind, kinds.Metadata) else kind
    return allows_none(kind) or isinstance(inner, kinds.StructType | kinds.DictType | kinds.VarTupleType)


def allows_none(kind: kinds.Type) -> bool:
    """Whether nothing stands for None, rather than for an empty section or list."""
    return isinstance(kind.type if isinstance(kind, kinds.Metadata) else kind, kinds.UnionType)


@functools.cache
def shape() -> kinds.StructType:
    """The schema's classes as types; made once, it takes longer than reading a usual file."""
    kind = kinds.type_info(Config)
    if not isinstance(kind, kinds.StructType):
        raise TypeError("the configuration is a section")
    return kind
