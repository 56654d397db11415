"""Which of a provider's models to offer where no file says so: today's general ones, one per tier.

No list says when a model came out, so its name does: of a maker's own models the highest version, of a host's (whose
names begin with the maker's) the one whose price is newest, and then the one that the list names last.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pointsman.catalog import ModelRow
from pointsman.core.model import TIERS, Ability

_GENERAL = TIERS[:3]
_LEAST_CONTEXT = 32_000
# Words in the names of models that are made for one thing, sold in another way, or not finished.
_SPECIAL = re.compile(
    r"preview|beta|exp|vision|image|live|audio|voice|robot|search|research|cod(?:e|er|ex)|build|computer|guard|omni|"
    r"banana|translat|legal|:free|:batch|ocr|arabic|latest",
    re.IGNORECASE,
)
# `gpt-6.1`, `claude-haiku-5-5`, `deepseek-v4`; not `27b` (a size), `8x7b` (sizes) or `2512` (a date).
_VERSION = re.compile(r"(?<![\d.])(\d{1,2})(?:[.-](\d{1,2}))?(?![\d.]|[bx]\b|x\d)", re.IGNORECASE)


def current(rows: Sequence[ModelRow]) -> list[ModelRow]:
    """At most one model per tier: chat, tools, priced, not about to end, for general use, the newest."""
    best: dict[str, tuple[tuple[float, str, int], ModelRow]] = {}
    for place, row in enumerate(rows):
        if row.tier is None or not _general(row):
            continue
        rank = (_version(row.id), row.price.since if row.price is not None else "", place)
        if row.tier not in best or rank > best[row.tier][0]:
            best[row.tier] = (rank, row)
    return [best[tier][1] for tier in _GENERAL if tier in best]


def _general(row: ModelRow) -> bool:
    lasting = row.price is not None and not row.deprecated and not row.retires
    able = row.kind == "chat" and Ability.TOOLS in row.known and row.context >= _LEAST_CONTEXT
    return lasting and able and row.tier in _GENERAL and _SPECIAL.search(row.id) is None


def _version(name: str) -> float:
    """The version in a maker's own model name; 0 where there is none to compare."""
    found = None if "/" in name else _VERSION.search(name)
    return float(f"{found[1]}.{found[2] or 0}") if found else 0.0
