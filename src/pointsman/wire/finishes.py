"""A dialect's words for why an answer ended, in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pointsman.core.chat import Choice, Finish


def declined(finish: Finish | None, *, refused: bool) -> Finish | None:
    """An end for callers who have a word for refusals; `refused`: the model has declined in words.

    OpenAI's dialects say so beside an end like any other.
    """
    return "refusal" if refused and finish in ("stop", None) else finish


class Finishes(NamedTuple):
    """A dialect's words.

    Attributes:
        meanings: every word that the dialect is known to use, and what it means.
        words: the word for each meaning, for answers of other dialects.
    """

    meanings: Mapping[str, Finish]
    words: Mapping[Finish, str]

    def meaning(self, word: str | None) -> Finish | None:
        """What a word means; a new word is an end like any other, and no word is none."""
        return None if word is None else self.meanings.get(word, "stop")

    def word(self, choice: Choice) -> str | None:
        """The word for a choice's end: the provider's own if it is one of this dialect's; None before the end."""
        if choice.finish is None:
            return None
        if choice.finish_raw and self.meanings.get(choice.finish_raw) == choice.finish:
            return choice.finish_raw
        return self.words[choice.finish]
