"""Usage in normal form: the quick way for the usual types and the slow way for the rest agree."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.usage import Usage
from pointsman.wire.openai_chat.answer import read_answer
from pointsman.wire.openai_chat.usage import usage_of

COUNT = st.one_of(st.integers(-5, 500), st.none(), st.just(1 << 60), st.just(7.0), st.just("7"), st.booleans())
DETAILS = st.one_of(
    st.none(),
    st.just(3),
    st.dictionaries(
        st.sampled_from(["cached_tokens", "audio_tokens", "reasoning_tokens", "cache_write_tokens", "else"]), COUNT
    ),
)
NAMES = [
    "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "reasoning_tokens",
    "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
]  # fmt: skip


def read_usage(raw: bytes) -> Usage | None:
    """Usage as it is read in a whole answer."""
    return read_answer(b'{"choices":[],"usage":%b}' % raw).usage


@given(
    flat=st.dictionaries(st.sampled_from(NAMES), COUNT),
    read=DETAILS,
    written=DETAILS,
    usual=st.tuples(st.integers(0, 500), st.integers(0, 500)),
    have_usual=st.booleans(),
)
def test_both_ways_agree(
    flat: dict[str, Any], read: Any, written: Any, usual: tuple[int, int], *, have_usual: bool
) -> None:
    raw = {**flat, "prompt_tokens_details": read, "completion_tokens_details": written}
    if have_usual:
        raw |= {"prompt_tokens": usual[0], "completion_tokens": usual[1]}
    encoded = msgspec.json.encode(raw)
    assert read_usage(encoded) == usage_of(msgspec.json.decode(encoded))


def test_cached_and_reasoning_tokens_are_parts_or_stand_beside() -> None:
    def of(**raw: Any) -> Usage | None:
        return read_usage(msgspec.json.encode(raw))

    openai = of(
        prompt_tokens=100,
        completion_tokens=50,
        total_tokens=150,
        prompt_tokens_details={"cached_tokens": 80},
        completion_tokens_details={"reasoning_tokens": 30},
    )
    assert openai == Usage(input=100, cache_read=80, output=50, reasoning=30)
    xai = of(
        prompt_tokens=100,
        completion_tokens=50,
        total_tokens=180,
        completion_tokens_details={"reasoning_tokens": 30},
    )
    assert xai == Usage(input=100, output=80, reasoning=30)
    assert of() is None
    assert read_usage(b"null") is None
    assert read_answer(b'{"choices":[]}').usage is None
