"""Recorded answers, taken for answers to requests for JSON: judging changes no byte, and tidying takes fences alone."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.core.chat import Refusal, Text
from pointsman.core.errors import UpstreamError
from pointsman.core.model import Ability
from pointsman.core.plan import Needs
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.events import Assembly
from pointsman.wire.forms import is_json
from pointsman.wire.gemini import Gemini
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.passage import Passages
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Incoming, Outgoing, Surface, Trip

DIALECTS: dict[str, tuple[Dialect, Surface]] = {
    "openai-chat": (OpenAIChat(), "chat.completions"),
    "openai-responses": (OpenAIResponses(), "responses"),
    "anthropic-messages": (AnthropicMessages(), "messages"),
    "gemini-generateContent": (Gemini(), "gemini.generate"),
}
WAYS = Passages([dialect for dialect, _ in DIALECTS.values()])
SENT = Outgoing(path="/", body=b"{}")
shares = pytest.mark.parametrize(
    "share", [pytest.param((2, 9), id="quick"), pytest.param((0, 1), id="all", marks=pytest.mark.slow)]
)


def trip(surface: Surface, *, stream: bool, judged: bool = True) -> Trip:
    abilities = Ability.JSON_MODE if judged else Ability(0)
    query = "alt=sse" if surface == "gemini.generate" else ""
    incoming = Incoming(
        surface=surface,
        model="m",
        stream=stream,
        needs=Needs(dialect="", abilities=abilities),
        fields={},
        shows_usage=True,
        query=query,
    )
    return Trip(incoming=incoming, outgoing=SENT)


def texts_of(dialect: Dialect, body: bytes) -> list[str]:
    answer = dialect.read_whole(body, SENT)
    return [block.text for choice in answer.choices for block in choice.blocks if isinstance(block, Text)]


def said_in(dialect: Dialect, stream: bytes) -> str:
    reader, assembly = dialect.reader(SENT), Assembly()
    assembly.add(reader.feed(stream))
    assembly.add(reader.close())
    blocks = [block for choice in assembly.answer().choices for block in choice.blocks]
    return "".join(block.text for block in blocks if isinstance(block, Text | Refusal))


@shares
@pytest.mark.parametrize("name", DIALECTS)
def test_whole_answers(recorded: Any, name: str, share: tuple[int, int]) -> None:
    dialect, surface = DIALECTS[name]
    straight, tidy = (WAYS.between(dialect.name, dialect.name, tidy=tidy) for tidy in (False, True))
    forms: dict[str, int] = {"": 0, "ok": 0, "broken": 0}
    for record in recorded(name, share=share):
        body = record["response"].get("body")
        if record["response"]["status"] != 200 or not isinstance(body, dict):
            continue
        raw = json.dumps(body).encode()
        try:
            plain = straight.read_answer(raw, trip(surface, stream=False, judged=False))
        except UpstreamError:
            continue
        heard = straight.read_answer(raw, trip(surface, stream=False))
        assert msgspec.structs.replace(heard.facts, form="") == plain.facts, record["id"]
        assert heard.body == raw
        forms[heard.facts.form] += 1
        try:
            tidied = tidy.read_answer(raw, trip(surface, stream=False))
        except UpstreamError:
            continue
        if tidied.body != raw:
            before, after = texts_of(dialect, raw), texts_of(dialect, tidied.body)
            assert all(old == new or (new in old and is_json(new)) for old, new in zip(before, after, strict=True))
    assert forms["ok"] + forms["broken"] > 10


@shares
@pytest.mark.parametrize("name", DIALECTS)
def test_streams(recorded: Any, name: str, share: tuple[int, int]) -> None:
    dialect, surface = DIALECTS[name]
    straight = WAYS.between(dialect.name, dialect.name)
    seen = 0
    for record in recorded(name, share=share):
        text = record["response"].get("sse")
        if record["response"]["status"] != 200 or not isinstance(text, str):
            continue
        data = text.encode("utf-8", "replace")
        outs = []
        for judged in (False, True):
            relay = straight.relay(trip(surface, stream=True, judged=judged))
            out: list[Any] = []
            try:
                out.extend(relay.feed(data[at : at + 700]) for at in range(0, len(data), 700))
                out.append(relay.close())
            except UpstreamError as error:
                out.append(type(error))
            outs.append(out)
            assert judged or relay.facts.form == ""
        assert outs[0] == outs[1], record["id"]
        seen += 1
        relay = WAYS.between(dialect.name, dialect.name, tidy=True).relay(trip(surface, stream=True))
        try:
            tidied = relay.feed(data) + relay.close()
            before, after = said_in(dialect, data), said_in(dialect, tidied)
        except UpstreamError:
            continue
        assert before == after or ("```" in before and after in before), record["id"]
    assert seen > 5
