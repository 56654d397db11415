"""How a model's name finds its row: exactly, else with its date or revision taken off, never by mere likeness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_WRAPPERS = re.compile(r"^(?:models/|publishers/[^/]+/models/)")
# `-2024-08-06`, `-20240806`, `@20250514`, `-latest`, `@latest`, `@default`, `-001`, `-v1:0`, `-v1`, `:0`
_MARK = re.compile(
    r"(?:[-@]20\d\d-[01]\d-[0-3]\d|[-@]20\d\d[01]\d[0-3]\d|[-@]latest|@default|-00\d|-v\d+(?::\d+)?|:\d+)$"
)
_FINE_TUNED = re.compile(r"^ft:([^:]+)(?::.*)?$")

_MARKS = 3  # real names have at most a date, a revision and a number: `-20250929-v1:0`
LONGEST = 200
"""Longest name that is looked up; callers choose names, and looking is not free."""


def plain(name: str) -> str:
    """The form in which names are compared: lower case, without a `models/` wrapper."""
    return _WRAPPERS.sub("", name.strip().lower())


def spellings(name: str) -> Iterator[str]:
    """The name, then the name without its date or revision mark, then without the next, and so on."""
    current = plain(name)
    for _ in range(_MARKS + 1):
        yield current
        shorter = _MARK.sub("", current)
        if shorter == current or not shorter:
            return
        current = shorter


def tails(name: str) -> Iterator[str]:
    """What follows each `.`, `/` or start: the name without region and vendor prefixes, longest first."""
    yield name
    for place, char in enumerate(name):
        if char in "./" and place + 1 < len(name):
            yield name[place + 1 :]


def fine_tuned_base(name: str) -> str:
    """`gpt-4o-mini-2024-07-18` of `ft:gpt-4o-mini-2024-07-18:org::id`; empty for every other name."""
    found = _FINE_TUNED.match(name.strip())
    return found[1] if found else ""


def nearest(name: str, known: Iterable[str], count: int) -> tuple[str, ...]:
    """Up to `count` known names that somebody may have meant, best first."""
    import difflib  # noqa: PLC0415 - 3 ms that only a wrong name has to pay

    wanted = plain(name)
    by_plain = {plain(each): each for each in known}
    inside = sorted((each for each in by_plain if wanted and wanted in each), key=lambda each: (len(each), each))
    close = difflib.get_close_matches(wanted, by_plain, n=count, cutoff=0.6)
    ordered = dict.fromkeys([*close, *inside])
    return tuple(by_plain[each] for each in list(ordered)[:count])
