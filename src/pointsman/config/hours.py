"""Hours of a day as a price has them: `22:00-06:00`, in UTC, over midnight too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

_DAY = 1_440


def minutes(span: str) -> range | None:
    """The minutes of the day that hours cover, those behind midnight from 1,440 on; None where they cover none."""
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in span.split("-"))
    return None if start == end else range(start, end if end > start else end + _DAY)


def overlapping(spans: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each two that have a minute in common, in the order in which they stand."""
    covered = [(span, found) for span in spans if (found := minutes(span)) is not None]
    for (one, mine), (other, theirs) in combinations(covered, 2):
        if any(_meet(mine, theirs, shift) for shift in (-_DAY, 0, _DAY)):
            yield one, other


def _meet(mine: range, theirs: range, shift: int) -> bool:
    return mine.start < theirs.stop + shift and theirs.start + shift < mine.stop
