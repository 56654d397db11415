"""A running gateway whose configuration changes under it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import openai
import pytest
import yaml

import harness
from pointsman.testing import Simulator
from pointsman.testing.script import Pace

QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}


def rewrite(running: Any, **more: Any) -> None:
    """Change the file as an editor does: the whole text at once."""
    said = {**yaml.safe_load(running.config.read_text()), **more}
    running.config.write_text(yaml.safe_dump(said))


def eventually(seconds: float, check: Any) -> float:
    """Seconds until `check()` holds."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


def test_a_changed_file_is_in_force_within_a_second_and_a_broken_one_is_shown(sim_thread: Any, config: Any) -> None:
    with harness.gateway(config(sim_thread)) as running:
        first = running.json("/api/status")["config"]

        routes = {"auto": {"pool": ["small", "large"]}, "fresh": {"try": ["newcomer"]}}
        newcomer = {"provider": "two", "model": "free-1", "price": {"input": 1, "output": 1}}
        rewrite(running, routes=routes, models={**config(sim_thread)["models"], "newcomer": newcomer})
        assert eventually(3, lambda: "fresh" in str(running.get("/v1/models")[2])) < 1.0
        status, headers, _ = running.post("/v1/chat/completions", {**QUESTION, "model": "fresh"})
        assert (status, headers["x-pointsman-model"]) == (200, "newcomer")
        second = running.json("/api/status")["config"]
        assert second["version"] != first["version"]
        assert running.post("/v1/chat/completions", {**QUESTION, "model": "chain"})[0] == 404, "a name that is gone"

        good = running.config.read_text()
        for broken, said in (
            ("routes: [", "yaml:2:1"),
            (good.replace("fresh:", "fresh: {poool: [small]}\n  other:"), "pool"),
            (good.replace("- newcomer", "- newcommer"), "newcommer"),
            ("", "empty"),
        ):
            running.config.write_text(broken)
            eventually(3, lambda said=said: said in running.json("/api/status")["config"]["rejected"])
            shown = running.json("/api/status")["config"]
            assert said in shown["rejected"]
            assert shown["version"] == second["version"]
            assert running.post("/v1/chat/completions", {**QUESTION, "model": "fresh"})[0] == 200, "the old one serves"
            assert "refused" in running.log()
        running.config.write_text(good)
        eventually(3, lambda: not running.json("/api/status")["config"]["rejected"])


def test_what_only_a_restart_changes_is_said_and_keys_are_demanded_at_once(sim_thread: Any, config: Any) -> None:
    said = config(sim_thread, server={"host": "localhost"})
    # The address on the command line differs from the file's: that alone is no change.
    with harness.gateway(said, arguments=("--host", "127.0.0.1")) as running:
        rewrite(running, routes={"auto": {"pool": ["large"]}})
        eventually(3, lambda: len(running.json("/api/status")["routes"]) == 1)
        assert running.json("/api/status")["restart_needed"] == []
        rewrite(running, server={"host": "localhost", "port": running.port, "max_in_flight": 7})
        eventually(3, lambda: running.json("/api/status")["restart_needed"] == ["server"])
        assert "restart" in running.log()
        rewrite(running, keys="required")
        eventually(3, lambda: running.post("/v1/chat/completions", QUESTION)[0] == 401)


async def test_calls_in_flight_finish_on_the_configuration_they_began_with(
    config: Any, serving: Any, script: Any, tmp_path: Any
) -> None:
    async with Simulator(script(Pace(events_per_second=15))) as sim:
        path = tmp_path / "pointsman.yaml"
        said = {"store": f"sqlite:///{tmp_path / 'ledger.db'}", "discover": False, "local": False, **config(sim)}
        path.write_text(yaml.safe_dump(said))
        async with serving(path) as served, openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="x") as sdk:
            stream = await sdk.chat.completions.create(**{**QUESTION, "model": "small"}, stream=True)
            chunks = [await anext(aiter(stream))]
            del said["routes"]
            path.write_text(yaml.safe_dump({**said, "models": {"other": {"provider": "two", "model": "large-1"}}}))
            async with asyncio.timeout(3):
                while "small" in served.house.directory.models:  # noqa: ASYNC110 - a file is being watched
                    await asyncio.sleep(0.02)
            with pytest.raises(openai.NotFoundError):
                await sdk.chat.completions.create(**{**QUESTION, "model": "small"})
            chunks += [chunk async for chunk in stream]
            assert "Paris" in "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
            assert chunks[-1].choices[0].finish_reason == "stop"
