"""What every verb shares: how to speak on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

_CODES = {"red": "31", "yellow": "33", "green": "32", "cyan": "36", "dim": "2", "bold": "1"}


def paint(text: str, style: str, *, err: bool = False) -> str:
    """Text in a style where the stream is a terminal and `NO_COLOR` is not set."""
    stream = sys.stderr if err else sys.stdout
    if os.environ.get("NO_COLOR") or not stream.isatty():
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def say(text: str = "") -> None:
    """A line for people, on standard error."""
    print(text, file=sys.stderr, flush=True)


def say_error(text: str, hint: str = "") -> None:
    """An error, and where there is one the way out."""
    say(f"{paint('error:', 'red', err=True)} {text}")
    if hint:
        say(f"{paint('hint:', 'cyan', err=True)} {hint}")


def say_warning(text: str, hint: str = "") -> None:
    """A warning; actionable or left unsaid."""
    say(f"{paint('warning:', 'yellow', err=True)} {text}")
    if hint:
        say(f"{paint('hint:', 'cyan', err=True)} {hint}")


def print_json(value: Any) -> None:
    """One JSON value on standard output."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode(), flush=True)


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> None:
    """An aligned table on standard output; columns in `right` are numbers."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for number, row in enumerate((head, *rows)):
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        print(paint(line, "dim") if number == 0 else line)


def config_option(function: Any) -> Any:
    """`--config FILE`, the same for every verb."""
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Configuration file; else $POINTSMAN_CONFIG, else ./pointsman.yaml, else defaults.",
    )(function)


def json_option(function: Any) -> Any:
    """`--json`, the same for every reading verb."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON value and nothing else.")(function)
