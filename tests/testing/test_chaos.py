"""Chaos is a timetable that a seed draws: the same every time, over in time, and felt by streams under way."""

from __future__ import annotations

import asyncio
import itertools

import openai
import pytest

from pointsman.testing import Chaos, Mishap, Pace, Script, SimModel, SimProvider, Simulator
from pointsman.testing.chaos import settled


def script(seed: int, **chaos) -> Script:
    model = SimModel(name="m", recites=200, pace=Pace(events_per_second=100))
    providers = [
        SimProvider(name=name, own_port=True, models=(model,), chaos=Chaos(lasts=60, **chaos)) for name in "ab"
    ]
    return Script(seed=seed, providers=tuple(providers))


def outages(seed: int, **chaos):
    return [provider.outages for provider in settled(script(seed, **chaos)).providers]


def test_a_seed_draws_the_same_chaos_and_every_provider_its_own():
    first, second = outages(1)
    assert outages(1) == [first, second]
    assert first != second
    assert outages(2)[0] != first


def test_turns_follow_each_other_and_end_in_time():
    for made in outages(3, well=2.0, ill=1.0):
        assert len(made) == 20
        assert all(before.end < after.start for before, after in itertools.pairwise(made))
        assert made[-1].end <= 60


def test_mishaps_come_as_often_as_they_weigh_and_with_their_changes():
    mishaps = (Mishap(fault="stall", weight=3, after=7), Mishap(fault="unavailable", probability=0.3))
    made = [outage for each in outages(4, well=0.05, ill=0.05, mishaps=mishaps) for outage in each]
    stalls = [outage for outage in made if outage.fault == "stall"]
    assert len(stalls) / len(made) == pytest.approx(0.75, abs=0.05)
    assert {outage.after for outage in stalls} == {7}
    assert {outage.probability for outage in made if outage.fault == "unavailable"} == {0.3}


async def read(stream, words: list[object]) -> None:
    async for chunk in stream:
        words.append(chunk)  # noqa: PERF401 - what came before it breaks has to be kept


async def test_a_crash_ends_what_is_under_way_and_refuses_what_comes(client_of):
    chaos = {"well": 1.0, "ill": 30.0, "mishaps": (Mishap(fault="refused"),)}
    async with Simulator(script(5, **chaos)) as sim:
        client = client_of(sim.url_of("a"))
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "tell"}], stream=True
        )
        words: list[object] = []
        with pytest.raises(openai.APIError):
            await read(stream, words)
        assert len(words) > 5
        await asyncio.sleep(0.1)
        with pytest.raises(openai.APIConnectionError):
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "tell"}])


async def test_a_brown_out_strikes_some_requests(client_of):
    chaos = {"well": 0.05, "ill": 30.0, "mishaps": (Mishap(fault="unavailable", probability=0.4),)}
    async with Simulator(script(6, **chaos)) as sim:
        client = client_of(sim.url_of("a"))
        await asyncio.sleep(0.1)
        failed = 0
        for _ in range(60):
            try:
                await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "x"}], max_tokens=1
                )
            except openai.APIStatusError:
                failed += 1
    assert 12 <= failed <= 36
