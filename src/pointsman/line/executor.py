"""Runs any plan: steps one after the other, until one has an answer that may be delivered.

Who is asked next, and after what wait, is decided in `failover`; here it is done, by one `attempt` after the other, or
by several side by side (`race`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import msgspec

from pointsman.core.errors import (
    AllAttemptsFailed,
    CallerError,
    CallerGone,
    NoCredentials,
    Outpaced,
    PointsmanError,
    UpstreamError,
    UpstreamRefused,
    UpstreamResting,
    UpstreamTimeout,
    forget_frames,
)
from pointsman.core.failure import RULES, State, Target
from pointsman.core.health import speeds
from pointsman.core.model import TimeLimits
from pointsman.core.outcome import Purpose
from pointsman.core.plan import Plan, Step
from pointsman.line.attempt import Asking, answered, begun
from pointsman.line.dressing import dressed
from pointsman.line.failover import PATIENCE, Next, Tried, following, kind_of, room, untried
from pointsman.line.hedges import SHARE, allowed, in_doubt, worth
from pointsman.line.parts import Call, Parts, Won
from pointsman.line.race import Found, Race
from pointsman.line.reserve import Reserved
from pointsman.line.trail import Ended, Note, Trail
from pointsman.line.words import in_our_terms
from pointsman.wire.told import Standing
from pointsman.wire.trip import NO_FILES, Incoming, Trip

_NO_TIME = 1_000_000
"""Nanoseconds; with less than that left of the caller's own limit nobody is asked any more."""
_MAX_TRIED = 100  # steps that are looked at, those that rest included
_HURRIES = 1.5
"""A call that may not be sent twice gives up who may well hang after so many times what is usual."""


