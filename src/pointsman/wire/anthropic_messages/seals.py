"""What only its maker can read, carried through clients of this dialect in the fields that they send back unread.

Clients keep thinking blocks and return them unchanged with the next turn. So the seals of other makers travel there,
with the maker's name: `pm1.`, the name in base64url, a dot, the seal (`pm1e.` where it is the thinking itself,
encrypted; `pm1s.` where the text is a summary). What belongs to a call (Gemini's signature, without which it refuses
the turn) travels as a redacted thinking block of its own, `pm1c.` and JSON in base64url. Seals of this dialect's own
models stay as they are.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NamedTuple

import msgspec

from pointsman.core.chat import Extras, Reasoning, ToolCall
from pointsman.core.dialects import MESSAGES
from pointsman.wire.raw import Fields, text_in

_THINKING = re.compile(r"pm1(?P<flags>[es]{0,2})\.(?P<maker>[A-Za-z0-9_-]*)\.")
_CALL = "pm1c."
NO_INDEX = "pm1"
"""Stands in citations of ours where Anthropic's have an encrypted index."""
MARK = b'"pm1'
_encode = msgspec.json.Encoder().encode


class CallSeal(NamedTuple):
    """What belongs to a call of the same turn."""

    call: str
    extras: Extras


class _Envelope(msgspec.Struct):
    call: str
    dialect: str
    fields: dict[str, msgspec.Raw]


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def own_make(maker: str) -> bool:
    """Whether something was made by a model of this dialect, as far as that is known."""
    return maker in ("", MESSAGES) or maker.startswith(MESSAGES + "/")


class Seal(NamedTuple):
    """A seal as its maker wrote it; `text` is the seal, `encrypted` says that it is thinking itself."""

    text: str
    maker: str = ""
    encrypted: bool = False
    summary: bool = False
    ours: bool = False


def signature_of(block: Reasoning) -> str:
    """The signature of some thinking as clients get it. Never empty: what no maker has signed is known by that."""
    seal = block.signature or block.encrypted
    if seal and own_make(block.maker):
        return seal
    return _sealed(seal, block, encrypted=bool(seal) and not block.signature)


def data_of(block: Reasoning) -> str:
    """Thinking that only its maker can read as clients get it."""
    return block.encrypted if own_make(block.maker) else _sealed(block.encrypted, block, encrypted=True)


def _sealed(seal: str, block: Reasoning, *, encrypted: bool) -> str:
    flags = ("e" if encrypted else "") + ("s" if block.summary else "")
    return f"pm1{flags}.{_plain64(block.maker.encode('utf-8', 'replace'))}.{seal}"


def opened(text: str) -> Seal:
    """What a signature or data hold, whoever wrote them."""
    found = _THINKING.match(text) if text.startswith("pm1") else None
    maker = _bytes64(found["maker"]) if found is not None else None
    if found is None or maker is None:
        return Seal(text)
    return Seal(
        text[found.end() :],
        maker.decode("utf-8", "replace"),
        encrypted="e" in found["flags"],
        summary="s" in found["flags"],
        ours=True,
    )


def seals_of_call(call: ToolCall, call_id: str) -> list[str]:
    """What dialects keep with a call, as data of redacted thinking; `call_id` is the call's at the client."""
    return [
        _CALL + _plain64(_encode(_Envelope(call=call_id, dialect=extra.dialect, fields=extra.fields)))
        for extra in call.extras
        if extra.dialect != MESSAGES
    ]


def call_seal(data: str) -> CallSeal | None:
    """What such data hold; None where they are none of ours."""
    if not data.startswith(_CALL):
        return None
    raw = _bytes64(data.removeprefix(_CALL))
    try:
        found = _ENVELOPE.decode(raw or b"")
    except (ValueError, RecursionError):
        return None
    return CallSeal(found.call, Extras(dialect=found.dialect, fields=found.fields))


def sealed_by_us(fields: Fields) -> bool:
    """Whether a block is thinking that no provider of this dialect has made."""
    kind = text_in(fields, "type")
    if kind == "thinking":
        return opened(text_in(fields, "signature")).ours
    if kind == "redacted_thinking":
        data = text_in(fields, "data")
        return call_seal(data) is not None or opened(data).ours
    return False


def _plain64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes64(text: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return None
