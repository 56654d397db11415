"""Token usage in one normal form, whatever arithmetic the provider uses.

Normal form: `input` is everything the model read, cache reads and writes included; `output` is everything it wrote,
reasoning included. Each dialect converts from its provider's own sums, once, where it reads them.
"""

from __future__ import annotations

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer.

    Attributes:
        input: prompt tokens, cached ones included.
        cache_read: part of `input` read from the provider's prompt cache.
        cache_write: part of `input` written to that cache with its short lifetime (5 minutes).
        cache_write_1h: part of `input` written with the long lifetime (1 hour).
        output: completion tokens, reasoning included.
        reasoning: part of `output` spent thinking.
        input_audio: part of `input` that is audio.
        output_audio: part of `output` that is audio.
        estimated: counted by us because the provider sent none.
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

    @property
    def total(self) -> int:
        """All tokens, each once."""
        return self.input + self.output
