"""JSON of any length, object by object: pages of an API one after the other, lists of rows, or one row a line.

Only the list `data` of an object at the top is taken apart as it comes; every other value is held whole, within bounds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from pointsman.core.errors import InvalidRequest
from pointsman.insight.reconcile.lines import Place, bad

MOST_CHARS = 16 * 1024 * 1024
_MOST_DIGITS = 400
_INK = re.compile(r"[^ \t\r\n]")
_STRUCTURE = re.compile(r'["\[\]{}]')
_STRING_END = re.compile(r'["\\]')
_BARE_END = re.compile(r"[\s,\]}\[{:\"]")

Found = tuple[dict[str, Any], int]
"""An object and the line that it begins in."""


class Values:
    """The objects of one source.

    Args:
        source: text, piece by piece.
        name: what the file is called in errors.

    Attributes:
        more: a page says that there are more, which are not here.
    """

    def __init__(self, source: Iterator[str], name: str) -> None:
        self._source = source
        self._name = name
        self._text = ""
        self._at = 0
        self._line = 1
        self._column = 1
        self.more = False

    def objects(self) -> Iterator[Found]:
        """Each object, in order.

        Raises:
            InvalidRequest: it is no JSON, or holds something else than objects.
        """
        while self._blank():
            char = self._peek()
            if char == "[":
                yield from self._list()
            elif char == "{":
                yield from self._top()
            elif char in {",", "\x1e"}:  # between pages put together by hand; before each of a text sequence
                self._take(1)
            else:
                raise self._error("this is no JSON object or list")

    def _top(self) -> Iterator[Found]:
        """An object at the top: a page, whose `data` is taken apart, or a row."""
        begun, rest, parted = self._line, {}, False
        self._take(1)
        while self._expect('"}') == '"':
            name = self._value()
            self._expect(":")
            self._take(1)
            self._blank()
            if name == "data" and self._peek() == "[":
                parted = True
                yield from self._list()
            else:
                rest[str(name)] = self._value()
            if self._expect(",}") == ",":
                self._take(1)
                self._expect('"')
        self._take(1)
        self.more = self.more or (rest.get("has_more") is True and parted)
        if not parted:
            yield from self._whole(rest, begun)
        elif self.more:
            self.more = bool(rest.get("has_more"))

    def _list(self) -> Iterator[Found]:
        self._take(1)
        while self._blank() and self._peek() != "]":
            begun = self._line
            if self._peek() != "{":
                raise self._error("here an object has to be")
            yield from self._whole(self._value(), begun)
            if self._expect(",]") == ",":
                self._take(1)
                self._expect("{")
        self._expect("]")
        self._take(1)

    def _whole(self, value: dict[str, Any], line: int) -> Iterator[Found]:
        """A row; or a page within a list, taken apart."""
        inner = value.get("data")
        if isinstance(inner, dict):  # one row, wrapped
            inner = [inner]
        if not isinstance(inner, list):
            yield value, line
            return
        self.more = self.more or value.get("has_more") is True
        for one in inner:
            if not isinstance(one, dict):
                raise bad(Place(self._name, line), "`data` holds something else than objects")
            yield one, line

    def _value(self) -> Any:
        """The value that begins here, whole."""
        line, column = self._line, self._column
        text = self._cut()
        try:
            return json.loads(text, parse_float=_decimal, parse_int=_whole_number, parse_constant=_refuse)
        except json.JSONDecodeError as error:
            below = error.lineno - 1
            where = f"{error.colno + (0 if below else column - 1)}"
            raise bad(Place(self._name, line + below, where), f"this is no JSON: {error.msg}") from None
        except (ValueError, RecursionError) as error:
            why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise bad(Place(self._name, line, str(column)), f"this is no JSON that can be used: {why}") from None

    def _cut(self) -> str:
        """The text of the value that begins here, taken."""
        char, start, depth = self._peek(), self._at, 0
        if char not in '{["':
            end = self._find(_BARE_END, start + 1)
            return self._take((len(self._text) if end < 0 else end) - self._at)
        at = start
        while True:
            if self._text[at] == '"':
                at = self._string(at)
            else:
                depth += 1 if self._text[at] in "{[" else -1
                at += 1
            if depth <= 0:
                return self._take(at - self._at)
            at = self._find(_STRUCTURE, at)
            if at < 0:
                raise self._error("the file ends within what begins here")

    def _string(self, at: int) -> int:
        """Behind the string that begins at `at`."""
        at += 1
        while True:
            at = self._find(_STRING_END, at)
            if at < 0:
                raise self._error("the file ends within what begins here")
            if self._text[at] == '"':
                return at + 1
            at += 2

    def _find(self, what: re.Pattern[str], at: int) -> int:
        """Where it is next, read on as far as needed; -1 where the file ends before."""
        while not (found := what.search(self._text, at)):
            at = max(at, len(self._text))
            if not self._more():
                return -1
        return found.start()

    def _more(self) -> bool:
        if len(self._text) - self._at > MOST_CHARS:
            raise self._error(f"what begins here is longer than {MOST_CHARS >> 20} MiB")
        piece = next(self._source, "")
        self._text += piece
        return bool(piece)

    def _blank(self) -> bool:
        """Pass over white space; whether anything is left."""
        while True:
            found = _INK.search(self._text, self._at)
            self._take((found.start() if found else len(self._text)) - self._at)
            if found:
                return True
            self._text, self._at = "", 0
            if not self._more():
                return False

    def _peek(self) -> str:
        if self._at >= len(self._text):
            raise self._error("the file ends where a value has to be")
        return self._text[self._at]

    def _expect(self, chars: str) -> str:
        if not self._blank():
            raise self._error(f"the file ends where one of {' '.join(chars)} has to be")
        char = self._peek()
        if char not in chars:
            raise self._error(f"here one of {' '.join(chars)} has to be")
        return char

    def _take(self, count: int) -> str:
        taken = self._text[self._at : self._at + count]
        self._at += count
        lines = taken.count("\n")
        self._line += lines
        self._column = len(taken) - taken.rfind("\n") if lines else self._column + count
        if self._at > 1 << 20:
            self._text, self._at = self._text[self._at :], 0
        return taken

    def _error(self, what: str) -> InvalidRequest:
        return bad(Place(self._name, self._line, str(self._column)), what)


def _decimal(text: str) -> Decimal:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a number has too many digits")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text[:40]} is no number that can be") from None


def _whole_number(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a number has too many digits")
    return int(text)


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no number")
