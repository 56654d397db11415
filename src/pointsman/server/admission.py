"""Who is served at once, who waits, who is turned away: the decision, without a clock and without asyncio.

There are so many places, and a room before them for a bounded number of calls, for a bounded time. While a place is
free nobody is asked anything: `in_flight < free` is the whole question. Otherwise high goes before normal before low,
within a priority the keys take turns, and no key takes more than its share of the room. A full room turns away whoever
matters least: the one who comes, or the last that waits with a lower priority.

A loop that lags is too busy for what it has taken on already (`Pressure`): first low calls are turned away, and while
that does not help, no more are served at once than were then. High calls are only held up by the number of places.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Literal, get_args

import msgspec

from pointsman.core.errors import Overloaded

Priority = Literal["high", "normal", "low"]
Reason = Literal["full", "share", "bytes", "lag", "pushed_out", "waited"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
_LONGEST_RETRY = 30
_WEIGHT = 0.2
"""Of the newest figure in the average of the seconds between two places that become free."""
_NANO = 1e-9


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds.

    Attributes:
        places: calls that are served at once.
        room: calls that wait for a place; 0: nobody waits.
        room_bytes: of the bodies of those who wait.
        share: the part of the room that one key may take, above 0 and at most 1.
        priority: of calls that do not say one.
    """

    places: int = 1000
    room: int = 1000
    room_bytes: int = 256 * 1024 * 1024
    share: float = 0.5
    priority: Priority = "normal"


class Ticket:
    """One call's place in the room.

    Attributes:
        granted: it has a place among those served, which `leave` gives back.
        lost: why it has to go; empty while it may stay.
        on_call: called once, when either comes.
    """

    __slots__ = ("granted", "key", "lost", "on_call", "priority", "since", "size")

    def __init__(self, key: str, priority: Priority, size: int, since: int) -> None:
        self.key, self.priority, self.size, self.since = key, priority, size, since
        self.granted = False
        self.lost: Reason | Literal[""] = ""
        self.on_call: Callable[[], None] = _nothing


class TurnedAway(Overloaded):
    """No place, and none in the room. `after` is the number of whole seconds after which trying again makes sense."""

    def __init__(self, reason: Reason, priority: Priority, after: int) -> None:
        super().__init__(_WORDS[reason], hint="try again shortly")
        self.reason, self.priority, self.after = reason, priority, after


