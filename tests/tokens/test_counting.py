"""Tokens counted offline: near what providers state, bounded, quick, and the same each time."""

from __future__ import annotations

import base64
import importlib.util
import statistics
import struct
import time
from pathlib import Path

import msgspec
import pytest
from bench.tokens import exchanges, measure
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import Extras, Media, Message, Opaque, Request, Text, Tool
from pointsman.core.counting import ByLength
from pointsman.tokens.bounds import MESSAGE, REQUEST
from pointsman.tokens.counting import TokenCounter
from pointsman.tokens.families import family_of
from pointsman.tokens.rough import rough
from pointsman.tokens.samples import MOST, sampled
from pointsman.tokens.vocabularies import Vocabularies, installed

WITHOUT = TokenCounter()
needs_extra = pytest.mark.skipif(importlib.util.find_spec("splintr") is None, reason="the extra [tokens] is not there")


def saying(*texts: str, **more: object) -> Request:
    messages = tuple(Message(role="user", blocks=(Text(text=text),)) for text in texts)
    return msgspec.structs.replace(Request(model="m", messages=messages), **more)


def picture(width: int, height: int) -> Media:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + b"\x08\x02\x00\x00\x00"
    return Media(kind="image", media_type="image/png", data=base64.b64encode(head + b"\0" * 40).decode())


@pytest.fixture(scope="module")
def words() -> TokenCounter:
    found = installed()
    assert found is not None
    counter = TokenCounter(found)
    counter.prepare(
        ["gpt-5", "gemini-3", "mistral-large", "llama-3", "qwen3", "deepseek-v4", "gpt-4", "glm-5", "kimi-k2"]
    )
    return counter


@needs_extra
@pytest.mark.parametrize(
    ("model", "text", "tokens"), [("gpt-4o", "Hello, world!", 4), ("gpt-4", "antidisestablishmentarianism", 6)]
)
def test_with_the_extra_texts_are_counted_by_the_models_own_vocabulary(
    words: TokenCounter, model: str, text: str, tokens: int
) -> None:
    assert words.answer([text], model) == tokens + round(family_of(model).ends)


def test_a_prompt_of_openai_has_its_frame() -> None:
    # `hi` is one token there, and the provider states 8 for it: three and four for the frame.
    assert 6 <= WITHOUT.request(saying("hi"), "gpt-4o").best <= 9


@pytest.mark.parametrize("extra", [False, pytest.param(True, marks=needs_extra)])
def test_recorded_requests_are_counted_nearly_as_their_providers_did(
    recordings: Path, words: TokenCounter, extra: bool
) -> None:
    found, (bounded, low, total) = measure(list(exchanges(recordings)), words if extra else WITHOUT)
    assert total > 4_000
    for provider in ("openai", "anthropic", "google", "mistral", "deepseek", "openrouter"):
        assert 0.95 <= statistics.median(found[provider].read) <= 1.05, provider
        assert 0.93 <= statistics.median(found[provider].written) <= 1.1, provider
    assert bounded > 0.97 * total
    assert low <= 2, "a provider counted more than the bound: only who adds a prompt of its own may"


@needs_extra
@given(
    st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=4),
    st.sampled_from(["gpt-5", "gemini-3", "mistral-large", "llama-3", "qwen3"]),
)
def test_no_vocabulary_makes_more_of_a_text_than_its_bound(texts: list[str], model: str) -> None:
    found = installed()
    assert found is not None
    found.ready(family_of(model).vocabulary)
    counted = WITHOUT.request(saying(*texts), model)
    tokens = found.count(texts, family_of(model).vocabulary)
    assert tokens is not None
    assert counted.upper is not None
    assert tokens <= counted.upper - REQUEST - MESSAGE * len(texts)
    assert counted.best <= counted.upper


