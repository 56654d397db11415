"""Runs any plan: steps one after the other, until one has an answer that may be delivered.

Who is asked next, and after what wait, is decided in `failover`; here it is done, by one `attempt` after the other, or
by two side by side where the route hedges.
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
from pointsman.core.failure import State, Target
from pointsman.core.health import speeds
from pointsman.core.model import TimeLimits
from pointsman.core.plan import Plan, Step
from pointsman.core.usage import Usage
from pointsman.line.attempt import Asking, answered, begun
from pointsman.line.dressing import dressed
from pointsman.line.failover import PATIENCE, Next, Tried, final, following, kind_of, room, untried
from pointsman.line.hedges import LEAST, SHARE, UNLEARNED, allowed, in_doubt, worth
from pointsman.line.parts import Call, Parts, Won
from pointsman.line.trail import Ended, Note, Trail
from pointsman.line.words import in_our_terms
from pointsman.wire.told import Standing
from pointsman.wire.trip import NO_FILES, Trip

_NO_TIME = 1_000_000
"""Nanoseconds; with less than that left of the caller's own limit nobody is asked any more."""
_MAX_TRIED = 100  # steps that are looked at, those that rest included
_HURRIES = 1.5
"""A call that may not be sent twice gives up who may well hang after so many times what is usual."""


