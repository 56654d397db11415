"""A rented machine in a house: booked at a price by token that follows what the ledger says of its use."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman.compose.rents import RentKeeper
from pointsman.config.load import load_text
from pointsman.core.errors import ConfigError
from pointsman.core.outcome import Attempt, Outcome
from pointsman.core.rent import HOUR
from pointsman.core.usage import Usage
from pointsman.testing import Simulator, one_model

RENT = {"gpu_hour": 2.5, "gpus": 2, "tokens_per_hour": 1_000_000}


def config(sim: Simulator, tmp_path: Path) -> dict[str, Any]:
    return {
        "store": f"sqlite:///{tmp_path / 'ledger.db'}",
        "discover": False,
        "local": False,
        "providers": {"sim": {"dialect": "openai-chat", "base_url": sim.base_url}},
        "models": {"ours": {"provider": "sim", "model": "sim-1", "rent": RENT}},
    }


async def test_the_price_follows_the_use_of_the_week(serving: Any, ask: Any, tmp_path: Path) -> None:
    async with Simulator(one_model(name="sim-1")) as sim:
        said = config(sim, tmp_path)
        async with serving(said) as served:
            house, asked = served.house, {"model": "ours", "messages": [{"role": "user", "content": "Hi"}]}
            first = await ask(served, "POST", "/v1/chat/completions", asked)
            usage = first.json["usage"]
            weighed = usage["prompt_tokens"] + 4 * usage["completion_tokens"]
            assert float(first.headers["x-pointsman-cost-usd"]) == pytest.approx(weighed * 5 / 1_000_000)
            now = house.pieces.clock.now()
            for hours_ago in range(50):  # a quarter of what was expected
                started = now - hours_ago * HOUR - 1_000_000
                tokens = Usage(input=250_000)
                attempt = Attempt(
                    number=1, provider="sim", model="ours", upstream="sim-1", started=started, duration=1,
                    status=200, usage=tokens, cost=1_000_000,
                )  # fmt: skip
                house.pieces.ledger.record(
                    Outcome(
                        id=house.pieces.ids.new(started), started=started, duration=1, surface="chat.completions",
                        dialect="openai-chat", asked="ours", status="ok", http_status=200, usage=tokens,
                        attempts=(attempt,), cost=1_000_000,
                    )
                )  # fmt: skip
            assert await asyncio.to_thread(house.pieces.ledger.flush)
            await RentKeeper(house.questions, house.rents, house.on_uses, house.pieces.clock).look()
            dearer = await ask(served, "POST", "/v1/chat/completions", asked)
            usage = dearer.json["usage"]
            weighed = usage["prompt_tokens"] + 4 * usage["completion_tokens"]
            booked = float(dearer.headers["x-pointsman-cost-usd"])
            assert booked == pytest.approx(weighed * 5 / 250_000, rel=0.05)
        path = tmp_path / "pointsman.yaml"
        path.write_text(yaml.safe_dump(said), encoding="utf-8")

    def show(*more: str) -> str:
        command = [sys.executable, "-m", "pointsman", "prices", "show", "ours", "--config", str(path), *more]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    text = await asyncio.to_thread(show)
    assert "rent: $5 an hour over" in text
    assert "measured tokens an hour" in text
    [found] = json.loads(await asyncio.to_thread(show, "--json"))
    month = found["rent"]["month"]
    assert found["rent"]["rent"]["hour"] == 5_000_000_000
    assert month["attempts"] >= 2
    assert month["booked"] > 0
    assert month["allocated"] > month["booked"], "what is idle is in nobody's bill, and shown"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("rent: {tokens_per_hour: 5}", "needs one of `gpu_hour` and `month`"),
        ("rent: {gpu_hour: 1, month: 9, tokens_per_hour: 5}", "needs one of `gpu_hour` and `month`"),
        ("rent: {month: 9, tokens_per_hour: 5}, price: {input: 1, output: 1}", "stands beside `price`"),
        ("rent: {month: 9}", "tokens_per_hour"),
    ],
)
def test_what_says_too_little_or_too_much_is_refused(model: str, says: str) -> None:
    text = f"models:\n  ours: {{provider: openai, {model}}}\n"
    with pytest.raises(ConfigError) as caught:
        load_text(text, Path("pointsman.yaml"))
    assert says in str(caught.value)
