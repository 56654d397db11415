"""What a route decides for one call: needs in, plan out. Everything here is a value; deciding is in `routing/`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Literal

import msgspec

from pointsman.core.extent import PLAIN, Extent
from pointsman.core.failure import State, Target
from pointsman.core.model import Ability, Model
from pointsman.core.money import PICOS_PER_NANO
from pointsman.core.reach import NO_REACH, Quick, Reach, widest
from pointsman.core.scope import Allow

Balance = Literal["round_robin", "shuffle", "weighted", "least_busy", "fastest", "sticky"]
"""Who of several equals is asked first."""
Sticky = Literal["session", "prefix"]
"""What calls share that go to the same one: what the caller says of them, or how their prompts begin."""
OnCut = Literal["continue", "error"]
StepStart = Literal["at_once", "after_failure"]
Stands = Literal["", "same", "better", "poorer", "local", "demonstration"]
"""What a stand-in is beside the one that a pool chose: of its tier, a higher or a lower one, of this machine, or for
demonstration only. Empty: the chosen one, or the order is no matter of quality."""
DropReason = Literal[
    "ability",
    "context",
    "retired",
    "dialect",
    "permission",
    "excluded",
    "credentials",
    "parameter",
    "unavailable",
    "budget",
]


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks of a model, and the features that decisions are made from (never the text).

    Attributes:
        dialect: the caller's dialect.
        abilities: the set it needs.
        input_tokens: estimated prompt tokens.
        output_tokens: the most it may write; 0 unknown.
        messages: number of messages.
        tools: number of tools offered.
        images: number of images.
        stream: whether the answer is streamed.
        choices: number of answers asked for (`n`).
        body_bytes: size of the request body.
    """

    dialect: str
    abilities: Ability = Ability(0)
    input_tokens: int = 0
    output_tokens: int = 0
    messages: int = 0
    tools: int = 0
    images: int = 0
    stream: bool = False
    choices: int = 1
    body_bytes: int = 0


_TYPICAL_OUTPUT = 400
"""Tokens of an answer where the caller set no limit: near the median of recorded chat answers; only ranks models."""
_NOBODY = Target("", "")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One model in a plan, when it starts, and the dialect to ask it in.

    `stands` is what it is beside the one that was chosen. `key` is the variable with the key to ask it with, where its
    provider has several. `target` is who is asked, `thinks` whether it takes its time before it answers, and `reach`
    how far it may go with a request; they follow from the others.
    """

    model: Model
    dialect: str
    start: StepStart = "after_failure"
    stands: Stands = ""
    key: str = ""
    target: Target = _NOBODY
    thinks: bool = False
    reach: Reach = NO_REACH

    def __post_init__(self) -> None:
        """Say once what is looked at several times in each call."""
        provider, abilities = self.model.provider, self.model.abilities
        target = Target(provider.name, self.model.upstream, self.key)
        msgspec.structs.force_setattr(self, "target", target)
        thinks = provider.local or (abilities is not None and bool(abilities & Ability.REASONING))
        msgspec.structs.force_setattr(self, "thinks", thinks)
        msgspec.structs.force_setattr(self, "reach", self.model.reach)


NO_SPEEDS: Mapping[Target, float] = MappingProxyType({})


def targets_of(model: Model) -> list[Target]:
    """Who may be asked when a model is: one for each of its provider's keys."""
    provider = model.provider
    return [Target(provider.name, model.upstream, key) for key in provider.keys or ("",)]


