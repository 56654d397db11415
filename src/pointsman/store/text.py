"""Text made fit for a column: bounded, and free of what PostgreSQL or UTF-8 cannot hold."""

from __future__ import annotations

from typing import Any

NAME_CHARS = 256
DETAIL_CHARS = 2_000
_WORST_INT = 2**63 - 1


def plain(joined: str) -> bool:
    """Whether texts, put together, are short printable ASCII, as nearly all are: one test instead of one per text."""
    return len(joined) <= NAME_CHARS and joined.isascii() and joined.isprintable()


def clip(text: str, limit: int = NAME_CHARS) -> str:
    """At most `limit` characters, the last an ellipsis if any were cut; no NUL, no half of a surrogate pair."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def scrub(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row that a database refused, made storable: numbers within 64 bits, texts clean. For the rare row only."""
    return tuple(_scrub(value) for value in row)


def _scrub(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return max(-_WORST_INT, min(int(value), _WORST_INT))
    return clip(value, 1_000_000) if isinstance(value, str) else value
