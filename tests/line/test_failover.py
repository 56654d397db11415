"""Who is asked next: the rules of docs/reference/failover.md, without a provider."""

from __future__ import annotations

import random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import (
    ConnectFailed,
    NoCredentials,
    UpstreamCut,
    UpstreamGarbage,
    UpstreamRefused,
    UpstreamTimeout,
)
from pointsman.core.failure import RULES, FailureKind
from pointsman.core.model import Model, Provider
from pointsman.core.plan import Plan, Step
from pointsman.line.failover import MAX_ATTEMPTS, Next, Tried, following, kind_of

KINDS = get_args(FailureKind)


def step(where: str, *, tier="workhorse", context=0, key="", stands="") -> Step:
    """`provider/model`."""
    provider, _, name = where.partition("/")
    at = Provider(name=provider, dialect="openai-chat", base_url="http://127.0.0.1:9/v1")
    made = Model(name=where, provider=at, upstream=name, tier=tier, context=context)
    return Step(model=made, dialect="openai-chat", key=key, stands=stands)


def plan(*steps: Step, strategy="cheapest", **more) -> Plan:
    return Plan(route="auto", strategy=strategy, steps=steps, **more)


def after(made: Plan, *tried: tuple[int, str] | tuple[int, str, float], **wishes) -> tuple[str, float] | None:
    """Who is asked next and after how long, where steps of these numbers failed so."""
    found = following(made, [Tried(made.steps[at], *rest) for at, *rest in tried], **wishes)
    return None if found is None else (found.step.model.name + found.step.key, found.wait)


THREE = plan(step("a/one"), step("a/two"), step("b/one"))


def test_every_kind_of_failure_has_a_row():
    assert set(RULES) == set(KINDS)


@pytest.mark.parametrize("kind", ["server_error", "overloaded", "silent", "reset", "garbage", "cut", "rate_limited"])
def test_what_breaks_at_one_provider_is_asked_of_another_at_once(kind):
    assert after(THREE, (0, kind)) == ("b/one", 0.0)
    assert after(THREE, (0, kind), (2, kind)) == ("a/two", 0.0), "its other model only when nobody else is left"


def test_in_a_chain_the_operators_order_holds_unless_the_provider_is_away():
    chain = plan(*THREE.steps, strategy="chain")
    assert after(chain, (0, "server_error")) == ("a/two", 0.0)
    assert after(chain, (0, "no_connection")) == ("b/one", 0.0)
    assert after(chain, (0, "no_connection"), (2, "silent")) == ("a/two", 0.0)


@pytest.mark.parametrize("kind", ["bad_request", "content_filter"])
def test_what_nobody_can_mend_ends_the_call(kind):
    assert after(THREE, (0, kind)) is None


POOL = plan(
    step("a/best", tier="frontier"),
    step("b/best", tier="frontier", stands="same"),
    step("c/cheap", tier="economy", stands="poorer"),
    step("d/quick", tier="workhorse", stands="poorer"),
    step("a/small", tier="economy", stands="poorer"),
    step("home/own", tier="economy", stands="local"),
)


def order(made: Plan, kind: str, speeds: dict[str, float]) -> list[str]:
    """Everybody in the order in which they are asked, where all of them fail so."""
    known = {one.target: speeds[one.model.name] for one in made.steps if one.model.name in speeds}
    tried: list[Tried] = []
    while (found := following(made, tried, speeds=known)) is not None and found.step not in [one.step for one in tried]:
        tried.append(Tried(found.step, kind))
    return [one.step.model.name for one in tried]


def test_after_those_that_are_as_good_the_quickest_of_the_poorer_ones_is_asked():
    rest = ["a/small", "home/own"]
    assert order(POOL, "server_error", {}) == ["a/best", "b/best", "c/cheap", "d/quick", *rest], "unknown: by price"
    for speeds in ({"c/cheap": 2.0, "d/quick": 0.4}, {"d/quick": 9.0}):
        assert order(POOL, "server_error", speeds) == ["a/best", "b/best", "d/quick", "c/cheap", *rest]
    quick = {"b/best": 9.0, "c/cheap": 2.0, "d/quick": 0.4, "a/small": 0.1, "home/own": 0.01}
    assert order(POOL, "server_error", quick) == ["a/best", "b/best", "d/quick", "c/cheap", *rest], (
        "a provider that failed is asked after the others, and who is on this machine last"
    )
    assert order(POOL, "rate_limited", quick)[2:] == ["d/quick", "c/cheap", *rest]