def quickest_first(steps: Iterable[Step], speeds: Mapping[Target, float]) -> list[Step]:
    """The same steps, but those of poorer stand-ins that follow each other by speed: the quickest is asked first.

    `speeds` are seconds until a target usually begins to answer. Of whom none is known comes after those, as it was.
    """
    ordered: list[Step] = []
    for stands, group in groupby(steps, key=lambda step: step.stands):
        alike = list(group)
        if stands == "poorer":
            alike.sort(key=lambda step: speeds.get(step.target, math.inf))
        ordered += alike
    return ordered


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was left out: what it lacked, for machines (`reason`) and for people (`detail`)."""

    model: str
    reason: DropReason
    detail: str


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """A second request when the first takes long.

    Attributes:
        extra: most that it may cost, as a share of what the route spends.
        after: seconds before it; None takes the 95th percentile of what was learned, and waits for that.
        tools: also for calls that offer tools.
    """

    extra: float = 0.05
    after: float | None = None
    tools: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The decision for one call.

    Attributes:
        route: the route's name; a model called by its own name is a route of one.
        strategy: which planner made it: `fixed`, `chain`, `cheapest`, `balanced`.
        steps: in order; never empty.
        dropped: every model of the pool that is not a step.
        reason: one line for people: why the first step is first.
        propensity: probability with which this plan was drawn; 1.0 for a deterministic policy.
        policy: version of the policy that decided (digest of the configuration in force).
        retries: further attempts on the same model before the next step; None leaves it to the executor.
        warnings: for the caller, e.g. a model about to be retired.
        hedge: whether, and within which bounds, a second request is sent when the first takes long.
        balance: how equals take turns; empty where the order is the plan's own.
        on_cut: whether a stream that breaks is continued by another model, or ends with an error.
        preferred: the model that would be first if all were well; empty where that is the first step's.
        patience: most seconds to wait for a provider that asks for it; None leaves it to the executor.
        probe: the first step is let through to see whether its target is well again.
        quick: how far its steps may go at most, where that is quickly told; it follows from them.
    """

    route: str
    strategy: str
    steps: tuple[Step, ...]
    dropped: tuple[Dropped, ...] = ()
    reason: str = ""
    propensity: float = 1.0
    policy: str = ""
    retries: int | None = None
    warnings: tuple[str, ...] = ()
    preferred: str = ""
    patience: float | None = None
    balance: Balance | Literal[""] = ""
    hedge: Hedge | None = None
    on_cut: OnCut = "continue"
    probe: bool = False
    quick: tuple[Quick, ...] | None = None

    def __post_init__(self) -> None:
        """Say once what is looked at in each call."""
        msgspec.structs.force_setattr(self, "quick", widest([step.reach for step in self.steps]))


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything outside the request that a planner may look at, taken once per call.

    Attributes:
        now: nanoseconds since the epoch.
        draw: the random number of this call, in [0, 1).
        today: the date in UTC, ISO form, for retirements.
        unavailable: provider name to the reason why it cannot be asked now (no key, not running).
        states: those who are not well, by target.
        funds: nano-dollars that the call may cost at most; None is unlimited.
        extent: how far a provider may go with the request; asked for only where there are `funds`.
        frugal: a budget is nearly used up: the cheapest that fits is asked first, whatever the route prefers.
        speeds: seconds until a target usually begins to answer, where that is known; asked for only where somebody is
            not well, for else it decides nothing before a failure.
        allow: what the caller's key may use; empty is everything.
    """

    now: int
    today: str
    draw: float = 0.0
    unavailable: Mapping[str, str] = msgspec.field(default_factory=dict)
    states: Mapping[Target, State] = msgspec.field(default_factory=dict)
    speeds: Mapping[Target, float] = NO_SPEEDS
    funds: int | None = None
    extent: Extent = PLAIN
    frugal: bool = False
    allow: Allow = ()


def expected_cost(model: Model, needs: Needs) -> int | None:
    """Nano-dollars that the request will probably cost on `model`; None if unpriced."""
    price = model.price
    if price is None:
        return None
    output = min(needs.output_tokens or _TYPICAL_OUTPUT, _TYPICAL_OUTPUT) * needs.choices
    return (needs.input_tokens * price.input + output * price.output + price.request) // PICOS_PER_NANO
