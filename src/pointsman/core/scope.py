"""What a key may use: names of routes and models, or patterns of them. Pure.

A name opens what it leads to: a route with all of its models, or a model. `*` stands for any text, also with slashes in
it; so `anthropic/*` is every model of that provider, and the provider itself where requests pass through unread.
Nothing said is everything.
"""

from __future__ import annotations

import re

Allow = tuple[str, ...]
"""Names and patterns; empty is everything."""
PATTERN = re.compile(r"[A-Za-z0-9._:@+/*-]{1,256}")
"""What an entry is made of: a name of a route or a model, in which `*` stands for any text."""
MOST = 200
"""Entries of one key."""


def permits(allow: Allow, *names: str) -> bool:
    """Whether one of the names of a thing is allowed."""
    return not allow or any(covers(pattern, name) for pattern in allow for name in names)


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern stands for a name.

    >>> covers("anthropic/*", "anthropic/claude"), covers("claude-*-1", "claude-1")
    (True, False)
    """
    first, *others = pattern.split("*")
    if not others:
        return pattern == name
    *middle, last = others
    if not name.startswith(first):
        return False
    at = len(first)
    for part in middle:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - at >= len(last) and name.endswith(last)


def told(allow: Allow) -> str:
    """What is allowed, for people."""
    shown = ", ".join(f"`{one}`" for one in allow[:20])
    return f"{shown} and {len(allow) - 20} more" if len(allow) > 20 else shown
