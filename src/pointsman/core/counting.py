"""The port behind which tokens are counted where no provider has counted them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from pointsman.core.chat import Request

_CHARS_PER_TOKEN = 4


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Prompt tokens of a request.

    Attributes:
        best: the likeliest number.
        upper: never less than the provider will count; None where that cannot be said: files of unknown size, tools
            that run at the provider, conversations that it keeps.
    """

    best: int
    upper: int | None


class Counter(Protocol):
    """Counts tokens offline, in less than a millisecond: of long texts it counts samples.

    Models are meant by their provider's name of them.
    """

    def request(self, request: Request, model: str) -> Counted:
        """What a model reads of a request."""
        ...

    def answer(self, texts: Sequence[str], model: str, *, written: int = 0, calls: int = 0) -> int:
        """What a model has written.

        Args:
            texts: as much of it as is at hand.
            model: who wrote it.
            written: characters of all that it wrote, where `texts` are but a sample of it; 0 where they are all.
            calls: of tools, in it.
        """
        ...


class ByLength:
    """`Counter` that takes four characters for a token, where nobody has put a better one in."""

    def request(self, request: Request, model: str) -> Counted:  # noqa: ARG002 - the port's
        """See `Counter.request`."""
        return Counted(best=len(msgspec.json.encode(request)) // _CHARS_PER_TOKEN, upper=None)

    def answer(self, texts: Sequence[str], model: str, *, written: int = 0, calls: int = 0) -> int:  # noqa: ARG002 - the port's
        """See `Counter.answer`."""
        return (written or sum(map(len, texts))) // _CHARS_PER_TOKEN