class Admission:
    """The places and the room. Times are monotonic nanoseconds and handed in.

    Attributes:
        in_flight: calls being served, with those that are always served.
        free: up to this many nobody is asked anything.
        level: how far the loop lags behind: see `Pressure`.
    """

    __slots__ = (
        "_bytes",
        "_freed_at",
        "_held",
        "_most",
        "_pace",
        "_queues",
        "_rules",
        "free",
        "in_flight",
        "level",
        "waiting",
    )

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.in_flight = 0
        self.level = 0
        self.free = rules.places
        self.waiting = 0
        self._most = rules.places
        self._queues: dict[Priority, OrderedDict[str, deque[Ticket]]] = {one: OrderedDict() for one in PRIORITIES}
        self._held: dict[str, int] = {}
        self._bytes = 0
        self._freed_at = 0
        self._pace = 0.0

    def priority_of(self, said: bytes | None) -> Priority:
        """What a caller's header says; what the configuration does where it says nothing known."""
        for one in PRIORITIES:
            if said is not None and said.strip().lower() == one.encode():
                return one
        return self._rules.priority

    def enter(self, key: str, priority: Priority, size: int, now: int) -> Ticket | None:
        """A call that found no place free waits in the room; None: there is a place after all, and it counts.

        Args:
            key: who calls; empty where that is not known, and then the share does not bind.
            priority: of the call.
            size: bytes of its body.
            now: monotonic nanoseconds.

        Raises:
            TurnedAway: neither.
        """
        if self.level and priority == "low":
            raise self._turned_away("lag", priority)
        if not self._queues[priority] and self.in_flight < self._places(priority):
            self.in_flight += 1
            return None
        ticket = Ticket(key, priority, size, now)
        self._find_room(ticket)
        if not self.waiting:
            self._freed_at = now
        self._queues[priority].setdefault(key, deque()).append(ticket)
        self._count(ticket, 1)
        return ticket

    def leave(self, now: int) -> None:
        """A call is over; its place goes to whoever is next."""
        self.in_flight -= 1
        if self.waiting:
            gap = min((now - self._freed_at) * _NANO, float(_LONGEST_RETRY))
            self._pace += (gap - self._pace) * _WEIGHT
            self._freed_at = now
            self._call()

    def give_up(self, ticket: Ticket) -> TurnedAway:
        """Who waits has waited long enough, or has gone."""
        self._remove(ticket)
        return self._turned_away("waited", ticket.priority)

    def lost(self, ticket: Ticket) -> TurnedAway:
        """What is said to a ticket that has to go."""
        return self._turned_away(ticket.lost or "full", ticket.priority)

    def press(self, level: int) -> None:
        """The loop lags more or less than before."""
        if level == self.level:
            return
        if level >= 2 > self.level:
            self._most = max(min(self._rules.places, self.in_flight), 1)
        elif level < 2:
            self._most = self._rules.places
        self.level = level
        self.free = 0 if level else self._rules.places
        if level:
            self._lose_low()
        self._call()

    def retry_after(self) -> int:
        """Whole seconds after which a place may be free, judged by the pace at which places became free."""
        return max(1, min(_LONGEST_RETRY, round(self._pace * (self.waiting + 1))))

    def _places(self, priority: Priority) -> int:
        return self._rules.places if priority == "high" else self._most

    def _find_room(self, ticket: Ticket) -> None:
        rules = self._rules
        if ticket.key and self._held.get(ticket.key, 0) >= max(1, int(rules.room * rules.share)):
            raise self._turned_away("share", ticket.priority)
        if self._bytes + ticket.size > rules.room_bytes:
            raise self._turned_away("bytes", ticket.priority)
        if self.waiting < rules.room:
            return
        last = self._last_below(ticket.priority)
        if last is None:
            raise self._turned_away("full", ticket.priority)
        self._lose(last, "pushed_out")

    def _last_below(self, priority: Priority) -> Ticket | None:
        """Who came last of the lowest priority that waits, if that is below this one."""
        for one in reversed(PRIORITIES[PRIORITIES.index(priority) + 1 :]):
            queues = self._queues[one]
            if queues:
                return max((queue[-1] for queue in queues.values()), key=lambda ticket: ticket.since)
        return None

    def _call(self) -> None:
        """Give places to those who wait, as long as there are any."""
        for priority in PRIORITIES:
            queues, places = self._queues[priority], self._places(priority)
            while queues and self.in_flight < places:
                ticket = next(iter(queues.values()))[0]
                self._remove(ticket)
                if ticket.key in queues:
                    queues.move_to_end(ticket.key)  # the keys take turns
                ticket.granted = True
                self.in_flight += 1
                ticket.on_call()

    def _lose_low(self) -> None:
        for queue in list(self._queues["low"].values()):
            for ticket in list(queue):
                self._lose(ticket, "lag")

    def _lose(self, ticket: Ticket, reason: Reason) -> None:
        self._remove(ticket)
        ticket.lost = reason
        ticket.on_call()

    def _remove(self, ticket: Ticket) -> None:
        queues = self._queues[ticket.priority]
        queue = queues[ticket.key]
        queue.remove(ticket)
        if not queue:
            del queues[ticket.key]
        self._count(ticket, -1)

    def _count(self, ticket: Ticket, one: int) -> None:
        self.waiting += one
        self._bytes += one * ticket.size
        held = self._held.get(ticket.key, 0) + one
        if held:
            self._held[ticket.key] = held
        else:
            self._held.pop(ticket.key, None)

    def _turned_away(self, reason: Reason, priority: Priority) -> TurnedAway:
        return TurnedAway(reason, priority, self.retry_after())


class Pressure:
    """How far an event loop lags behind, judged once a second, with two thresholds so that it does not flutter.

    0: well. 1: it lagged by more than `high` over a whole second. 2: and did not get better within two more. Each
    second at `low` or less takes one level back; in between nothing changes.

    Attributes:
        lag: seconds of the last second's average.
        level: 0, 1 or 2.
    """

    def __init__(self, high: float = 0.25, low: float = 0.1) -> None:
        self._high, self._low = high, low
        self._began = 0.0
        self._late: list[float] = []
        self._seconds = 0
        self.lag = 0.0
        self.level = 0

    def sample(self, late: float, now: float) -> int:
        """A timer came `late` by so many seconds, at `now` (monotonic seconds); the level."""
        if not self._began:
            self._began = now
        self._late.append(late)
        if now - self._began < 1.0:
            return self.level
        self.lag = sum(self._late) / len(self._late)
        self._late.clear()
        self._began = now
        if self.lag > self._high:
            self._seconds += 1
            self.level = 2 if self._seconds > 2 else max(self.level, 1)
        elif self.lag <= self._low:
            self._seconds = 0
            self.level = max(self.level - 1, 0)
        return self.level


def _nothing() -> None:
    """Nobody waits for it."""


_WORDS: dict[Reason, str] = {
    "full": "As many calls as are served at once are being served, and as many as may are waiting",
    "share": "As many calls of this key are waiting as may",
    "bytes": "The calls that wait are too large together for one more",
    "lag": "The gateway is too busy for calls of low priority",
    "pushed_out": "The gateway is full, and a call of higher priority took this one's place among those that wait",
    "waited": "No place became free in time",
}
