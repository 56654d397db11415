"""System text around a caller's: the caller's own bytes stay, in every dialect, and cross to every other."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import Text
from pointsman.core.model import Model, Provider
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.gemini import Gemini
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.passage import Passages
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Incoming, Surface

CHAT, MESSAGES, RESPONSES, GEMINI = OpenAIChat(), AnthropicMessages(), OpenAIResponses(), Gemini()
WAYS = Passages([CHAT, MESSAGES, RESPONSES, GEMINI])
PATHS: dict[str, str] = {
    "gemini.generate": "/v1beta/models/m:generateContent",
    "gemini.count_tokens": "/v1beta/models/m:countTokens",
}
USER = {"role": "user", "content": "Grüße \U0001f600"}
MARK = {"type": "ephemeral", "ttl": "1h"}
MODEL = Model(
    name="m", provider=Provider(name="lab", dialect=CHAT.name, base_url="http://127.0.0.1:9/v1"), upstream="m-1"
)


def read(dialect: Dialect, surface: Surface, body: Any) -> Incoming:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return dialect.read_request(data, surface, PATHS.get(surface, ""))


def chat(*messages: Any, **more: Any) -> Incoming:
    return read(CHAT, "chat.completions", {"model": "m", "messages": messages, **more})


def messages_of(incoming: Incoming) -> Any:
    return json.loads(bytes(incoming.fields["messages"]))


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER], [{"role": "system", "content": "A\n\nB"}, USER]),
        ([{"role": "system", "content": "x"}, USER], [{"role": "system", "content": "A\n\nx\n\nB"}, USER]),
        (
            [USER, {"role": "developer", "content": '\u00fc"x', "name": "n"}, {"role": "system", "content": "y"}],
            [
                USER,
                {"role": "developer", "content": 'A\n\n\u00fc"x\n\nB', "name": "n"},
                {"role": "system", "content": "y"},
            ],
        ),
        ([{"role": "system", "content": ""}], [{"role": "system", "content": "A\n\nB"}]),
        ([{"role": "system", "content": None}], [{"role": "system", "content": "A\n\nB"}]),
        ([{"role": "system"}], [{"role": "system", "content": "A\n\nB"}]),
        (
            [{"role": "system", "content": [{"type": "text", "text": "x", "cache_control": MARK}]}],
            [
                {
                    "role": "system",
                    "content": [
                        {"type": "text", "text": "A\n\n"},
                        {"type": "text", "text": "x", "cache_control": MARK},
                        {"type": "text", "text": "\n\nB"},
                    ],
                }
            ],
        ),
        (
            [{"role": "system", "content": []}],
            [{"role": "system", "content": [{"type": "text", "text": "A\n\n"}, {"type": "text", "text": "\n\nB"}]}],
        ),
        (
            [{"role": "system", "content": 5}],
            [{"role": "system", "content": "A\n\nB"}, {"role": "system", "content": 5}],
        ),
    ],
)
def test_chat_gets_it_in_its_first_system_message(messages: Any, expected: Any) -> None:
    assert messages_of(CHAT.with_system(chat(*messages), "A", "B")) == expected


def test_one_side_alone() -> None:
    said = {"role": "system", "content": "x"}
    assert messages_of(CHAT.with_system(chat(said), "A", ""))[0]["content"] == "A\n\nx"
    assert messages_of(CHAT.with_system(chat(said), "", "B"))[0]["content"] == "x\n\nB"
    assert messages_of(CHAT.with_system(chat(USER), "", "B"))[0]["content"] == "B"
    listed = {"role": "system", "content": []}
    assert messages_of(CHAT.with_system(chat(listed), "", "B"))[0]["content"] == [{"type": "text", "text": "B"}]


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (None, "A\n\nB"),
        ("x\ny", "A\n\nx\ny\n\nB"),
        (
            [{"type": "text", "text": "x", "cache_control": MARK}, {"type": "text", "text": "y"}],
            [
                {"type": "text", "text": "A\n\n"},
                {"type": "text", "text": "x", "cache_control": MARK},
                {"type": "text", "text": "y"},
                {"type": "text", "text": "\n\nB"},
            ],
        ),
        (7, 7),
    ],
)
@pytest.mark.parametrize("surface", ["messages", "messages.count_tokens"])
def test_messages_get_it_in_their_system_field(surface: Surface, system: Any, expected: Any) -> None:
    body = {"model": "m", "max_tokens": 9, "system": system, "messages": [USER]}
    incoming = MESSAGES.with_system(read(MESSAGES, surface, body), "A", "B")
    assert json.loads(bytes(incoming.fields["system"])) == expected


def test_messages_without_a_system_field_get_one() -> None:
    incoming = read(MESSAGES, "messages", {"model": "m", "max_tokens": 9, "messages": [USER]})
    assert bytes(MESSAGES.with_system(incoming, "A", "").fields["system"]) == b'"A"'


@pytest.mark.parametrize(("said", "expected"), [({}, "A\n\nB"), ({"instructions": "x"}, "A\n\nx\n\nB")])
@pytest.mark.parametrize("surface", ["responses", "responses.input_tokens"])
def test_responses_get_it_in_their_instructions(surface: Surface, said: Any, expected: str) -> None:
    incoming = RESPONSES.with_system(read(RESPONSES, surface, {"model": "m", "input": "Hi", **said}), "A", "B")
    assert json.loads(bytes(incoming.fields["instructions"])) == expected


CONTENTS = [{"role": "user", "parts": [{"text": "Hi"}]}]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, {"parts": [{"text": "A\n\nB"}]}),
        (
            {"systemInstruction": {"role": "user", "parts": [{"text": "x"}]}},
            {"role": "user", "parts": [{"text": "A\n\n"}, {"text": "x"}, {"text": "\n\nB"}]},
        ),
        (
            {"system_instruction": {"parts": {"text": "x"}}},
            {"parts": [{"text": "A\n\n"}, {"text": "x"}, {"text": "\n\nB"}]},
        ),
    ],
)
def test_gemini_gets_it_in_its_system_instruction(said: Any, expected: Any) -> None:
    name = next(iter(said), "systemInstruction")
    incoming = GEMINI.with_system(read(GEMINI, "gemini.generate", {"contents": CONTENTS, **said}), "A", "B")
    assert json.loads(bytes(incoming.fields[name])) == expected
    assert list(incoming.fields) == ["contents", name]
    body = {"generateContentRequest": {"model": "models/m", "contents": CONTENTS, **said}}
    counted = GEMINI.with_system(read(GEMINI, "gemini.count_tokens", body), "A", "B")
    assert json.loads(bytes(counted.fields["generateContentRequest"]))[name] == expected


def test_old_completions_have_no_system_text() -> None:
    incoming = read(CHAT, "completions", {"model": "m", "prompt": "Once"})
    assert CHAT.with_system(incoming, "A", "B") is incoming


def test_every_other_byte_stays() -> None:
    body = (
        b'{"model": "m",  "odd" : {"a":[1 ,2.50, 1e400]}, "messages": [{"role":"system","content":"\\u00e9x"} ,'
        b'{"role": "user",  "content": [ {"type":"text", "text":"\\u00e9"} ]}], "temperature": 0.70}'
    )
    incoming = read(CHAT, "chat.completions", body)
    changed = CHAT.with_system(incoming, 'say "A"', "")
    assert list(changed.fields) == list(incoming.fields)
    assert {name: bytes(raw) for name, raw in changed.fields.items() if name != "messages"} == {
        name: bytes(raw) for name, raw in incoming.fields.items() if name != "messages"
    }
    assert bytes(changed.fields["messages"]) == (
        b'[{"role":"system","content":"say \\"A\\"\\n\\n\\u00e9x"},'
        b'{"role": "user",  "content": [ {"type":"text", "text":"\\u00e9"} ]}]'
    )
    assert (changed.needs, changed.model) == (incoming.needs, incoming.model)


@pytest.mark.parametrize("provider", [CHAT, MESSAGES, RESPONSES, GEMINI], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("caller", "surface", "body"),
    [
        (
            CHAT,
            "chat.completions",
            {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "Hi"}]},
        ),
        (MESSAGES, "messages", {"max_tokens": 9, "system": "x", "messages": [{"role": "user", "content": "Hi"}]}),
        (RESPONSES, "responses", {"instructions": "x", "input": "Hi"}),
        (GEMINI, "gemini.generate", {"contents": CONTENTS, "systemInstruction": {"parts": [{"text": "x"}]}}),
    ],
    ids=["chat", "messages", "responses", "gemini"],
)
def test_it_crosses_to_every_dialect(caller: Dialect, surface: Surface, body: Any, provider: Dialect) -> None:
    incoming = caller.with_system(read(caller, surface, {"model": "m", **body}), "Be brief.", "Use JSON.")
    sent = WAYS.between(caller.name, provider.name).write_request(incoming, MODEL).body
    read_again = provider.to_core(read(provider, {v: k for k, v in SURFACES.items()}[provider.name], sent))
    system = [block.text for block in read_again.messages[0].blocks if isinstance(block, Text)]
    # Where parts become one text, the dialect puts blank lines of its own between them.
    assert re.sub(r"\n{3,}", "\n\n", "".join(system)) == "Be brief.\n\nx\n\nUse JSON."


SURFACES: dict[Surface, str] = {
    "chat.completions": CHAT.name,
    "messages": MESSAGES.name,
    "responses": RESPONSES.name,
    "gemini.generate": GEMINI.name,
}
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSONS, st.text(max_size=5), st.text(max_size=5))
def test_whatever_stands_there_the_request_stays_one(value: Any, before: str, after: str) -> None:
    if not before and not after:
        return
    for dialect, surface, body in (
        (CHAT, "chat.completions", {"messages": [{"role": "system", "content": value}]}),
        (MESSAGES, "messages", {"system": value, "messages": [USER]}),
        (RESPONSES, "responses", {"instructions": value, "input": "Hi"}),
        (GEMINI, "gemini.generate", {"systemInstruction": value, "contents": CONTENTS}),
        (GEMINI, "gemini.generate", {"systemInstruction": {"parts": value}, "contents": CONTENTS}),
    ):
        incoming = read(dialect, surface, {"model": "m", **body})  # type: ignore[arg-type]  # the names stand above
        changed = dialect.with_system(incoming, before, after)
        json.loads(msgspec.json.encode(changed.fields))
