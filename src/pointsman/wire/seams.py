"""Where a second model's text meets what the caller has had of the first one's: nothing twice, nothing lost."""

from __future__ import annotations

import re
from typing import Protocol

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.openings import Intro, Reopened
from pointsman.wire.trip import Seamed

HELD = 400
"""Most characters that are held back until it is known whether they repeat what was told."""
_LEAST = 12
_LEAST_WHOLE = 4
_PAIR = 2
_LEAST_WORD = 5
_WORD = re.compile(r"(?<!\w)[^\W\d_]+\Z")
"""Letters at the end of a text, with no letter, digit or underscore before them."""


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


def seam_of(kind: Seamed, told: str, *, json: bool = False) -> Seam:
    """The seam for a way of asking; `told` is the text that the caller has had, `json` says that the whole is JSON."""
    if kind == "instruction":
        return Chain(Intro(told), Reopened(told, json=json), Overlap(told))
    return Stripped(told[len(told.rstrip()) :])


class Chain:
    """Several seams, one after the other."""

    def __init__(self, *seams: Seam) -> None:
        self._seams = seams

    @property
    def cut(self) -> int:
        """See `Seam.cut`; what was put in counts against it."""
        return sum(seam.cut for seam in self._seams)

    def take(self, text: str) -> str:
        """See `Seam.take`."""
        for seam in self._seams:
            text = seam.take(text) if text else ""
        return text

    def rest(self) -> str:
        """See `Seam.rest`. Raises as `take`."""
        text = ""
        for seam in self._seams:
            text = (seam.take(text) if text else "") + seam.rest()
        return text


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

    - At least twelve characters, any white space counted as one. A continuation that begins with what the text ended
      with is nothing rare (`l` and `lo`, `the ` and `the `, `**` and `**`), and a cut there would eat the text; twelve
      characters are about three words, which hardly any text says twice in a row.
    - Twice as many where it begins with a line, since the next may begin like it, as in lists, in code and in JSON; in
      the row of a table, whose cells are often alike; or where it is two words, which a text may well say twice
      (`New York, New York`).
    - In any case from where white space is: models repeat words, and lists repeat the ends of words and quotes.
    - And no pattern that goes on, such as a table's dashes, an indent, `ha ha ha`: neither does the repetition consist
      of repeated pieces, nor does it stand twice at the end of the told text already.

    - Or all of the told text, if that has four characters at least: then the model has begun anew.
    - Or the word in which the told text stops, from its beginning, if that is five letters at least (`pointsm` and
      `pointsman`): no word says its beginning twice. Or that word with the indent of its line, where it stands alone in
      it and does not end there: `    return` and `    return x`.

    Other repetitions that are shorter stay in the text: whether they are any, nobody can know. Preambles
    ("Continuing:") stay too; the model was told not to write any.
    """

    def __init__(self, told: str) -> None:
        self._told = told
        self._tail = told[-HELD:]
        whole = len(told) <= HELD
        # The last place in the tail where a repetition that counts can begin.
        self._latest = max(len(self._tail) - _LEAST, 0 if whole and len(told) >= _LEAST_WHOLE else -1)
        self._word, self._line = _ending(told)
        self._held = ""
        self._over = self._latest < 0 and not self._word
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
        place = self._tail.find(held, 0, max(self._latest, 0) + len(held)) if self._latest >= 0 else -1
        if place >= 0 and place + len(held) < len(self._tail):
            return ""
        return "" if self._may_be_word(held) else self.rest()

    def rest(self) -> str:
        """See `Seam.rest`."""
        held, self._held = self._held, ""
        if self._over:
            return held
        self._over = True
        self.cut = self._repeated(held)
        return held[self.cut :]

    def _sure(self, again: str) -> bool:
        """Whether a repetition cannot well be chance."""
        before = self._told[: -len(again)][-1:]
        if not begins(before, again[0]) or _goes_on(again, self._told):
            return False
        words = again.split()
        row = self._told.rpartition("\n")[2].lstrip().startswith("|")
        common = before in ("", "\n") or again[0] == "\n" or row or len(words) == _PAIR
        return len(again) == len(self._told) or len(" ".join(words)) >= (2 * _LEAST if common else _LEAST)

    def _may_be_word(self, held: str) -> bool:
        line = self._line
        after = bool(line) and held in (line, f"{line} ")
        return after or line.startswith(held) or (self._word.startswith(held) and self._word != held)

    def _repeated(self, held: str) -> int:
        """How many characters of a beginning repeat the end of what was told."""
        first = max(len(self._tail) - len(held), 0)
        for place in range(first, self._latest + 1):
            again = self._tail[place:]
            if held.startswith(again):
                return len(again) if self._sure(again) else 0
        word, line = self._word, self._line
        if word and held.startswith(word):
            return 0 if _goes_on(word, self._told) else len(word)
        return len(line) if line and held.startswith(line) and _goes_with(held[len(line) :]) else 0


def _ending(told: str) -> tuple[str, str]:
    """The word in which a text stops, from its beginning, and its line where that is an indent and the word.

    Only words as people write them, in scripts that have small letters, for those put spaces between words.
    """
    found = _WORD.search(told[-HELD:])
    word = found[0] if found is not None else ""
    if len(word) < _LEAST_WORD or any(one == one.upper() for one in word[1:]):
        return "", ""
    line = told.rpartition("\n")[2]
    return word, line if line.strip() == word and line != word else ""


def begins(before: str, first: str) -> bool:
    """Whether a repetition may begin between these two: at white space, or in a script that needs none."""
    return not before or any(one.isspace() or (one.isalpha() and one.lower() == one.upper()) for one in (before, first))


def _goes_with(after: str) -> bool:
    """Whether what follows an indented word belongs to it: in a table there would be more room, or nothing."""
    return bool(after) and (not after[0].isspace() or (after[0] == " " and len(after) > 1 and not after[1].isspace()))


def _goes_on(again: str, told: str) -> bool:
    """Whether a repetition is a pattern that may as well go on: made of repeated pieces, or told twice already."""
    size = len(again)
    if told[-2 * size : -size] == again:
        return True
    return any(again[piece:] == again[:-piece] for piece in range(1, size // 2 + 1))
