"""Token usage in one normal form, whatever arithmetic the provider uses.

Normal form: `input` is everything the model read, cache reads and writes included; `output` is everything it wrote,
reasoning included. Each dialect converts from its provider's own sums, once, where it reads them.
"""

from __future__ import annotations

import msgspec

Fees = tuple[tuple[str, int], ...]
"""What is billed by the piece, by name, and how many there were."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer, and what else its provider bills by.

    Attributes:
        input: prompt tokens, cached ones included.
        cache_read: part of `input` read from the provider's prompt cache.
        cache_write: part of `input` written to that cache with its short lifetime (5 minutes).
        cache_write_1h: part of `input` written with the long lifetime (1 hour).
        output: completion tokens, reasoning included.
        reasoning: part of `output` spent thinking.
        input_audio: part of `input` that is audio and did not come from the cache.
        output_audio: part of `output` that is audio.
        estimated: counted by us because the provider sent none.
        cache_audio: part of `cache_read` that is audio.
        input_image: part of `input` that is images and did not come from the cache.
        output_image: part of `output` that is images.
        service: how the provider says that it served the request, where that has prices of its own: `batch`, `flex`,
            `priority`, `fast`, `us` (computed in that country) and more, several joined by `+`; empty is the usual.
        fees: what the provider says it did besides, e.g. `web_search`, by name and number.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    input_audio: int = 0
    output_audio: int = 0
    estimated: bool = False
    cache_audio: int = 0
    input_image: int = 0
    output_image: int = 0
    service: str = ""
    fees: Fees = ()

    @property
    def total(self) -> int:
        """All tokens, each once."""
        return self.input + self.output
