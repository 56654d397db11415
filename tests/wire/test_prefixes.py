"""How prompts begin: the same for a conversation that goes on, in every dialect."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.compose.dialects import Dialects
from pointsman.core.chat import Media, Message, Request, Text
from pointsman.wire.prefixes import prefix_of

SYSTEM, ASKED = "You know the sea.", "Tell me of the tide."
DIALECTS = Dialects()


def prefix(name: str, surface: str, body: dict[str, Any]) -> str:
    said = msgspec.json.encode(body)
    incoming = DIALECTS.every[name].read_request(said, surface, "/v1beta/models/m:generateContent")  # type: ignore[arg-type]
    return DIALECTS.passages.prefix(name, incoming)


def chat(*more: dict[str, Any], system: str = SYSTEM, asked: Any = ASKED) -> dict[str, Any]:
    told = [{"role": "system", "content": system}, {"role": "user", "content": asked}, *more]
    return {"model": "m", "messages": told}


MARK = {"cache_control": {"type": "ephemeral"}}
GROWN = [{"role": "assistant", "content": "It rises."}, {"role": "user", "content": "And then?"}]
SAME = [
    ("openai-chat", "chat.completions", chat()),
    ("openai-chat", "chat.completions", {**chat(*GROWN), "temperature": 1, "stream": True}),
    ("openai-chat", "chat.completions", chat(asked=[{"type": "text", "text": ASKED}])),
    (
        "anthropic-messages",
        "messages",
        {"model": "m", "max_tokens": 9, "system": SYSTEM, "messages": chat()["messages"][1:]},
    ),
    (
        "anthropic-messages",
        "messages",
        {
            "model": "m",
            "max_tokens": 9,
            "system": [{"type": "text", "text": SYSTEM, **MARK}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": ASKED, **MARK}]}, *GROWN],
        },
    ),
    ("openai-responses", "responses", {"model": "m", "instructions": SYSTEM, "input": ASKED}),
    (
        "gemini",
        "gemini.generate",
        {
            "systemInstruction": {"parts": [{"text": SYSTEM}]},
            "contents": [{"role": "user", "parts": [{"text": ASKED}]}],
        },
    ),
]


def test_it_stays_the_same_while_a_conversation_grows_whatever_its_dialect_and_its_marks() -> None:
    assert len({prefix(*one) for one in SAME}) == 1
    assert prefix(*SAME[0])


def test_another_beginning_is_another() -> None:
    others = [chat(system="You know the hills."), chat(asked="Tell me of the moon."), {**chat(), "messages": GROWN[1:]}]
    found = {prefix("openai-chat", "chat.completions", one) for one in (chat(), *others)}
    assert len(found) == 4


@pytest.mark.parametrize("content", [[], [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]])
def test_a_prompt_without_text_has_none(content: list[Any]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    assert prefix("openai-chat", "chat.completions", body) == ""


def test_what_cannot_be_read_has_none_and_nothing_breaks() -> None:
    assert prefix("openai-chat", "chat.completions", {**chat(), "tools": [{"type": "function", "function": 9}]}) == ""
    assert prefix("openai-embeddings", "embeddings", {"model": "m", "input": ASKED}) == ""


BLOCKS = st.lists(
    st.builds(Text, text=st.text(max_size=9)) | st.just(Media(kind="image", data="aGk=", media_type="image/png")),
    max_size=3,
)
MESSAGES = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), blocks=BLOCKS.map(tuple)), max_size=5
)


@given(MESSAGES, MESSAGES)
def test_whatever_follows_changes_nothing(head: list[Message], tail: list[Message]) -> None:
    begun = [Message(role="system", blocks=(Text(text="s"),)), Message(role="user", blocks=(Text(text="u"),)), *head]
    one, other = (Request(model="m", messages=tuple(begun + more)) for more in ([], tail))
    assert prefix_of(one) == prefix_of(other)