def test_a_model_on_this_machine_answers_where_the_cloud_cannot_be_reached():
    pool = plan(step("a/best"), step("a/small", stands="poorer"), step("home/own", stands="local"))
    assert after(pool, (0, "server_error")) == ("a/small", 0.0), "another model of the cloud may still answer"
    assert after(pool, (0, "no_connection")) == ("home/own", 0.0), "the cloud as a whole is away"


def test_a_request_that_is_too_long_goes_to_a_larger_window_only():
    made = plan(step("a/small", context=8000), step("b/same", context=8000), step("c/large", context=200_000))
    assert after(made, (0, "context_length")) == ("c/large", 0.0)
    assert after(made, (0, "context_length"), (2, "resting", 4.0)) == ("c/large", 0.0), "not to one that is too small"
    assert after(plan(step("a/x", context=8000), step("b/unknown")), (0, "context_length")) is None


def test_a_rate_limit_is_waited_for_only_before_something_poorer():
    near = plan(step("a/one"), step("b/one"))
    poor = plan(step("a/one"), step("b/poor", tier="economy"))
    same = plan(step("a/one"), step("a/two"))
    assert after(near, (0, "rate_limited", 2.0)) == ("b/one", 0.0)
    for made in (poor, same):
        assert after(made, (0, "rate_limited", 2.0)) == ("a/one", 2.0), "exactly what the provider said"
        assert after(made, (0, "rate_limited", 4.0)) == (made.steps[1].model.name, 0.0), "more than the patience"
        assert after(made, (0, "rate_limited", 4.0), patience=5.0) == ("a/one", 4.0)
        assert after(made, (0, "rate_limited", 2.0), (0, "rate_limited", 2.0)) == (made.steps[1].model.name, 0.0)


def test_a_single_provider_is_not_hammered():
    alone = plan(step("a/one"))
    assert after(alone, (0, "server_error")) == ("a/one", 0.25)
    assert after(alone, (0, "server_error"), (0, "server_error")) is None
    assert after(alone, (0, "rate_limited")) == ("a/one", 1.0)
    assert after(alone, (0, "rate_limited", 60.0)) is None
    assert after(alone, (0, "resting", 2.0)) == ("a/one", 2.0)
    looks = [(0, "resting", 20.0)] * 30
    assert after(alone, *looks[:1]) == ("a/one", 0.0), "nobody else is left: asked before its time"
    assert after(alone, *looks[:2]) == ("a/one", 0.25)
    assert after(alone, *looks) is None, "while there is patience"
    for kind in ("bad_key", "out_of_credit", "model_gone", "too_long", "tls", "forbidden"):
        assert after(alone, (0, kind)) is None, kind


def test_another_key_mends_what_is_wrong_with_one():
    keys = plan(step("a/one", key="K1"), step("a/two", key="K1"), step("a/one", key="K2"))
    for kind in ("bad_key", "out_of_credit"):
        assert after(keys, (0, kind)) == ("a/oneK2", 0.0)
        assert after(keys, (0, kind), (2, kind)) is None, "a key that is no good is none for another model"
    assert after(keys, (0, "rate_limited", 1.0)) == ("a/oneK2", 0.0), "another key has a limit of its own"
    assert after(keys, (0, "model_gone")) == ("a/twoK1", 0.0)


def test_after_everybody_failed_one_is_asked_once_more():
    two = plan(step("a/one"), step("b/one"))
    assert after(two, (0, "too_long"), (1, "server_error")) == ("b/one", 0.25)
    assert after(two, (0, "too_long"), (1, "server_error"), (1, "server_error")) is None


def test_a_routes_retries_come_before_the_next_step_and_a_callers_wish_bounds_all():
    made = plan(*THREE.steps, retries=2)
    assert after(made, (0, "server_error")) == ("a/one", 0.25)
    assert after(made, (0, "server_error"), (0, "server_error")) == ("a/one", 0.5)
    assert after(made, *[(0, "server_error")] * 3) == ("b/one", 0.0)
    assert after(THREE, (0, "server_error"), retries=0) is None
    alone = plan(step("a/one"))
    assert after(alone, *[(0, "server_error")] * 3, retries=4) == ("a/one", 1.0)
    assert after(alone, *[(0, "server_error")] * 5, retries=4) is None


