"""Which fault strikes which request: injected by a test, by the timetable, or by the dice of a script."""

from __future__ import annotations

import random

import msgspec

from pointsman.testing.dialect import Ask
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

    def fault(self, provider: SimProvider, model: SimModel, ask: Ask, *, since_start: float) -> Fault | None:
        """The fault of this request, if any. `since_start` in seconds on the simulator's clock."""
        kind = "stream" if ask.stream else "whole"
        begun = ask.last_role == "assistant"
        key = (provider.name, model.name)
        seen = self._seen[key] = self._seen.get(key, 0) + 1
        if (injected := self._take(provider.name, model.name, kind, begun=begun)) is not None:
            return injected.resolve()
        if (outage := outage_at(provider.outages, since_start)) is not None and self._strikes(outage.probability):
            return FaultRule(fault=outage.fault, after=outage.after, seconds=outage.seconds).resolve()
        for rule in (*model.faults, *provider.faults):
            if rule.only not in {"", kind} or seen <= rule.skip or (rule.first and seen > rule.skip + rule.first):
                continue
            fault = rule.resolve()
            if (begun or not fault.begun) and self._strikes(rule.probability):
                return fault
        return None

    def _strikes(self, probability: float) -> bool:
        return probability >= 1.0 or self._rng.random() < probability

    def _take(self, provider: str, model: str, kind: str, *, begun: bool) -> Injected | None:
        for injected in self._injected:
            meant = injected.provider in {"", provider} and injected.model in {"", model}
            if meant and injected.only in {"", kind} and (begun or not injected.resolve().begun):
                injected.times -= 1
                if injected.times <= 0:
                    self._injected.remove(injected)
                return injected
        return None


def outage_at(outages: tuple[Outage, ...], since_start: float) -> Outage | None:
    """The outage in force at a time, if any."""
    return next((outage for outage in outages if outage.start <= since_start < outage.end), None)
