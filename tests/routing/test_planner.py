"""Plans that people can read: which model, why, and what each other one lacked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import ContextTooLong, NoCandidate, UnknownModel, UnsupportedParameter
from pointsman.core.model import Ability, Model, Price, Provider
from pointsman.core.money import picos_per_token
from pointsman.core.plan import Facts, Needs, Plan
from pointsman.routing.directory import Directory, Route
from pointsman.routing.planner import Planner, iso_date
from pointsman.routing.planner import plan as make

NOON = 1_795_262_400_000_000_000  # 2026-11-21T12:00:00Z


def provider(name: str, dialect: str = "openai-chat") -> Provider:
    return Provider(name=name, dialect=dialect, base_url="http://127.0.0.1:1/v1")


def model(name: str, at: Provider, price: tuple[str, str] | None = ("1", "2"), **said: Any) -> Model:
    cost = Price(input=picos_per_token(price[0]), output=picos_per_token(price[1])) if price else None
    return Model(name=name, provider=at, upstream=f"{name}-1", price=cost, **said)


class Catalogue:
    """Knows the models it is given, by provider and name."""

    def __init__(self, *known: Model) -> None:
        self.known = {(m.provider.name, m.upstream): m for m in known}

    def wildcard(self, _asked: str) -> Model | None:
        return None

    def model(self, provider: Provider, upstream: str) -> Model:
        found = self.known.get((provider.name, upstream))
        return found or Model(name=f"{provider.name}/{upstream}", provider=provider, upstream=upstream)

    def owner(self, upstream: str) -> str | None:
        return next((p for p, name in self.known if name == upstream), None)

    def names(self) -> list[str]:
        return [f"{p}/{name}" for p, name in self.known]


A, B = provider("a"), provider("b")
SMALL = model("small", A, ("0.15", "0.6"), context=8_000, abilities=Ability.TOOLS)
LARGE = model("large", A, ("5", "25"), context=200_000, abilities=Ability.TOOLS | Ability.VISION)
OTHER = model("other", B, ("1", "3"), context=100_000, abilities=Ability.TOOLS | Ability.VISION)
UNPRICED = model("unpriced", B, None)
CROSSED = model("crossed", B, ("0.1", "50"), context=50_000)  # cheap to read for, dear to write


def planner(*models: Model, kind: str = "pool", known: Catalogue | None = None, **off: str) -> Planner:
    providers = {m.provider.name: m.provider for m in models}
    route = Route(name="auto", kind=kind, models=models)  # type: ignore[arg-type]
    return Planner(
        Directory(
            policy="p1",
            providers=providers,
            models={m.name: m for m in models},
            routes={"auto": route},
            facilities=known or Catalogue(),
            unavailable=off,
        )
    )


def plan(at: Planner, asked: str = "auto", **needs: Any) -> Plan:
    return at.plan(asked, Needs(dialect="openai-chat", **needs), now=NOON, draw=0.5)


def names(made: Plan) -> list[str]:
    return [step.model.name for step in made.steps]


def test_a_pool_gives_the_cheapest_first_then_another_provider_then_the_rest() -> None:
    made = plan(planner(LARGE, OTHER, SMALL), input_tokens=100)
    assert names(made) == ["small", "other", "large"]
    assert made.strategy == "cheapest"
    assert [step.start for step in made.steps] == ["at_once", "after_failure", "after_failure"]
    assert "cheapest of 3 that fit" in made.reason
    assert made.propensity == 1.0
    assert made.policy == "p1"


def test_a_chain_keeps_its_order() -> None:
    made = plan(planner(LARGE, SMALL, kind="try"))
    assert names(made) == ["large", "small"]
    assert made.strategy == "chain"


def test_what_cannot_serve_is_dropped_with_its_reason() -> None:
    at = planner(SMALL, LARGE, OTHER, b="$B_KEY is not set")
    made = plan(at, abilities=Ability.VISION, input_tokens=50_000)
    assert names(made) == ["large"]
    assert {(d.model, d.reason) for d in made.dropped} == {("small", "ability"), ("other", "credentials")}
    assert "images" in made.dropped[0].detail


def test_an_unpriced_model_comes_after_priced_ones_and_a_demonstration_model_last() -> None:
    toy = model("toy", provider("local"), ("0", "0"), demonstration=True)
    assert names(plan(planner(toy, UNPRICED, OTHER))) == ["other", "unpriced", "toy"]


def test_a_model_by_its_own_name_by_provider_and_by_its_bare_name() -> None:
    at = planner(SMALL, known=Catalogue(SMALL))
    assert plan(at, "small").strategy == "fixed"
    assert names(plan(at, "a/small-1")) == ["small"]
    assert names(plan(at, "small-1")) == ["small"]
    fresh = plan(at, "a/never-heard-of").steps[0].model
    assert fresh.upstream == "never-heard-of"
    assert fresh.price is None, "unknown is unpriced, not free"


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    at = planner(SMALL, OTHER, known=Catalogue(SMALL))
    with pytest.raises(UnknownModel) as caught:
        plan(at, "smal")
    assert "`small`" in caught.value.hint
    with pytest.raises(UnknownModel) as caught:
        plan(at, "opnai/gpt")
    assert "no provider `opnai`" in caught.value.hint
    with pytest.raises(UnknownModel):
        plan(at, "x" * 100_000)
    with pytest.raises(UnknownModel):
        plan(at, "")


def test_when_nothing_is_left_the_error_says_what_each_one_lacked() -> None:
    with pytest.raises(UnsupportedParameter, match=r"small: cannot do images"):
        plan(planner(SMALL), abilities=Ability.VISION)
    with pytest.raises(ContextTooLong, match=r"context of 8,000 tokens is too small; the request has about 90,000"):
        plan(planner(SMALL), input_tokens=90_000)
    with pytest.raises(NoCandidate, match=r"\$A_KEY is not set"):
        plan(planner(SMALL, a="$A_KEY is not set"))
    with pytest.raises(NoCandidate, match="speaks cohere-v2"):
        plan(planner(model("g", provider("cohere", "cohere-v2"))))


def test_a_close_estimate_of_the_context_is_left_to_the_provider() -> None:
    assert names(plan(planner(SMALL), input_tokens=9_000)) == ["small"]


def test_retirement_warns_for_thirty_days_then_the_successor_answers() -> None:
    new = model("new", A)
    old = model("old", A, retires="2026-12-21", replaced_by="new-1")
    at = planner(old, known=Catalogue(new))
    assert "retires on 2026-12-21" in plan(at).warnings[0]
    far = planner(model("old", A, retires="2026-12-23", replaced_by="new-1"))
    assert plan(far).warnings == ()
    gone = planner(model("old", A, retires="2026-11-21", replaced_by="new-1"), known=Catalogue(new))
    made = plan(gone)
    assert names(made) == ["new"]
    assert "retired on 2026-11-21" in made.warnings[0]
    with pytest.raises(NoCandidate, match="retired"):
        plan(planner(model("old", A, retires="2026-11-21")))


@given(
    tokens=st.integers(0, 300_000),
    output=st.integers(0, 50_000),
    abilities=st.integers(0, 4095).map(Ability),
    pool=st.permutations([SMALL, LARGE, OTHER, UNPRICED]),
)
def test_every_model_of_a_pool_is_a_step_or_is_dropped_never_both(
    tokens: int, output: int, abilities: Ability, pool: list[Model]
) -> None:
    needs = {"input_tokens": tokens, "output_tokens": output, "abilities": abilities}
    try:
        made = plan(planner(*pool), **needs)
    except (NoCandidate, UnsupportedParameter, ContextTooLong):
        return
    assert sorted([*names(made), *(d.model for d in made.dropped)]) == ["large", "other", "small", "unpriced"]
    assert made == plan(planner(*pool), **needs), "the same question gets the same plan"


@given(
    sizes=st.lists(st.integers(0, 300_000), min_size=2, max_size=6),
    abilities=st.lists(st.sampled_from([Ability(0), Ability.TOOLS, Ability.VISION]), min_size=2, max_size=6),
    pool=st.permutations([SMALL, LARGE, OTHER, UNPRICED, CROSSED]),
    count=st.integers(1, 5),
)
def test_a_remembered_plan_is_the_plan_that_would_be_made_afresh(
    sizes: list[int], abilities: list[Ability], pool: list[Model], count: int
) -> None:
    models = tuple(pool[:count])
    remembering = planner(*models)
    for size, ability in zip(sizes, abilities, strict=False):
        needs = Needs(dialect="openai-chat", input_tokens=size, abilities=ability)
        facts = Facts(now=NOON, today=iso_date(NOON), draw=0.5)
        try:
            fresh = make(remembering.directory, remembering.directory.resolve("auto"), needs, facts)
        except (NoCandidate, UnsupportedParameter, ContextTooLong):
            continue
        assert remembering.plan("auto", needs, now=NOON, draw=0.5) == fresh