STEPS = [
    step(f"{p}/{m}", tier=t, key=k)
    for p, m, t, k in [
        ("a", "x", "economy", ""), ("a", "y", "frontier", ""), ("b", "x", "workhorse", "K1"),
        ("b", "x", "workhorse", "K2"), ("c", "z", None, ""),
    ]
]  # fmt: skip


@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=5, unique_by=lambda one: one.target),
    strategy=st.sampled_from(["cheapest", "chain"]),
    seed=st.integers(min_value=0, max_value=10**6),
    retries=st.none() | st.integers(min_value=0, max_value=9),
    route=st.none() | st.integers(min_value=0, max_value=3),
)
def test_whatever_fails_a_call_ends_and_nobody_is_hammered(steps, strategy, seed, retries, route):
    rng = random.Random(seed)  # a list of outcomes would take a minute to shrink
    common = rng.sample(KINDS, rng.randint(1, len(KINDS)))
    made = plan(*steps, strategy=strategy, retries=route)
    tried: list[Tried] = []
    waited = 0.0
    for _ in range(60):
        kind, wait = rng.choice(common), rng.choice([None, rng.uniform(0, 3), rng.uniform(0, 100)])
        found = following(made, tried, retries=retries)
        if found is None:
            break
        assert isinstance(found, Next)
        assert 0 <= found.wait <= 5
        if any(one.step.target == found.step.target for one in tried):
            last = next(one for one in reversed(tried) if one.step.target == found.step.target)
            told = last.retry_after == found.wait or found.anyway
            assert found.wait >= 0.25 or told, "never the same again at once"
        waited += found.wait
        tried.append(Tried(found.step, kind, wait))
    else:
        pytest.fail("it never ends")
    sent = [one for one in tried if one.kind not in ("resting", "not_asked")]
    assert len(sent) <= MAX_ATTEMPTS
    if retries is not None:
        assert len(sent) <= retries + 1


def test_failures_are_told_apart():
    refused = {
        (429, "rate_limit_exceeded"): "rate_limited", (402, "insufficient_quota"): "out_of_credit",
        (429, "insufficient_quota"): "out_of_credit", (401, "invalid_api_key"): "bad_key",
        (403, "not_permitted"): "forbidden", (404, "model_not_found"): "model_gone",
        (400, "context_length_exceeded"): "context_length", (400, "content_filter"): "content_filter",
        (500, "server_error"): "server_error", (503, "overloaded"): "overloaded", (504, "server_error"): "server_error",
        (400, "invalid_request"): "bad_request", (413, "body_too_large"): "bad_request",
        (422, "invalid_request"): "bad_request",
    }  # fmt: skip
    for (status, kind), row in refused.items():
        assert kind_of(UpstreamRefused("no", status=status, kind=kind)) == row
    words = UpstreamRefused("This model does not support assistant message prefill.", status=400)
    assert kind_of(words) == "prefill_refused"
    assert kind_of(UpstreamRefused("Unsupported parameter: 'x'", status=400)) == "unsupported_parameter"
    assert kind_of(ConnectFailed("x")) == "no_connection"
    assert kind_of(ConnectFailed("x", kind="tls")) == "tls"
    assert kind_of(UpstreamTimeout("x", phase="connect")) == "connect_timeout"
    assert kind_of(UpstreamTimeout("x", phase="first_byte")) == "silent"
    assert kind_of(UpstreamTimeout("x", phase="between_bytes")) == "silent"
    assert kind_of(UpstreamTimeout("x", phase="between_bytes"), begun=True) == "stalled"
    assert kind_of(UpstreamTimeout("x", phase="total"), begun=True) == "too_long"
    assert kind_of(UpstreamCut("x", headed=False)) == "reset"
    assert kind_of(UpstreamCut("x")) == "cut"
    assert kind_of(UpstreamGarbage("x")) == "garbage"
    assert kind_of(NoCredentials("x")) == "not_asked"


def test_without_patience_who_rests_is_asked_early_once_and_not_waited_for():
    alone = plan(step("a/one"))
    assert following(alone, [Tried(alone.steps[0], "resting", 5.0)], patience=0) == Next(
        alone.steps[0], 0.0, anyway=True
    )
    assert following(alone, [Tried(alone.steps[0], "resting", 5.0)] * 2, patience=0) is None
