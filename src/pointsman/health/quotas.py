"""What a provider's headers say of its limits, so that a 429 is avoided rather than met."""

from __future__ import annotations

import re

import msgspec

from pointsman.core.health import AttemptEnd, Headroom
from pointsman.core.ports import Headers
from pointsman.core.spans import NANOS, http_date, reset

_OPENAI = b"x-ratelimit-"
_ANTHROPIC = b"anthropic-ratelimit-"
_KINDS = {kind.encode(): kind for kind in ("requests", "tokens", "input-tokens", "output-tokens")}
_PARTS = frozenset((b"limit", b"remaining", b"reset"))
_PLAIN = re.compile(rb"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_MANY = 64
_MUCH = 0.25
_LITTLE = 0.01
_ENOUGH = 0.02
_SHORTEST = 0.5
_LONGEST = 600.0
_BELIEVED = 3600 * NANOS


class Budget(msgspec.Struct, kw_only=True):
    """One budget as last told. `reset` is monotonic nanoseconds; `whole`: nothing comes back before it."""

    kind: str
    limit: float | None
    remaining: float
    reset: int | None
    whole: bool


class Quotas:
    """The budgets of one target. Times in nanoseconds.

    OpenAI's and Anthropic's resets tell when a budget is full again, and budgets fill evenly: of 500 requests a minute,
    the next may be sent after 120 ms, not after the minute. So a used-up budget rests until a little of it is back.
    Where that was too soon, for an hour from then on, and where the form is another (`x-ratelimit-reset` alone), it
    rests until the reset.

    Attributes:
        plenty: much is left of every budget, so that not every answer's headers have to be read.
    """

    __slots__ = ("_budgets", "_read", "_whole_until", "plenty")

    def __init__(self) -> None:
        self._budgets: tuple[Budget, ...] = ()
        self._read = 0
        self._whole_until = 0
        self.plenty = True

    def too_soon(self, now: int) -> None:
        """What the headers promised to be back by now was not: a 429 came after a rest."""
        self._whole_until = now + _BELIEVED

    def take(self, end: AttemptEnd, now: int, wall: int) -> float:
        """Read an answer's headers: seconds for which the target should rest; 0.0 for none. `wall` since the epoch."""
        came = now if end.first_token is None else now - max(end.duration - end.first_token, 0)
        if came < self._read or not (found := _found(end.headers)):
            return 0.0
        self._read = came
        self.plenty = True
        budgets = []
        rest = 0.0
        for kind, parts in found.items():
            remaining = _count(parts.get(b"remaining", b""))
            if remaining is None:
                continue
            told = parts.get(b"reset", b"").decode("latin-1")
            span = reset(told, None)
            if span is None and told:  # a moment: rare, and dates cost more to read than all the rest
                span = reset(told, _moment(end.headers, wall - (now - came)))
            budget = Budget(
                kind=_KINDS.get(kind, "requests"),
                limit=_count(parts.get(b"limit", b"")),
                remaining=remaining,
                reset=None if span is None else came + int(span * NANOS),
                whole=not kind,
            )
            budgets.append(budget)
            if not _plenty(budget):
                self.plenty = False
            if _used_up(budget):
                rest = max(rest, self._rest(budget, came, now))
        self._budgets = tuple(budgets)
        return rest

    def headroom(self, now: int) -> tuple[Headroom, ...]:
        """What was last told, with the time that is left until each reset."""
        return tuple(
            Headroom(
                kind=each.kind,
                limit=None if each.limit is None else int(each.limit),
                remaining=int(each.remaining),
                reset=None if each.reset is None else max(each.reset - now, 0) / NANOS,
            )
            for each in self._budgets
        )

    def _rest(self, budget: Budget, came: int, now: int) -> float:
        limit, left = budget.limit, budget.remaining
        if budget.reset is None or budget.reset <= came:
            return 0.0
        span = (budget.reset - came) / NANOS
        if limit is not None and limit > left and not budget.whole and now >= self._whole_until:
            back = 1.0 if budget.kind == "requests" else limit * _ENOUGH
            span = max(span * min((back - left) / (limit - left), 1.0), _SHORTEST)
        return max(min(span, _LONGEST) - (now - came) / NANOS, 0.0)


def _found(headers: Headers) -> dict[bytes, dict[bytes, bytes]]:
    """By kind (empty: told none) the parts told."""
    found: dict[bytes, dict[bytes, bytes]] = {}
    for name, value in headers:
        if b"ratelimit-" not in name:
            continue
        if name.startswith(_OPENAI):
            part, _, kind = name[len(_OPENAI) :].partition(b"-")
        elif name.startswith(_ANTHROPIC):
            kind, _, part = name[len(_ANTHROPIC) :].rpartition(b"-")
        else:
            continue
        if part in _PARTS and (kind in _KINDS or not kind):
            found.setdefault(kind, {})[part] = value
    return found


def _moment(headers: Headers, ours: int) -> float:
    """Seconds since the epoch when an answer came: by the provider's clock, that of its resets, else by ours."""
    told = next((value for name, value in headers if name == b"date"), b"")
    date = http_date(told.decode("latin-1"))
    return ours / NANOS if date is None else date


def _count(text: bytes) -> float | None:
    """A number of requests or tokens; not as a wait, which is bounded."""
    return float(text) if _PLAIN.fullmatch(text) else None


def _used_up(budget: Budget) -> bool:
    if budget.kind == "requests" or not budget.limit:
        return budget.remaining < 1
    return budget.remaining < budget.limit * _LITTLE


def _plenty(budget: Budget) -> bool:
    if budget.kind == "requests" and budget.remaining < _MANY:
        return False
    return budget.limit is None or budget.remaining >= budget.limit * _MUCH
