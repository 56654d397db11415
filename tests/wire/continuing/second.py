"""Streams that break, and models that go on with them: what the tests of continuing share.

The models know the whole text. What they are asked is read back from the bytes of the request, so that a request which
shows them something else than what the caller was told ends in another text.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pointsman.core.chat import AnswerStart, BlockEnd, BlockStart, ChoiceEnd, Delta, Event, Text, UsageReport
from pointsman.core.chat import Request as CoreRequest
from pointsman.core.model import Model, Price, Provider
from pointsman.core.usage import Usage
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.gemini import Gemini
from pointsman.wire.mistral_chat import MistralChat
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.passage import Passages
from pointsman.wire.port import Dialect, Passage
from pointsman.wire.seams import begins
from pointsman.wire.streams import Relay
from pointsman.wire.told import Standing, Told
from pointsman.wire.trip import Incoming, Outgoing, Trip
from wire.across.breaches import Breaches
from wire.across.frames import events as sse_events
from wire.across.record import of_stream
from wire.across.seen import GATHER

ALL: dict[str, Dialect] = {
    one.name: one for one in (OpenAIChat(), OpenAIResponses(), AnthropicMessages(), Gemini(), MistralChat())
}
PASSAGES = Passages(ALL.values())
CALLERS = ("openai-chat", "openai-responses", "anthropic-messages", "gemini")
NOW = 1_764_000_000_000_000_000
PRICE = Price(input=1_000_000, output=2_000_000)
USED = Usage(input=30, output=7)
LEAST = 12  # characters that a repetition has to have to be taken for one


class Second(NamedTuple):
    """A model that can go on: the dialect of its provider, and its name there."""

    dialect: str
    upstream: str
    prefills: bool = False

    @property
    def model(self) -> Model:
        provider = Provider(name="other", dialect=self.dialect, base_url="http://127.0.0.1:9/v1")
        return Model(name="second", provider=provider, upstream=self.upstream, price=PRICE)


SECONDS = (
    Second("anthropic-messages", "claude-3-5-sonnet-20241022", prefills=True),
    Second("openai-responses", "gpt-4.1"),
    Second("mistral-chat", "mistral-large-latest", prefills=True),
    Second("gemini", "gemini-2.5-flash"),
    Second("anthropic-messages", "claude-opus-4-8"),
    Second("openai-chat", "gpt-4.1"),
)


def asking(caller: str, **more: Any) -> Incoming:
    """An everyday request for a stream; `more` stands in its body."""
    hello = {"role": "user", "content": "Tell me."}
    bodies: dict[str, dict[str, Any]] = {
        "openai-chat": {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "messages": [hello]},
        "openai-responses": {"model": "m", "stream": True, "input": "Tell me."},
        "anthropic-messages": {"model": "m", "stream": True, "max_tokens": 900, "messages": [hello]},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "Tell me."}]}]},
    }
    array = more.pop("array", False)
    return read(caller, {**bodies[caller], **more}, query="" if array else "alt=sse")


def read(caller: str, body: dict[str, Any], *, query: str = "alt=sse") -> Incoming:
    """A request by its body."""
    raw = json.dumps(body).encode()
    match caller:
        case "openai-chat" | "mistral-chat":
            return ALL[caller].read_request(raw, "chat.completions")
        case "openai-responses":
            return ALL[caller].read_request(raw, "responses")
        case "anthropic-messages":
            return ALL[caller].read_request(raw, "messages")
    path = "/v1beta/models/m:streamGenerateContent"
    return ALL[caller].read_request(raw, "gemini.generate", path, query)


def pieces(text: str, rng: random.Random) -> list[str]:
    """A text as a model streams it."""
    out, at = [], 0
    while at < len(text):
        size = rng.randint(1, 9)
        out.append(text[at : at + size])
        at += size
    return out


def saying(text: str, rng: random.Random, *, finish: str = "stop", usage: Usage | None = USED) -> list[Event]:
    """The events of an answer with one text."""
    deltas = [Delta(index=0, field="text", text=piece) for piece in pieces(text, rng)]
    head = [AnswerStart(id="second-1", model="second-m", created=1_764_000_001)]
    if text:
        head.append(BlockStart(index=0, block=Text(text="")))
        deltas.append(BlockEnd(index=0))
    events = [*head, *deltas, ChoiceEnd(finish=finish)]
    return [*events, UsageReport(usage=usage)] if usage is not None else events


def written(dialect: str, events: list[Event], incoming: Incoming | None = None) -> bytes:
    """Events as a provider of a dialect sends them."""
    name = "openai-chat" if dialect == "mistral-chat" else dialect
    writer = ALL[name].writer(incoming or asking(name))
    used = next((event.usage for event in events if isinstance(event, UsageReport)), None)
    return writer.write(events) + writer.close(used, None)


def asked(second: Second, outgoing: Outgoing) -> CoreRequest:
    """What a second model reads."""
    incoming = read(second.dialect, json.loads(outgoing.body))
    return ALL[second.dialect].to_core(incoming)


def words(message: Any) -> str:
    return "".join(block.text for block in message.blocks if isinstance(block, Text))


def rest_of(incoming: Incoming, full: str, second: Second, outgoing: Outgoing, rng: random.Random) -> tuple[str, bool]:
    """What a model that knows the whole text says when it is asked so, and whether its seam is beyond doubt."""
    if not outgoing.seam:  # nothing of the text was told
        return full, True
    messages = asked(second, outgoing).messages
    prefilled = messages[-1].role == "assistant"
    begun = words(messages[-1 if prefilled else -2])
    last = ALL[incoming.needs.dialect].to_core(incoming).messages[-1]
    if last.role == "assistant":  # the caller had begun the answer; some dialects make one turn of both
        begun = begun.removeprefix(words(last).strip()).lstrip() if not full.startswith(begun) else begun
    assert full.startswith(begun), "the model was shown another beginning"
    if prefilled:
        return full[len(begun) :], True
    again = rng.choice([0, 0, min(len(begun), rng.randint(LEAST, 40))])
    if again < 4 or not counts(begun, full[len(begun) - again :], again):
        again = 0
    said = full[len(begun) - again :]
    return said, not doubtful(begun, said, again)


def counts(begun: str, said: str, again: int) -> bool:
    """Whether a repetition of so many characters is one that no text well has: no pair, no line, no cells."""
    if again == len(begun):
        return again >= 4
    if again < 4 or not begins(begun[:-again][-1:], begun[-again]):
        return False
    line = f"\n{begun}"[-again - 1 :].startswith("\n") or said.startswith("\n")
    line = line or begun.rpartition("\n")[2].lstrip().startswith("|")
    words = said[:again].split()
    return len(" ".join(words)) >= (2 * LEAST if line or len(words) == 2 else LEAST)


def doubtful(begun: str, said: str, again: int) -> bool:
    """Whether what is said looks as if it repeated more or less than it does: `ha ha` behind `ha ha`."""
    least = min(LEAST, max(len(begun), 4))
    looks = [size for size in range(least, min(len(begun), len(said), 400) + 1) if begun.endswith(said[:size])]
    word = re.search(r"(?<!\w)[^\W\d_]{5,}\Z", begun)
    if word is not None and said.strip().startswith(word[0]):
        looks.append(-1)
    if not again:
        return bool(looks)
    piece = said[:again]
    pattern = any(piece[step:] == piece[:-step] for step in range(1, again // 2 + 1)) or begun.endswith(piece * 2)
    return looks[-1:] != [again] or pattern


class Break(NamedTuple):
    """What the caller had been told when a stream broke; `at` is how many of the provider's bytes had come."""

    at: int
    told: bytes
    content: bool


