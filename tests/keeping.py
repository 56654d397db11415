"""Keys for tests over HTTP: made in a running gateway, in force at once."""

from __future__ import annotations

import asyncio
from typing import Any

from pointsman.core.key_terms import Terms

QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
CHAT = "/v1/chat/completions"


async def key(served: Any, name: str, **terms: Any) -> dict[str, str]:
    """Headers of a new key; `terms` as of `Terms`, and `admin`."""
    if terms.pop("admin", False):
        terms["role"] = "admin"
    made = await asyncio.to_thread(served.house.pieces.keys.create, name, Terms(**terms))
    await asyncio.to_thread(served.house.pieces.keys.refresh)
    return bearer(str(made.secret))


def bearer(secret: str) -> dict[str, str]:
    """Headers with this secret."""
    return {"authorization": f"Bearer {secret}"}


async def flushed(served: Any) -> None:
    """Every call so far is in the ledger."""
    assert await asyncio.to_thread(served.house.pieces.ledger.flush)
