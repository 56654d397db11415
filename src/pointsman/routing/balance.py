"""Who of several equals is asked first: pure functions of the candidates and of what is handed in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from pointsman.core.clock import Draw
from pointsman.core.failure import State, Target
from pointsman.core.health import Load
from pointsman.core.plan import Balance

_RANKS: dict[State, int] = {"closed": 0, "half_open": 0, "degraded": 1, "open": 2}
_UNKNOWN_BUSY = 1e6


class Candidate(NamedTuple):
    """Somebody who can serve a call.

    Attributes:
        target: who.
        weight: share of calls relative to the others; 0 is asked last.
        load: from the book of health.
        state: from the book of health.
    """

    target: Target
    weight: float = 1.0
    load: Load = Load()
    state: State = "closed"


class Toss(NamedTuple):
    """What makes two calls differ.

    Attributes:
        draw: randomness.
        turn: a counter that goes up with each call of the route.
        session: what calls that belong together share, e.g. a session's id or a digest of the prompt's beginning.
    """

    draw: Draw
    turn: int = 0
    session: str = ""


Picker = Callable[[Sequence[Candidate], Toss], list[Candidate]]
"""All candidates in the order in which to ask them; the first is the pick."""


def picked(balance: Balance, candidates: Sequence[Candidate], toss: Toss) -> list[Candidate]:
    """All candidates in the order of a balance; those that are degraded after those that are well, open ones last.

    Half open ones keep their place: the book of health lets one call at a time through to them, and without it nobody
    would find out that they are well again.
    """
    order = PICKERS[balance](candidates, toss)
    return sorted(order, key=_rank)


def round_robin(candidates: Sequence[Candidate], toss: Toss) -> list[Candidate]:
    """Each in its turn."""
    first = toss.turn % len(candidates) if candidates else 0
    return [*candidates[first:], *candidates[:first]]


def shuffle(candidates: Sequence[Candidate], toss: Toss) -> list[Candidate]:
    """Any order, all equally likely."""
    order = list(candidates)
    for last in range(len(order) - 1, 0, -1):
        place = int(toss.draw.random() * (last + 1))
        order[last], order[place] = order[place], order[last]
    return order


def weighted(candidates: Sequence[Candidate], toss: Toss) -> list[Candidate]:
    """First with a probability in proportion to the weight, and the rest among themselves likewise."""
    keys = [_key(candidate.weight, toss.draw.random()) for candidate in candidates]
    return [candidates[place] for place in sorted(range(len(candidates)), key=keys.__getitem__)]


def least_busy(candidates: Sequence[Candidate], toss: Toss) -> list[Candidate]:
    """Fewest attempts in flight for its weight; equals in any order."""
    return sorted(shuffle(candidates, toss), key=_busy)


def fastest(candidates: Sequence[Candidate], toss: Toss) -> list[Candidate]:
    """The better of two drawn, by the time until the first token and by how many wait for it already.

    Two drawn, and not the best of all: what is known is a little old, and all calls would run to the same one.
    """
    order = shuffle(candidates, toss)
    first = order[:2]
    return sorted(first, key=_cost) + sorted(order[2:], key=_cost)


def sticky(candidates: Sequence[Candidate], toss: Toss) -> list[Candidate]:
    """The same order for the same session, in proportion to the weights over all sessions.

    Rendezvous hashing: who joins or leaves moves only the sessions that are or were its own.
    """
    return sorted(candidates, key=lambda candidate: _key(candidate.weight, _hashed(toss.session, candidate.target)))


PICKERS: Mapping[Balance, Picker] = {
    "round_robin": round_robin,
    "shuffle": shuffle,
    "weighted": weighted,
    "least_busy": least_busy,
    "fastest": fastest,
    "sticky": sticky,
}
"""Every balance, by name."""


def _rank(candidate: Candidate) -> int:
    return _RANKS[candidate.state]


def _key(weight: float, uniform: float) -> float:
    """An exponential variate of rate `weight`: the smallest of several is each one's with probability by weight."""
    return -math.log(1.0 - uniform) / weight if weight > 0 else math.inf


def _busy(candidate: Candidate) -> float:
    return (candidate.load.in_flight + 1) / candidate.weight if candidate.weight > 0 else math.inf


def _cost(candidate: Candidate) -> float:
    """Of nobody's time known: asked once to find out, but not by all at once."""
    in_flight, first_token = candidate.load
    if first_token > 0.0:
        return first_token * (in_flight + 1)
    return _UNKNOWN_BUSY + in_flight if in_flight else 0.0


def _hashed(session: str, target: Target) -> float:
    """A number in [0, 1) that a session and a target share."""
    text = "\0".join((session, *target)).encode("utf-8", "surrogatepass")
    return (int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 11) / (1 << 53)