class Hunt(msgspec.Struct, eq=False):
    """One call's search for an answer: runs a plan until a step wins. `tried` is what came of it so far."""

    parts: Parts
    call: Call
    plan: Plan
    trail: Trail
    tried: tuple[Tried, ...] = ()
    _deadline: int | None = None
    _last: UpstreamError | None = None
    _unasked: tuple[CallerError | NoCredentials, ...] = ()
    _step: Step | None = None
    _onward: tuple[Standing, int | None] | None = None
    _race: Race | None = None
    _hurry: float = 0.0

    async def go_on(self, error: UpstreamError, standing: Standing, spent: int | None) -> Won:
        """Somebody who goes on with the stream that broke with `error`.

        `standing` is what the caller has had of it, `spent` what that cost (nano-dollars; None is unknown). Raises as
        `run`.
        """
        if self._step is not None:
            step, last = self._step, self.trail.attempts[-1]
            if step.model.unseen and self.call.reserved is not None:  # more than was seen
                self.call.reserved.doubted(step, last.number)
            self.ended(step)
            self.tried = (*self.tried, Tried(step, kind_of(error, begun=True)))
        self._last = error
        self._onward = (standing, spent)
        return await self.run()

    async def run(self) -> Won:
        """An answer that may be delivered.

        Raises:
            UpstreamError: the only attempt's failure, or `AllAttemptsFailed`.
            CallerError: the request is wrong in itself.
        """
        timeout = self.call.wishes.timeout
        if timeout is not None and self._deadline is None:
            self._deadline = self.parts.clock.monotonic() + int(timeout * 1e9)
        due = await self._next() if self.tried else None
        step, anyway = (self.plan.steps[0], False) if due is None else (due.step, due.anyway)
        special = self.plan.hedge is not None or self.plan.probe
        while due is not None or not self.tried:
            race = self._raced(step, anyway) if special or self.tried else None
            found = await (self.ask(step, anyway) if race is None else self._run(race, step))
            if found is not None:
                self._step = found.step
                self.trail.open = found.note
                return found.won
            due = None if self._over() else await self._next()
            if due is not None:
                step, anyway = due.step, due.anyway
        raise self._failure()

    async def _run(self, race: Race, step: Step) -> Found | None:
        self._race = race
        try:
            return await race.run(step)
        finally:
            self._race = None  # the two hold each other

    async def _next(self) -> Next | None:
        """Who is to be asked now, once the wait before it is over."""
        retries = self.call.wishes.retries
        patience = PATIENCE if self.plan.patience is None else self.plan.patience
        found = following(self.plan, self.tried, retries=retries, patience=patience, speeds=self._speeds())
        if found is None or len(self.tried) >= _MAX_TRIED:
            return None
        if found.wait:
            clock = self.parts.clock
            if self._deadline is not None and clock.monotonic() + found.wait * 1e9 >= self._deadline:
                return None
            await asyncio.sleep(found.wait)
            self.trail.waited += int(found.wait * 1e9)
        return found

    def _raced(self, step: Step, anyway: bool) -> Race | None:
        """The race in which a step is asked, where another may be asked besides: see `race`."""
        self._hurry = 0.0
        states = self.states()
        doubt = not anyway and in_doubt(step, self.tried, states) and bool(self.others((step,)))
        hedge = self.plan.hedge if not self.tried and len(self.plan.steps) > 1 else None
        wishes, needs = self.call.wishes, self.call.incoming.needs
        if self._onward is not None or not (doubt or hedge) or not room(self.tried, 2, wishes.retries):
            return None
        if allowed(self.plan.hedge, needs):
            if hedge is not None:
                self.parts.hedges.earn(self.plan.route, hedge, worth(self.plan, step.model, needs))
            probe = step.target if states.get(step.target) == "half_open" else None
            return Race(self, doubt=doubt, probe=probe)
        if doubt:
            self._hurry = _HURRIES * (self.usual(step) or 0.0)
        return None

    def states(self) -> Mapping[Target, State]:
        """Who is not well now."""
        return self.parts.health.states(self.parts.clock.monotonic())

    def usual(self, step: Step) -> float | None:
        """Seconds within which nearly all answers of a step's target begin; None where that is not known."""
        return self.parts.health.usual(step.target, SHARE, stream=self.call.incoming.stream)

    def others(self, asked: Collection[Step]) -> list[Step]:
        """Who is well and may be asked beside those, other providers first."""
        states, targets = self.states(), {step.target for step in asked}
        left = untried(self.plan, self.tried, self._speeds())
        others = [one for one in left if one.target not in targets and one.target not in states]
        providers = {target.provider for target in targets}
        return sorted(others, key=lambda one: one.target.provider in providers)

    def _speeds(self) -> Mapping[Target, float]:
        """How quick those poorer stand-ins are that are well."""
        states = self.states()
        poorer = [step.target for step in self.plan.steps if step.stands == "poorer" and step.target not in states]
        return speeds(self.parts.health, poorer, stream=self.call.incoming.stream)

    async def ask(self, step: Step, anyway: bool = False, purpose: Purpose = "answer") -> Found | None:
        """Ask one; None where it has no answer, and what came of it is noted. `purpose` is what it is for."""
        parts, trail, model = self.parts, self.trail, step.model
        try:
            asking = await self._prepare(step)
        except (CallerError, NoCredentials) as error:  # this model cannot be asked; the next may
            forget_frames(error)
            self.ended(step)
            self._unasked = (*self._unasked, error)
            self.tried = (*self.tried, Tried(step, "not_asked"))
            trail.skip(model, error)
            return None
        target = step.target
        rest = parts.health.begin(target, parts.clock.monotonic(), anyway=anyway)
        if rest:
            self._last = self._resting(step, rest)
            self.ended(step)
            return None
        incoming, dropped = self.call.incoming, asking.trip.outgoing.dropped
        purpose = self._purpose(purpose)
        note = trail.begin(model, asking.request.headers, dropped, target, stream=incoming.stream, purpose=purpose)
        if model.price is not None and model.price.hours:
            asking = asking.at(note.started)
        try:
            won = await (begun(parts, asking) if incoming.stream else answered(parts, asking))
        except asyncio.CancelledError:
            trail.waited += parts.clock.monotonic() - note.at
            if self._race is not None:
                self._race.called_off(step, note)
            raise
        except UpstreamError as error:
            forget_frames(error)
            trail.waited += parts.clock.monotonic() - note.at
            wait = error.retry_after if isinstance(error, UpstreamRefused) else None
            self.tried = (*self.tried, Tried(step, kind_of(error), wait))
            self._last = last = in_our_terms(error, model, incoming.model, asking.request.headers)
            status = error.status if isinstance(error, UpstreamRefused) else 0
            told = self._told(error)
            free = RULES[self.tried[-1].kind].billed == "no" or model.free
            trail.finish(Ended(status=status, cost=0 if free else None, told=told), error=last, note=note)
            if free:
                self.ended(step)
            else:
                self.doubted(step, note)
            return None
        trail.heard(note, won.response)
        return Found(step, note, won)

    def ended(self, step: Step) -> None:
        """A step brought nothing, or what it cost is booked: what was held for it is free."""
        if self.call.reserved is not None:
            self.call.reserved.ended(step)

    def doubted(self, step: Step, note: Note) -> None:
        """A step's attempt brought nothing that counts, and may be billed: what was held for it stays held."""
        if self.call.reserved is not None:
            self.call.reserved.doubted(step, note.number)

    def _purpose(self, purpose: Purpose) -> Purpose:
        if self._onward is not None:
            return "continuation"
        return "check" if self.call.incoming.surface == "check" else purpose

    def _told(self, error: UpstreamError) -> PointsmanError:
        """What the health book hears of a failure: who had less time than its limit is not blamed as for all of it."""
        if self._over():
            return CallerGone("its own time has passed")
        hurried = self._hurry and isinstance(error, UpstreamTimeout) and error.phase == "first_byte"
        return Outpaced("its usual time has passed") if hurried else error

    def _resting(self, step: Step, rest: float) -> UpstreamError:
        model = step.model
        known = any(one.step.target == step.target and one.kind == "resting" for one in self.tried)
        self.tried = (*self.tried, Tried(step, "resting", rest))
        where = f"{model.name} at {model.provider.name}"
        error = UpstreamResting(f"{where} rests for another {rest:.1f} s: it failed, or asked for it", retry_after=rest)
        if not known:
            self.trail.skip(model, error)
        return self._last if isinstance(self._last, UpstreamRefused) else error

    async def _prepare(self, step: Step) -> Asking:
        """The request to a model. Nothing is sent yet, but files that the request names may be fetched.

        Raises:
            CallerError, NoCredentials: it cannot be asked.
        """
        parts, call, model = self.parts, self.call, step.model
        told, untold = (call, ()) if call.turn is None else call.turn.told(call, step)
        incoming = told.incoming
        if call.reserved is not None:
            incoming = await self._covered(call.reserved, incoming, step)
        way, incoming = dressed(parts.passages, call.dialect.name, incoming, step)
        if self._onward is not None:
            standing, spent = self._onward
            way = parts.passages.onward(call.dialect.name, step.dialect, standing, spent=spent)
        wanted = way.wants(incoming)
        files = await parts.fetcher.fetch(wanted) if wanted else NO_FILES
        if parts.sender.due(model.provider):
            await parts.sender.ready(model.provider)
        outgoing = way.write_request(incoming, model, files)
        if untold:
            outgoing = msgspec.structs.replace(outgoing, dropped=(*untold, *outgoing.dropped))
        trip = Trip(incoming=call.incoming, outgoing=outgoing, price=model.price, now=call.started)
        request = parts.sender.prepare(model, outgoing, call.arrival, self._limits(step), step.key)
        return Asking(model, way, trip, request)

    async def _covered(self, reserved: Reserved, incoming: Incoming, step: Step) -> Incoming:
        """The request with the bounds that what is held for it was counted with. Raises as `Reserved.cover`."""
        attempts = self.trail.attempts
        said = 0 if self._onward is None else len(f"{self._onward[0].text}{self._onward[0].reasoning}".encode())
        at_first = reserved.at_first(step, attempts, said)
        cap = reserved.untold(step) if at_first else await reserved.cover(step, attempts, said)
        dialect = self.call.dialect
        if cap is not None:
            incoming = dialect.capped(incoming, cap)
        if reserved.usual or reserved.uses:
            incoming = dialect.bounded(incoming, usual=reserved.usual, uses=reserved.uses)
        return incoming

    def _limits(self, step: Step) -> TimeLimits:
        """What is configured, learned, and left of the caller's own time; the least of them."""
        limits = step.model.provider.limits
        if not self.tried or not self._is_last(step):  # whoever is the last of several gets all the time there is
            stream = self.call.incoming.stream
            limits = self.parts.health.limits(step.target, limits, stream=stream, thinks=step.thinks)
            if self._hurry:
                limits = msgspec.structs.replace(limits, first_byte=min(limits.first_byte, self._hurry))
        if self._deadline is None:
            return limits
        left = max((self._deadline - self.parts.clock.monotonic()) / 1e9, 0.001)
        return msgspec.structs.replace(
            limits,
            total=min(limits.total, left),
            first_byte=min(limits.first_byte, left),
            connect=min(limits.connect, left),
        )

    def _is_last(self, step: Step) -> bool:
        tried = {one.step.target for one in self.tried} | {step.target}
        return len(tried) == len(self.plan.steps) > 1

    def _over(self) -> bool:
        """Whether the caller's own time has passed."""
        return self._deadline is not None and self.parts.clock.monotonic() + _NO_TIME >= self._deadline

    def _failure(self) -> PointsmanError:
        """The one error for a plan that brought no answer."""
        last, trail = self._last, self.trail
        if isinstance(last, UpstreamRefused) and not last.retryable:
            return last
        if last is not None and self._over():
            limit = f"the call's own limit of {self.call.wishes.timeout:g} s (x-pointsman-timeout) has passed"
            return UpstreamTimeout(f"{limit}; tried: {'; '.join(trail.tried)}", phase="total")
        if last is None:
            last = next((error for error in reversed(self._unasked) if isinstance(error, NoCredentials)), None)
            if last is None:
                return self._unasked[-1]
        return last if len(trail.tried) == 1 else AllAttemptsFailed(last, trail.tried, sent=len(trail.attempts))
