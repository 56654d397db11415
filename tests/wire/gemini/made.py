"""Requests, answers, streams and models of the dialect, made for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pointsman.core.chat import Answer, Event
from pointsman.core.model import Ability, Model, Provider
from pointsman.wire.events import Assembly
from pointsman.wire.gemini import Gemini
from pointsman.wire.trip import Incoming, Outgoing

GEMINI = Gemini()
STUDIO = "https://generativelanguage.googleapis.com/v1beta"
VERTEX = "https://us-aiplatform.googleapis.com/v1/projects/p/locations/us/publishers/google"
HELLO = [{"role": "user", "parts": [{"text": "Hello"}]}]
USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
SIGNED = "c2lnbmF0dXJl"


def asked(body: Any = None, verb: str = "generateContent", query: str = "", name: str = "m") -> Incoming:
    """A caller's request."""
    raw = body if isinstance(body, bytes) else json.dumps({"contents": HELLO} if body is None else body).encode()
    surface: Any = "gemini.count_tokens" if verb == "countTokens" else "gemini.generate"
    return GEMINI.read_request(raw, surface, f"/v1beta/models/{name}:{verb}", query)


def streaming(query: str = "alt=sse", **body: Any) -> Incoming:
    """A caller's request for a stream."""
    return asked({"contents": HELLO, **body}, "streamGenerateContent", query)


def model(upstream: str = "gemini-3-flash", base_url: str = STUDIO, **more: Any) -> Model:
    """A model that speaks the dialect."""
    return Model(
        name="g", provider=Provider(name="google", dialect="gemini", base_url=base_url), upstream=upstream, **more
    )


def thinker(upstream: str = "gemini-3-flash", **more: Any) -> Model:
    """One that is known to think."""
    return model(upstream, abilities=Ability.TOOLS | Ability.REASONING, **more)


def sent(outgoing: Outgoing) -> Any:
    """What a provider gets."""
    return json.loads(outgoing.body)


def answer(*parts: Any, finish: Any = "STOP", usage: Any = USAGE, **more: Any) -> bytes:
    """A whole answer with one candidate."""
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    candidate |= {"finishReason": finish} if finish is not None else {}
    candidate |= more.pop("candidate", {})
    body = {"candidates": [candidate], "modelVersion": "gemini-3-flash", "responseId": "r-1", **more}
    return json.dumps(body | ({"usageMetadata": usage} if usage else {})).encode()


def chunk(*parts: Any, finish: Any = None, usage: Any = None, **more: Any) -> bytes:
    """One event of a stream, framed as Google frames it."""
    return b"data: " + answer(*parts, finish=finish, usage=usage, **more) + b"\r\n\r\n"


def read(data: bytes, outgoing: Outgoing | None = None) -> Answer:
    """A whole answer in no dialect."""
    return GEMINI.read_whole(data, outgoing or Outgoing(path="", body=b""))


def heard(data: bytes, size: int = 1 << 30) -> list[Event]:
    """A stream's events, fed in pieces of a size."""
    reader = GEMINI.reader(Outgoing(path="", body=b""))
    events = [event for at in range(0, len(data), size) for event in reader.feed(data[at : at + size])]
    return [*events, *reader.close()]


def assembled(events: Iterable[Event]) -> Answer:
    """The answer that a stream was."""
    assembly = Assembly()
    assembly.add(events)
    return assembly.answer()


def objects(stream: bytes) -> list[Any]:
    """The objects in an event stream."""
    return [json.loads(line[5:]) for line in stream.splitlines() if line.startswith(b"data:")]
