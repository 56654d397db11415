"""The book of health: what is known of everyone who is asked, kept in memory."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from pointsman.core.clock import Draw
from pointsman.core.failure import RULES, FailureKind, State, Target, Tells
from pointsman.core.health import AttemptEnd, Cause, Load, Standing, Transition
from pointsman.core.model import TimeLimits
from pointsman.health.gate import SECOND, Gate
from pointsman.health.record import Record, bounded

_log = logging.getLogger("pointsman")

MOST = 4096
KEY_REST = 300.0
CREDIT_REST = 600.0
MODEL_REST = 600.0
_SHORTEST_PAUSE = 1.0
_RECHECK = 10 * SECOND
_NEVER = 1 << 62
_UNANSWERED = frozenset(("reset", "silent"))  # failures of a target that do not show that its provider can be reached

_RESTS: frozenset[State] = frozenset(("open", "half_open"))
_ILL: frozenset[Tells] = frozenset(("failure", "provider_failure"))

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
        self._queue: list[tuple[int, int, Gate]] = []
        self._queued = 0
        self._wake = _NEVER
        self._unwell: dict[Target, Record] = {}
        self._states: Mapping[Target, State] | None = {}
        self._untold: list[Transition] = []
        self._version = 0

    def version(self, now: int) -> int:
        """See the port."""
        if now >= self._wake:
            self._due(now)
        return self._version

    def states(self, now: int) -> Mapping[Target, State]:
        """See the port."""
        if now >= self._wake:
            self._due(now)
        if self._states is None:
            self._states = {target: record.state for target, record in self._unwell.items()}
        return self._states

    def begin(self, target: Target, now: int, *, anyway: bool = False) -> float:
        """See the port."""
        if now >= self._wake:
            self._due(now)
        record = self._records.get(target)
        if record is None:
            record = self._opened(target, now)
        record.used = now
        if record.state != "closed":
            wait = record.wait(now)
            gates = (record.provider, record.key, record.own)
            if wait > 0.0 and not (anyway and all(gate.may_early(now) for gate in gates)):
                return wait
            for gate in gates:
                gate.enter_early(now) if wait > 0.0 else gate.enter(now)
        record.in_flight += 1
        return 0.0

    def passed(self, target: Target, now: int) -> bool:
        """See the port."""
        record = self._records.get(target)
        if record is None or now >= record.counted_until or now >= self._wake:
            return False
        if record.in_flight:
            record.in_flight -= 1
        record.more += 1
        return True

    def end(self, target: Target, end: AttemptEnd, now: int) -> None:
        """See the port."""
        if now >= self._wake:
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
        for gate in (record.provider, record.own, record.key):
            gate.well(now, began)
        self._settle(record, now)

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
        if now >= self._wake:
            self._due(now)
        names = self._records if only is None else filter(only, self._records)
        return tuple([self._records[target].standing(now) for target in sorted(names)])

    def timeline(self, target: Target) -> tuple[Transition, ...]:
        """The last 200 changes of a target's state, oldest first."""
        record = self._records.get(target)
        return () if record is None else tuple(record.timeline)

    def resting(self, now: int) -> list[Target]:
        """Who is open or half open."""
        states = self.states(now)
        return [target for target, state in states.items() if state in _RESTS] if states else []

    def askable(self, target: Target, now: int) -> bool:
        """Whether `begin` would let a check that asks the model through, before its time where it failed."""
        record = self._records.get(target)
        return record is None or all(gate.may_early(now) for gate in (record.provider, record.key, record.own))

    def disprovable(self, target: Target, now: int) -> bool:
        """Whether a check that asks for no answer could say something of a target that rests."""
        record = self._records.get(target)
        return record is not None and any(gate.disprovable(now) for gate in (record.provider, record.key, record.own))

    def check_passed(self, targets: Iterable[Target], now: int, *, key_taken: bool) -> None:
        """A check that asks for no answer went well: who rested since it failed is half open at once.

        `targets` are of one provider and key. Without `key_taken` all that is known is that it can be reached.
        """
        for target in targets:
            record = self._records.get(target) or self._opened(target, now)
            record.provider.vouch(now)
            if key_taken:
                record.key.vouch(now)
                if record.own.state == "open":
                    record.own.vouch(now)
            self._settle(record, now)

    def check_failed(
        self, targets: Iterable[Target], failure: FailureKind, began: int, now: int, *, hold: float, counts: bool
    ) -> None:
        """Such a check failed: who rests does so for `hold` seconds more, who is half open rests again.

        `targets` are of one provider and key. `counts`: it is one failure of those as well who do not rest.
        """
        tells, why = RULES[failure].tells, f"a check: {RULES[failure].meaning}"
        shared = True  # what all of them share is told once
        for target in targets:
            record = self._records.get(target) or self._opened(target, now)
            if tells == "key_pause":
                if shared and (record.key.state == "half_open" or (counts and record.key.state == "closed")):
                    record.key.rest(now, began, KEY_REST, "key", why)
            elif tells in _ILL:
                own: Cause = "unreachable" if tells == "provider_failure" else "failures"
                pairs: list[tuple[Gate, Cause]] = [(record.own, own)]
                if shared:
                    pairs.append((record.provider, "unreachable"))
                for gate, cause in pairs:
                    if gate.concerned(now, counts=counts and gate is record.provider):
                        gate.ill(now, began, cause, why)
                    gate.hold(now, hold)
            shared = False
            record.look_again()
            self._settle(record, now)

    def hold(self, target: Target, now: int, seconds: float) -> None:
        """A check that asked the model failed: it rests so much longer, where it rests since it failed."""
        record = self._records.get(target)
        if record is not None:
            for gate in (record.provider, record.own):
                gate.hold(now, seconds)

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
        self._settle(record, now)

    def _ill(self, record: Record, end: AttemptEnd, tells: Tells, now: int, began: int) -> None:
        provider, key, own = record.provider, record.key, record.own
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
        self._settle(record, now)

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
        for gate in (record.provider, record.key, record.own):
            gate.free(began)

    def _overtaken(self, record: Record, end: AttemptEnd, now: int, began: int) -> None:
        """A probe did not answer before another did, which was asked when it had had its usual time."""
        record.overtaken(end, now)
        for gate in (record.provider, record.key, record.own):
            gate.overtaken(now, began)
        self._settle(record, now)

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
            for gate in (record.provider, record.key, record.own):
                del gate.records[target]
            if not record.provider.records:
                del self._providers[target.provider]
            if not record.key.records:
                del self._keys[target.provider, target.key]
        self._queue = [each for each in self._queue if each[0] == each[2].queued and each[2].records]
        heapq.heapify(self._queue)
        self._wake = self._queue[0][0] if self._queue else _NEVER

    def _settle(self, record: Record, now: int) -> None:
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
            self._queue_at(own, now + _RECHECK)

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
            self._queue_at(gate, gate.until)

    def _queue_at(self, gate: Gate, when: int) -> None:
        """Look at a gate then. One place in the queue each: an earlier one that was taken leads to this one."""
        if gate.queued and gate.queued <= when:
            return
        gate.queued = when
        self._queued += 1
        heapq.heappush(self._queue, (when, self._queued, gate))
        self._wake = self._queue[0][0]

    def _due(self, now: int) -> None:
        """Time has passed: rests end, and those who were slow or prone to errors are looked at again."""
        queue = self._queue
        while queue and queue[0][0] <= now:
            when, _, gate = heapq.heappop(queue)
            if when != gate.queued:
                continue
            gate.queued = 0
            gate.lapse(now)
            self._plan(gate)
            gate.shown = gate.state
            for record in gate.records.values():
                self._judge(record, now)
        self._wake = queue[0][0] if queue else _NEVER
        self._tell()
