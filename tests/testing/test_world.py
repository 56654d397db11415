"""A world of providers without sockets, asked as a carrier is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from pointsman.core.errors import ConnectFailed, UpstreamCut, UpstreamTimeout
from pointsman.core.model import TimeLimits
from pointsman.core.ports import UpstreamRequest
from pointsman.testing.spells import Spell, Timetable
from pointsman.testing.virtual import VirtualClock, run_virtual
from pointsman.testing.world import SAID, Scene, Tempo, World

HOUR = 3600.0
STEADY = Tempo(spread=0.0, early=0.0, failing=0.0)


def request(*, stream: bool = False, begun: str = "", limits: TimeLimits | None = None) -> UpstreamRequest:
    messages = [{"role": "user", "content": "Go on."}]
    if begun:
        messages.append({"role": "assistant", "content": begun})
    body = msgspec.json.encode({"model": "m", "stream": stream, "messages": messages})
    return UpstreamRequest(url=f"{World.url('lab')}/chat/completions", body=body, limits=limits or TimeLimits())


def play(spells: list[Spell], ask: Callable[[World], Awaitable[Any]], tempo: Tempo = STEADY) -> tuple[Any, float]:
    """What comes of asking, or the error, and the seconds that it took; afterwards nothing may be left open."""

    async def main() -> tuple[Any, float]:
        world = World({"lab": Timetable(spells)}, clock=VirtualClock(), seed=1, tempo=tempo)
        try:
            found = await ask(world)
        except (ConnectFailed, UpstreamCut, UpstreamTimeout) as error:
            found = error
        assert world.open == 0
        return found, world.now()

    return run_virtual(main())


async def whole(world: World, asked: UpstreamRequest | None = None) -> tuple[Scene, bytes]:
    scene = await world.send(asked or request())
    try:
        return scene, await scene.read()
    finally:
        await scene.aclose()


def words(events: bytes) -> str:
    chunks = [msgspec.json.decode(line[6:]) for line in events.split(b"\n") if line.startswith(b"data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def test_a_provider_that_is_well_says_its_words_whole_and_streamed_in_the_same_time() -> None:
    (scene, body), seconds = play([], whole)
    assert (scene.status, scene.header(b"content-type")) == (200, b"application/json")
    assert msgspec.json.decode(body)["choices"][0]["message"]["content"] == SAID
    (scene, body), streamed = play([], lambda world: whole(world, request(stream=True)))
    assert words(body) == SAID
    assert body.endswith(b"data: [DONE]\n\n")
    assert seconds == pytest.approx(streamed)


def test_it_goes_on_from_what_the_assistant_has_said() -> None:
    begun = SAID[:40]
    for stream in (False, True):
        (_, body), _ = play([], lambda world, stream=stream: whole(world, request(stream=stream, begun=begun)))
        rest = words(body) if stream else msgspec.json.decode(body)["choices"][0]["message"]["content"]
        assert begun + rest == SAID


@pytest.mark.parametrize(
    ("way", "error", "seconds"),
    [
        ("refused", ConnectFailed, 0),
        ("unreachable", UpstreamTimeout, 5),
        ("reset", UpstreamCut, 0.1),
        ("silent", UpstreamTimeout, 60),
    ],
)
def test_an_outage_fails_in_its_own_way_and_time(way: Any, error: type[Exception], seconds: float) -> None:
    found, took = play([Spell(0, HOUR, "down", way)], whole)
    assert isinstance(found, error)
    assert took == pytest.approx(seconds)


def test_an_outage_of_errors_answers_with_them() -> None:
    (scene, body), _ = play([Spell(0, HOUR, "down", "errors")], whole)
    assert scene.status in (500, 503)
    assert b'"error"' in body


def test_a_rate_limit_tells_the_true_wait() -> None:
    (scene, _), _ = play([Spell(0, 30, "limited")], whole)
    assert (scene.status, scene.header(b"retry-after")) == (429, b"30")


def test_a_brown_out_is_slow_and_fails_now_and_then() -> None:
    _, seconds = play([], whole)
    _, slow = play([Spell(0, HOUR, "slow")], whole)
    assert slow - seconds == pytest.approx(19 * STEADY.first_token)

    async def often(world: World) -> int:
        return sum([(await whole(world))[0].status == 500 for _ in range(300)])

    failed, _ = play([Spell(0, 300 * HOUR, "slow")], often, Tempo())
    assert 70 < failed < 130


def test_an_outage_that_begins_meanwhile_breaks_a_stream_off() -> None:
    async def pieces(world: World) -> tuple[int, Exception]:
        scene = await world.send(request(stream=True))
        got = 0
        try:
            while await scene.next_chunk():
                got += 1
        except (UpstreamCut, UpstreamTimeout) as error:
            return got, error
        finally:
            await scene.aclose()
        raise AssertionError("the stream ended well")

    (got, error), seconds = play([Spell(1, HOUR, "down", "reset")], pieces)
    assert (got, isinstance(error, UpstreamCut), seconds) == (1, True, 1)
    (got, error), seconds = play([Spell(1, HOUR, "down", "silent")], pieces)
    assert (got, isinstance(error, UpstreamTimeout), seconds) == (1, True, 60.5)


def test_the_limits_of_a_request_hold() -> None:
    slow = [Spell(0, HOUR, "slow")]
    limits = TimeLimits(first_byte=4.0)
    found, seconds = play(slow, lambda world: whole(world, request(limits=limits)))
    assert (found.phase, seconds) == ("first_byte", 4.0)
    early = Tempo(spread=0.0, early=1.0, failing=0.0)
    limits = TimeLimits(between_bytes=3.0)
    found, seconds = play(slow, lambda world: whole(world, request(stream=True, limits=limits)), early)
    assert (found.phase, seconds) == ("between_bytes", 3.0)
    found, seconds = play(slow, lambda world: whole(world, request(limits=TimeLimits(total=2.0))))
    assert (found.phase, seconds) == ("total", 2.0)
