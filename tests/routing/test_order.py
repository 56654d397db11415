"""Who stands in for whom: by quality, then by speed where it is poorer."""

from __future__ import annotations

import random

import pytest

from pointsman.cli.explain_verb import reason_of
from pointsman.core.failure import Target
from pointsman.core.health import AttemptEnd, speeds
from pointsman.core.model import Model, Price, Provider, Tier
from pointsman.core.plan import Facts, Needs, Plan
from pointsman.health.book import Book
from pointsman.routing.directory import Directory, Route
from pointsman.routing.planner import Planner, iso_date
from pointsman.routing.planner import plan as make

SECOND = 1_000_000_000
NOON = 1_795_262_400 * SECOND
NEEDS = Needs(dialect="openai-chat", stream=True)


def model(where: str, tier: Tier | None, price: int, *, local: bool = False, keys: tuple[str, ...] = ()) -> Model:
    name, _, upstream = where.partition("/")
    at = Provider(name=name, dialect="openai-chat", base_url="http://127.0.0.1:1/v1", local=local, keys=keys)
    return Model(name=where, provider=at, upstream=upstream, tier=tier, price=Price(input=price, output=price))


class Nothing:
    """No catalogue."""

    def wildcard(self, _asked: str) -> None:
        return None

    def model(self, provider: Provider, upstream: str) -> Model:
        return Model(name=upstream, provider=provider, upstream=upstream)

    def owner(self, _upstream: str) -> None:
        return None

    def names(self) -> list[str]:
        return []


POOL = (
    model("a/best", "workhorse", 1),
    model("b/best", "workhorse", 2),
    model("a/other", "workhorse", 2),
    model("b/huge", "frontier", 9),
    model("c/cheap", "economy", 3),
    model("d/quick", "economy", 4),
    model("home/own", "workhorse", 0, local=True),
)


class World:
    """A planner with a book of health, and a clock that stands still."""

    def __init__(self, *models: Model, kind: str = "pool", **said: str) -> None:
        self.book = Book(random.Random(5), lambda: NOON)
        route = Route(name="auto", kind=kind, models=models, **said)  # type: ignore[arg-type]
        self.directory = Directory(
            policy="p", providers={}, models={}, routes={"auto": route}, facilities=Nothing(), unavailable={}
        )
        self.planner = Planner(self.directory, self.book, lambda: SECOND)

    def plan(self, needs: Needs = NEEDS) -> Plan:
        return self.planner.plan("auto", needs, now=NOON, draw=0.5)

    def answer(self, target: Target, seconds: float, times: int = 30) -> None:
        for _ in range(times):
            self.book.begin(target, SECOND)
            self.book.end(target, AttemptEnd(stream=True, first_token=int(seconds * SECOND)), SECOND)

    def fail(self, target: Target) -> None:
        for _ in range(3):
            self.book.begin(target, SECOND)
            self.book.end(target, AttemptEnd(failure="server_error"), SECOND)


def names(made: Plan) -> list[str]:
    return [step.model.name for step in made.steps]


def test_quality_comes_first_and_who_is_on_this_machine_last() -> None:
    pool = [one for one in POOL if one.provider.name != "home"]
    made = World(*pool, model("home/own", "workhorse", 5, local=True)).plan()
    assert names(made) == ["a/best", "b/best", "a/other", "b/huge", "c/cheap", "d/quick", "home/own"]
    assert [reason_of(made, step) for step in made.steps] == [
        "cheapest of 7 that fit",
        "as good (workhorse), another provider",
        "as good (workhorse)",
        "a higher tier",
        "a lower tier, of which the quickest is asked first",
        "a lower tier, of which the quickest is asked first",
        "on this machine, for when no cloud answers",
    ]


def test_where_only_poorer_ones_are_well_the_quickest_is_first_and_the_plan_is_remembered() -> None:
    world = World(model("a/best", "frontier", 1), *POOL[4:6])
    for _ in range(2):
        world.answer(Target("c", "cheap"), 2.0)
        world.answer(Target("d", "quick"), 0.3)
        assert names(world.plan()) == ["a/best", "c/cheap", "d/quick"], "while all is well speed decides nothing"
        assert world.plan() is world.plan()
    world.fail(Target("a", "best"))
    made = world.plan()
    assert names(made) == ["d/quick", "c/cheap", "a/best"]
    world.answer(Target("c", "cheap"), 0.1, times=100)
    assert world.plan() is made, "speeds change all the time: a plan is made anew when a state changes"


def test_whose_speed_is_not_known_comes_after_those_of_whom_it_is() -> None:
    world = World(model("a/best", "frontier", 1), *POOL[4:6])
    world.answer(Target("d", "quick"), 30.0)
    world.fail(Target("a", "best"))
    assert names(world.plan())[:2] == ["d/quick", "c/cheap"]
    assert names(world.plan(Needs(dialect="openai-chat")))[:2] == ["c/cheap", "d/quick"], "of whole answers: nothing"


def test_a_poorer_one_that_is_not_well_comes_after_those_that_are() -> None:
    world = World(model("a/best", "frontier", 1), *POOL[4:6])
    world.answer(Target("d", "quick"), 0.1)
    world.answer(Target("c", "cheap"), 5.0)
    for target in (Target("a", "best"), Target("d", "quick")):
        world.fail(target)
    assert names(world.plan())[0] == "c/cheap"


@pytest.mark.parametrize(("kind", "said"), [("try", {}), ("pool", {"balance": "round_robin"})])
def test_an_order_that_is_the_operators_own_knows_no_quality(kind: str, said: dict[str, str]) -> None:
    made = World(*POOL, kind=kind, **said).plan()
    assert {step.stands for step in made.steps} == {""}
    assert {reason_of(made, step) for step in made.steps[1:]} == {""}


def test_a_model_is_as_quick_with_each_of_its_keys() -> None:
    world = World(POOL[0])
    one, two, other = Target("k", "m", "K1"), Target("k", "m", "K2"), Target("k", "n", "K1")
    world.answer(one, 0.5)
    assert speeds(world.book, [one, two, other], stream=True) == pytest.approx({one: 0.5, two: 0.5})


def test_the_same_facts_give_the_same_plan() -> None:
    world = World(model("a/best", "frontier", 1), *POOL[4:6])
    facts = Facts(
        now=NOON,
        today=iso_date(NOON),
        states={Target("a", "best"): "open"},
        speeds={Target("c", "cheap"): 1.0, Target("d", "quick"): 0.5},
    )
    route = world.directory.resolve("auto")
    made = make(world.directory, route, NEEDS, facts)
    assert names(made) == ["d/quick", "c/cheap", "a/best"]
    assert make(world.directory, route, NEEDS, facts) == made
