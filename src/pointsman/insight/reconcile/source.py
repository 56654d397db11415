"""A file as text, piece by piece: whatever mark it begins with, and with the place of what is no text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from pointsman.insight.reconcile.lines import Place, bad

_PIECE = 1 << 18
_HINT = "save it as UTF-8 (in a spreadsheet: CSV UTF-8)"
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


_SAMPLE = 256
_MOSTLY = 0.5


def _encoding(first: bytes) -> str:
    """By the mark at the beginning; without one UTF-16 is known by the zeros that stand beside what is ASCII."""
    for mark, kind in _MARKS:
        if first.startswith(mark):
            return kind
    sample = first[:_SAMPLE]
    zeros = [sample[at::2].count(0) for at in (0, 1)]
    if not any(zeros) or all(zeros):
        return "utf-8"
    half = _MOSTLY * (len(sample) // 2)
    return "utf-16-le" if zeros[1] >= half else "utf-16-be" if zeros[0] >= half else "utf-8"


def pieces(path: Path, name: str) -> Iterator[str]:
    """Text of a file in UTF-8, or in UTF-16 where its first bytes say or show so.

    Args:
        path: where it is.
        name: what it is called in errors.

    Raises:
        InvalidRequest: it cannot be opened, or is no text.
    """
    try:
        with path.open("rb") as file:
            first = file.read(_PIECE)
            encoding = _encoding(first)
            decoder = codecs.getincrementaldecoder(encoding)()
            line, piece = 1, first
            while True:
                try:
                    text = decoder.decode(piece, final=not piece)
                except UnicodeDecodeError as error:
                    line += piece[: error.start].count(b"\n")
                    raise bad(Place(name, line), f"this is no text in {encoding.upper()}", _HINT) from None
                if "\0" in text:
                    line += text[: text.index("\0")].count("\n")
                    raise bad(Place(name, line), f"this is no text in {encoding.upper()}", _HINT)
                line += text.count("\n")
                if text:
                    yield text
                if not piece:
                    return
                piece = file.read(_PIECE)
    except OSError as error:
        raise bad(Place(name), f"it cannot be read: {error.strerror}") from None


def text_lines(source: Iterator[str]) -> Iterator[str]:
    """Lines with their ends, as a reader of CSV wants them."""
    rest = ""
    for piece in source:
        *whole, rest = (rest + piece).split("\n")
        for line in whole:
            yield line + "\n"
    if rest:
        yield rest
