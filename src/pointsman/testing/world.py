"""A world of providers without sockets: a carrier that answers for them as their timetables say.

It speaks `openai-chat`, whole and streamed, and every provider says the same words (`SAID`), so that a caller can tell
a whole answer from a part of one. A request that holds a part of them as the assistant's own is answered with the rest.
Time comes from the clock that is handed in and pauses are asyncio's: on a virtual loop a year takes seconds.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pointsman.core.clock import Clock
from pointsman.core.errors import ConnectFailed, UpstreamCut, UpstreamTimeout
from pointsman.core.model import TimeLimits
from pointsman.core.ports import Headers, UpstreamRequest
from pointsman.core.usage import Usage
from pointsman.testing.dialect import Answer, Ask, Part, Refusal, Request
from pointsman.testing.openai_chat import OpenAIChat
from pointsman.testing.script import SimModel
from pointsman.testing.spells import WAYS, Spell, Timetable, Way

SAID = (
    "The signalman sets the road, the pointsman throws the lever, and the driver, who sees only a lamp, goes on "
    "through the night as if there had never been another way to go."
)
"""What every provider answers."""
_WORDS_A_PIECE = 12
_DIALECT = OpenAIChat()
_JSON: Headers = ((b"content-type", b"application/json"),)
_EVENTS: Headers = ((b"content-type", b"text/event-stream; charset=utf-8"),)
_FAILING: tuple[Way, ...] = tuple(way for way in WAYS if way != "mixed")
_NEVER = math.inf


class Tempo(msgspec.Struct, frozen=True, kw_only=True):
    """How quickly the providers answer, in seconds.

    Attributes:
        first_token: median time to the first token, lognormal with `spread`.
        gap: between two pieces of an answer; a whole one is there when its last piece would be.
        refusal: until an error answer or a reset.
        slow: in a brown-out the first token takes so many times as long.
        failing: share of the requests that fail with 500 in a brown-out.
        early: share of the streams whose head comes at once, before the first token.
    """

    first_token: float = 0.5
    spread: float = 0.5
    gap: float = 0.8
    refusal: float = 0.1
    slow: float = 20.0
    failing: float = 1 / 3
    early: float = 0.5


class World:
    """Providers as a `core.ports.Carrier`. Their addresses are `url(name)`.

    Args:
        tables: each provider's troubles; their time begins now.
        clock: where time comes from.
        seed: of latencies and of what is drawn for each request.
        tempo: how quickly they answer.

    Attributes:
        requests: how many were sent to whom, by name and trouble (empty when well).
        open: answers that were begun and not closed yet.
    """

    def __init__(
        self, tables: Mapping[str, Timetable], *, clock: Clock, seed: int | str, tempo: Tempo | None = None
    ) -> None:
        self.tables = dict(tables)
        self.requests: Counter[tuple[str, str]] = Counter()
        self.open = 0
        self.tempo = tempo or Tempo()
        self._clock = clock
        self._begun = clock.monotonic()
        self._draw = random.Random(f"{seed}/world")  # noqa: S311 - a simulation
        self._bodies = {name: _whole(name, "") for name in tables}
        self._frames = {name: _frames(name, "") for name in tables}

    @staticmethod
    def url(name: str) -> str:
        """A provider's base URL; nobody else can be meant by it."""
        return f"http://{name}.invalid/v1"

    def now(self) -> float:
        """Seconds on the timetables."""
        return (self._clock.monotonic() - self._begun) / 1e9

    async def send(self, request: UpstreamRequest) -> Scene:
        """Answer for a provider. Raises as `core.ports.Carrier.send`."""
        name = request.url.partition("//")[2].partition(".invalid/")[0]
        table = self.tables[name]
        spell = table.at(self.now())
        self.requests[name, spell.trouble if spell else ""] += 1
        visit = Visit(self, request.limits, None if spell and spell.trouble == "down" else table)
        asked = _decode(request.body)
        match spell:
            case Spell(trouble="down"):
                return await self._down(visit, spell.way, stream=asked.stream)
            case Spell(trouble="limited"):
                wait = math.ceil(spell.end - self.now())
                return await self._refuse(visit, 429, (*_JSON, (b"retry-after", b"%d" % max(wait, 1))))
            case Spell() if self._draw.random() < self.tempo.failing:
                return await self._refuse(visit, 500, _JSON)
        return await self._answer(visit, name, asked, self.tempo.slow if spell else 1.0)

    async def aclose(self) -> None:
        """Nothing is kept."""

    async def _down(self, visit: Visit, way: Way, *, stream: bool) -> Scene:
        if way == "mixed":
            way = self._draw.choice(_FAILING)
        match way:
            case "refused":
                raise ConnectFailed("connection refused")
            case "unreachable":
                await visit.wait(_NEVER, "connect")
            case "reset":
                await visit.wait(self.tempo.refusal, "first_byte")
                raise UpstreamCut("the connection was reset before any header", headed=False)
            case "silent" if stream and self._draw.random() < self.tempo.early:
                return Scene(visit, 200, _EVENTS, [(_NEVER, b"")])
            case "silent":
                await visit.wait(_NEVER, "first_byte")
        return await self._refuse(visit, self._draw.choice((500, 503)), _JSON)

    async def _refuse(self, visit: Visit, status: int, headers: Headers) -> Scene:
        await visit.wait(self.tempo.refusal, "first_byte")
        return Scene(visit, status, headers, [(0.0, _REFUSALS[status])])

    async def _answer(self, visit: Visit, name: str, asked: _Asked, slower: float) -> Scene:
        tempo, draw = self.tempo, self._draw
        first = tempo.first_token * math.exp(draw.gauss(0.0, tempo.spread)) * slower
        begun = asked.begun
        if not asked.stream:
            await visit.wait(first + tempo.gap * (len(self._frames[name]) - 1), "first_byte")
            return Scene(visit, 200, _JSON, [(0.0, _whole(name, begun) if begun else self._bodies[name])])
        frames = _frames(name, begun) if begun else self._frames[name]
        if draw.random() < tempo.early:
            delays = [first] + [tempo.gap] * (len(frames) - 1)
        else:
            await visit.wait(first, "first_byte")
            delays = [0.0] + [tempo.gap] * (len(frames) - 1)
        return Scene(visit, 200, _EVENTS, list(zip(delays, frames, strict=True)))


