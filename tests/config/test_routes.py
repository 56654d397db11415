"""Settings of routes that go with others."""

from __future__ import annotations

import pytest

from pointsman.config.load import load_text
from pointsman.core.errors import ConfigError

HEAD = "providers: {p: {dialect: openai-chat, base_url: 'http://127.0.0.1:1/v1'}}\nmodels: {x: {provider: p}}\n"


@pytest.mark.parametrize("said", ["sticky", "fastest"])
def test_what_calls_stick_by_goes_with_the_balance_that_keeps_them(said: str) -> None:
    text = f"{HEAD}routes: {{r: {{pool: [x], balance: {said}, sticky: prefix}}}}"
    if said == "sticky":
        assert load_text(text).config.routes["r"].sticky == "prefix"
        return
    with pytest.raises(ConfigError, match="says what no balance asks for") as caught:
        load_text(text)
    assert "`sticky` goes with `balance: sticky`" in caught.value.hint


MORE = HEAD.replace("models: {x: {provider: p}}", "models: {x: {provider: p}, y: {provider: p}}")


@pytest.mark.parametrize(
    ("said", "what", "hint"),
    [
        ("pool: [x, y], weights: {x: 2}", "routes.r.weights: says what no balance asks for", "`weighted`"),
        ("pool: [x, y], balance: weighted, weights: {zebra: 2}", "weights.zebra: is not in the pool", "has x, y"),
        ("pool: [x, y], balance: weighted, weights: {x: 0, y: 0}", "leave nobody a share", "stands in"),
        ("try: [x, y], weights: {x: 1}", "routes.r.weights: a chain has an order", "goes with `pool`"),
        ("pool: [x], hedge: {}", "routes.r.hedge: has nobody else to ask", "list another model"),
        ("pool: [x, y], hedge: true", "`{}` switches it on", ""),
    ],
)
def test_what_would_do_nothing_is_refused_with_the_way_out(said: str, what: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(f"{MORE}routes: {{r: {{{said}}}}}")
    assert what in caught.value.message
    assert hint in caught.value.hint


def test_shares_of_none_and_no_patience_are_settings_like_others() -> None:
    said = "pool: [x, y], balance: weighted, weights: {y: 0}, patience: 0"
    route = load_text(f"{MORE}routes: {{r: {{{said}}}}}").config.routes["r"]
    assert (route.weights, route.patience) == ({"y": 0.0}, 0.0)


def test_one_model_with_several_keys_can_be_hedged() -> None:
    head = MORE.replace("base_url:", "api_key_envs: [A_KEY, B_KEY], base_url:")
    assert load_text(f"{head}routes: {{r: {{pool: [x], hedge: {{}}}}}}").config.routes["r"].hedge is not None
