"""A gate: one thing that may have to rest, and how it is asked again. A target passes three: provider, key, its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pointsman.core.clock import Draw
from pointsman.core.failure import Target
from pointsman.core.health import Cause

if TYPE_CHECKING:
    from pointsman.health.record import Record

SECOND = 1_000_000_000
IN_A_ROW = 3
PROBE_MAX = 120 * SECOND
REST_MAX = 600 * SECOND
_FIRST_REST = 5.0
_LONGEST_REST = 20.0
_LONGEST_PAUSE = 30.0
_DOUBLINGS = 6
_AGAIN = 1.0
_SLACK = SECOND // 20
_EARLY_EVERY = SECOND // 4
_HANGS = 2 * SECOND
_LONGEST_HOLD = 30.0
_FAILED: frozenset[Cause] = frozenset({"failures", "errors", "unreachable", "slow"})
"""Rests that nobody asked for: who rests so may be well again before its time."""


class Gate:
    """A breaker: closed, open until some moment, then half open with one probe at a time. Times in nanoseconds.

    What began before the gate's last change says nothing of now: fifty calls in flight that fail together are one
    opening, and an old call that ends well does not end a rest. A twentieth of a second of slack allows for clocks that
    are read a little before `begin`; nothing can begin in that time, as every rest is longer.

    Attributes:
        records: of the targets that pass it.
        state: closed, open, half_open.
        cause, why: of the state.
        after: the cause of the last rest.
        shown: the state that its targets were last judged by.
        until: when an open gate turns half open.
        queued: when the book looks at it again; 0 for never.
    """

    __slots__ = (
        "_draw",
        "_earliest",
        "_early",
        "_firm",
        "_fresh",
        "_needed",
        "_openings",
        "_pauses",
        "_probe",
        "_row",
        "_vouched",
        "_wanted",
        "after",
        "cause",
        "queued",
        "records",
        "shown",
        "state",
        "until",
        "why",
    )

    def __init__(self, draw: Draw, now: int) -> None:
        self._draw = draw
        self.records: dict[Target, Record] = {}
        self.state: Literal["closed", "open", "half_open"] = "closed"
        self.shown: Literal["closed", "open", "half_open"] = "closed"
        self.cause: Cause = ""
        self.after: Cause = ""
        self.why = ""
        self.until = 0
        self.queued = 0
        self._fresh = now
        self._probe: int | None = None
        self._early: int | None = None
        self._earliest = 0
        self._firm = self._vouched = False
        self._row = 0
        self._openings = 0
        self._pauses = 0
        self._needed = self._wanted = 1

    def fresh(self, began: int) -> bool:
        """Whether an attempt that began then says something of the present state."""
        return began >= self._fresh - _SLACK

    @property
    def calm(self) -> bool:
        """Whether it is closed and nothing failed since something went well."""
        return self.state == "closed" and not self._row

    def wait(self, now: int) -> float:
        """Seconds after which asking makes sense; 0.0 is now."""
        if self.state == "closed":
            return 0.0
        if self.state == "open":
            return max(self.until - now, 1) / SECOND
        if self._probe is None:
            return 0.0
        left = (self._probe + PROBE_MAX - now) / SECOND
        return min(left, _AGAIN) if left > 0 else 0.0

    def enter(self, now: int) -> None:
        """An attempt begins: of a half open gate, it is the probe."""
        if self.state == "half_open":
            self._probe = self._fresh = now

    def may_early(self, now: int) -> bool:
        """Whether one call may be let through before the rest is over, since nobody else is left.

        One at a time; beside one that hangs, another every two seconds: it may have begun before all was well again.
        """
        if self.state == "closed":
            return True
        if self._early is not None and now < self._early + _HANGS:
            return False
        if self.state == "half_open":
            return self._probe is None or now >= self._probe + _HANGS
        return self.cause in _FAILED and now >= self._earliest

    def enter_early(self, now: int) -> None:
        """That call begins. Its failure changes nothing, its success ends the rest."""
        if self.state == "open":
            self._early = now
        elif self.state == "half_open":
            self._probe = now  # and those that were let through before and still run may say how it is

    def _early_over(self, now: int, began: int) -> bool:
        """Whether that call is the one that ended."""
        if self._early is None or began < self._early - _SLACK:
            return False
        self._early = None
        self._earliest = now + _EARLY_EVERY
        return True

    def lapse(self, now: int) -> None:
        """Time has passed: a rest that is over makes way for a probe."""
        if self.state == "open" and now >= self.until:
            self.state = "half_open"
            self.cause, self.why = "time", "rested, one call at a time is let through to see"
            # `_fresh` stays: a call that was let through early and still runs may say how it is.

    def lapse_early(self, now: int) -> None:
        """The provider can be reached again: a rest for that reason is over."""
        if self.state == "open" and self.cause == "unreachable":
            self.until = now
            self.lapse(now)

    def well(self, now: int, began: int) -> None:
        """An attempt went well."""
        if self.state == "closed":
            self._row = 0
        elif self.state == "open":
            early = self._early is not None and self.fresh(began)  # also one beside which others were let through
            if self._early_over(now, began) or early:
                self._close(now)
        elif self.fresh(began):
            self._probe = None
            self._wanted -= 1
            if self._wanted <= 0:
                self._close(now)

    def ill(self, now: int, began: int, cause: Cause, why: str) -> None:
        """An attempt failed: the third in a row opens it, and so does a probe."""
        if self._early_over(now, began) or not self.fresh(began):
            return
        if self.state == "half_open":
            self._open(now, self._rest(), cause, f"{why} when it was asked again")
        elif self.state == "closed":
            self._row += 1
            if self._row >= IN_A_ROW:
                self.trip(now, cause, f"{self._row} failures in a row, the last: {why}")

    def trip(self, now: int, cause: Cause, why: str, probes: int = 1) -> None:
        """Open a closed gate; so many probes in a row have to go well before it closes."""
        self._needed = probes
        self._open(now, self._rest(), cause, why)

    def rest(self, now: int, began: int, told: float | None, cause: Cause, why: str) -> None:
        """Leave it alone for the seconds told; without them for longer each time in a row.

        Of a gate that is open already the longer time counts.
        """
        if self.state == "open":
            if told is not None:
                self.until = max(self.until, now + _nanos(told))
        elif self.fresh(began):
            if told is None:
                told = min(2.0**self._pauses, _LONGEST_PAUSE) * self._jitter()
                self._pauses = min(self._pauses + 1, _DOUBLINGS)
            self._needed = 1
            self._open(now, told, cause, why)

    def firm(self) -> None:
        """The rest that has begun is one that only time or an answer ends: a check says nothing about its reason."""
        self._firm = True

    def probing(self, now: int) -> bool:
        """Whether a call is under way that will show how it is."""
        under_way = self._early if self.state == "open" else self._probe
        return under_way is not None and now < under_way + PROBE_MAX

    def disprovable(self, now: int) -> bool:
        """Whether a check that asks for no answer could end this rest, or show that it should go on."""
        if self.probing(now):
            return False
        if self.state == "half_open":
            return self.after in _FAILED
        failed = self.cause in _FAILED or (self.cause == "key" and not self._firm)
        return self.state == "open" and failed and not self._vouched

    def vouch(self, now: int) -> None:
        """Such a check went well: one call may ask again at once.

        Until it was answered no other check is believed: what is listed well and answers ill would else be asked by
        a caller's call as often as it is checked.
        """
        if self.state == "closed":
            self._row = 0
        elif self.state == "open" and self.disprovable(now):
            self._vouched = True
            self.until = now
            self.lapse(now)
            self.why = "a check of it went well, one call at a time is let through to see"

    def concerned(self, now: int, *, counts: bool) -> bool:
        """Whether a failed check is a failure of it: half open, or closed where that `counts`."""
        return (self.state == "half_open" and not self.probing(now)) or (self.state == "closed" and counts)

    def hold(self, now: int, seconds: float) -> None:
        """A check failed: rest on until the next one can have been, so that no caller's call has to be it."""
        if self.state == "open" and self.cause in _FAILED:
            self.until = max(self.until, now + _nanos(min(seconds, _LONGEST_HOLD)))

    def free(self, began: int) -> None:
        """An attempt ended that tells nothing: if it was the probe, another may try."""
        self._early_over(began, began)
        if self.state == "half_open" and self.fresh(began):
            self._probe = None

    def overtaken(self, now: int, began: int) -> None:
        """Another answered before an attempt did: where that was the probe of one that had failed, it failed again.

        Else whoever hangs would be asked by call after call, and each would have to be helped out.
        """
        if self.state == "half_open" and self.after in _FAILED:
            self.ill(now, began, self.after, "silent after its usual time")
        else:
            self.free(began)

    def _rest(self) -> float:
        rest = min(_FIRST_REST * 2.0**self._openings, _LONGEST_REST) * self._jitter()
        self._openings = min(self._openings + 1, _DOUBLINGS)
        return rest

    def _jitter(self) -> float:
        return 0.8 + 0.4 * self._draw.random()

    def _open(self, now: int, seconds: float, cause: Cause, why: str) -> None:
        self.state = "open"
        self.until = now + _nanos(seconds)
        self.cause, self.why = cause, why
        self.after = cause
        self._fresh = now
        self._probe = self._early = None
        self._earliest = now + _EARLY_EVERY
        self._firm = False
        self._row = 0
        self._wanted = self._needed

    def _close(self, now: int) -> None:
        self.state = "closed"
        self.cause, self.why = "answered", "answered"
        self._fresh = now
        self._probe = self._early = None
        self._vouched = False
        self._row = self._openings = self._pauses = 0
        self._needed = self._wanted = 1


def _nanos(seconds: float) -> int:
    return min(max(int(seconds * SECOND), 2 * _SLACK), REST_MAX)
