"""What the gateway's own checks tell the book of health, and whom a check could say anything of.

A check that asks for no answer proves little: that a provider can be reached, and takes a key. So it may end a rest
that came of a failure, once, and never one that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.core.failure import RULES, FailureKind, State, Target, Tells
from pointsman.core.health import Cause
from pointsman.health.book import KEY_REST, Book
from pointsman.health.gate import Gate

_RESTS: frozenset[State] = frozenset(("open", "half_open"))
_ILL: frozenset[Tells] = frozenset(("failure", "provider_failure"))


class Checkup:
    """For those who check. `now` is monotonic nanoseconds.

    Args:
        book: the book of health.
    """

    def __init__(self, book: Book) -> None:
        self._book = book

    def resting(self, now: int) -> list[Target]:
        """Who is open or half open."""
        states = self._book.states(now)
        return [target for target, state in states.items() if state in _RESTS] if states else []

    def askable(self, target: Target, now: int) -> bool:
        """Whether `begin` would let a check that asks the model through, before its time where it failed."""
        record = self._book.known(target)
        return record is None or all(gate.may_early(now) for gate in record.gates)

    def disprovable(self, target: Target, now: int) -> bool:
        """Whether a check that asks for no answer could say something of a target that rests."""
        record = self._book.known(target)
        return record is not None and any(gate.disprovable(now) for gate in record.gates)

    def passed(self, targets: Iterable[Target], now: int, *, key_taken: bool) -> None:
        """A check that asks for no answer went well: who rested since it failed is half open at once.

        `targets` are of one provider and key. Without `key_taken` all that is known is that it can be reached.
        """
        for target in targets:
            record = self._book.opened(target, now)
            record.provider.vouch(now)
            if key_taken:
                record.key.vouch(now)
                if record.own.state == "open":
                    record.own.vouch(now)
            self._book.settle(record, now)

    def failed(
        self, targets: Iterable[Target], failure: FailureKind, began: int, now: int, *, hold: float, counts: bool
    ) -> None:
        """Such a check failed: who rests does so for `hold` seconds more, who is half open rests again.

        `targets` are of one provider and key. `counts`: it is one failure of those as well who do not rest.
        """
        tells, why = RULES[failure].tells, f"a check: {RULES[failure].meaning}"
        own: Cause = "unreachable" if tells == "provider_failure" else "failures"
        for number, target in enumerate(targets):
            record = self._book.opened(target, now)
            provider, key = record.provider, record.key
            first = number == 0  # what all of them share is told once
            if tells in _ILL:
                _fail(record.own, own, why, began, now, hold=hold, counts=False)
                if first:
                    _fail(provider, "unreachable", why, began, now, hold=hold, counts=counts)
            elif first and tells == "key_pause" and (key.state == "half_open" or (counts and key.state == "closed")):
                key.rest(now, began, KEY_REST, "key", why)
            record.look_again()
            self._book.settle(record, now)

    def hold(self, target: Target, now: int, seconds: float) -> None:
        """A check that asked the model failed: it rests so much longer, where it rests since it failed."""
        record = self._book.known(target)
        if record is not None:
            for gate in (record.provider, record.own):
                gate.hold(now, seconds)


def _fail(gate: Gate, cause: Cause, why: str, began: int, now: int, *, hold: float, counts: bool) -> None:  # noqa: PLR0913 - what came of a check, and when
    if gate.concerned(now, counts=counts):
        gate.ill(now, began, cause, why)
    gate.hold(now, hold)
