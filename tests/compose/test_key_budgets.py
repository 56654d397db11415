"""Budgets that came with keys bind them over HTTP, from the first call on and over rotations."""

from __future__ import annotations

import asyncio
from typing import Any

from keeping import CHAT, QUESTION, bearer, key
from pointsman.core.key_terms import read_amount
from pointsman.testing import Simulator

SMALL = {**QUESTION, "model": "small", "max_tokens": 20}


async def left(ask: Any, served: Any, who: dict[str, str]) -> list[int]:
    """What is left of the budgets that a key sees, in nano-dollars."""
    await asyncio.to_thread(served.house.pieces.ledger.flush)
    return [one["left"] for one in (await ask(served, "GET", "/api/budgets", None, who)).json["budgets"]]


async def test_a_budget_of_a_key_holds_from_its_first_call(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        made = await ask(served, "POST", "/api/keys", {"name": "poor", "budgets": ["0.000001usd/day"]}, admin)
        refused = await ask(served, "POST", CHAT, SMALL, bearer(made.json["key"]))
        assert (refused.status, refused.error["code"]) == (402, "budget_exceeded")
        assert sim.journal.requests == 0
        assert (await ask(served, "POST", CHAT, SMALL, admin)).status == 200, "others are not bound by it"
        rich = await ask(served, "PATCH", "/api/keys/poor", {"budgets": ["1usd/day"]}, admin)
        assert rich.json["budgets"] == ["1usd/day"]
        assert (await ask(served, "POST", CHAT, SMALL, bearer(made.json["key"]))).status == 200


async def test_what_is_used_goes_on_over_a_rotation(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        old = await key(served, "app", budgets=(read_amount("1usd/day"),))
        assert await left(ask, served, old) == [1_000_000_000]
        assert (await ask(served, "POST", CHAT, SMALL, old)).status == 200
        new = bearer((await ask(served, "POST", "/api/keys/app/rotate", {"overlap": 0}, admin)).json["key"])
        purse = served.house.pieces.purse
        await asyncio.to_thread(purse.give_back)
        (after,) = await left(ask, served, new)
        assert 0 < 1_000_000_000 - after < 100_000, "the first secret's call counts, and nothing is held"


async def test_a_key_has_rates_of_its_own(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    """Requests and tokens, by the API and from the file; a day's, so that no test runs over the end of a minute."""
    said = config(sim, keys=[{"name": "file", "env": "FILE_KEY", "budgets": ["2 requests/day"]}])
    secret = "a-secret-of-the-file-0123456789"
    async with serving(said, {"FILE_KEY": secret}) as served:
        admin = await key(served, "admin", admin=True)
        body = {"name": "two", "budgets": ["2requests/day", "100k tokens/day", "5usd/day"]}
        made = (await ask(served, "POST", "/api/keys", body, admin)).json
        assert made["budgets"] == ["2requests/day", "100000tokens/day", "5usd/day"]
        for who in (bearer(made["key"]), bearer(secret)):
            answers = [await ask(served, "POST", CHAT, SMALL, who) for _ in range(3)]
            assert [answer.status for answer in answers] == [200, 200, 429]
            assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]
            assert answers[2].error["code"] == "rate_limited"
            assert 0 < int(answers[2].headers["retry-after"]) <= 86_400
        wide = await ask(served, "PATCH", "/api/keys/two", {"budgets": ["9rpd", "1 token/hour"]}, admin)
        assert wide.json["budgets"] == ["9requests/day", "1tokens/hour"]
        refused = await ask(served, "POST", CHAT, SMALL, bearer(made["key"]))
        assert refused.status == 429
        assert "1 tokens an hour" in refused.error["message"]
        assert (await ask(served, "POST", CHAT, SMALL, admin)).status == 200, "others are not bound by it"


async def test_of_two_budgets_for_one_account_the_smaller_holds(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    said = config(sim, budgets=[{"key": "app", "limit": "0.000000001usd/day"}])
    async with serving(said) as served:
        app = await key(served, "app", budgets=(read_amount("5usd/day"),))
        other = await key(served, "other", budgets=(read_amount("5usd/day"),))
        assert (await ask(served, "POST", CHAT, SMALL, app)).status == 402
        assert (await ask(served, "POST", CHAT, SMALL, other)).status == 200


async def test_a_plan_within_a_budget_stays_within_the_keys_scope(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    """The dear model is all that it may use: with little left, the cheap one does not stand in for it."""
    async with serving(config(sim)) as served:
        terms = {"allow": ("large",), "budgets": (read_amount("0.001usd/day"),)}
        dear = await key(served, "dear", **terms)
        refused = await ask(served, "POST", CHAT, {**QUESTION, "max_tokens": 2000}, dear)
        assert refused.status == 402
        assert sim.journal.requests == 0
        both = await key(served, "both", budgets=terms["budgets"])
        answer = await ask(served, "POST", CHAT, {**QUESTION, "model": "chain", "max_tokens": 500}, both)
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "small")
