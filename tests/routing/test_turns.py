"""Whose turn it is: pools in balance, and the keys of a provider."""

from __future__ import annotations

import random
from collections import Counter

import msgspec

from pointsman.core.failure import Target
from pointsman.core.health import AttemptEnd
from pointsman.core.model import Model, Provider
from pointsman.core.plan import Needs
from pointsman.health.book import Book
from pointsman.routing.directory import Directory, Route
from pointsman.routing.planner import Planner

SECOND = 1_000_000_000
NOON = 1_795_262_400 * SECOND
NEEDS = Needs(dialect="openai-chat")


class Nothing:
    def wildcard(self, _asked):
        return None

    def model(self, provider, upstream):
        return Model(name=f"{provider.name}/{upstream}", provider=provider, upstream=upstream)

    def owner(self, _upstream):
        return None

    def names(self):
        return []


class World:
    """A planner with a book of health, and a clock that stands still unless it is moved."""

    def __init__(self, *models: Model, **route) -> None:
        self.now = SECOND
        self.rng = random.Random(5)
        self.asked: list[str] = []
        self.book = Book(self.rng, lambda: NOON)
        made = Route(name="auto", kind="pool", models=models, **route)
        directory = Directory(
            policy="p",
            providers={model.provider.name: model.provider for model in models},
            models={},
            routes={"auto": made},
            facilities=Nothing(),
            unavailable={},
        )
        self.planner = Planner(directory, self.book, lambda: self.now)

    def plan(self, session="", prefix=""):
        def said(by):
            self.asked.append(by)
            return session or (prefix if by == "prefix" else "") or "a key"

        return self.planner.plan("auto", NEEDS, now=NOON, draw=self.rng.random(), session=said)

    def firsts(self, calls=600, **said) -> Counter[str]:
        return Counter(self.plan(**said).steps[0].model.name for _ in range(calls))

    def fail(self, target: Target, failure="server_error", times=1):
        for _ in range(times):
            self.book.begin(target, self.now)
            self.book.end(target, AttemptEnd(failure=failure), self.now)


def model(name: str, keys=(), **said) -> Model:
    at = Provider(name=f"at-{name}", dialect="openai-chat", base_url="http://127.0.0.1:1/v1", keys=keys)
    return Model(name=name, provider=at, upstream="x", **said)


A, B, C = model("a"), model("b"), model("c")


def test_each_balance_spreads_a_pool_as_it_says():
    assert World(A, B, C, balance="round_robin").firsts() == {"a": 200, "b": 200, "c": 200}
    shuffled = World(A, B, C, balance="shuffle").firsts()
    assert min(shuffled.values()) > 150
    weighted = World(A, B, C, balance="weighted", weights={"a": 8.0, "b": 1.0, "c": 0.0}).firsts()
    assert weighted["a"] > 480
    assert 30 < weighted["b"] < 110
    assert "c" not in weighted
    sticky = World(A, B, C, balance="sticky")
    assert len(sticky.firsts(session="s1")) == 1
    assert len(Counter(sticky.plan(session=f"s{n}").steps[0].model.name for n in range(60))) == 3


def test_calls_without_a_session_stick_by_how_their_prompts_begin_where_the_route_says_so():
    world = World(A, B, C, balance="sticky", sticky="prefix")
    for n in range(20):
        assert len(world.firsts(20, prefix=f"p{n}")) == 1
    assert len(Counter(world.plan(prefix=f"p{n}").steps[0].model.name for n in range(60))) == 3
    mine = world.plan(session="s").steps[0].model.name
    assert {world.plan(session="s", prefix=f"p{n}").steps[0].model.name for n in range(20)} == {mine}
    unlike = World(A, B, C, balance="sticky")
    assert len(Counter(unlike.plan(prefix=f"p{n}").steps[0].model.name for n in range(60))) == 1, "one key, one model"
    assert set(unlike.asked) == {"session"}


def test_nobody_is_asked_what_calls_share_where_that_decides_nothing():
    for said in ({"balance": "round_robin"}, {"balance": "fastest", "sticky": "prefix"}, {}):
        world = World(model("m", keys=("K1", "K2")), B, **said)
        world.plan(session="s")
        assert world.asked == []


def test_under_a_sticky_balance_a_call_keeps_its_key_too():
    many = World(model("m", keys=("K1", "K2", "K3")), balance="sticky", sticky="prefix")
    for n in range(20):
        assert len({many.plan(prefix=f"p{n}").steps[0].key for _ in range(10)}) == 1
    assert len({many.plan(prefix=f"p{n}").steps[0].key for n in range(40)}) == 3


def test_the_least_busy_is_asked_first():
    world = World(A, B, balance="least_busy")
    for _ in range(4):
        world.book.begin(Target("at-a", "x"), world.now)
    assert world.firsts() == {"b": 600}


def test_who_is_ill_is_asked_last_and_all_others_still_follow():
    world = World(A, B, C, balance="round_robin")
    world.fail(Target("at-a", "x"), times=3)
    assert set(world.firsts()) == {"b", "c"}
    made = world.plan()
    assert {step.model.name for step in made.steps} == {"a", "b", "c"}
    assert [step.start for step in made.steps] == ["at_once", "after_failure", "after_failure"]


def test_a_pool_without_a_balance_recovers_from_its_plans_when_health_changes():
    world = World(A, B)
    assert world.plan().steps[0].model.name == "a"
    assert world.plan() is world.plan(), "plans are remembered"
    world.fail(Target("at-a", "x"), times=3)
    assert world.plan().steps[0].model.name == "b"
    assert world.plan().preferred == "a"
    world.now += 3600 * SECOND
    assert world.plan().steps[0].model.name == "a", "half open: somebody has to find out"


def test_a_plan_says_that_its_first_step_is_there_to_find_out():
    for route in ({}, {"balance": "weighted", "weights": {"a": 1.0, "b": 0.0}}):
        world = World(A, B, **route)
        assert not world.plan().probe
        world.fail(Target("at-a", "x"), times=3)
        assert not world.plan().probe, "the first is well, and who rests comes last"
        world.now += 3600 * SECOND
        assert world.plan().steps[0].model.name == "a"
        assert world.plan().probe


def test_the_keys_of_a_provider_are_used_in_turn_and_one_that_is_refused_rests():
    many = World(model("m", keys=("K1", "K2", "K3")), B)
    keys = Counter(many.plan().steps[0].key for _ in range(600))
    assert set(keys) == {"K1", "K2", "K3"}
    assert min(keys.values()) > 120
    assert [step.model.name for step in many.plan().steps] == ["m", "m", "m", "b"]
    many.fail(Target("at-m", "x", "K2"), "bad_key")
    assert {many.plan().steps[0].key for _ in range(200)} == {"K1", "K3"}


def test_the_same_draw_gives_the_same_plan():
    one, other = (World(A, B, C, balance="shuffle") for _ in range(2))
    for _ in range(50):
        assert msgspec.json.encode(one.plan()) == msgspec.json.encode(other.plan())
