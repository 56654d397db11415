"""The kit that checks a dialect: ours pass, and what is broken in one way or another is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pointsman.core.chat import Answer, BlockEnd, Encoded, Event, Request, ToolCall
from pointsman.core.errors import ConfigError, PointsmanError
from pointsman.core.model import Model
from pointsman.core.usage import Usage
from pointsman.testing import check_dialect
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.port import Dialect
from pointsman.wire.streams import Stand, StreamReader, StreamWriter
from pointsman.wire.trip import AnswerFacts, Incoming, Outgoing, Surface
from wire.across.dialects import every


@pytest.mark.parametrize("dialect", every(), ids=lambda dialect: dialect.name)
def test_ours_pass(dialect: Dialect) -> None:
    report = check_dialect(dialect)
    assert not report.odd, report.render()
    assert report.sound


class _Instead:
    """A stream writer that changes what goes into another."""

    def __init__(self, writer: StreamWriter, change: Any) -> None:
        self._writer = writer
        self._change = change

    def write(self, events: Sequence[Event]) -> bytes:
        return self._writer.write(self._change(events))

    def close(self, usage: Usage | None, cost: int | None) -> bytes:
        return self._writer.close(usage, cost)


class _LosesCitations(OpenAIChat):
    def writer(self, incoming: Incoming) -> StreamWriter:
        def bare(events: Sequence[Event]) -> list[Event]:
            return [
                msgspec.structs.replace(event, citations=()) if isinstance(event, BlockEnd) else event
                for event in events
            ]

        return _Instead(super().writer(incoming), bare)


class _LosesTheLastCall(OpenAIChat):
    def write_answer(self, answer: Answer, incoming: Incoming) -> Encoded:
        choices = []
        for choice in answer.choices:
            calls = [block for block in choice.blocks if isinstance(block, ToolCall)]
            kept = tuple(block for block in choice.blocks if block not in calls[1:])
            choices.append(msgspec.structs.replace(choice, blocks=kept))
        return super().write_answer(msgspec.structs.replace(answer, choices=tuple(choices)), incoming)


class _SaysYesToCuts(OpenAIChat):
    def reader(self, outgoing: Outgoing) -> StreamReader:
        inner = super().reader(outgoing)

        class Lenient:
            done = False

            def feed(self, chunk: bytes) -> list[Event]:
                return inner.feed(chunk)

            def close(self) -> list[Event]:
                try:
                    return inner.close()
                except PointsmanError:
                    return []

        return Lenient()


class _SaysThatItIsOver(OpenAIChat):
    def resume(self, told: bytes, incoming: Incoming) -> Stand:
        return super().resume(told, incoming)._replace(owed=b"")


class _Fragile(OpenAIChat):
    def read_answer(self, body: bytes) -> AnswerFacts:
        value = msgspec.json.decode(body)
        return AnswerFacts(id=value["id"], finish=value["choices"][0]["finish_reason"])


class _ForgetsStops(OpenAIChat):
    def from_core(self, request: Request, model: Model) -> Outgoing:
        return super().from_core(msgspec.structs.replace(request, stop=()), model)


class _NamelessErrors(OpenAIChat):
    def write_error(self, error: PointsmanError, request_id: str) -> bytes:
        return super().write_error(type(error)("Something went wrong."), request_id)


class _Chatty(OpenAIChat):
    def keep_alive(self) -> bytes:
        return b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"."}}]}\n\n'


class _BreaksInTwo(OpenAIChat):
    def read_request(self, body: bytes, surface: Surface, path: str = "", query: str = "") -> Incoming:
        msgspec.json.decode(body)["messages"][0]["content"].upper()
        return super().read_request(body, surface, path, query)


@pytest.mark.parametrize(
    ("dialect", "check"),
    [
        (_LosesCitations, "stream"),
        (_LosesTheLastCall, "whole"),
        (_SaysYesToCuts, "cut"),
        (_SaysThatItIsOver, "resumed"),
        (_Fragile, "garbage"),
        (_ForgetsStops, "requests"),
        (_NamelessErrors, "error"),
        (_Chatty, "keep_alive"),
        (_BreaksInTwo, "bad_requests"),
    ],
)
def test_what_is_broken_is_found(dialect: type[Dialect], check: str) -> None:
    report = check_dialect(dialect(), only=[check])
    assert report[check].verdict == "odd", report.render()


def test_a_dialect_of_somebody_else_says_its_surface() -> None:
    class Theirs(OpenAIChat):
        name = "theirs"

    with pytest.raises(ConfigError):
        check_dialect(Theirs())
    assert check_dialect(Theirs(), "chat.completions", only=["whole", "stream"]).sound


def test_a_check_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match="wohle"):
        check_dialect(OpenAIChat(), only=["wohle"])


def test_the_report_reads_well() -> None:
    lines = check_dialect(OpenAIChat(), only=["requests", "whole"]).render().splitlines()
    assert lines[0] == "openai-chat"
    assert lines[1].startswith("  yes  requests")
