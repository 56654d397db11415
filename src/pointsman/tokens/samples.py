"""Of long texts some windows, spread evenly: counting takes its time with text, and a sample says nearly as much."""

from __future__ import annotations

from collections.abc import Sequence

MOST = 4_096
"""Characters that are counted in full."""
_WINDOW = 256
_WINDOWS = MOST // _WINDOW


def sampled(texts: Sequence[str]) -> tuple[list[str], float]:
    """What to count of some texts, and by how much to multiply that: all of them and 1, or windows of them."""
    total = sum(map(len, texts))
    if total <= MOST:
        return [text for text in texts if text], 1.0
    found: list[str] = []
    step = total / _WINDOWS
    begins = 0  # of the text at hand, among all
    at = step / 2 - _WINDOW / 2
    for text in texts:
        ends = begins + len(text)
        while at < ends and len(found) < _WINDOWS:
            start = max(int(at) - begins, 0)
            found.append(text[start : start + _WINDOW])
            at += step
        begins = ends
    return found, total / max(sum(map(len, found)), 1)
