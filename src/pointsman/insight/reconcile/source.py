"""A file as text, piece by piece: whatever mark it begins with, and with the place of what is no text."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from pointsman.insight.reconcile.lines import Place, bad

_PIECE = 1 << 18
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def pieces(path: Path, name: str) -> Iterator[str]:
    """Text of a file in UTF-8, or in UTF-16 where its first bytes say so.

    Args:
        path: where it is.
        name: what it is called in errors.

    Raises:
        InvalidRequest: it cannot be opened, or is no text.
    """
    try:
        with path.open("rb") as file:
            first = file.read(_PIECE)
            encoding = next((kind for mark, kind in _MARKS if first.startswith(mark)), "utf-8")
            decoder = codecs.getincrementaldecoder(encoding)()
            line, piece = 1, first
            while True:
                try:
                    text = decoder.decode(piece, final=not piece)
                except UnicodeDecodeError as error:
                    line += piece[: error.start].count(b"\n")
                    hint = "save it as UTF-8 (in a spreadsheet: CSV UTF-8)"
                    raise bad(Place(name, line), f"this is no text in {encoding.upper()}", hint) from None
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
