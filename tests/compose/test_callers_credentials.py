"""Providers that are asked with the caller's own credentials, as coding agents with subscriptions need."""

from __future__ import annotations

import asyncio
from typing import Any

QUESTION = {"model": "small", "messages": [{"role": "user", "content": "What is the capital of France?"}]}


def own(config: Any, sim: Any, **more: Any) -> dict[str, Any]:
    said = config(sim, **more)
    said["providers"]["one"]["credentials"] = "caller"
    return dict(said)


async def test_the_callers_own_credentials_go_upstream(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(own(config, sim)) as served:
        for name, value in (("authorization", "Bearer sk-theirs"), ("x-api-key", "sk-theirs")):
            answer = await ask(served, "POST", "/v1/chat/completions", QUESTION, {name: value})
            assert answer.status == 200
            assert sim.journal[-1].header(name) == value
        await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": "large"}, {"authorization": "Bearer s"})
        assert sim.journal[-1].header("authorization") == "", "another provider never sees them"


async def test_with_gateway_keys_each_credential_goes_where_it_belongs(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(own(config, sim, keys="required")) as served:
        made = await asyncio.to_thread(served.house.pieces.keys.create, "agent")
        await asyncio.to_thread(served.house.pieces.keys.refresh)
        both = {"x-pointsman-key": made.secret, "authorization": "Bearer sk-theirs"}
        answer = await ask(served, "POST", "/v1/chat/completions", QUESTION, both)
        assert answer.status == 200
        sent = dict(sim.journal[-1].headers)
        assert sent["authorization"] == "Bearer sk-theirs"
        assert made.secret not in str(sent)

        # The gateway's key alone, where the provider's should be: it must not go upstream, and the answer says why.
        before = sim.journal.requests
        alone = await ask(served, "POST", "/v1/chat/completions", QUESTION, {"authorization": f"Bearer {made.secret}"})
        assert (alone.status, alone.error["code"]) == (401, "missing_api_key")
        assert "'one'" in alone.error["message"]
        assert "authorization" in alone.error["pointsman"]["hint"]
        assert "x-pointsman-key" in alone.error["pointsman"]["hint"], "where the gateway's own key goes instead"
        assert sim.journal.requests == before

        theirs = await ask(served, "POST", "/v1/chat/completions", QUESTION, {"authorization": "Bearer sk-theirs"})
        assert (theirs.status, theirs.error["code"]) == (401, "invalid_api_key"), "a provider's key opens nothing here"


async def test_without_credentials_a_clear_401_and_another_provider_may_answer(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(own(config, sim)) as served:
        refused = await ask(served, "POST", "/v1/chat/completions", QUESTION)
        assert (refused.status, refused.error["code"]) == (401, "missing_api_key")
        assert refused.error["type"] == "authentication_error"
        chained = await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": "chain"})
        assert chained.status == 200
        assert chained.headers["x-pointsman-provider"] == "two"
        assert chained.headers["x-pointsman-attempts"] == "1", "nothing was sent to the first"
