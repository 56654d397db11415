"""What only its maker can read, carried through clients of this dialect in the one field that they send back unread.

Clients keep reasoning items and return them with the next turn, `encrypted_content` included; all else that they do
not know may get lost on the way (Codex keeps neither ids nor fields of its own). So thinking of other makers travels
there, in an envelope: `pm1.` and JSON in base64url. An envelope with a `call` is no thinking at all: it holds what
belongs to that call (Gemini's signature, without which it refuses the turn).
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

import msgspec

from pointsman.core.chat import Extras, Reasoning, ToolCall
from pointsman.core.dialects import RESPONSES
from pointsman.wire.raw import Fields, object_of, text_in

PREFIX = "pm1."
MARK = b'"pm1.'
_encode = msgspec.json.Encoder().encode


class _Envelope(msgspec.Struct, omit_defaults=True):
    maker: str = ""
    signature: str = ""
    encrypted: str = ""
    summary: bool = False
    call: str = ""
    fields: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)


class Seal(NamedTuple):
    """An envelope's content: thinking without its text, or what belongs to a call."""

    reasoning: Reasoning
    call: str = ""
    extras: tuple[Extras, ...] = ()


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def seal_of(block: Reasoning) -> str:
    """`encrypted_content` for some thinking; empty where nothing but its text is of use."""
    if block.encrypted and not block.signature and own_make(block.maker):
        return block.encrypted
    if not block.signature and not block.encrypted:
        return ""
    return _sealed(
        _Envelope(maker=block.maker, signature=block.signature, encrypted=block.encrypted, summary=block.summary)
    )


def seals_of_call(call: ToolCall) -> list[str]:
    """`encrypted_content` for what else dialects keep with a call."""
    return [
        _sealed(_Envelope(maker=extra.dialect, call=call.id, fields=extra.fields))
        for extra in call.extras
        if extra.dialect != RESPONSES
    ]


def opened(encrypted: str) -> Seal | None:
    """What an envelope of ours holds; None if it is none, or damaged."""
    if not encrypted.startswith(PREFIX):
        return None
    try:
        envelope = _ENVELOPE.decode(base64.urlsafe_b64decode(encrypted[len(PREFIX) :] + "=="))
    except (ValueError, RecursionError, binascii.Error):
        return None
    block = Reasoning(
        signature=envelope.signature,
        encrypted=envelope.encrypted,
        summary=envelope.summary,
        maker=envelope.maker,
    )
    if not envelope.call:
        return Seal(block)
    return Seal(block, envelope.call, (Extras(dialect=envelope.maker, fields=envelope.fields),))


def own_make(maker: str) -> bool:
    """Whether thinking was made by a model that was asked in this dialect."""
    return maker == RESPONSES or maker.startswith(RESPONSES + "/")


def sealed_by_us(item: msgspec.Raw) -> bool:
    """Whether an item is reasoning in an envelope of ours."""
    fields: Fields | None = object_of(item) if bytes(item).find(MARK) >= 0 else None
    return fields is not None and text_in(fields, "encrypted_content").startswith(PREFIX)


def _sealed(envelope: _Envelope) -> str:
    return PREFIX + base64.urlsafe_b64encode(_encode(envelope)).rstrip(b"=").decode()
