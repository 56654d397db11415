"""A simulated time, lived through by callers of the real line: who was answered, and if not, who could have answered.

The line, its planner, its dialects and whatever else `build` puts together are those of the gateway. Carrier, clock,
recorder and draws are the simulation's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from bench.answers import request
from bench.sampling import Moment

from pointsman.compose import build
from pointsman.compose.house import House
from pointsman.core.call import Arrival
from pointsman.core.clock import SystemDraw
from pointsman.core.outcome import Outcome
from pointsman.core.ports import Headers
from pointsman.health.book import Book
from pointsman.line.parts import NoHealth
from pointsman.line.walk import Line
from pointsman.routing.planner import Planner
from pointsman.testing.spells import Spell, Timetable
from pointsman.testing.virtual import VirtualClock, run_virtual
from pointsman.testing.world import SAID, World
from pointsman.wire.openai_chat import OpenAIChat

ROUTE = "route"
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
SHOWN = 12
LATE = 10.0
"""Seconds; an answer whose first word takes longer counts as a late one."""
_HEADERS = ((b"content-type", b"application/json"),)


@dataclass
class Lost:
    """A call without an answer, for whoever looks into it."""

    at: float
    seconds: float
    stream: bool
    able: str
    error: str
    troubles: dict[str, str]
    attempts: list[str]


@dataclass
class Tally:
    """Seconds of time for which calls stood, by what became of them.

    `lost` is keyed by who could have answered (see `able`) and by the error, `troubles` by what was the matter with the
    providers; `broken` are answers that pass for whole ones and are not; `late` are answers whose first word took more
    than `LATE`; `lost_able` are the lost calls that were made at a moment when somebody could answer. `back` has, for
    each outage of the first provider, the seconds from its end to the first call that it answered.
    """

    calls: int = 0
    time: float = 0.0
    answered: float = 0.0
    broken: float = 0.0
    late: float = 0.0
    lost_able: float = 0.0
    longest: float = 0.0
    left_open: int = 0
    lost: Counter[tuple[str, str]] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    back: list[float] = field(default_factory=list)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: list[Lost] = field(default_factory=list)

    def lost_while(self, able: str) -> float:
        return sum(weight for (who, _), weight in self.lost.items() if who == able)


def able(tables: Mapping[str, Timetable], start: float, end: float) -> str:
    """The best that any provider was from `start` to `end`.

    `well`: one was well all the time; `slow`: one had a brown-out at worst; `nobody`: each was down or refused at some
    moment of the time.
    """
    best = "nobody"
    for table in tables.values():
        troubles = {spell.trouble for spell in table.spells if spell.start <= end and spell.end > start}
        if not troubles:
            return "well"
        if troubles == {"slow"}:
            best = "slow"
    return best


def live(
    tables: Mapping[str, Timetable],
    calls: Iterable[Moment],
    *,
    seed: int,
    patience: float,
    remembers: bool = True,
    tools: bool = False,
) -> Tally:
    """Make the calls, every third one streamed, over a route that tries the providers in the tables' order.

    Args:
        tables: each provider's troubles.
        calls: when.
        seed: of latencies and decisions.
        patience: seconds after which a caller hangs up.
        remembers: with the book of health; else nothing is learned from one call for the next.
        tools: the calls offer a tool: such a call is never sent to two providers at once.
    """
    return run_virtual(_live(tables, calls, seed, Callers(patience, tools=tools), remembers=remembers))


async def _live(
    tables: Mapping[str, Timetable], calls: Iterable[Moment], seed: int, callers: Callers, *, remembers: bool
) -> Tally:
    clock = VirtualClock()
    world = World(tables, clock=clock, seed=seed)
    house = _house(tuple(tables))
    health = Book(SystemDraw(seed), clock.now) if remembers else NoHealth()
    parts = msgspec.structs.replace(
        house.own_line.parts,
        carrier=world,
        clock=clock,
        recorder=callers,
        draw=SystemDraw(seed),
        router=Planner(house.directory, health, clock.monotonic),
        health=health,
    )
    callers.begin(world, Line(parts), house.dialects.chat)
    async with asyncio.TaskGroup() as group:
        for number, moment in enumerate(calls):
            await asyncio.sleep(moment.at - world.now())
            group.create_task(callers.call(moment, stream=number % 3 == 0))
    callers.tally.requests, callers.tally.left_open = world.requests, world.open
    return callers.tally


def _house(names: tuple[str, ...]) -> House:
    """A house that is never started: its line is wanted, its store is not."""
    return build(
        {
            "providers": {name: {"dialect": "openai-chat", "base_url": World.url(name)} for name in names},
            "models": {f"m-{name}": {"provider": name, "model": "m"} for name in names},
            "routes": {ROUTE: {"try": [f"m-{name}" for name in names]}},
            "store": f"sqlite:///{tempfile.gettempdir()}/never-opened.db",
            "discover": False,
            "local": False,
        },
        env={},
    )


def _body(*, stream: bool, tools: bool) -> bytes:
    body = request(ROUTE, stream=stream)
    return msgspec.json.encode(msgspec.json.decode(body) | {"tools": [TOOL]}) if tools else body


class Callers:
    """Makes calls, judges what comes back and keeps the tally; hears of each call's outcome as a recorder."""

    def __init__(self, patience: float, *, tools: bool = False) -> None:
        self.tally = Tally()
        self._bodies = {stream: _body(stream=stream, tools=tools) for stream in (False, True)}
        self._patience = patience
        self._outcome: Outcome | None = None
        self._away: list[Spell] = []

    def begin(self, world: World, line: Line, dialect: OpenAIChat) -> None:
        self._world, self._line, self._dialect = world, line, dialect
        self._first = next(iter(world.tables))
        self._away = [one for one in reversed(world.tables[self._first].spells) if one.trouble == "down"]

    def record(self, outcome: Outcome) -> None:
        self._outcome = outcome

    async def call(self, moment: Moment, *, stream: bool) -> None:
        begun = self._world.now()
        reply = Heard(self._world)
        arrival = Arrival(
            method="POST",
            path="/v1/chat/completions",
            headers=_HEADERS,
            lookup=dict(_HEADERS),
            body=self._bodies[stream],
            received=self._line.parts.clock.monotonic(),
        )
        error = "gave up waiting"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                failed = await self._line.walk(arrival, "chat.completions", self._dialect, reply)
                error = "" if failed is None else failed.code
        outcome, self._outcome = self._outcome, None  # this call's: nothing else ran since the line took it down
        self._judge(moment, reply, begun, error, outcome, stream=stream)
        if outcome is not None:
            self._look_back(begun, outcome)

    def _look_back(self, begun: float, outcome: Outcome) -> None:
        """Whether it is the first call that the first provider answers after an outage."""
        answered = any(one.provider == self._first and not one.error for one in outcome.attempts)
        while answered and self._away and self._away[-1].end <= begun:
            spell = self._away.pop()
            if not self._away or self._away[-1].end > begun:  # else it was away again before anybody was answered
                self.tally.back.append(begun - spell.end)

    def _judge(
        self, moment: Moment, reply: Heard, begun: float, error: str, outcome: Outcome | None, *, stream: bool
    ) -> None:
        tally, weight, now = self.tally, moment.weight, self._world.now()
        tally.calls += 1
        tally.time += weight
        whole = reply.is_whole(stream=stream)
        if whole:
            tally.answered += weight
            waited = (reply.first or now) - begun
            tally.longest = max(tally.longest, waited)
            if waited > LATE:
                tally.late += weight
            return
        if not error:
            tally.broken += weight
            error = "broken"
        who = able(self._world.tables, begun, now)
        if able(self._world.tables, begun, begun) != "nobody":
            tally.lost_able += weight
        tally.lost[who, error] += weight
        tally.troubles[f"{who}, {'streamed' if stream else 'whole'}: {_troubles(self._world.tables, begun, now)}"] += (
            weight
        )
        if len(tally.examples) < SHOWN and who != "nobody":
            troubles = {name: _said(table, begun, now) for name, table in self._world.tables.items()}
            attempts = (
                []
                if outcome is None
                else [
                    f"{one.provider} {one.error or 'ok'} ({one.status}) {one.duration / 1e9:.1f} s"
                    for one in outcome.attempts
                ]
            )
            tally.examples.append(Lost(begun, now - begun, stream, who, error, troubles, attempts))


