"""Plans as the ledger keeps them: each different decision once, under a digest of its content.

Most calls of a route share one decision, so a call's row carries 24 characters instead of a kilobyte. What differs from
call to call (the random draw, the propensity) stays in the call's row.
"""

from __future__ import annotations

import hashlib
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from pointsman.core.model import Price, Tier
from pointsman.core.plan import Plan, StepStart
from pointsman.store.price_book import PriceBook
from pointsman.store.text import DETAIL_CHARS, clip

_DIGEST_CHARS = 24
_REMEMBERED = 4096
_model = attrgetter("model")
_start = attrgetter("start")
_dialect = attrgetter("dialect")


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a stored plan. `price` is what the planner believed then, in pico-dollars per token.

    `dialect` is the one to ask in; plans stored before there were several have none. `preferred`: it would be first if
    all were well.
    """

    model: str
    provider: str
    upstream: str
    start: StepStart
    dialect: str = ""
    tier: Tier | None = None
    price: Price | None = None
    preferred: bool = False


class Decisions:
    """Digests of plans and prices, and which of them the store holds already. Used by the writer's thread alone."""

    def __init__(self) -> None:
        # The plan is kept beside its digest: as long as it lives, the ids of its models are theirs alone.
        self._seen: dict[tuple[Any, ...], tuple[str, Plan]] = {}
        self._stored: set[str] = set()
        self.prices = PriceBook()

    def digest(self, plan: Plan) -> str:
        """The digest of a plan's content."""
        steps = plan.steps
        key = (
            plan.route,
            plan.strategy,
            plan.policy,
            plan.reason,
            plan.warnings,
            plan.dropped,
            plan.preferred,
            *map(id, map(_model, steps)),  # by identity: a model's own hash walks through all its fields
            *map(_start, steps),
            *map(_dialect, steps),
        )
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            found = self._seen[key] = (content_digest(plan), plan)
        return found[0]

    def is_stored(self, digest: str) -> bool:
        """Whether the store is known to hold the plan, or the price."""
        return digest in self._stored

    def stored(self, digests: list[str]) -> None:
        """Remember what the store holds now."""
        if len(self._stored) >= _REMEMBERED:
            self._stored.clear()
        self._stored.update(digests)

    def forget(self) -> None:
        """The store may have been replaced: write every plan and price again."""
        self._stored.clear()


def plan_row(plan: Plan, digest: str, now: int) -> tuple[Any, ...]:
    """Parameters for the table `plans`."""
    return (digest, *_content(plan), now)


def content_digest(plan: Plan) -> str:
    """24 hexadecimal characters of the SHA-256 of everything that the table keeps."""
    return hashlib.sha256(msgspec.json.encode(_content(plan))).hexdigest()[:_DIGEST_CHARS]


def _content(plan: Plan) -> tuple[str, ...]:
    """The columns of the table between the digest and the time."""
    preferred = plan.preferred or plan.steps[0].model.name
    steps = [
        StepRecord(
            model=clip(step.model.name),
            provider=clip(step.model.provider.name),
            upstream=clip(step.model.upstream),
            start=step.start,
            dialect=clip(step.dialect),
            tier=step.model.tier,
            price=step.model.price,
            preferred=step.model.name == preferred,
        )
        for step in plan.steps
    ]
    dropped = [replace(one, model=clip(one.model), detail=clip(one.detail, DETAIL_CHARS)) for one in plan.dropped]
    lists = (steps, dropped, [clip(warning, DETAIL_CHARS) for warning in plan.warnings])
    texts = (clip(plan.route), clip(plan.strategy), clip(plan.policy), clip(plan.reason, DETAIL_CHARS))
    return (*texts, *[msgspec.json.encode(one).decode() for one in lists])
