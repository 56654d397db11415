"""Signatures on thoughts and calls.

Clients send a part back with its `thoughtSignature`, unread. So thinking of other makers travels there, in an envelope:
base64 of `pm1.` and JSON. No Gemini takes an envelope (damaged signatures are refused), so it is taken off again on the
way to one.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from pointsman.core.chat import Reasoning
from pointsman.wire.gemini.names import DIALECT
from pointsman.wire.raw import dump

SEAL = "thoughtSignature"
UNSIGNED = "skip_thought_signature_validator"
"""What Google documents for calls that no Gemini made (https://ai.google.dev/gemini-api/docs/thought-signatures)."""
RAW_UNSIGNED = dump(UNSIGNED)
_PREFIX = b"pm1."
MARK = b"cG0xLnsi"
"""How every envelope begins: `pm1.{"`, in base64."""
_DUMMIES = frozenset(
    text
    for plain in (UNSIGNED, "context_engineering_is_the_way_to_go")
    for text in (plain, base64.b64encode(plain.encode()).decode().rstrip("="))
)


class _Envelope(msgspec.Struct, omit_defaults=True):
    maker: str = ""
    signature: str = ""
    encrypted: str = ""


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_encode = msgspec.json.Encoder().encode


def own_make(maker: str) -> bool:
    """Whether thinking was made by a Gemini."""
    return maker == DIALECT or maker.startswith(DIALECT + "/")


def maker_of(model: str) -> str:
    """The maker of what a Gemini of this name sealed."""
    return f"{DIALECT}/{model}" if model else DIALECT


def seal_of(block: Reasoning) -> str:
    """The signature of a part that holds some thinking; empty where nothing but its text is of use."""
    if own_make(block.maker):
        return block.signature
    if not block.signature and not block.encrypted:
        return ""
    envelope = _Envelope(maker=block.maker, signature=block.signature, encrypted=block.encrypted)
    return base64.b64encode(_PREFIX + _encode(envelope)).decode()


def opened(seal: str) -> Reasoning | None:
    """What an envelope of ours holds; None if it is none, or damaged. Clients may write base64 in either alphabet."""
    if not sealed_by_us(seal):
        return None
    try:
        data = base64.b64decode(seal.replace("-", "+").replace("_", "/") + "==")
        envelope = _ENVELOPE.decode(data[len(_PREFIX) :])
    except (ValueError, RecursionError, binascii.Error):
        return None
    return Reasoning(maker=envelope.maker, signature=envelope.signature, encrypted=envelope.encrypted)


def sealed_by_us(seal: str) -> bool:
    """Whether a signature is an envelope of ours."""
    return seal.startswith(MARK.decode())


def stands_in(seal: str) -> bool:
    """Whether a signature only says that there is none."""
    return seal.rstrip("=") in _DUMMIES
