"""Several asked beside each other, one after the other: the first answer counts, the others are called off.

A race begins with one step. Another is asked when that takes longer than it usually does: one, where the route hedges
and its price allows it; in doubt, which is where whoever was asked may well hang (`hedges.in_doubt`), one after the
other, since each of them would be asked anyway once those before it are given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from pointsman.core.errors import CallerGone, Outpaced, UpstreamTimeout
from pointsman.core.failure import Target
from pointsman.core.outcome import Purpose
from pointsman.core.plan import Step
from pointsman.core.usage import Usage
from pointsman.line.failover import final, room
from pointsman.line.hedges import LEAST, UNLEARNED, worth
from pointsman.line.parts import Won
from pointsman.line.trail import Ended, Note

if TYPE_CHECKING:
    from pointsman.line.executor import Hunt


class Found(msgspec.Struct, frozen=True):
    """An answer that may be delivered: of which step, with its notes."""

    step: Step
    note: Note
    won: Won


class Race:
    """One race of a call.

    Args:
        hunt: whose it is.
        doubt: whether whoever is asked may well hang.
        probe: who is asked to see whether it is well again.
    """

    def __init__(self, hunt: Hunt, *, doubt: bool, probe: Target | None) -> None:
        self._hunt = hunt
        self._doubt = doubt
        self._probe = probe
        self._decided = False

    async def run(self, step: Step) -> Found | None:
        """The first answer; None where nobody has one."""
        trail, clock = self._hunt.trail, self._hunt.parts.clock
        waited, began = trail.waited, clock.monotonic()
        running = {self._start(step, "first")}
        found: Found | None = None
        try:
            try:
                answered = await self._first([step], running)
                found = next(iter(answered), None)
                for late in answered[1:]:
                    await self._call_off(late)
                self._decided = True
            finally:
                await self._stop(running)
                trail.waited = waited + clock.monotonic() - began  # once, though several were waited for
                self._decided = False
        except BaseException:  # the caller left meanwhile, and nobody else knows of the answer that came
            if found is not None:
                await found.won.response.aclose()
                self.called_off(found.step, found.note)
            raise
        return found

    def called_off(self, step: Step, note: Note) -> None:
        """Book an attempt that was cancelled; the open one of a caller who has left is booked with the call."""
        trail = self._hunt.trail
        self._hunt.doubted(step, note)
        if self._decided:
            self._outpaced(step, note)
        elif trail.open is not note:
            trail.finish(Ended(), error=CallerGone("The caller left before the answer was complete"), note=note)

    async def _first(self, asked: list[Step], running: set[asyncio.Task[Found | None]]) -> list[Found]:
        """Wait for an answer, and ask others meanwhile; those that came first, at the same moment.

        What is still `running` at the end is to be stopped.
        """
        after = self._after(asked[0])
        while running and not final(self._hunt.tried):
            done, _ = await asyncio.wait(running, timeout=after, return_when=asyncio.FIRST_COMPLETED)
            running -= done
            answered = [one for task in done if (one := task.result()) is not None]
            if answered:
                return answered
            after = None
            if running and (other := self._another(asked, len(running))) is not None:
                asked.append(other)
                running.add(self._start(other, "hedge"))
                after = self._after(other) if self._doubt else None
        return []

    def _start(self, step: Step, name: str) -> asyncio.Task[Found | None]:
        purpose: Purpose = "hedge" if name == "hedge" else "answer"
        return asyncio.create_task(self._hunt.ask(step, purpose=purpose), name=name)

    def _after(self, step: Step) -> float | None:
        """Seconds before another is asked besides; None where it is not known yet what is usual."""
        hunt, hedge = self._hunt, self._hunt.plan.hedge
        after = (hedge.after if hedge is not None else None) or hunt.usual(step)
        if after is None:  # a stream is given up soon enough, and who thinks may do so for long
            whole = not hunt.call.incoming.stream and not step.thinks
            return UNLEARNED if self._doubt and whole else None
        return max(after, LEAST)

    def _another(self, asked: Collection[Step], running: int) -> Step | None:
        """Who is asked besides; None where nobody else is well, or it would cost too much."""
        hunt = self._hunt
        if final(hunt.tried) or (len(asked) > 1 and not self._doubt):
            return None
        others = hunt.others(asked) if room(hunt.tried, running + 1, hunt.call.wishes.retries) else ()
        other = next(iter(others), None)
        if other is None or self._doubt:
            return other
        price = worth(hunt.plan, other.model, hunt.call.incoming.needs)
        return other if hunt.parts.hedges.spend(hunt.plan.route, price) else None

    async def _stop(self, running: set[asyncio.Task[Found | None]]) -> None:
        """Call off who is still being asked; what was sent to them is booked."""
        for task in running:
            task.cancel()
        for late in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(late, Found):
                await self._call_off(late)

    async def _call_off(self, late: Found) -> None:
        await late.won.response.aclose()
        self._hunt.doubted(late.step, late.note)
        self._outpaced(late.step, late.note)

    def _outpaced(self, step: Step, note: Note) -> None:
        """Book an attempt that was called off: its prompt was read, and who reads it takes money for it.

        One that was to show whether its target is well has failed: else call after call would have to be helped out.
        """
        hunt = self._hunt
        if step.target == self._probe and note.first_token is None:
            late = UpstreamTimeout("still silent after its usual time; another has answered", phase="first_byte")
            hunt.trail.finish(Ended(told=Outpaced("its usual time has passed")), error=late, note=note)
            return
        call = hunt.call
        read = hunt.parts.estimates.read(call.dialect.name, call.incoming, step.model.upstream)
        usage = Usage(input=read, estimated=True)
        price = step.model.price
        cost = price.cost(usage, note.started) if price is not None else None
        hunt.trail.finish(Ended(usage=usage, cost=cost), error=Outpaced("another attempt was quicker"), note=note)
