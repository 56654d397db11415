"""What a caller gets, read as a strict client of its dialect would: the facts, and every breach of the dialect's rules.

A stream is put together as the providers' own libraries do it, to the whole answer that it stands for; the rules are
checked on the way. What a library would forgive is a breach here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wire.across import sdk, seen_chat, seen_gemini, seen_messages, seen_responses
from wire.across.breaches import Breaches
from wire.across.facts import Facts
from wire.across.frames import events, json_of
from wire.across.record import of_body

_WHOLE = {
    "openai-chat": seen_chat.whole,
    "openai-responses": seen_responses.whole,
    "anthropic-messages": seen_messages.whole,
    "gemini": seen_gemini.whole,
}
GATHER = {
    "openai-chat": seen_chat.gathered,
    "openai-responses": seen_responses.gathered,
    "anthropic-messages": seen_messages.gathered,
    "gemini": seen_gemini.gathered,
}
"""How a client of each dialect puts a stream together."""


def whole(dialect: str, body: bytes) -> tuple[Facts, Breaches]:
    """A whole answer, as its caller reads it."""
    breaches = Breaches()
    value = json_of(body.decode())
    if not isinstance(value, dict):
        breaches.append("the body is no JSON object")
        return Facts(unfit="no JSON"), breaches
    _WHOLE[dialect](value, breaches)
    breaches += sdk.whole(dialect, value)
    return of_body(dialect, value), breaches


def stream(dialect: str, data: bytes, *, cut: bool = False) -> tuple[Facts, Breaches]:
    """A stream, as its caller reads it. `cut`: an error follows instead of the end."""
    breaches = Breaches()
    found = events(data.decode())
    breaches.check(data.endswith(b"\n\n") or not data, "the last event has no blank line behind it")
    for event in found:
        if isinstance(event.value, dict):
            breaches += [one for one in sdk.event(dialect, event.value) if one not in breaches]
    body: dict[str, Any] = GATHER[dialect](found, breaches, cut)
    facts = of_body(dialect, body)
    if not cut:
        later = Breaches()
        _WHOLE[dialect](body, later)
        breaches += [f"put together: {one}" for one in later]
    return replace(facts, unfit="" if cut else facts.unfit), breaches
