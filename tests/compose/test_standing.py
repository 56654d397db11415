"""`/api/status` says how the providers are."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.compose.standing import state_of
from pointsman.testing import Simulator

QUESTION = {"model": "small", "messages": [{"role": "user", "content": "Hi"}]}
ONCE = {"x-pointsman-retries": "0"}


async def told(served: Any, ask: Any, name: str) -> dict[str, Any]:
    status = (await ask(served, "GET", "/api/status")).json
    return next(one for one in status["providers"] if one["name"] == name)


async def test_from_unknown_to_well_to_open(sim: Simulator, serving: Any, config: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        new = await told(served, ask, "one")
        assert (new["state"], new["since"], new["targets"], new["health_check"]) == (None, None, [], None)
        await ask(served, "POST", "/v1/chat/completions", QUESTION)
        well = await told(served, ask, "one")
        assert (well["state"], well["attempts"], well["error_share"], well["why"]) == ("closed", 1, 0.0, "")
        target = well["targets"][0]
        assert (target["model"], target["key"], target["state"], target["next_probe"]) == (
            "small-1",
            "",
            "closed",
            None,
        )
        assert 0 < target["first_token"]["p50"] < 10
        sim.inject("unavailable", times=3)
        for _ in range(3):
            await ask(served, "POST", "/v1/chat/completions", QUESTION, ONCE)
        ill = await told(served, ask, "one")
        assert (ill["state"], ill["attempts"], ill["error_share"]) == ("open", 4, 0.75)
        assert ill["why"] == "small-1: 3 failures in a row, the last: 503 or 529"
        assert ill["since"] > well["since"]
        assert 3 < ill["targets"][0]["next_probe"] < 7
        assert (await told(served, ask, "two"))["state"] is None


async def test_names_that_callers_invent_are_told_only_in_trouble(
    sim: Simulator, serving: Any, config: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        for number in range(3):
            await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": f"two/invented-{number}"}, ONCE)
        await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": "two/large-1"})
        two = await told(served, ask, "two")
        assert [one["state"] for one in two["targets"]] == ["open", "open", "open", "closed"]
        assert two["state"] == "degraded"
        checked = served.house.checks.of("two")
        assert checked is None


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ([], None),
        (["closed", "closed"], "closed"),
        (["closed", "open"], "degraded"),
        (["degraded"], "degraded"),
        (["half_open", "open"], "half_open"),
        (["open", "open"], "open"),
    ],
)
def test_a_provider_is_as_well_as_its_models(states: Any, whole: Any) -> None:
    assert state_of(states) == whole
