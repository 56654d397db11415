"""The book of health: what is known of everyone who is asked, kept in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from pointsman.core.clock import Draw
from pointsman.core.failure import RULES, State, Target, Tells
from pointsman.core.health import AttemptEnd, Cause, Load, Standing, Transition
from pointsman.core.model import TimeLimits
from pointsman.health.agenda import Agenda
from pointsman.health.gate import SECOND, Gate
from pointsman.health.record import Record, bounded

_log = logging.getLogger("pointsman")

MOST = 4096
KEY_REST = 300.0
CREDIT_REST = 600.0
MODEL_REST = 600.0
_SHORTEST_PAUSE = 1.0
_RECHECK = 10 * SECOND
_UNANSWERED = frozenset(("reset", "silent"))  # failures of a target that do not show that its provider can be reached

Subscriber = Callable[[Transition], None]


class Book:
    """Satisfies the port `Health`. For one thread.

    Args:
        draw: jitter of the rests.
        wall: nanoseconds since the epoch; for transitions, and for headers with dates.
        subscribers: are told of each transition, after the book is consistent again; one that raises is logged.
        most: targets kept; those that are well and were not asked for the longest time go first.
    """

    def __init__(
        self, draw: Draw, wall: Callable[[], int], subscribers: Sequence[Subscriber] = (), most: int = MOST
    ) -> None:
        self._draw = draw
        self._wall = wall
        self._subscribers = tuple(subscribers)
        self._most = most
        self._records: dict[Target, Record] = {}
        self._providers: dict[str, Gate] = {}
        self._keys: dict[tuple[str, str], Gate] = {}
        self._agenda = Agenda()
        self._unwell: dict[Target, Record] = {}
        self._states: Mapping[Target, State] | None = {}
        self._untold: list[Transition] = []
        self._version = 0

    def version(self, now: int) -> int:
        """See the port."""
        if now >= self._agenda.wake:
            self._due(now)
        return self._version

    def states(self, now: int) -> Mapping[Target, State]:
        """See the port."""
        if now >= self._agenda.wake:
            self._due(now)
        if self._states is None:
            self._states = {target: record.state for target, record in self._unwell.items()}
        return self._states

    def begin(self, target: Target, now: int, *, anyway: bool = False) -> float:
        """See the port."""
        if now >= self._agenda.wake:
            self._due(now)
        record = self._records.get(target)
        if record is None:
            record = self._opened(target, now)
        record.used = now
        if record.state != "closed":
            wait = record.wait(now)
            gates = record.gates
            if wait > 0.0 and not (anyway and all(gate.may_early(now) for gate in gates)):
                return wait
            for gate in gates:
                gate.enter_early(now) if wait > 0.0 else gate.enter(now)
        record.in_flight += 1
        return 0.0

    def passed(self, target: Target, now: int) -> bool:
        """See the port."""
        record = self._records.get(target)
        if record is None or now >= record.counted_until or now >= self._agenda.wake:
            return False
        if record.in_flight:
            record.in_flight -= 1
        record.more += 1
        return True

    def end(self, target: Target, end: AttemptEnd, now: int) -> None:
        """See the port."""
        if now >= self._agenda.wake:
            self._due(now)
        record = self._records.get(target)
        if record is None:  # forgotten meanwhile
            return
        if record.in_flight:
            record.in_flight -= 1
        failure = end.failure
        tells: Tells = "nothing"
        if failure is not None:
            tells = RULES[failure].tells
            if failure == "overloaded" and end.retry_after is not None:
                tells = "pause"
        began = now - end.duration
        if end.neutral:
            if end.outpaced and end.first_token is None and record.state == "half_open":
                self._overtaken(record, end, now, began)
                return
            if end.outpaced:
                record.outpaced(end, now)
            self._nothing(record, began)
        elif failure is None:
            self._well(record, end, now, began)
        else:
            self._ill(record, end, tells, now, began)

    def heard(self, target: Target, began: int, now: int) -> None:
        """See the port."""
        record = self._records.get(target)
        if record is None or record.state == "closed":
            return
        for gate in record.gates:
            gate.well(now, began)
        self.settle(record, now)

    def usual(self, target: Target, share: float, *, stream: bool) -> float | None:
        """See the port."""
        record = self._records.get(target)
        return None if record is None else record.usual(share, stream=stream)

    def limits(self, target: Target, configured: TimeLimits, *, stream: bool, thinks: bool) -> TimeLimits:
        """See the port."""
        record = self._records.get(target)
        if record is None:
            return bounded(configured, stream=stream, thinks=thinks)
        kept = record.kept_streams if stream else record.kept_wholes
        if kept is not None and kept[0] is configured and kept[1] is thinks:
            return kept[2]
        return record.limits(configured, stream=stream, thinks=thinks)

    def load(self, target: Target, now: int, *, stream: bool) -> Load:
        """How busy it is and how soon it answers."""
        record = self._records.get(target)
        return Load() if record is None else record.load(now, stream=stream)

    def status(self, now: int, only: Callable[[Target], bool] | None = None) -> tuple[Standing, ...]:
        """Every target that is known, or that `only` wants, sorted by name."""
        if now >= self._agenda.wake:
            self._due(now)
        names = self._records if only is None else filter(only, self._records)
        return tuple([self._records[target].standing(now) for target in sorted(names)])

    def timeline(self, target: Target) -> tuple[Transition, ...]:
        """The last 200 changes of a target's state, oldest first."""
        record = self._records.get(target)
        return () if record is None else tuple(record.timeline)

    def _well(self, record: Record, end: AttemptEnd, now: int, began: int) -> None:
        changed = record.answered(end, now)
        rest = record.quotas.take(end, now, self._wall()) if end.headers else 0.0
        record.provider.well(now, began)
        record.own.well(now, began)
        if record.state == "closed" and not (changed or rest):
            record.calm_down(now, stream=end.stream)
            return
        record.key.well(now, began)
        if rest:
            record.own.rest(now, began, rest, "limits", "its headers say that a limit is used up")
        self.settle(record, now)

    def _ill(self, record: Record, end: AttemptEnd, tells: Tells, now: int, began: int) -> None:
        provider, key, own = record.gates
        why = RULES[end.failure].meaning if end.failure is not None else ""
        if end.headers:
            record.quotas.take(end, now, self._wall())
        if not end.check:
            record.failed(end, now)
        if tells == "nothing":
            self._nothing(record, began)
            return
        if tells == "provider_failure" or (end.failure in _UNANSWERED and provider.state == "half_open"):
            provider.ill(now, began, "unreachable", why)
        elif end.failure not in _UNANSWERED:
            provider.well(now, began)
        if tells == "key_pause":
            span = CREDIT_REST if end.failure == "out_of_credit" else KEY_REST
            key.rest(now, began, span, "key", why)
            if end.failure == "out_of_credit":
                key.firm()
        else:
            key.free(began)
        if tells in {"failure", "provider_failure"}:
            self._failure(record, tells, why, now, began)
        elif tells == "pause":
            self._pause(record, end, why, now, began)
        elif tells == "model_pause":
            own.rest(now, began, MODEL_REST, "model", why)
        else:
            own.free(began)
        self.settle(record, now)

    def _failure(self, record: Record, tells: Tells, why: str, now: int, began: int) -> None:
        own = record.own
        if not own.fresh(began):
            return
        record.window.add(now, failed=True)
        own.ill(now, began, "unreachable" if tells == "provider_failure" else "failures", why)
        if own.state == "closed" and record.too_many_failures():
            own.trip(now, "errors", f"half of its attempts within 30 s failed, the last: {why}", probes=2)

    def _pause(self, record: Record, end: AttemptEnd, why: str, now: int, began: int) -> None:
        own = record.own
        if own.state == "half_open" and own.after == "limits" and own.fresh(began):
            record.quotas.too_soon(now)
        told = None if end.retry_after is None else max(end.retry_after, _SHORTEST_PAUSE)
        own.rest(now, began, told, "pause", why)

    def _nothing(self, record: Record, began: int) -> None:
        for gate in record.gates:
            gate.free(began)

    def _overtaken(self, record: Record, end: AttemptEnd, now: int, began: int) -> None:
        """A probe did not answer before another did, which was asked when it had had its usual time."""
        record.overtaken(end, now)
        for gate in record.gates:
            gate.overtaken(now, began)
        self.settle(record, now)

    def _opened(self, target: Target, now: int) -> Record:
        """A target that nobody has asked before: well, unless its provider or its key is not."""
        if len(self._records) >= self._most:
            self._forget()
        provider = self._providers.get(target.provider)
        if provider is None:
            provider = self._providers[target.provider] = Gate(self._draw, now)
        key = self._keys.get((target.provider, target.key))
        if key is None:
            key = self._keys[target.provider, target.key] = Gate(self._draw, now)
        record = Record(target, provider, key, Gate(self._draw, now), self._wall())
        self._records[target] = record
        for gate in (provider, key, record.own):
            gate.records[target] = record
        self._judge(record, now)
        self._tell()
        return record

    def _forget(self) -> None:
        """Make room: an eighth at a time, so that a flood of new names costs each of them little."""

        def use(record: Record) -> tuple[bool, int]:
            return record.state != "closed" or record.in_flight > 0, record.used

        for record in sorted(self._records.values(), key=use)[: max(self._most // 8, 1)]:
            target = record.target
            if record.state != "closed":
                self._note(record, "closed", "time", "forgotten: too many others were asked since")
            del self._records[target]
            for gate in record.gates:
                del gate.records[target]
            if not record.provider.records:
                del self._providers[target.provider]
            if not record.key.records:
                del self._keys[target.provider, target.key]
        self._agenda.prune()

    def known(self, target: Target) -> Record | None:
        """What is kept of a target; None where nobody has asked it."""
        return self._records.get(target)

    def opened(self, target: Target, now: int) -> Record:
        """What is kept of a target, from now on where nothing was."""
        return self._records.get(target) or self._opened(target, now)

    def settle(self, record: Record, now: int) -> None:
        """Take up what became of a target's gates, also for those who share them, and tell of it."""
        for gate in (record.provider, record.key):
            if gate.state != gate.shown:
                self._changed(gate, now)
        self._judge(record, now)
        self._tell()

    def _changed(self, gate: Gate, now: int) -> None:
        """A shared gate has changed: all of its targets have."""
        gate.shown = gate.state
        for other in gate.records.values():
            if gate.state == "closed" and gate.after == "unreachable":
                other.start_anew()
                other.own.lapse_early(now)
            self._judge(other, now)
        self._plan(gate)

    def _judge(self, record: Record, now: int) -> None:
        own = record.own
        if own.state != own.shown:
            if own.state == "closed":
                record.start_anew()
            own.shown = own.state
        record.look(now)
        state, cause, why = record.judged()
        if state != record.state:
            self._note(record, state, cause, why)
        if own.state == "open":
            self._plan(own)
        elif state == "degraded":
            self._agenda.put(own, now + _RECHECK)

    def _note(self, record: Record, state: State, cause: Cause, why: str) -> None:
        at = self._wall()
        change = Transition(target=record.target, before=record.state, after=state, at=at, why=why, cause=cause)
        record.state, record.cause, record.why, record.since = state, cause, why, at
        record.look_again()
        record.timeline.append(change)
        self._untold.append(change)
        if state == "closed":
            self._unwell.pop(record.target, None)
        else:
            self._unwell[record.target] = record
        self._states = None
        self._version += 1

    def _tell(self) -> None:
        if not self._untold:
            return
        told, self._untold = self._untold, []
        for change in told:
            for subscriber in self._subscribers:
                try:
                    subscriber(change)
                except Exception:  # noqa: BLE001 - a named edge: whoever listens cannot break who is listened to
                    _log.exception("a subscriber to changes of health failed")

    def _plan(self, gate: Gate) -> None:
        if gate.state == "open":
            self._agenda.put(gate, gate.until)

    def _due(self, now: int) -> None:
        """Time has passed: rests end, and those who were slow or prone to errors are looked at again."""
        for gate in self._agenda.due(now):
            gate.lapse(now)
            self._plan(gate)
            gate.shown = gate.state
            for record in gate.records.values():
                self._judge(record, now)
        self._tell()