def _troubles(tables: Mapping[str, Timetable], start: float, end: float) -> str:
    """What was the matter with whom meanwhile, in the route's order and without times: `silent, well, errors`."""
    found = []
    for table in tables.values():
        spells = [spell for spell in table.spells if spell.start <= end and spell.end > start]
        found.append(next((one.way if one.trouble == "down" else one.trouble for one in spells), "well"))
    return ", ".join(found)


def _said(table: Timetable, start: float, end: float) -> str:
    """A provider's troubles during a call, for people; times from its beginning."""
    found = [spell for spell in table.spells if spell.start <= end and spell.end > start]
    return (
        ", ".join(
            f"{spell.trouble}{f' ({spell.way})' if spell.trouble == 'down' else ''} "
            f"{spell.start - start:+.1f} to {spell.end - start:+.1f} s"
            for spell in found
        )
        or "well"
    )


class Heard:
    """A caller's side: satisfies `core.ports.Reply` and keeps what came."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.started = False
        self.status = 0
        self.first: float | None = None
        self._pieces: list[bytes] = []
        self._ended = False

    async def whole(self, status: int, _headers: Headers, body: bytes) -> None:
        self.started, self.status, self._ended = True, status, True
        self._pieces.append(body)

    async def start(self, status: int, _headers: Headers) -> None:
        self.started, self.status = True, status

    async def write(self, data: bytes) -> None:
        if self.first is None and b'"delta"' in data:
            self.first = self._world.now()
        self._pieces.append(data)

    async def end(self) -> None:
        self._ended = True

    def is_whole(self, *, stream: bool) -> bool:
        """Whether it is the whole answer, with its end, and nothing else."""
        if self.status != 200 or not self._ended:
            return False
        body = b"".join(self._pieces)
        if not stream:
            return bool(json.loads(body)["choices"][0]["message"]["content"] == SAID)
        if not body.endswith(b"data: [DONE]\n\n") or b'"error"' in body:
            return False
        deltas = (_event(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {"))
        return "".join(one.choices[0].delta.content or "" for one in deltas if one.choices) == SAID


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()


class _Event(msgspec.Struct):
    choices: list[_Choice] = []


_event = msgspec.json.Decoder(_Event).decode
