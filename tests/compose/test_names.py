"""Which names a caller can use, and what the configuration says of the models behind them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import msgspec
import openai
import pytest

from pointsman.catalog import Catalog
from pointsman.compose import build
from pointsman.core.clock import SystemClock
from pointsman.core.errors import ConfigError, UnknownModel

QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
NOTHING = {"providers": {}, "models": {}, "routes": {}}


def house(env: dict[str, str], tmp_path: Any, **said: Any) -> Any:
    defaults = {"store": f"sqlite:///{tmp_path / 'l.db'}", "discover": False, "local": False}
    return build({**defaults, **said}, env={"HOME": str(tmp_path), **env})


def test_without_a_file_a_key_in_the_environment_is_enough(tmp_path: Any) -> None:
    made = house({"OPENAI_API_KEY": "sk-0123456789abcdef"}, tmp_path)
    assert list(made.directory.providers) == ["openai"]
    auto = made.directory.routes["auto"].models
    print([model.name for model in auto])
    assert len({model.tier for model in auto}) == len(auto) >= 2, "one per tier, so that there is something to choose"
    for model in auto:
        assert model.price is not None
        assert not model.deprecated
        assert not model.retires
        assert model.context >= 100_000
        # A model of a past generation would be in nobody's default choice.
        assert not any(old in model.upstream for old in ("gpt-3", "gpt-4", "davinci", "preview", "codex", "o1"))


@pytest.mark.parametrize(
    ("variable", "model", "provider"),
    [
        ("OPENAI_API_KEY", "gpt-5-mini", "openai"),
        ("ANTHROPIC_API_KEY", "claude-sonnet-4-5", "anthropic"),
        ("GEMINI_API_KEY", "gemini-2.5-flash", "google"),
        ("MISTRAL_API_KEY", "mistral-large-latest", "mistral"),
        ("DEEPSEEK_API_KEY", "deepseek-chat", "deepseek"),
    ],
)
def test_bare_names_of_models_go_to_their_maker(variable: str, model: str, provider: str, tmp_path: Any) -> None:
    others = {"OPENROUTER_API_KEY": "sk-or-0123456789", "GROQ_API_KEY": "gsk-0123456789"}
    found = house({variable: "k-0123456789abcdef", **others}, tmp_path).directory.resolve(model).models[0]
    assert (found.provider.name, found.upstream) == (provider, model)
    assert found.price is not None


async def test_with_nothing_set_up_every_call_is_a_503_that_says_what_to_do(serving: Any, ask: Any) -> None:
    async with serving({}) as served:
        for model in ("auto", "gpt-5-mini", "openai/gpt-5-mini", "anything"):
            answer = await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": model})
            assert (answer.status, answer.error["code"]) == (503, "no_candidate"), model
            assert "set a provider's key, start a local model server" in answer.error["pointsman"]["hint"]
        assert (await ask(served, "GET", "/ready")).status == 200
        assert (await ask(served, "GET", "/v1/models")).status == 200


async def test_a_provider_without_its_key_is_a_503_that_names_the_variable(serving: Any, ask: Any) -> None:
    async with serving({"providers": {"openai": {}}}) as served:
        for model in ("auto", "gpt-5-mini", "openai/gpt-5-mini"):
            answer = await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": model})
            assert answer.status == 503, model
            assert "$OPENAI_API_KEY" in answer.error["message"]
        (provider,) = (await ask(served, "GET", "/api/status")).json["providers"]
        assert (provider["name"], provider["ready"], provider["lacks"]) == (
            "openai",
            False,
            "$OPENAI_API_KEY is not set",
        )


async def test_defaults_and_headers_of_a_model_go_with_each_request(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    said = config(sim)
    said["models"]["small"] |= {
        "params": {"temperature": 0.2, "seed": 7, "metadata": {"a": [1, 2.50]}},
        "extra_headers": {"x-team": "blue"},
    }
    async with serving(said) as served:
        call = {**QUESTION, "model": "small", "temperature": 0.9}
        assert (await ask(served, "POST", "/v1/chat/completions", call)).status == 200
        sent = sim.journal[-1]
        assert sent.json()["temperature"] == 0.9, "the caller's word counts"
        assert sent.json()["seed"] == 7
        assert sent.json()["metadata"] == {"a": [1, 2.5]}
        assert sent.json()["model"] == "small-1"
        assert sent.header("x-team") == "blue"
        await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": "large"})
        assert "seed" not in sim.journal[-1].json()
        assert sim.journal[-1].header("x-team") == ""


async def test_a_parameter_that_a_model_refuses_is_dropped_or_refused_by_name(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    said = config(sim)
    said["models"]["small"] |= {"refuses": ["logit_bias", "seed"], "unsupported": "drop"}
    said["models"]["large"] |= {"refuses": ["logit_bias", "seed"], "unsupported": "refuse"}
    call = {**QUESTION, "seed": 1, "logit_bias": {"5": 1}, "top_p": 0.5}
    async with serving(said) as served:
        dropped = await ask(served, "POST", "/v1/chat/completions", {**call, "model": "small"})
        assert dropped.status == 200
        assert set(dropped.headers["x-pointsman-dropped"].split(", ")) == {"seed", "logit_bias"}
        assert {"seed", "logit_bias"} & set(sim.journal[-1].json()) == set()
        assert sim.journal[-1].json()["top_p"] == 0.5
        before = sim.journal.requests
        refused = await ask(served, "POST", "/v1/chat/completions", {**call, "model": "large"})
        assert (refused.status, refused.error["code"]) == (400, "unsupported_parameter")
        assert refused.error["param"] in {"seed", "logit_bias"}
        assert refused.error["param"] in refused.error["message"]
        assert sim.journal.requests == before
        plain = await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": "small"})
        assert "x-pointsman-dropped" not in plain.headers


async def test_wildcards_carry_the_name_over(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    said = config(sim)
    said["models"] |= {
        "our-*": {"provider": "two", "model": "*-1", "price": {"input": 1, "output": 1}},
        "small-*": {"provider": "one", "model": "small-*"},
    }
    async with serving(said) as served:
        for asked, upstream in (("our-large", "large-1"), ("our-free", "free-1"), ("small-1", "small-1")):
            answer = await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": asked})
            assert answer.status == 200, asked
            assert answer.headers["x-pointsman-model"] == asked
            assert sim.journal[-1].json()["model"] == upstream
        assert (await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": "ours"})).status == 404
        assert b"*" not in (await ask(served, "GET", "/v1/models")).body


async def test_an_unpriced_model_is_shown_so_and_never_as_free(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        answer = await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": "unpriced"})
        assert "unpriced" in answer.headers["x-pointsman-warning"]
        assert "x-pointsman-cost-usd" not in answer.headers
        assert "cost" not in answer.json["usage"]
        shown = (await ask(served, "GET", "/api/status")).json["models"]
        assert {model["name"]: model["price"] for model in shown}["unpriced"] is None
        listed = (await ask(served, "GET", "/v1/models")).json["data"]
        assert "pricing" not in next(one for one in listed if one["id"] == "unpriced")


def test_a_fine_tuned_model_takes_its_price_from_its_base_where_one_is_known(tmp_path: Any) -> None:
    said = {
        "models": {
            "ours": {"provider": "openai", "model": "ft:gpt-4.1-mini-2025-04-14:acme::abc", "base": "gpt-4.1-mini"},
            "odd": {"provider": "openai", "model": "ft:nonesuch-model:acme::abc"},
        }
    }
    made = house({"OPENAI_API_KEY": "sk-0123456789abcdef"}, tmp_path, **said)
    ours, odd = made.directory.models["ours"], made.directory.models["odd"]
    assert ours.upstream == "ft:gpt-4.1-mini-2025-04-14:acme::abc"
    assert ours.context > 0
    assert ours.price is not None
    assert odd.price is None


class Someday(SystemClock):
    """A clock on another day."""

    def __init__(self, day: str) -> None:
        self._ns = int(dt.datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()) * 1_000_000_000

    def now(self) -> int:  # type: ignore[override]
        return self._ns


def ending(catalog: Catalog) -> Any:
    """A model of the catalogue whose end and successor are announced."""
    for provider in ("openai", "anthropic", "google", "mistral"):
        for row in catalog.models(provider):
            heir = row.replaced_by and catalog.model(provider, row.replaced_by)
            if row.retires and heir and row.kind == "chat" and not heir.retires:
                return row
    return pytest.skip("the catalogue knows of no model with an end and a successor")


def test_a_retired_model_is_replaced_with_a_warning_that_begins_30_days_before(tmp_path: Any) -> None:
    keys = {"OPENAI_API_KEY": "k-0123456789", "ANTHROPIC_API_KEY": "k-0123456789", "GEMINI_API_KEY": "k-0123456789"}
    made = house({**keys, "MISTRAL_API_KEY": "k-0123456789"}, tmp_path)
    row = ending(made.pieces.catalog)
    name = f"{row.provider}/{row.id}"
    body = json.dumps({"model": name, **QUESTION}).encode()
    last = dt.date.fromisoformat(row.retires)
    for days, upstream, warned in ((-40, row.id, False), (-29, row.id, True), (0, row.replaced_by, True)):
        clock = Someday((last + dt.timedelta(days=days)).isoformat())
        made.pieces = msgspec.structs.replace(made.pieces, clock=clock)
        plan = made.explain(body)
        assert plan.steps[0].model.upstream == upstream, days
        assert bool(plan.warnings) == warned, days
        if warned:
            assert row.retires in plan.warnings[0]
            assert row.replaced_by in plan.warnings[0]


async def test_private_is_said_of_a_provider_and_shown(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    said = config(sim)
    said["providers"]["one"]["private"] = True
    async with serving(said) as served:
        shown = {model["name"]: model["private"] for model in (await ask(served, "GET", "/api/status")).json["models"]}
        assert shown == {"small": True, "large": False, "unpriced": False}


async def test_the_vendors_sdk_lists_and_finds_models(sim: Any, config: Any, serving: Any) -> None:
    async with serving(config(sim)) as served, openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="x") as sdk:
        assert [model.id async for model in await sdk.models.list()] == ["auto", "chain", "small", "large", "unpriced"]
        assert (await sdk.models.retrieve("small")).owned_by == "one"
        assert (await sdk.models.retrieve("two/free-1")).id == "two/free-1"
        with pytest.raises(openai.NotFoundError, match="smal"):
            await sdk.models.retrieve("smal")


@pytest.mark.parametrize("word", ["opnai-chatt", "openai", "OpenAI-Chat"])
def test_a_misspelt_dialect_is_refused_with_the_right_one(word: str, tmp_path: Any) -> None:
    lab = {"dialect": word, "base_url": "http://127.0.0.1:9/v1"}
    with pytest.raises(ConfigError, match=f"no dialect `{word}`") as refused:
        house({}, tmp_path, providers={"lab": lab})
    assert "did you mean `openai-chat`?" in refused.value.hint


def test_a_known_dialect_that_is_not_spoken_loads_and_its_provider_is_not_ready(tmp_path: Any) -> None:
    lab = {"dialect": "cohere-v2", "base_url": "http://127.0.0.1:9/v1"}
    made = house({}, tmp_path, providers={"lab": lab})
    assert made.directory.unavailable == {"lab": "speaks cohere-v2, which this version does not"}


def test_a_dialect_that_the_catalogue_has_no_address_for_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="provider `openai` is not known to speak `gemini`") as refused:
        house({}, tmp_path, providers={"openai": {"dialect": "gemini"}})
    assert "`base_url`" in refused.value.hint


def test_a_misspelt_provider_before_any_model_is_put_right(tmp_path: Any) -> None:
    lab = {"dialect": "openai-chat", "base_url": "http://127.0.0.1:9/v1"}
    made = house({}, tmp_path, providers={"main": lab}, models={"small": {"provider": "main", "model": "sim-1"}})
    with pytest.raises(UnknownModel) as unknown:
        made.directory.resolve("mian/sim-1")
    assert unknown.value.hint.startswith("did you mean `main/sim-1`")


def test_a_model_inherits_from_one_that_is_configured(tmp_path: Any) -> None:
    lab = {"dialect": "openai-chat", "base_url": "http://127.0.0.1:9/v1", "api_key_env": ""}
    models = {
        "base": {"provider": "lab", "price": {"input": 1, "output": 2}, "context": 1000, "abilities": ["tools"]},
        "tuned": {"provider": "lab", "model": "ft:base", "base": "base", "context": 500},
    }
    found = house({}, tmp_path, providers={"lab": lab}, models=models).directory
    base, tuned = (found.resolve(name).models[0] for name in ("base", "tuned"))
    assert (tuned.name, tuned.upstream, tuned.context) == ("tuned", "ft:base", 500)
    assert (tuned.price, tuned.abilities) == (base.price, base.abilities)
    assert tuned.price is not None
