"""How far something long is: a bar on a terminal, a line now and then elsewhere; always on standard error."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import Self

from pointsman.cli import figures
from pointsman.cli.terminal import paint, say

_EVERY_SECONDS = 0.1
_LINE_SHARE = 25  # percent between two lines where there is no terminal
_WIDEST = 40
_NARROWEST = 10
_WORDS = 44  # what stands around the bar


def _watched() -> bool:
    """Whether standard error is a terminal on which a line can be written anew."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Progress:
    """Called with what is being done, how many bytes are done and how many there are.

    Args:
        name: of what is on its way.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar = _watched()
        self._shown = 0.0
        self._said: tuple[str, int] = ("", -1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._bar and self._shown:
            sys.stderr.write("\r\x1b[K")  # the last line is the caller's to write
            sys.stderr.flush()

    def __call__(self, doing: str, done: int, total: int) -> None:
        """Show it, if it is time."""
        if self._bar:
            self._draw(doing, done, total)
        else:
            self._line(doing, done, total)

    def _draw(self, doing: str, done: int, total: int) -> None:
        now = time.monotonic()
        if doing == self._said[0] and now - self._shown < _EVERY_SECONDS:
            return
        self._shown, self._said = now, (doing, 0)
        share = min(done / total, 1.0) if total else 0.0
        width = min(_WIDEST, shutil.get_terminal_size().columns - _WORDS - len(self._name))
        bar = ""
        if width >= _NARROWEST:
            full = round(share * width)
            bar = paint("━" * full, "green", err=True) + paint("━" * (width - full), "dim", err=True) + "  "
        sys.stderr.write(f"\r\x1b[K{self._name}  {doing:<11} {bar}{figures.size(done)} of {figures.size(total)}")
        sys.stderr.flush()

    def _line(self, doing: str, done: int, total: int) -> None:
        percent = min(100 * done // total, 100) if total else 0
        step = percent // _LINE_SHARE
        if (doing, step) != self._said:
            self._said = (doing, step)
            say(f"{self._name}: {doing}, {percent} % of {figures.size(total)}")


class Counting:
    """Called with what is done with rows, how many are and how many there are (0: not known); only on a terminal.

    Args:
        quiet: nothing is shown there either.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._shows = _watched() and not quiet
        self._shown = 0.0
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, done: str, count: int, total: int) -> None:
        """Show it, if it is time."""
        now = time.monotonic()
        if self._shows and (done != self._said or now - self._shown >= _EVERY_SECONDS):
            self._shown, self._said = now, done
            whole = f" of {total:,}" if total else ""
            sys.stderr.write(f"\r\x1b[K{count:,}{whole} rows {done}")
            sys.stderr.flush()
