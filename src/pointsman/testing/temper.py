"""Which fault strikes which request: injected by a test, by the timetable, or by the dice of a script."""

from __future__ import annotations

import random

import msgspec

from pointsman.testing.faults import Fault
from pointsman.testing.script import FaultRule, Outage, SimModel, SimProvider


class Injected(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A fault that a test asked for: the next `times` requests to this provider and model (empty: any)."""

    fault: str
    provider: str = ""
    model: str = ""
    times: int = 1
    only: str = ""
    after: int | None = None
    seconds: float | None = None
    size: int | None = None

    def resolve(self) -> Fault:
        """The fault itself. Raises ConfigError: no fault of that name."""
        rule = FaultRule(fault=self.fault, after=self.after, seconds=self.seconds, size=self.size)
        return rule.resolve()


class Temper:
    """Decides for each request whether it meets a fault. Injected ones first, then outages, then rules."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._injected: list[Injected] = []
        self._seen: dict[tuple[str, str], int] = {}

    def inject(self, injected: Injected) -> None:
        """Queue a fault. Raises ConfigError: no fault of that name."""
        injected.resolve()
        self._injected.append(injected)

    def reset(self) -> None:
        """Forget injected faults and counts; the dice go on."""
        self._injected.clear()
        self._seen.clear()

    def fault(self, provider: SimProvider, model: SimModel, *, stream: bool, since_start: float) -> Fault | None:
        """The fault of this request, if any. `since_start` in seconds on the simulator's clock."""
        kind = "stream" if stream else "whole"
        key = (provider.name, model.name)
        seen = self._seen[key] = self._seen.get(key, 0) + 1
        if (injected := self._take(provider.name, model.name, kind)) is not None:
            return injected.resolve()
        if (outage := outage_at(provider.outages, since_start)) is not None:
            return FaultRule(fault=outage.fault).resolve()
        for rule in (*model.faults, *provider.faults):
            if rule.only not in {"", kind} or seen <= rule.skip or (rule.first and seen > rule.skip + rule.first):
                continue
            if rule.probability >= 1.0 or self._rng.random() < rule.probability:
                return rule.resolve()
        return None

    def _take(self, provider: str, model: str, kind: str) -> Injected | None:
        for injected in self._injected:
            if injected.provider in {"", provider} and injected.model in {"", model} and injected.only in {"", kind}:
                injected.times -= 1
                if injected.times <= 0:
                    self._injected.remove(injected)
                return injected
        return None


def outage_at(outages: tuple[Outage, ...], since_start: float) -> Outage | None:
    """The outage in force at a time, if any."""
    return next((outage for outage in outages if outage.start <= since_start < outage.end), None)
