"""What a check found."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "note", "warning", "bad"]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report.

    Attributes:
        about: what was looked at.
        state: `bad` makes the exit code 1; `note` is worth knowing; `warning` will hurt some day.
        text: what was found.
        hint: the way out.
    """

    about: str
    state: State
    text: str
    hint: str = ""


def ok(about: str, text: str) -> Found:
    """As it should be."""
    return Found(about=about, state="ok", text=text)


def note(about: str, text: str, hint: str = "") -> Found:
    """Worth knowing."""
    return Found(about=about, state="note", text=text, hint=hint)


def warning(about: str, text: str, hint: str = "") -> Found:
    """Works, but will hurt some day."""
    return Found(about=about, state="warning", text=text, hint=hint)


def bad(about: str, text: str, hint: str = "") -> Found:
    """Does not work."""
    return Found(about=about, state="bad", text=text, hint=hint)
