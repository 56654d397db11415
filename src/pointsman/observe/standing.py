"""Where providers stand: what the book of health tells of targets is handed on, and what follows for whole providers.

A provider is down while every model that is in use there is open or half open. Metrics, alerts and the record of
reliability hear the same transitions from here; that of a whole provider has a target without a model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from pointsman.core.failure import Target
from pointsman.core.health import State, Transition
from pointsman.core.outcome import Outcome

_log = logging.getLogger("pointsman.health")
_IN_USE_NS = 3_600_000_000_000
_MOST = 2_000
DOWN: frozenset[State] = frozenset({"open", "half_open"})
"""States in which nobody is answered."""

Listener = Callable[[Transition], None]
Pair = tuple[str, str]


class Standing:
    """Hears transitions, tells `listeners`. A `Recorder` besides, for it has to know what is in use.

    Callers can ask for any name behind `provider/`, and each would become a target. So only those count that are
    configured, or have answered once; what is told of others goes no further than the log.
    """

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners
        self._expected: dict[Pair, set[str]] = {}
        self._asked: dict[Pair, int] = {}  # every pair that counts, and when it was asked last
        self._states: dict[Target, State] = {}
        self._providers: dict[str, State] = {}

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

    def hear(self, transition: Transition) -> None:
        """Take a transition of a target. Never raises: the book stands on the path of calls."""
        try:
            if transition.target[:2] in self._asked:
                self._tell(transition)
            else:
                _log.debug("%s is %s: %s", shown(transition.target), transition.after, transition.why)
        except Exception:  # noqa: BLE001 - the edge between a call's path and whoever listens
            _log.exception("a defect in what follows from a change of health")

    def _tell(self, transition: Transition) -> None:
        """Keep the state, and tell it: of the provider first, so that its models need not be told one by one."""
        target, after = transition.target, transition.after
        if after == "closed":
            self._states.pop(target, None)
        else:
            self._states[target] = after
        self._provider(transition)
        self._hand_on(transition)

    def _hand_on(self, transition: Transition) -> None:
        level = logging.DEBUG if transition.after == "half_open" else logging.INFO
        target = shown(transition.target)
        _log.log(level, "%s: %s, was %s: %s", target, transition.after, transition.before, transition.why)
        for listener in self._listeners:
            listener(transition)

    def _provider(self, cause: Transition) -> None:
        name = cause.target.provider
        used = [pair for pair in self._asked if pair[0] == name and self._in_use(pair, cause.at)]
        after: State = "open" if used and all(self._is_down(pair) for pair in used) else "closed"
        before = self._providers.get(name, "closed")
        if before == after:
            return
        self._providers[name] = after
        if after == "open":
            many = f"all {len(used)} models in use there are" if len(used) > 1 else "the only model in use there is"
            why = f"{many} not answering; the last, {cause.target.upstream}: {cause.why}"
        else:
            why = f"{cause.target.upstream} answers again"
        self._hand_on(Transition(target=Target(name, ""), before=before, after=after, at=cause.at, why=why))

    def _in_use(self, pair: Pair, now: int) -> bool:
        return now - self._asked[pair] <= _IN_USE_NS or any(target[:2] == pair for target in self._states)

    def _is_down(self, pair: Pair) -> bool:
        """Whether each of its keys is; a target without a key stands for all, where none is known by name."""
        keys = self._expected.get(pair, set()) | {target.key for target in self._states if target[:2] == pair}
        if len(keys) > 1:
            keys = keys - {""}
        return bool(keys) and all(self._states.get(Target(*pair, key)) in DOWN for key in keys)


def shown(target: Target) -> str:
    """A target as people read it: `provider/model`, `provider` for all of it, with the key's variable where named."""
    name = f"{target.provider}/{target.upstream}" if target.upstream else target.provider
    return f"{name} (key ${target.key})" if target.key else name
