"""Texts that are laid down for a prompt, said from their beginning or from where a begun answer broke off."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from pointsman.testing.dialect import Ask, Turn
from pointsman.testing.script import SimModel
from pointsman.testing.words import filler

_GO_ON = re.compile(r"\b(?:continu\w*|go on|carry on|resum\w*)\b", re.IGNORECASE)


def recital(prompt: str, length: int) -> str:
    """The text of so many tokens that every model with `recites` says to a prompt."""
    rng = random.Random(f"recital/{prompt}")  # noqa: S311 - repeatable on purpose
    return "".join(filler(rng, length))


def laid_down(model: SimModel, ask: Ask) -> str | None:
    """What a model has to say, or to add to what it said, where that is laid down; None where it is not."""
    rest = _going_on(model, ask.turns)
    return _full(model, ask.text) if rest is None else rest


def _full(model: SimModel, prompt: str) -> str | None:
    if (fixed := model.answers.get(prompt)) is not None:
        return fixed
    return recital(prompt, model.recites) if model.recites else None


def _going_on(model: SimModel, turns: Sequence[Turn]) -> str | None:
    """The rest of an answer that was begun; None where none is to be gone on from.

    It was begun where the last turn is the assistant's, or the one before a user's last, and is the beginning of what
    is laid down for the turn before it. After a user's turn the model may repeat some of it. A whole answer before a
    user's turn is gone on from (with nothing) only where that turn asks for it: else it is a new question.
    """
    asked = 0 if turns and turns[-1].role == "assistant" else 1
    if len(turns) < 2 + asked or turns[-1 - asked].role != "assistant" or turns[-2 - asked].role != "user":
        return None
    begun, full = turns[-1 - asked].text, _full(model, turns[-2 - asked].text)
    if full is None or not begun or not full.startswith(begun):
        return None
    if asked and begun == full and not _GO_ON.search(turns[-1].text):
        return None
    repeated = min(model.repeats, len(begun)) if asked and begun != full else 0
    return full[len(begun) - repeated :]