@pytest.mark.parametrize(
    "request_",
    [
        saying("hi", tools=(Tool(name="web_search", dialect="openai-responses", raw=msgspec.Raw(b"{}")),)),
        saying(
            "hi", extras=(Extras(dialect="openai-responses", fields={"previous_response_id": msgspec.Raw(b'"r"')}),)
        ),
        Request(
            model="m", messages=(Message(role="user", blocks=(Media(kind="document", url="http://x.example/a"),)),)
        ),
        Request(
            model="m",
            messages=(Message(role="user", blocks=(Opaque(dialect="x", kind="y", raw=msgspec.Raw(b"{}")),)),),
        ),
    ],
    ids=["a tool at the provider", "a conversation kept there", "a document by its address", "what only it can read"],
)
def test_what_cannot_be_bounded_has_no_bound(request_: Request) -> None:
    counted = WITHOUT.request(request_, "gpt-5")
    assert counted.upper is None
    assert counted.best > 0


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gpt-4o", (1024, 1024), 765),  # the vendor's own example
        ("gpt-4o", (2048, 4096), 1_105),  # as well
        ("claude-sonnet-5", (1000, 1000), 1_334),  # the vendor's own example
        ("gemini-2.5-flash", (300, 300), 258),
        ("gemini-2.5-flash", (960, 540), 258 * 2),
        ("gpt-5-mini", (1024, 1024), 1_659),
    ],
)
def test_pictures_count_as_their_vendors_say(model: str, size: tuple[int, int], tokens: int) -> None:
    request = Request(model=model, messages=(Message(role="user", blocks=(picture(*size),)),))
    empty = Request(model=model, messages=(Message(role="user"),))
    assert WITHOUT.request(request, model).best - WITHOUT.request(empty, model).best == tokens
    bounds = WITHOUT.request(request, model).upper, WITHOUT.request(empty, model).upper
    assert bounds[0] is not None
    assert bounds[1] is not None
    assert bounds[0] - bounds[1] >= tokens


def test_of_long_texts_a_sample_says_as_much() -> None:
    prose = 'The quick brown fox jumps over 13 lazy dogs, and says: {"a": 1}.\n'
    long = [prose * 700, "中文字符" * 9_000, prose * 200]
    counted, times = sampled(long)
    assert sum(map(len, counted)) <= MOST
    assert times > 1
    exact = sum(rough(text) for text in long)
    assert sum(map(rough, counted)) * times == pytest.approx(exact, rel=0.15)
    assert sampled(long) == (counted, times), "the same text has the same count"


@pytest.mark.parametrize("text", ["a" * 1_000_000, "word " * 200_000, "中" * 300_000, "\n" * 500_000, "{}[]" * 100_000])
def test_no_text_takes_long(text: str) -> None:
    counter = TokenCounter(installed())
    counter.prepare(["gpt-5"])
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        assert counter.answer([text], "gpt-5") > 0
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.002


def test_until_a_vocabulary_is_there_characters_are_weighed() -> None:
    class Slow:
        def encode_ordinary(self, text: str) -> list[int]:
            return [0] * 1_000 if text == "hello" else []

    def load(name: str) -> Slow:
        time.sleep(0.05)
        return Slow()

    vocabularies = Vocabularies(load)
    counter = TokenCounter(vocabularies)
    assert counter.answer(["hello"], "gpt-5") < 10
    for _ in range(200):
        if counter.answer(["hello"], "gpt-5") > 900:
            break
        time.sleep(0.01)
    assert counter.answer(["hello"], "gpt-5") > 900


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Привет, как дела? Сегодня хорошая погода, и мы пойдём гулять в парк после обеда.", 25),
        ("你好,今天天气很好,我们午饭后去公园散步。如果下雨的话,我们就留在家里看书。", 30),
        ("안녕하세요, 오늘 날씨가 좋아서 점심 먹고 공원에 산책하러 갈 거예요.", 25),
        ("مرحبا كيف حالك اليوم؟ الطقس جميل وسنذهب إلى الحديقة بعد الغداء إن شاء الله", 22),
        ("J'ai été très étonné de voir que l'été était déjà là, où êtes-vous allés hier après-midi?", 24),
    ],
)
def test_every_script_has_its_weight(text: str, tokens: int) -> None:
    assert rough(text) == pytest.approx(tokens, rel=0.3)


def test_who_counts_nothing_takes_four_characters_for_a_token() -> None:
    assert ByLength().answer(["a" * 40], "m") == 10
    assert ByLength().request(saying("hi"), "m").upper is None
