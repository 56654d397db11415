"""How models begin that were told to go on with a text and do not begin with its next character.

Some say the answer's first line again. Some open a fence of code around the rest, though the text stands inside one
already, or is JSON. What they put before the rest that way is left out, but only where no text could have it there: in
the middle of a line, at the end of a told word, between the halves of one JSON. Everything else stays.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pointsman.core.errors import UpstreamGarbage

_LEAST = 12
_MOST_INTRO = 300
_MOST_HELD = 400
_MOST_LINE = 80
_MOST_END = 64
_MARKERS = r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?"
"""What stands before the text of a line: an indent, the sign of a quotation or of an item of a list."""
_FENCE = re.compile(rf"{_MARKERS}(`{{3,}}|~{{3,}})([^`\n]*)\Z")
_LINE_START = re.compile(rf"{_MARKERS}\Z")
_OPENING = re.compile(r"\s*((`{3,}|~{3,})[ \t]*([\w+#.-]*)[ \t]*\n)")
_FENCED = re.compile(r"\A(?:`{3,}|~{3,})[^\n]*\n")
_MAY_OPEN = re.compile(r"\s*(?:`{0,2}|~{0,2}|(?:`{3,}|~{3,})[ \t]*[\w+#.-]*[ \t]*)\Z")
_CLOSED = re.compile(r"\s*`{3,}\s*\Z")
_NESTING = frozenset({"", "markdown", "md", "mdx"})
"""Kinds of text in which a fence of the same kind may stand, or of which nothing is known."""


class Fence(NamedTuple):
    """A fence of code that is open: its marks, and the kind of text that it names."""

    marks: str
    kind: str


def open_fence(told: str) -> Fence | None:
    """The fence that is open where a text stops; None where none is. A last line without its end counts for nothing."""
    fence: Fence | None = None
    for line in told.split("\n")[:-1]:
        found = _FENCE.match(line)
        if found is None:
            continue
        marks, kind = found[1], found[2].strip().lower()
        if fence is None:
            fence = Fence(marks, kind)
        elif not kind and marks.startswith(fence.marks):
            fence = None
    return fence


class Intro:
    """Leaves out the told text's first line where the second model begins with it, in the middle of another line.

    Where it goes on to say more of the told text, and then something else, it has begun anew in other words.
    """

    def __init__(self, told: str) -> None:
        self._told = told
        self._intro = _intro_of(told)
        self._held = ""
        self.cut = 0

    def take(self, text: str) -> str:
        """See `seams.Seam.take`."""
        if not self._intro:
            return text
        self._held = held = self._held + text
        if not self._told.startswith(held):
            return self.rest()
        if len(held) < _MOST_HELD:
            return ""
        self._held = self._intro = ""
        return held  # it says all of it again, which is not for here

    def rest(self) -> str:
        """See `seams.Seam.rest`."""
        held, intro = self._held, self._intro
        self._held = self._intro = ""
        if not intro or not held.startswith(intro) or held.startswith(self._told):
            return held
        self.cut = len(intro)
        rest = held[self.cut :]
        # A fence that both open says nothing of what stands in it.
        said, told = (_FENCED.sub("", text, count=1) for text in (rest, self._told[self.cut :]))
        if len(said) >= _LEAST and told.startswith(said[:_LEAST]):
            raise UpstreamGarbage("The model began the answer anew instead of going on with it.")
        return rest


def _intro_of(told: str) -> str:
    """The first line with its end, where it can be told from what could follow; else nothing."""
    line, end, _ = told.partition("\n")
    last = told.rpartition("\n")[2]
    if not end or not _LEAST <= len(line) <= _MOST_INTRO or line.lstrip()[:1] in "`~|" or _LINE_START.match(last):
        return ""
    if told.count(line) > 1:
        return ""  # a text that says it again and again, such as a song
    return line + "\n" * (len(told) - len(line) - len(told[len(line) :].lstrip("\n")))


class Reopened:
    """Leaves out a fence of code that is opened around the rest where the told text has it already, or is JSON.

    Inside a fence it has to name the same kind of text; where the told text stops in the line that opens one, what it
    says of that line is not said twice. In JSON no fence has a place, so that its end goes too. Where a fence begins
    behind other words of the same line, in which it would be none, it gets a line of its own.
    """

    def __init__(self, told: str, *, json: bool = False) -> None:
        self._last = told.rpartition("\n")[2]
        self._fence = open_fence(told)
        self._json = json and self._fence is None and _FENCE.match(self._last) is None
        self._begun = False
        self._ends = False
        self._before = told[-1:]
        self._held = ""
        self.cut = 0

    def take(self, text: str) -> str:
        """See `seams.Seam.take`; never raises."""
        if self._ends:
            return self._unclosed(text)
        if self._begun:
            return text
        self._held = held = self._held + text
        if len(held) <= _MOST_LINE and _MAY_OPEN.match(held):
            return ""
        self._held, self._begun = "", True
        return self._opened(held)

    def rest(self) -> str:
        """See `seams.Seam.rest`."""
        held, self._held = self._held, ""
        if self._ends and _CLOSED.match(held) and ("\n" in held or self._before in "}]"):
            self.cut += len(held)
            return ""
        return held

    def _opened(self, held: str) -> str:
        found = _OPENING.match(held[: 2 * _MOST_LINE])
        if found is None:
            return held
        line, marks, kind = found[1], found[2], found[3].lower()
        before, behind = held[: found.start(1)], held[found.end() :]
        begun = _FENCE.match(self._last)
        if begun is not None and self._fence is None:
            return self._finished(before, line, behind)
        if self._json:
            self._ends = True
            self.cut += len(before) + len(line)
            return self._unclosed(behind)
        if self._fence is None:
            fits = "\n" in before or not kind or self._last.endswith(marks[0]) or _LINE_START.match(self._last)
            return held if fits else self._own_line(held)
        if kind in _NESTING or kind != self._fence.kind or marks[0] != self._fence.marks[0]:
            return held
        self.cut += len(line)
        return before + behind

    def _own_line(self, held: str) -> str:
        self.cut -= 1
        return f"\n{held}"

    def _finished(self, before: str, line: str, behind: str) -> str:
        """The told text stops in the line that opens a fence, and the second model begins with that line."""
        told = self._last.lstrip()
        if before or not line.startswith(told):
            return before + line + behind
        self.cut += len(told)
        return line[len(told) :] + behind

    def _unclosed(self, text: str) -> str:
        """Hold what may be the fence's end with nothing behind it."""
        text = self._held + text
        end = text.rstrip()
        at = len(end.rstrip("`").rstrip()) if end.endswith("`") else len(end)
        if len(text) - at > _MOST_END:
            at = len(text)
        self._held = text[at:]
        self._before = text[at - 1 : at] or self._before
        return text[:at]
