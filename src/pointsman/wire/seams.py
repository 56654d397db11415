"""Where a second model's text meets what the caller has had of the first one's: nothing twice, nothing lost."""

from __future__ import annotations

from typing import Protocol

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.trip import Seamed

HELD = 400
"""Most characters that are held back until it is known whether they repeat what was told."""
_LEAST = 12
_LEAST_WHOLE = 4


class Seam(Protocol):
    """Text on its way, of which what was told already is cut off."""

    @property
    def cut(self) -> int:
        """Characters that were cut off so far."""
        ...

    def take(self, text: str) -> str:
        """Take more of it; returns what the caller gets now.

        Raises:
            UpstreamGarbage: the model began anew, so that all that was told would come again.
        """
        ...

    def rest(self) -> str:
        """There is no more; returns what had been held back."""
        ...


def seam_of(kind: Seamed, told: str) -> Seam:
    """The seam for a way of asking; `told` is the text that the caller has had."""
    if kind == "instruction":
        return Overlap(told)
    return Stripped(told[len(told.rstrip()) :])


class Stripped:
    """For a model that goes on with a text as its own, of which the white space at the end was not sent.

    It writes that white space again, or not, since it cannot know that it was told. Only what it shares with what was
    told is cut; a model that chose other white space said something else, and that is kept.
    """

    def __init__(self, white: str) -> None:
        self._left = white
        self.cut = 0

    def take(self, text: str) -> str:
        """See `Seam.take`; never raises."""
        left = self._left
        if not left or not text:
            return text
        most = min(len(left), len(text))
        same = next((at for at in range(most) if left[at] != text[at]), most)
        self._left = left[same:] if same == len(text) else ""
        self.cut += same
        return text[same:]

    def rest(self) -> str:
        """See `Seam.rest`: nothing is ever held back."""
        return ""


class Overlap:
    """For a model that was told to go on: many of them begin with the last words of what they are to go on with.

    The beginning of its text is held back while it may still be such a repetition, which is a few characters where it
    is none. What is cut is the longest beginning that is an end of the told text, if it cannot well be chance:

    - At least twelve characters. A continuation that begins with what the text ended with is nothing rare (`l` and
      `lo`, `the ` and `the `, `**` and `**`), and a cut there would eat the text; twelve characters are two or three
      words, which hardly any text says twice in a row.
    - Or all of the told text, if that has four characters at least: then the model has begun anew.
    - And no pattern that goes on, such as a table's dashes, an indent, `ha ha ha`: neither does the repetition consist
      of repeated pieces, nor does it stand twice at the end of the told text already.

    Repetitions that are shorter stay in the text: whether they are any, nobody can know. Preambles ("Continuing:") stay
    too; the model was told not to write any.
    """

    def __init__(self, told: str) -> None:
        self._told = told
        self._tail = told[-HELD:]
        whole = len(told) <= HELD
        # The last place in the tail where a repetition that counts can begin.
        self._latest = max(len(self._tail) - _LEAST, 0 if whole and len(told) >= _LEAST_WHOLE else -1)
        self._held = ""
        self._over = self._latest < 0
        self.cut = 0

    def take(self, text: str) -> str:
        """See `Seam.take`."""
        if self._over:
            return text
        self._held += text
        held, told = self._held, self._told
        if len(told) > HELD and told.startswith(held[:HELD]):
            if len(held) >= HELD:
                raise UpstreamGarbage("The model began the answer anew instead of going on with it.")
            return ""
        place = self._tail.find(held, 0, self._latest + len(held))
        if place >= 0 and place + len(held) < len(self._tail):
            return ""
        return self.rest()

    def rest(self) -> str:
        """See `Seam.rest`."""
        held, self._held = self._held, ""
        if self._over:
            return held
        self._over = True
        self.cut = self._repeated(held)
        return held[self.cut :]

    def _repeated(self, held: str) -> int:
        """How many characters of a beginning repeat the end of what was told."""
        first = max(len(self._tail) - len(held), 0)
        for place in range(first, self._latest + 1):
            again = self._tail[place:]
            if held.startswith(again):
                return 0 if _goes_on(again, self._told) else len(again)
        return 0


def _goes_on(again: str, told: str) -> bool:
    """Whether a repetition is a pattern that may as well go on: made of repeated pieces, or told twice already."""
    size = len(again)
    if told[-2 * size : -size] == again:
        return True
    return any(again[piece:] == again[:-piece] for piece in range(1, size // 2 + 1))
