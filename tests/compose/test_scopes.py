"""What a key may use: over HTTP, on every way to a model."""

from __future__ import annotations

from typing import Any

import pytest

from keeping import CHAT, QUESTION, flushed, key
from pointsman.testing import Script, SimModel, SimProvider, Simulator

ASK = {"messages": QUESTION["messages"]}


async def test_a_route_or_model_outside_the_scope_is_refused_by_name(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        app = await key(served, "app", allow=("auto", "large"))
        for model in ("auto", "large"):
            assert (await ask(served, "POST", CHAT, {**ASK, "model": model}, app)).status == 200
        sent = len(sim.journal)
        for model in ("small", "unpriced", "one/small-1", "two/large-1", "two/other", "no-such-thing"):
            refused = await ask(served, "POST", CHAT, {**ASK, "model": model}, app)
            assert (refused.status, refused.error["code"]) == (403, "not_permitted"), model
            assert f"may not use `{model}`" in refused.error["message"]
            assert "it may use `auto`, `large`" in refused.error["pointsman"]["hint"], "the way out is named"
            assert refused.headers["x-should-retry"] == "false"
        assert len(sim.journal) == sent, "nothing was asked of a provider"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {**ASK, "model": "large", "stream": True}),
        ("/v1/completions", {"model": "large", "prompt": "x"}),
        ("/v1/responses", {"model": "large", "input": "x"}),
        ("/v1/responses/input_tokens", {"model": "large", "input": "x"}),
        ("/v1/messages", {"model": "large", "max_tokens": 9, **ASK}),
        ("/v1/messages/count_tokens", {"model": "large", **ASK}),
        ("/v1/embeddings", {"model": "large", "input": "x"}),
        ("/v1beta/models/large:generateContent", {"contents": [{"parts": [{"text": "x"}]}]}),
        ("/v1beta/models/large:countTokens", {"contents": [{"parts": [{"text": "x"}]}]}),
        ("/passthrough/two/v1/chat/completions", {**ASK, "model": "large-1"}),
    ],
)
async def test_no_surface_leads_around_the_scope(
    path: str, body: dict[str, Any], sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        small = await key(served, "small", allow=("small", "one/*"))
        refused = await ask(served, "POST", path, body, small)
        assert refused.status == 403, refused.body
        assert b"may" in refused.body
        assert b"small" in refused.body, "what it may use is named"
        assert sim.journal.requests == 0


async def test_passing_through_takes_all_that_the_provider_has(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        path, body = "/passthrough/one/v1/chat/completions", {**ASK, "model": "small-1"}
        for allow, status in ((("one/*",), 200), (("*",), 200), ((), 200), (("one/small-1", "small"), 403)):
            answer = await ask(served, "POST", path, body, await key(served, f"k{allow}", allow=allow))
            assert answer.status == status, allow
        assert (
            await ask(served, "GET", "/passthrough/one/v1/models", None, await key(served, "x", allow=("two/*",)))
        ).status == 403


async def test_the_list_has_what_the_key_may_use_and_nothing_else(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        app = await key(served, "app", allow=("large", "chain"))
        listed = (await ask(served, "GET", "/v1/models", None, app)).json["data"]
        # `auto` is open as far as `large` goes; `chain` by its name.
        assert {one["id"] for one in listed} == {"auto", "chain", "large"}
        assert (await ask(served, "GET", "/v1/models/large", None, app)).status == 200
        for other in ("small", "two/free-1", "no-such-thing"):
            assert (await ask(served, "GET", f"/v1/models/{other}", None, app)).status == 403, other
        everything = await key(served, "everything")
        listed = (await ask(served, "GET", "/v1/models", None, everything)).json["data"]
        assert {one["id"] for one in listed} == {"auto", "chain", "small", "large", "unpriced"}
        assert (await ask(served, "GET", "/v1/models/no-such-thing", None, everything)).status == 404


async def test_fallbacks_outside_the_scope_are_not_asked(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        only_small, admin = await key(served, "only", allow=("small",)), await key(served, "admin", admin=True)
        sim.inject("unavailable", provider="one", times=20)
        failed = await ask(served, "POST", CHAT, QUESTION, only_small)
        assert failed.status == 503
        assert not sim.journal.of("two"), "the other model of the route is not this key's"
        assert (await ask(served, "POST", CHAT, QUESTION, admin)).status == 200, "it is a good stand-in for others"
        await flushed(served)
        call = (await ask(served, "GET", f"/api/calls/{failed.headers['x-request-id']}", None, only_small)).json
        assert [(one["model"], one["reason"]) for one in call["decision"]["dropped"]] == [("large", "permission")]
        assert {one["model"] for one in call["attempts"]} == {"small"}


async def test_a_route_that_is_allowed_by_name_opens_its_models_through_it_alone(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        app = await key(served, "app", allow=("auto",))
        sim.inject("unavailable", provider="one", times=20)
        answer = await ask(served, "POST", CHAT, QUESTION, app)
        assert (answer.status, answer.headers["x-pointsman-model"]) == (200, "large")
        assert (await ask(served, "POST", CHAT, {**QUESTION, "model": "large"}, app)).status == 403


async def test_a_broken_stream_is_not_gone_on_with_outside_the_scope(serving: Any, ask: Any) -> None:
    models = (SimModel(name="m"),)
    script = Script(
        providers=(SimProvider(name="one", own_port=True, models=models), SimProvider(name="two", models=models))
    )
    async with Simulator(script) as sim:
        said = {
            "providers": {name: {"dialect": "openai-chat", "base_url": sim.url_of(name)} for name in ("one", "two")},
            "models": {"a": {"provider": "one", "model": "m"}, "b": {"provider": "two", "model": "m"}},
            "routes": {"r": {"try": ["a", "b"]}},
        }
        async with serving(said) as served:
            both, one = await key(served, "both", allow=("a", "b")), await key(served, "one", allow=("a",))
            body = {**ASK, "model": "r", "stream": True}
            for who, gone_on in ((both, True), (one, False)):
                sim.inject("cut_reset", provider="one", times=9)
                before = len(sim.journal.of("two"))
                answer = await ask(served, "POST", CHAT, body, who)
                assert answer.status == 200
                assert (len(sim.journal.of("two")) > before) is gone_on
                assert (b'"error"' in answer.body) is not gone_on, "a cut answer is never shown as whole"


async def test_plans_of_one_scope_are_not_another_keys(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    """Plans are remembered; the same request of two keys gives two plans, whoever asks first."""
    async with serving(config(sim)) as served:
        keys = [await key(served, name, allow=(name,)) for name in ("small", "large")]
        for _ in range(3):
            said = [(await ask(served, "POST", CHAT, QUESTION, one)).headers["x-pointsman-model"] for one in keys]
            assert said == ["small", "large"]