def breaks(relay: Relay, data: bytes) -> Iterator[Break]:
    """A stream cut behind every byte: what had been told by then."""
    told: list[bytes] = []
    for at in range(len(data)):
        out = relay.feed(data[at : at + 1])
        if out:
            told.append(out)
        yield Break(at + 1, b"".join(told) if out or not at else b"", relay.has_content)


def distinct(relay: Relay, data: bytes) -> tuple[list[Break], int]:
    """The breaks that differ for the caller, and how many there are of which they stand for."""
    found: list[Break] = []
    count = 0
    for one in breaks(relay, data):
        count += 1
        if one.content and (one.told or not found):
            found.append(one)
    return found, count


def straight(caller: str, incoming: Incoming) -> Relay:
    """The relay of a provider that speaks the caller's dialect."""
    return PASSAGES.between(caller, caller).relay(Trip(incoming=incoming, outgoing=Outgoing(path="", body=b"")))


def stands(caller: str, told: bytes, incoming: Incoming) -> Standing:
    memory = Told()
    memory.add(told)
    return PASSAGES.standing(caller, memory, incoming)


def onward(caller: str, incoming: Incoming, stand: Standing, second: Second) -> tuple[Passage, Outgoing]:
    """The way to a second model and what it is asked."""
    way = PASSAGES.onward(caller, second.dialect, stand)
    return way, way.write_request(incoming, second.model)


def resumed(way: Passage, incoming: Incoming, outgoing: Outgoing) -> Relay:
    return way.relay(Trip(incoming=incoming, outgoing=outgoing, price=PRICE, now=NOW))


def poured(relay: Relay, data: bytes, rng: random.Random) -> bytes:
    """All of a stream, in pieces of any size, and its end."""
    out, at = [], 0
    while at < len(data) and not relay.done:
        size = rng.randint(1, 400)
        out.append(relay.feed(data[at : at + size]))
        at += size
    return b"".join(out) + relay.close()


class Whole(NamedTuple):
    """What a caller has in the end: the text, as a reader of its own reads it, and what is wrong with the stream."""

    text: str
    breaches: list[str]
    body: dict[str, Any]


def gathered(caller: str, data: bytes) -> Whole:
    """A caller's stream as a strict client of his dialect puts it together."""
    breaches = Breaches()
    found = sse_events(data.decode())
    body = GATHER[caller](found, breaches, False)
    facts = of_stream(caller, data.decode())
    return Whole(facts.choices[0].text if facts.choices else "", list(breaches), body)
