"""Usage where the provider has stated none: counted by us, and marked as that.

A request is read for it only then. A large one is read in a thread where somebody can wait for that; where nobody can
(the caller has left), the figure that routing went by stands in. Nothing here keeps the event loop for more than about
a millisecond.
"""

from __future__ import annotations

import asyncio

from pointsman.core.counting import ByLength, Counted, Counter
from pointsman.core.texts import Written
from pointsman.core.usage import Usage
from pointsman.wire.passage import Passages
from pointsman.wire.told import Told
from pointsman.wire.trip import Incoming

_SMALL = 64 * 1024
"""Bytes of a request, or of a whole answer, that are read in less than a millisecond."""
SAMPLE = 16 * 1024
"""Bytes of a stream that are read in that time: of longer ones the beginning says how much text has how many tokens."""


class Estimates:
    """Counts what calls used. Models are meant by their provider's name of them.

    Args:
        passages: reads requests and answers.
        counter: counts their texts; without one, four characters are a token.
    """

    def __init__(self, passages: Passages, counter: Counter | None = None) -> None:
        self._passages = passages
        self._counter = counter or ByLength()

    async def request(self, dialect: str, incoming: Incoming, model: str) -> Counted:
        """What a model reads of a caller's request: the likeliest number of tokens, and a bound where there is one."""
        if incoming.needs.body_bytes <= _SMALL:
            return self._request(dialect, incoming, model)
        return await asyncio.to_thread(self._request, dialect, incoming, model)

    def read(self, dialect: str, incoming: Incoming, model: str) -> int:
        """The likeliest number at once: of a large request what routing went by."""
        if incoming.needs.body_bytes > _SMALL:
            return incoming.needs.input_tokens
        return self._request(dialect, incoming, model).best

    async def whole(self, dialect: str, incoming: Incoming, model: str, body: bytes) -> Usage:
        """Usage of a whole answer; `body` is what the caller gets."""
        counted = await self.request(dialect, incoming, model)
        read = self._passages.written
        written = read(dialect, body) if len(body) <= _SMALL else await asyncio.to_thread(read, dialect, body)
        return Usage(input=counted.best, output=self._written(written, model, 0), estimated=True)

    def streamed(self, dialect: str, told: Told, model: str, characters: int) -> int:
        """Tokens that a model wrote; `characters` of text in all, and `told` what the caller has had of it."""
        written = self._passages.written(dialect, told.beginning(SAMPLE), stream=True)
        return self._written(written, model, characters)

    def _written(self, written: Written, model: str, characters: int) -> int:
        if not any(written.texts) and not characters:
            return 0
        return self._counter.answer(written.texts, model, written=characters, calls=written.calls)

    def _request(self, dialect: str, incoming: Incoming, model: str) -> Counted:
        request = self._passages.request(dialect, incoming)
        if request is None:
            return Counted(best=incoming.needs.input_tokens, upper=None)
        return self._counter.request(request, model)
