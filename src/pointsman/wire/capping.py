"""Limits that are put into a request which names none, so that its cost is bounded."""

from __future__ import annotations

import msgspec

from pointsman.wire.trip import Incoming


def with_field(incoming: Incoming, name: str, tokens: int) -> Incoming:
    """The request with a top-level field that limits each answer to so many tokens."""
    return with_value(incoming, name, msgspec.Raw(b"%d" % tokens), tokens)


def with_value(incoming: Incoming, name: str, value: msgspec.Raw, tokens: int) -> Incoming:
    """The same, where the limit stands within a field: `value` is all of that."""
    needs = msgspec.structs.replace(incoming.needs, output_tokens=tokens)
    return msgspec.structs.replace(incoming, needs=needs, fields={**incoming.fields, name: value})


def with_fields(incoming: Incoming, fields: dict[str, msgspec.Raw]) -> Incoming:
    """The request with some top-level fields in place of its own."""
    return msgspec.structs.replace(incoming, fields={**incoming.fields, **fields})
