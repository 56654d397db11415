"""Where providers stand: what the book of health tells of targets is handed on, and what follows for whole providers.

A provider is down while every model that is in use there is. Metrics, alerts and the record of reliability hear the
same transitions from here; that of a whole provider has a target without a model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from pointsman.core.failure import State, Target
from pointsman.core.health import Transition
from pointsman.core.outage import is_down
from pointsman.core.outcome import Outcome
from pointsman.core.plan import Plan

_log = logging.getLogger("pointsman.health")
_IN_USE_NS = 3_600_000_000_000
_MOST = 2_000

Listener = Callable[[Transition], None]
Pair = tuple[str, str]


class Transitions:
    """Hears transitions, tells those who `listen`. A `Recorder` besides, for it has to know what is in use.

    Callers can ask for any name behind `provider/`, and each would become a target. So only those count that are
    configured, or have answered once; of others nothing is told.
    """

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._expected: dict[Pair, set[str]] = {}
        self._asked: dict[Pair, int] = {}  # every pair that counts, and when it was asked last
        self._states: dict[Target, State] = {}  # of those that are not well
        self._down: set[Target] = set()
        self._providers: set[str] = set()  # that are down

    def listen(self, *listeners: Listener) -> None:
        """Who is told from now on, in this order."""
        self._listeners = listeners

    def expect(self, targets: Iterable[Target], now: int) -> None:
        """What is configured now; `now` in nanoseconds since the epoch. What is not any more is no trouble any more."""
        before, self._expected = self._expected, {}
        for target in targets:
            self._expected.setdefault(target[:2], set()).add(target.key)
            self._asked.setdefault(target[:2], 0)
        gone = before.keys() - self._expected.keys()
        for target, state in tuple(self._states.items()):
            if target[:2] in gone:
                self._tell(Transition(target=target, before=state, after="closed", at=now, why="not configured now"))
        for pair in gone:
            del self._asked[pair]

    def record(self, outcome: Outcome) -> None:
        """Note what was asked."""
        asked = self._asked
        for attempt in outcome.attempts:
            pair = (attempt.provider, attempt.upstream)
            if pair in asked or (not attempt.error and len(asked) < _MOST):
                asked[pair] = attempt.started

    def well(self, plan: Plan, count: int, at: int) -> None:  # noqa: ARG002 - the port's
        """See `together.Watcher.well`."""
        provider, upstream, _ = plan.steps[0].target
        if (provider, upstream) in self._asked or len(self._asked) < _MOST:
            self._asked[provider, upstream] = at

    def hear(self, transition: Transition) -> None:
        """Take a transition of a target; for the book of health, which sees to it that nothing raised here hurts."""
        if transition.target[:2] in self._asked:
            self._tell(transition)

    def _tell(self, transition: Transition) -> None:
        target, after = transition.target, transition.after
        if after == "closed":
            self._states.pop(target, None)
        else:
            self._states[target] = after
        down = is_down(after, transition.cause, was=target in self._down)
        (self._down.add if down else self._down.discard)(target)
        self._hand_on(transition)
        self._provider(transition)

    def _hand_on(self, transition: Transition) -> None:
        for listener in self._listeners:
            listener(transition)

    def _provider(self, cause: Transition) -> None:
        """Judge the provider of a target that has changed."""
        name = cause.target.provider
        used = [pair for pair in self._asked if pair[0] == name and self._in_use(pair, cause.at)]
        down = bool(used) and all(self._is_down(pair) for pair in used)
        if down == (name in self._providers):
            return
        (self._providers.add if down else self._providers.discard)(name)
        before, after = _STATES[not down], _STATES[down]
        upstream = cause.target.upstream
        why = f"{upstream} answers again"
        if down:
            many = f"all {len(used)} models in use there are" if len(used) > 1 else "the only model in use there is"
            why = f"{many} not answering; the last, {upstream}: {cause.why}"
        elif cause.after != "closed":
            why = f"{upstream}: {cause.why}"
        _log.log(logging.WARNING if down else logging.INFO, "%s as a whole: %s: %s", name, after, why)
        whole = Target(name, "")
        self._hand_on(Transition(target=whole, before=before, after=after, at=cause.at, why=why, cause=cause.cause))

    def _in_use(self, pair: Pair, now: int) -> bool:
        return now - self._asked[pair] <= _IN_USE_NS or any(target[:2] == pair for target in self._states)

    def _is_down(self, pair: Pair) -> bool:
        """Whether each of its keys is; a target without a key stands for all, where none is known by name."""
        keys = self._expected.get(pair, set()) | {target.key for target in self._states if target[:2] == pair}
        if len(keys) > 1:
            keys = keys - {""}
        return bool(keys) and all(Target(*pair, key) in self._down for key in keys)


_STATES: Mapping[bool, State] = {True: "open", False: "closed"}
"""Of a whole provider, by whether it is down."""


def shown(target: Target) -> str:
    """A target as people read it: `provider/model`, `provider` for all of it, with the key's variable where named."""
    name = f"{target.provider}/{target.upstream}" if target.upstream else target.provider
    return f"{name} (key ${target.key})" if target.key else name
