"""Plans as the ledger keeps them: each different decision once, under a digest of its content.

Most calls of a route share one decision, so a call's row carries 24 characters instead of a kilobyte. What differs from
call to call (the random draw, the propensity) stays in the call's row.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from pointsman.core.model import Price, Tier
from pointsman.core.plan import Dropped, Plan, StepStart

_DIGEST_CHARS = 24
_REMEMBERED = 4096


class StepRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a stored plan. `price` is what the planner believed then, in pico-dollars per token."""

    model: str
    provider: str
    upstream: str
    start: StepStart
    tier: Tier | None = None
    price: Price | None = None


class Decisions:
    """Digests of plans, and which of them the store holds already. Used by the writer's thread alone."""

    def __init__(self) -> None:
        # The plan is kept beside its digest: as long as it lives, the ids of its models are theirs alone.
        self._seen: dict[tuple[Any, ...], tuple[str, Plan]] = {}
        self._stored: set[str] = set()

    def digest(self, plan: Plan) -> str:
        """The digest of a plan's content."""
        key = (
            plan.route,
            plan.strategy,
            plan.policy,
            plan.reason,
            plan.warnings,
            plan.dropped,
            *[id(step.model) for step in plan.steps],
            *[step.start for step in plan.steps],
        )
        found = self._seen.get(key)
        if found is None:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            found = self._seen[key] = (content_digest(plan), plan)
        return found[0]

    def is_stored(self, digest: str) -> bool:
        """Whether the store is known to hold the plan."""
        return digest in self._stored

    def stored(self, digests: list[str]) -> None:
        """Remember what the store holds now."""
        if len(self._stored) >= _REMEMBERED:
            self._stored.clear()
        self._stored.update(digests)

    def forget(self) -> None:
        """The store may have been replaced: write every plan again."""
        self._stored.clear()


def plan_row(plan: Plan, digest: str, now: int) -> tuple[Any, ...]:
    """Parameters for the table `plans`."""
    steps, dropped = _parts(plan)
    warnings = msgspec.json.encode(plan.warnings).decode()
    return (digest, plan.route, plan.strategy, plan.policy, plan.reason, steps, dropped, warnings, now)


def content_digest(plan: Plan) -> str:
    """24 hexadecimal characters of the SHA-256 of everything that the table keeps."""
    parts = (plan.route, plan.strategy, plan.policy, plan.reason, plan.warnings, *_parts(plan))
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:_DIGEST_CHARS]


def _parts(plan: Plan) -> tuple[str, str]:
    steps = [
        StepRecord(
            model=step.model.name,
            provider=step.model.provider.name,
            upstream=step.model.upstream,
            start=step.start,
            tier=step.model.tier,
            price=step.model.price,
        )
        for step in plan.steps
    ]
    dropped: tuple[Dropped, ...] = plan.dropped
    return msgspec.json.encode(steps).decode(), msgspec.json.encode(dropped).decode()
