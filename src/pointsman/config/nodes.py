"""The tree that YAML text is read into: what was written, and where."""

from __future__ import annotations

import msgspec

from pointsman.config.problems import Mark


class Scalar(msgspec.Struct, frozen=True, kw_only=True):
    """A single value as it was written; `plain` means without quotes."""

    text: str
    plain: bool
    mark: Mark
    weight: int = 1


class Sequence(msgspec.Struct, frozen=True, kw_only=True):
    """A list."""

    items: tuple[Node, ...]
    mark: Mark
    weight: int


class Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """Keys and values in order; a key may occur twice here, the decoder refuses that."""

    entries: tuple[tuple[Scalar, Node], ...]
    mark: Mark
    weight: int


Node = Scalar | Sequence | Mapping
NOTHING = Scalar(text="", plain=True, mark=Mark(1, 1))
"""What an empty file holds."""