class Hunt(msgspec.Struct, eq=False):
    """One call's search for an answer: runs a plan until a step wins."""

    _parts: Parts
    _call: Call
    _plan: Plan
    _trail: Trail
    _deadline: int | None = None
    _tried: tuple[Tried, ...] = ()
    _last: UpstreamError | None = None
    _unasked: tuple[CallerError | NoCredentials, ...] = ()
    _step: Step | None = None
    _onward: tuple[Standing, int | None] | None = None
    _decided: bool = False
    _doubt: bool = False
    _probe: Target | None = None
    _hurry: float = 0.0

    async def go_on(self, error: UpstreamError, standing: Standing, spent: int | None) -> Won:
        """Somebody who goes on with the stream that broke with `error`.

        `standing` is what the caller has had of it, `spent` what that cost (nano-dollars; None is unknown). Raises as
        `run`.
        """
        if self._step is not None:
            self._tried = (*self._tried, Tried(self._step, kind_of(error, begun=True)))
        self._last = error
        self._onward = (standing, spent)
        return await self.run()

    async def run(self) -> Won:
        """An answer that may be delivered.

        Raises:
            UpstreamError: the only attempt's failure, or `AllAttemptsFailed`.
            CallerError: the request is wrong in itself.
        """
        timeout = self._call.wishes.timeout
        if timeout is not None and self._deadline is None:
            self._deadline = self._parts.clock.monotonic() + int(timeout * 1e9)
        due = await self._next() if self._tried else None
        step, anyway = (self._plan.steps[0], False) if due is None else (due.step, due.anyway)
        special = self._plan.hedge is not None or self._plan.probe
        while due is not None or not self._tried:
            race = (special or self._tried) and self._may_race(step, anyway)
            found = await (self._race(step) if race else self._ask(step, anyway))
            if found is not None:
                self._step = found.step
                self._trail.open = found.note
                return found.won
            due = None if self._over() else await self._next()
            if due is not None:
                step, anyway = due.step, due.anyway
        raise self._failure()

    async def _next(self) -> Next | None:
        """Who is to be asked now, once the wait before it is over."""
        retries = self._call.wishes.retries
        patience = PATIENCE if self._plan.patience is None else self._plan.patience
        found = following(self._plan, self._tried, retries=retries, patience=patience, speeds=self._speeds())
        if found is None or len(self._tried) >= _MAX_TRIED:
            return None
        if found.wait:
            clock = self._parts.clock
            if self._deadline is not None and clock.monotonic() + found.wait * 1e9 >= self._deadline:
                return None
            await asyncio.sleep(found.wait)
            self._trail.waited += int(found.wait * 1e9)
        return found

    def _may_race(self, step: Step, anyway: bool) -> bool:
        """Whether another may be asked besides: as the route says, or since this one may well hang."""
        plan, tried, states = self._plan, self._tried, self._states()
        self._hurry = 0.0
        self._doubt = not anyway and in_doubt(step, tried, states) and bool(self._others((step,)))
        self._probe = step.target if states.get(step.target) == "half_open" else None
        hedge = plan.hedge if not tried and len(plan.steps) > 1 else None
        needs = self._call.incoming.needs
        if self._onward is not None or not (self._doubt or hedge) or not room(tried, 2, self._call.wishes.retries):
            return False
        if allowed(plan.hedge, needs):
            if hedge is not None:
                self._parts.hedges.earn(plan.route, hedge, worth(plan, step.model, needs))
            return True
        if self._doubt:
            self._hurry = _HURRIES * (self._usual(step) or 0.0)
        return False

    def _states(self) -> Mapping[Target, State]:
        return self._parts.health.states(self._parts.clock.monotonic())

    def _usual(self, step: Step) -> float | None:
        return self._parts.health.usual(step.target, SHARE, stream=self._call.incoming.stream)

    def _others(self, asked: Collection[Step]) -> list[Step]:
        """Who is well and may be asked beside those, other providers first."""
        states, targets = self._states(), {step.target for step in asked}
        left = untried(self._plan, self._tried, self._speeds())
        others = [one for one in left if one.target not in targets and one.target not in states]
        providers = {target.provider for target in targets}
        return sorted(others, key=lambda one: one.target.provider in providers)

    def _speeds(self) -> Mapping[Target, float]:
        """How quick those poorer stand-ins are that are well."""
        states = self._states()
        poorer = [step.target for step in self._plan.steps if step.stands == "poorer" and step.target not in states]
        return speeds(self._parts.health, poorer, stream=self._call.incoming.stream)

    async def _race(self, step: Step) -> _Found | None:
        """Ask one, and when that takes long, another besides; in doubt, the next too when that one takes long.

        The first answer counts; the others are called off.
        """
        asked = [step]
        running = {asyncio.create_task(self._ask(step), name="first")}
        found: _Found | None = None
        waited, began = self._trail.waited, self._parts.clock.monotonic()
        try:
            try:
                after = self._hedge_after(step)
                while running and found is None and not final(self._tried):
                    done, running = await asyncio.wait(running, timeout=after, return_when=asyncio.FIRST_COMPLETED)
                    answered = [one for task in done if (one := task.result()) is not None]
                    found = next(iter(answered), None)
                    for late in answered[1:]:
                        await self._call_off(late)
                    after = None
                    if found is None and running and (other := self._hedge(asked, len(running))) is not None:
                        asked.append(other)
                        running.add(asyncio.create_task(self._ask(other), name="hedge"))
                        after = self._hedge_after(other) if self._doubt else None
                self._decided = True
            finally:
                await self._stop(running)
                self._trail.waited = waited + self._parts.clock.monotonic() - began  # once, though two were waited for
                self._decided = False
        except BaseException:  # the caller left meanwhile, and nobody else knows of the answer that came
            if found is not None:
                await found.won.response.aclose()
                self._called_off(found.step, found.note)
            raise
        return found

    def _hedge_after(self, step: Step) -> float | None:
        """Seconds before another is asked besides; None where it is not known yet what is usual."""
        hedge = self._plan.hedge
        after = (hedge.after if hedge is not None else None) or self._usual(step)
        if after is None:  # a stream is given up soon enough, and who thinks may do so for long
            whole = not self._call.incoming.stream and not step.thinks
            return UNLEARNED if self._doubt and whole else None
        return max(after, LEAST)

    def _hedge(self, asked: Collection[Step], running: int) -> Step | None:
        """Who is asked besides; None where nobody else is well, or it would cost too much.

        In doubt it costs next to nothing: it would be sent anyway, once those before it are given up.
        """
        if final(self._tried) or (len(asked) > 1 and not self._doubt):
            return None
        others = self._others(asked) if room(self._tried, running + 1, self._call.wishes.retries) else ()
        other = next(iter(others), None)
        if other is None or self._doubt:
            return other
        plan = self._plan
        price = worth(plan, other.model, self._call.incoming.needs)
        return other if self._parts.hedges.spend(plan.route, price) else None

    async def _stop(self, running: set[asyncio.Task[_Found | None]]) -> None:
        """Call off who is still being asked; what was sent to them is booked."""
        for task in running:
            task.cancel()
        for late in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(late, _Found):
                await self._call_off(late)

    async def _call_off(self, late: _Found) -> None:
        await late.won.response.aclose()
        self._outpaced(late.step, late.note)

    def _called_off(self, step: Step, note: Note) -> None:
        """Book an attempt that was cancelled; the open one of a caller who has left is booked with the call."""
        if self._decided:
            self._outpaced(step, note)
        elif self._trail.open is not note:
            self._trail.finish(Ended(), error=CallerGone("The caller left before the answer was complete"), note=note)

    def _outpaced(self, step: Step, note: Note) -> None:
        """Book an attempt that was called off: its prompt was read, and who reads it takes money for it.

        One that was to show whether its target is well has failed: else call after call would have to be helped out.
        """
        if step.target == self._probe and note.first_token is None:
            late = UpstreamTimeout("still silent after its usual time; another has answered", phase="first_byte")
            self._trail.finish(Ended(cost=0, told=Outpaced("its usual time has passed")), error=late, note=note)
            return
        usage = Usage(input=self._call.incoming.needs.input_tokens, estimated=True)
        price = step.model.price
        cost = price.cost(usage) if price is not None else None
        self._trail.finish(Ended(usage=usage, cost=cost), error=Outpaced("another attempt was quicker"), note=note)

    async def _ask(self, step: Step, anyway: bool = False) -> _Found | None:
        """Ask one; None where it has no answer, and what came of it is noted."""
        parts, trail, model = self._parts, self._trail, step.model
        try:
            asking = await self._prepare(step)
        except (CallerError, NoCredentials) as error:  # this model cannot be asked; the next may
            forget_frames(error)
            self._unasked = (*self._unasked, error)
            self._tried = (*self._tried, Tried(step, "not_asked"))
            trail.skip(model, error)
            return None
        target = step.target
        rest = parts.health.begin(target, parts.clock.monotonic(), anyway=anyway)
        if rest:
            self._last = self._resting(step, rest)
            return None
        incoming, dropped = self._call.incoming, asking.trip.outgoing.dropped
        note = trail.begin(model, asking.request.headers, dropped, target, stream=incoming.stream)
        try:
            won = await (begun(parts, asking) if incoming.stream else answered(parts, asking))
        except asyncio.CancelledError:
            trail.waited += parts.clock.monotonic() - note.at
            self._called_off(step, note)
            raise
        except UpstreamError as error:
            forget_frames(error)
            trail.waited += parts.clock.monotonic() - note.at
            wait = error.retry_after if isinstance(error, UpstreamRefused) else None
            self._tried = (*self._tried, Tried(step, kind_of(error), wait))
            self._last = last = in_our_terms(error, model, incoming.model, asking.request.headers)
            status = error.status if isinstance(error, UpstreamRefused) else 0
            told = self._told(error)
            trail.finish(Ended(status=status, cost=0, told=told), error=last, note=note)
            return None
        trail.heard(note, won.response)
        return _Found(step, note, won)

    def _told(self, error: UpstreamError) -> PointsmanError:
        """What the health book hears of a failure: who had less time than its limit is not blamed as for all of it."""
        if self._over():
            return CallerGone("its own time has passed")
        hurried = self._hurry and isinstance(error, UpstreamTimeout) and error.phase == "first_byte"
        return Outpaced("its usual time has passed") if hurried else error

    def _resting(self, step: Step, rest: float) -> UpstreamError:
        model = step.model
        known = any(one.step.target == step.target and one.kind == "resting" for one in self._tried)
        self._tried = (*self._tried, Tried(step, "resting", rest))
        where = f"{model.name} at {model.provider.name}"
        error = UpstreamResting(f"{where} rests for another {rest:.1f} s: it failed, or asked for it", retry_after=rest)
        if not known:
            self._trail.skip(model, error)
        return self._last if isinstance(self._last, UpstreamRefused) else error

    async def _prepare(self, step: Step) -> Asking:
        """The request to a model. Nothing is sent yet, but files that the request names may be fetched.

        Raises:
            CallerError, NoCredentials: it cannot be asked.
        """
        parts, call, model = self._parts, self._call, step.model
        told, untold = (call, ()) if call.turn is None else call.turn.told(call, step)
        way, incoming = dressed(parts.passages, told, step)
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
        fresh = not self._tried and self._deadline is None and not self._hurry  # as nearly all are
        configured, stream = model.provider.limits, call.incoming.stream
        limits = (
            parts.health.limits(step.target, configured, stream=stream, thinks=step.thinks)
            if fresh
            else self._limits(step)
        )
        request = parts.sender.prepare(model, outgoing, call.arrival, limits, step.key)
        return Asking(model, way, trip, request)

    def _limits(self, step: Step) -> TimeLimits:
        """What is configured, learned, and left of the caller's own time; the least of them."""
        limits = step.model.provider.limits
        if not self._tried or not self._is_last(step):  # whoever is the last of several gets all the time there is
            stream = self._call.incoming.stream
            limits = self._parts.health.limits(step.target, limits, stream=stream, thinks=step.thinks)
            if self._hurry:
                limits = msgspec.structs.replace(limits, first_byte=min(limits.first_byte, self._hurry))
        if self._deadline is None:
            return limits
        left = max((self._deadline - self._parts.clock.monotonic()) / 1e9, 0.001)
        return msgspec.structs.replace(
            limits,
            total=min(limits.total, left),
            first_byte=min(limits.first_byte, left),
            connect=min(limits.connect, left),
        )

    def _is_last(self, step: Step) -> bool:
        tried = {one.step.target for one in self._tried} | {step.target}
        return len(tried) == len(self._plan.steps) > 1

    def _over(self) -> bool:
        """Whether the caller's own time has passed."""
        return self._deadline is not None and self._parts.clock.monotonic() + _NO_TIME >= self._deadline

    def _failure(self) -> PointsmanError:
        """The one error for a plan that brought no answer."""
        last, trail = self._last, self._trail
        if isinstance(last, UpstreamRefused) and not last.retryable:
            return last
        if last is not None and self._over():
            limit = f"the call's own limit of {self._call.wishes.timeout:g} s (x-pointsman-timeout) has passed"
            return UpstreamTimeout(f"{limit}; tried: {'; '.join(trail.tried)}", phase="total")
        if last is None:
            last = next((error for error in reversed(self._unasked) if isinstance(error, NoCredentials)), None)
            if last is None:
                return self._unasked[-1]
        return last if len(trail.tried) == 1 else AllAttemptsFailed(last, trail.tried, sent=len(trail.attempts))


class _Found(msgspec.Struct, frozen=True):
    """An answer that may be delivered: of which step, with its notes."""

    step: Step
    note: Note
    won: Won
