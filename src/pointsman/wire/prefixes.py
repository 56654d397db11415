"""What requests share that go on with the same conversation, or ask the same of other texts: how they begin.

Providers keep what they have read of a prompt for some minutes, and take a tenth for it when it comes again from its
beginning. Who sends requests with one beginning to one provider gets that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pointsman.core.chat import Message, Request, Text

_SYSTEM = frozenset({"system", "developer"})


def prefix_of(request: Request) -> str:
    """A digest of the first system message and the first of the user's; empty where neither has text.

    Of texts alone: cache marks move along as a conversation grows, and pictures are written in many ways.
    """
    system = _first(one for one in request.messages if one.role in _SYSTEM)
    user = _first(one for one in request.messages if one.role == "user")
    if not system and not user:
        return ""
    told = f"{system}\0{user}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(told, digest_size=16).hexdigest()


def _first(messages: Iterable[Message]) -> str:
    found = next(iter(messages), None)
    return "" if found is None else "\0".join(block.text for block in found.blocks if isinstance(block, Text))
