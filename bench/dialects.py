"""Speed of the dialects on one core, without a network: `python -m bench.dialects`.

Streams: events/s that a dialect's relay passes on where caller and provider both speak it, one event a read and joined
in reads of 64 KiB; and events/s that are carried from each dialect to callers of each other one. Whole answers:
microseconds for a request and its answer, there and back. The best of several rounds, so that a noisy machine shows its
own speed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from pointsman.compose.dialects import Dialects
from pointsman.core.chat import (
    Answer,
    AnswerStart,
    BlockEnd,
    BlockStart,
    Choice,
    ChoiceEnd,
    Delta,
    Event,
    Text,
    UsageReport,
)
from pointsman.core.model import Model, Price, Provider
from pointsman.core.usage import Usage
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Incoming, Outgoing, Surface, Trip

ROUNDS = 5
EVENTS = 2000
COALESCED = 64 * 1024
PRICE = Price(input=150_000, output=600_000)
USAGE = Usage(input=27, output=EVENTS)
_CHAT = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How far?"}],
}
_ASKED: dict[str, tuple[Surface, str, dict[str, Any]]] = {
    "openai-chat": ("chat.completions", "/v1/chat/completions", _CHAT),
    "openai-responses": (
        "responses",
        "/v1/responses",
        {"model": "m", "instructions": "Be brief.", "input": "How far?"},
    ),
    "anthropic-messages": (
        "messages",
        "/v1/messages",
        {"model": "m", "max_tokens": 99, "system": "Be brief.", "messages": [{"role": "user", "content": "How far?"}]},
    ),
    "gemini": (
        "gemini.generate",
        "/v1beta/models/m:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "How far?"}]}]},
    ),
}


def incoming_of(dialect: Dialect, *, stream: bool) -> Incoming:
    surface, path, body = _ASKED[dialect.name]
    query = ""
    if dialect.name == "gemini":
        path, query = (path.replace("generateContent", "streamGenerateContent"), "alt=sse") if stream else (path, "")
    elif stream:
        body = body | {"stream": True}
        body |= {"stream_options": {"include_usage": True}} if dialect.name == "openai-chat" else {}
    return dialect.read_request(json.dumps(body).encode(), surface, path, query)


def model_of(dialect: Dialect) -> Model:
    provider = Provider(name="lab", dialect=dialect.name, base_url="http://127.0.0.1:9/v1")
    return Model(name="small", provider=provider, upstream="small-1", price=PRICE)


def stream_of(dialect: Dialect) -> list[bytes]:
    """A stream of `EVENTS` pieces of text, as this dialect writes it, event by event."""
    writer = dialect.writer(incoming_of(dialect, stream=True))
    head: Sequence[Event] = (
        AnswerStart(id="a-1", model="small-1", created=1_760_000_000),
        BlockStart(index=0, block=Text(text="")),
    )
    end: Sequence[Event] = (
        BlockEnd(index=0),
        ChoiceEnd(finish="stop", finish_raw="stop"),
        UsageReport(usage=USAGE),
    )
    reads = [writer.write(head)]
    reads += [writer.write([Delta(index=0, field="text", text=f" word{n % 7}")]) for n in range(EVENTS)]
    return [read for read in (*reads, writer.write(end), writer.close(USAGE, None)) if read]


def rate(work: Callable[[], int]) -> float:
    best = 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = work()
        best = max(best, done / (time.perf_counter() - start))
    return best


def joined(reads: list[bytes]) -> list[bytes]:
    whole = b"".join(reads)
    return [whole[at : at + COALESCED] for at in range(0, len(whole), COALESCED)]


def relayed(dialects: Dialects, caller: Dialect, provider: Dialect, reads: list[bytes]) -> Callable[[], int]:
    incoming, outgoing = incoming_of(caller, stream=True), Outgoing(path="", body=b"", dialect=provider.name)
    way = dialects.passages.between(caller.name, provider.name)
    trip = Trip(incoming=incoming, outgoing=outgoing, price=PRICE, now=1)

    def work() -> int:
        relay = way.relay(trip)
        for read in reads:
            relay.feed(read)
        relay.close()
        return EVENTS

    return work


def there_and_back(dialects: Dialects, caller: Dialect, provider: Dialect) -> Callable[[], int]:
    """A small request to the provider and its answer to the caller."""
    incoming, model = incoming_of(caller, stream=False), model_of(provider)
    way = dialects.passages.between(caller.name, provider.name)
    choice = Choice(blocks=(Text(text="Two miles along the line."),), finish="stop", finish_raw="stop")
    answer = Answer(id="a-1", model="small-1", created=1_760_000_000, choices=(choice,), usage=USAGE)
    body = provider.write_answer(answer, incoming_of(provider, stream=False)).body

    def work() -> int:
        for _ in range(2000):
            outgoing = way.write_request(incoming, model)
            heard = way.read_answer(body, Trip(incoming=incoming, outgoing=outgoing, price=PRICE, now=1))
            caller.annotate(heard.body, 1000, heard.facts)
        return 2000

    return work


def main() -> None:
    dialects = Dialects()
    every = [one for one in dialects.translated.values() if one.name in _ASKED]
    streams = {dialect.name: stream_of(dialect) for dialect in every}
    print(f"{'same dialect':<22}{'one a read':>14}{'joined':>14}   events/s")
    for dialect in every:
        reads = streams[dialect.name]
        one = rate(relayed(dialects, dialect, dialect, reads))
        many = rate(relayed(dialects, dialect, dialect, joined(reads)))
        print(f"{dialect.name:<22}{one:>14,.0f}{many:>14,.0f}")
    print("\nacross, one event a read, events/s (rows: provider, columns: caller)")
    print(f"{'':<22}" + "".join(f"{caller.name:>20}" for caller in every))
    for provider in every:
        cells = [rate(relayed(dialects, caller, provider, streams[provider.name])) for caller in every]
        print(f"{provider.name:<22}" + "".join(f"{cell:>20,.0f}" for cell in cells))
    print("\na small request and its answer, µs (rows: provider, columns: caller)")
    for provider in every:
        cells = [1e6 / rate(there_and_back(dialects, caller, provider)) for caller in every]
        print(f"{provider.name:<22}" + "".join(f"{cell:>20,.1f}" for cell in cells))


if __name__ == "__main__":
    main()
