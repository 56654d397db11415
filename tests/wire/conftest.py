"""What the wire tests share: the dialect, an everyday model, and ways to feed a stream."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from pointsman.core.errors import PointsmanError
from pointsman.core.model import Model, Price, Provider
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.streams import Relay
from pointsman.wire.trip import AnswerFacts, Incoming

PRICE = Price(input=1_000_000, output=2_000_000)  # 1 and 2 US dollars per million tokens


class Streamed(NamedTuple):
    """What became of a stream."""

    out: bytes
    facts: AnswerFacts
    has_content: bool
    error: PointsmanError | None


@pytest.fixture(scope="session")
def dialect() -> OpenAIChat:
    return OpenAIChat()


@pytest.fixture(scope="session")
def model() -> Model:
    return Model(
        name="small",
        provider=Provider(name="lab", dialect="openai-chat", base_url="http://127.0.0.1:9/v1"),
        upstream="small-1",
    )


@pytest.fixture(scope="session")
def price() -> Price:
    return PRICE


@pytest.fixture(scope="session")
def asking(dialect: OpenAIChat) -> Callable[..., Incoming]:
    """A streamed request that shows usage or does not, for any number of answers."""

    def make(shows_usage: bool = True, n: int = 1, surface: Any = "chat.completions") -> Incoming:
        body: dict[str, Any] = {"model": "m", "stream": True, "n": n}
        body |= {"prompt": "hi"} if surface == "completions" else {"messages": [{"role": "user", "content": "hi"}]}
        if shows_usage:
            body["stream_options"] = {"include_usage": True}
        return dialect.read_request(json.dumps(body).encode(), surface)

    return make


@pytest.fixture(scope="session")
def through() -> Callable[[Relay, bytes, int], Streamed]:
    """Feed a relay in pieces of a size and close it."""

    def run(relay: Relay, data: bytes, size: int) -> Streamed:
        out, error = [], None
        try:
            out.extend(relay.feed(data[at : at + size]) for at in range(0, len(data), size))
            out.append(relay.close())
        except PointsmanError as failure:
            error = failure
        return Streamed(b"".join(out), relay.facts, relay.has_content, error)

    return run


@pytest.fixture(scope="session")
def recorded(recordings: Path) -> Callable[..., Iterator[dict[str, Any]]]:
    """Records of some dialects; `share` keeps those whose id falls into it: (which, of how many)."""

    def read(*dialects: str, share: tuple[int, int] = (0, 1)) -> Iterator[dict[str, Any]]:
        for dialect in dialects:
            for path in sorted(recordings.glob(f"*__{dialect}.jsonl.gz")):
                with gzip.open(path, "rb") as lines:
                    for line in lines:
                        record = msgspec.json.decode(line)
                        if int(record["id"], 16) % share[1] == share[0]:
                            yield record

    return read
