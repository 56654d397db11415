"""What every verb shares: how to speak on a terminal."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from pointsman.core.secret import redacted

_CODES = {"red": "31", "yellow": "33", "green": "32", "cyan": "36", "dim": "2", "bold": "1"}
# A model's name comes from outside: what would move the cursor or ring the bell is shown, not done.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SENTENCE = re.compile(r"[A-Z][a-z]*\s")  # no file's name, no variable, no `PostgreSQL`


def coloured(*, err: bool = False) -> bool:
    """Whether a stream is a terminal that takes colours and nobody asked for none."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return (sys.stderr if err else sys.stdout).isatty()


def paint(text: str, style: str, *, err: bool = False) -> str:
    """Text in a style where the stream is a terminal and `NO_COLOR` is not set."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if coloured(err=err) else text


def plain(text: str) -> str:
    """Text from outside, fit for a terminal: control characters are shown as `?`."""
    return _CONTROL.sub("?", text)


def _shown(text: str) -> str:
    """What was typed in a wrong place may be a secret: it is not repeated, and said to be one."""
    clear = redacted(plain(text))
    return clear if clear == plain(text) else f"{clear.removesuffix('.')} (`…` looks like a secret)"


def say(text: str = "") -> None:
    """A line for people, on standard error."""
    print(text, file=sys.stderr, flush=True)


def say_error(text: str, hint: str = "") -> None:
    """An error, and where there is one the way out."""
    say(f"{paint('error:', 'red', err=True)} {clause(_shown(text))}")
    if hint:
        say_hint(hint)


def say_warning(text: str, hint: str = "") -> None:
    """A warning; actionable or left unsaid."""
    say(f"{paint('warning:', 'yellow', err=True)} {clause(_shown(text))}")
    if hint:
        say_hint(hint)


def clause(text: str) -> str:
    """A sentence as it reads after `error:`: no capital at its start, no full stop at its end."""
    if _SENTENCE.match(text):
        text = text[0].lower() + text[1:]
    return text if text.endswith("...") else text.removesuffix(".")


def say_hint(text: str) -> None:
    """The way out, or the next step."""
    say(f"{paint('hint:', 'cyan', err=True)} {redacted(plain(text))}")


def print_json(value: Any) -> None:
    """One JSON value on standard output, indented."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode(), flush=True)


def print_json_line(value: Any) -> None:
    """One JSON value on one line of standard output."""
    import msgspec

    print(msgspec.json.encode(value).decode(), flush=True)


def config_option(function: Any) -> Any:
    """`--config FILE`, the same for every verb."""
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Configuration file; else $POINTSMAN_CONFIG, else ./pointsman.yaml, else defaults.",
    )(function)


def json_option(function: Any) -> Any:
    """`--json`, the same for every reading verb."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON value and nothing else.")(function)


def described(text: str, *examples: str) -> str:
    r"""A verb's help: what it does, then examples as they are typed (`\b` keeps their lines apart)."""
    shown = "\n".join(f"  {example}" for example in examples)
    title = "Example" if len(examples) == 1 else "Examples"
    return f"{text}\n\n\b\n{title}:\n{shown}"
