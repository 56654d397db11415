"""Text that no model wrote: filler that depends on its seed alone, and a token count that everybody can redo."""

from __future__ import annotations

import random
import re

# fmt: off
_WORDS = (
    "signal", "track", "switch", "points", "lever", "junction", "platform", "carriage", "siding", "signalman",
    "timetable", "express", "freight", "local", "station", "bridge", "tunnel", "gauge", "rail", "sleeper",
    "ballast", "engine", "driver", "guard", "ticket", "journey", "morning", "evening", "river", "valley", "north",
    "south", "east", "west", "green", "amber", "red", "clear", "slow", "fast", "long", "short", "first", "second",
    "last", "again", "under", "over", "between", "the", "the", "the", "a", "a", "of", "of", "to", "in", "and", "is",
    "that", "for", "on", "with", "as", "at", "by", "from", "it", "was", "are", "this", "which", "or", "every",
    "any", "some",
)
# fmt: on
_TOKENS = re.compile(r"\s*\S+|\s+")
_LETTERS_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """Tokens of a prompt, by the rule of thumb of four letters each; at least one for any text."""
    return (len(text) + _LETTERS_PER_TOKEN - 1) // _LETTERS_PER_TOKEN


def tokens(text: str) -> list[str]:
    """A text in the pieces in which it is streamed: words with the space before them. Joined they are the text."""
    return _TOKENS.findall(text)


def filler(rng: random.Random, length: int) -> list[str]:
    """That many tokens of prose-like filler."""
    if length <= 0:
        return []
    words = rng.choices(_WORDS, k=length)
    words[0] = words[0].capitalize()
    return [words[0], *[f" {word}" for word in words[1:]]]


def fragments(text: str, size: int = 7) -> list[str]:
    """A text in pieces of a few characters, as tool arguments are streamed."""
    return [text[start : start + size] for start in range(0, len(text), size)]
