"""Is this text a secret? What looks like one is never repeated in a message."""

from __future__ import annotations

import re
from itertools import pairwise

# Prefixes that vendors give their keys so that scanners can find them.
PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])("
    r"sk-[A-Za-z0-9_-]{12,}|pm-[A-Za-z0-9]{20,}|(sk|rk|pk)_(live|test)_[A-Za-z0-9]{12,}|AIza[0-9A-Za-z_-]{30,}|(gsk|hf|r8|nvapi|fw)[_-][A-Za-z0-9_-]{18,}"
    r"|(xai|pplx|csk|tgp|dapi)-?[A-Za-z0-9_]{28,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"
    r"|(AKIA|ASIA)[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.|-----BEGIN [A-Z ]*PRIVATE KEY)"
)
_TOKEN = re.compile(r"[A-Za-z0-9_+/=.~-]{20,}")
_MIXED = 3
"""Of so many characters of a random text one at least is of another sort than the one before; in names it is seldom."""


def redacted(text: str) -> str:
    """A message without what looks like a secret in it."""
    return PREFIXED.sub("…", text)


def is_secret(text: str) -> bool:
    """Whether somebody has given a secret where a name is expected: one with a vendor's mark, or a long random text.

    Ids, digests and names of people and things are none: they have no capitals beside small letters, or words in them.
    """
    return PREFIXED.search(text) is not None or (_TOKEN.fullmatch(text) is not None and _is_random(text))


def _is_random(text: str) -> bool:
    sorts = [one.isupper() + 2 * one.islower() + 4 * one.isdigit() for one in text]
    changes = sum(bool(a and b and a != b) for a, b in pairwise(sorts))  # not beside marks, which part words
    return {1, 2, 4} <= set(sorts) and changes * _MIXED >= len(text)
