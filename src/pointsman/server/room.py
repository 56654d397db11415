"""The room before the places: waiting, in asyncio, for what `admission` decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pointsman.core.call import Arrival
from pointsman.server.admission import Admission, Priority, TurnedAway

_PRIORITY = b"x-pointsman-priority"
_NANO = 1e-9


class Room:
    """Where calls wait that found no place free.

    Args:
        admission: decides.
        longest: seconds that a call may wait.
        now: monotonic nanoseconds.
        who: whose call it is; empty where that is not known, None where its key is no good: it is let through at once,
            for it will be refused.
        on_waited: hears of each call that has waited and got its place: priority and seconds.
        on_turned_away: hears of each that has not.
    """

    def __init__(
        self,
        admission: Admission,
        longest: float,
        now: Callable[[], int],
        who: Callable[[Arrival], str | None],
        on_waited: Callable[[Priority, float], None],
        on_turned_away: Callable[[TurnedAway], None],
    ) -> None:
        self._admission = admission
        self._longest = longest
        self._now = now
        self._who = who
        self._on_waited = on_waited
        self._on_turned_away = on_turned_away

    async def enter(self, arrival: Arrival) -> None:
        """Get a place, which is to be given back; where there is none, wait for it.

        Raises:
            TurnedAway: there is none.
        """
        try:
            await self._enter(arrival)
        except TurnedAway as error:
            self._on_turned_away(error)
            raise

    async def _enter(self, arrival: Arrival) -> None:
        admission = self._admission
        key = self._who(arrival)
        if key is None:
            admission.in_flight += 1
            return
        priority = admission.priority_of(arrival.lookup.get(_PRIORITY))
        ticket = admission.enter(key, priority, len(arrival.body), self._now())
        if ticket is None:
            return
        called = asyncio.get_running_loop().create_future()
        ticket.on_call = lambda: None if called.done() else called.set_result(None)
        try:
            await asyncio.wait((called,), timeout=self._longest)
        except asyncio.CancelledError:  # the caller has left
            if ticket.granted:
                admission.leave(self._now())
            elif not ticket.lost:
                admission.give_up(ticket)
            raise
        if ticket.lost:
            raise admission.lost(ticket)
        if not ticket.granted:
            raise admission.give_up(ticket)
        self._on_waited(priority, (self._now() - ticket.since) * _NANO)