class Visit:
    """One request at a provider: what it may take, and what breaks it off.

    Args:
        world: where it is made.
        limits: the request's.
        table: an outage in it that begins meanwhile breaks the answer off; None where it fails anyhow.
    """

    def __init__(self, world: World, limits: TimeLimits, table: Timetable | None) -> None:
        self.world = world
        self.limits = limits
        now = world.now()
        self._until = now + limits.total
        self._outage = table.next_down(now) if table is not None else None

    async def wait(self, seconds: float, phase: Any) -> None:
        """Let time pass until something comes.

        Raises:
            UpstreamTimeout: its limit passes first.
            UpstreamCut: an outage begins first.
        """
        if not seconds:
            return
        now = self.world.now()
        due, limit = now + seconds, min(now + getattr(self.limits, phase), self._until)
        outage = self._outage
        if outage is not None and outage.start < min(due, limit):
            if outage.way != "silent":
                await asyncio.sleep(max(outage.start - now, 0.0))
                raise UpstreamCut("the connection was reset", headed=phase == "between_bytes")
            due = _NEVER
        await asyncio.sleep(min(due, limit) - now)
        if due > limit:
            phase = phase if limit < self._until else "total"
            raise UpstreamTimeout(f"nothing came within its limit ({phase})", phase=phase)


class Scene:
    """An answer whose head is there; satisfies `core.ports.UpstreamResponse`.

    Args:
        visit: the request's.
        status, headers: its head.
        pieces: of the body, each with the seconds until it comes after the one before.
    """

    connected: float | None = None  # nobody connects to anything here

    def __init__(self, visit: Visit, status: int, headers: Headers, pieces: Sequence[tuple[float, bytes]]) -> None:
        self.status = status
        self.headers = headers
        self._visit = visit
        self._pieces = iter(pieces)
        self._closed = False
        visit.world.open += 1

    def header(self, name: bytes) -> bytes:
        """First value of a header, or empty."""
        return next((value for key, value in self.headers if key == name), b"")

    async def read(self) -> bytes:
        """The whole body. Raises as `next_chunk`."""
        whole = b""
        while chunk := await self.next_chunk():
            whole += chunk
        return whole

    async def next_chunk(self) -> bytes:
        """The next piece; empty at the end.

        Raises:
            UpstreamTimeout, UpstreamCut: as `Visit.wait`.
        """
        for delay, piece in self._pieces:
            await self._visit.wait(delay, "between_bytes")
            return piece
        return b""

    async def aclose(self) -> None:
        """Done with."""
        if not self._closed:
            self._closed = True
            self._visit.world.open -= 1


class _Message(msgspec.Struct):
    role: str = ""
    content: Any = None


class _Asked(msgspec.Struct):
    stream: bool = False
    messages: list[_Message] = []

    @property
    def begun(self) -> str:
        """The part of the answer that the assistant has said by the request's own account."""
        for message in reversed(self.messages):
            said = message.content
            if message.role == "assistant" and isinstance(said, str) and said and SAID.startswith(said):
                return said
        return ""


_decode = msgspec.json.Decoder(_Asked).decode


def _spoken(name: str, begun: str) -> tuple[Ask, Answer, SimModel]:
    words = SAID.removeprefix(begun).split(" ")
    pieces = [" ".join(words[at : at + _WORDS_A_PIECE]) for at in range(0, len(words), _WORDS_A_PIECE)]
    pieces = [piece if at == len(pieces) - 1 else f"{piece} " for at, piece in enumerate(pieces)]
    ask = Ask(surface="chat", model=name, usage=True, stream=True)
    usage = Usage(input=20, output=len(words))
    return ask, Answer(id=f"chatcmpl-{name}", created=0, parts=[Part(text=pieces)], usage=usage), SimModel(name=name)


def _whole(name: str, begun: str) -> bytes:
    return _DIALECT.whole(*_spoken(name, begun))


def _frames(name: str, begun: str) -> list[bytes]:
    """The stream in the pieces in which it comes: the head with the first words, the end with the last."""
    frames = [frame for _, frame in _DIALECT.frames(*_spoken(name, begun))]
    return [frames[0] + frames[1], *frames[2:-3], b"".join(frames[-3:])]


def _refusal(status: int, code: str) -> bytes:
    return _DIALECT.error(Refusal(status, code, "It is not to be had now."), Request(method="POST", path=""))


_REFUSALS = {
    429: _refusal(429, "rate_limit_exceeded"),
    500: _refusal(500, "server_error"),
    503: _refusal(503, "service_unavailable"),
}
