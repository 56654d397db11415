"""Who is asked next, and when: a pure choice from the plan and what was tried so far.

What a failure means stands in `core.failure.RULES`; here stands only how the rows are followed:

1. A failure that nobody can mend (a request that is wrong, a filter) ends the call.
2. Another step of the plan is asked at once; of those that are poorer than what was wanted, the quickest. Steps that
   the failure speaks of as well come last: those of a provider that cannot be reached, those of the model that broke.
   In a chain, the operator's own order, only the former do. A model of this machine comes after the clouds that can be
   reached.
3. A rate limit is waited for only where all that is left is the same provider or a lower tier, and the provider said a
   time within the route's patience.
4. Where nobody is left, the first target whose failure allows it is asked once more; and if all that is left rests,
   whoever is due first is asked before its time, one call at a time, while the route's patience lasts.
5. A route's `retries` come before the next step, a caller's limit or extend all of it; never more than ten attempts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from pointsman.core.errors import (
    ConnectFailed,
    NoCredentials,
    UpstreamCut,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
)
from pointsman.core.failure import RULES, FailureKind, Target
from pointsman.core.model import TIERS, Model
from pointsman.core.plan import NO_SPEEDS, Plan, Stands, Step, quickest_first

MAX_ATTEMPTS = 10
PATIENCE = 3.0
"""Seconds that a call waits for a provider which asked for it, where a route says nothing else."""
_QUICK = 0.25
_UNTOLD = 1.0
"""Seconds before asking again where a provider limits its callers and does not say for how long."""
_LONGEST = 5.0
_KINDS: dict[str, FailureKind] = {
    "rate_limit_exceeded": "rate_limited",
    "insufficient_quota": "out_of_credit",
    "invalid_api_key": "bad_key",
    "not_permitted": "forbidden",
    "model_not_found": "model_gone",
    "context_length_exceeded": "context_length",
    "content_filter": "content_filter",
    "overloaded": "overloaded",
    "request_timeout": "server_error",
}
_PREFILL = ("prefill", "expected last role", "last message must be", "final assistant")
"""What providers say of a conversation that ends with the assistant's turn, where they do not take that."""
_STATUSES: dict[int, FailureKind] = {
    401: "bad_key",
    402: "out_of_credit",
    403: "forbidden",
    404: "model_gone",
    408: "server_error",
    409: "server_error",
    425: "server_error",
    429: "rate_limited",
    503: "overloaded",
}
_TIMEOUTS: dict[str, FailureKind] = {"connect": "connect_timeout", "total": "too_long"}
_OF_ONE_KEY: frozenset[FailureKind] = frozenset({"rate_limited", "out_of_credit", "bad_key", "forbidden"})
"""What another key at the same provider may mend."""
_MOST_RESTS = 3
_RESERVE: frozenset[Stands] = frozenset({"local", "demonstration"})
_UNSENT: frozenset[FailureKind] = frozenset({"not_asked", "resting"})


class Tried(NamedTuple):
    """A step that was asked, or could not be: what came of it, and the seconds that the provider asked to wait."""

    step: Step
    kind: FailureKind
    retry_after: float | None = None


class Next(NamedTuple):
    """Who is asked next, after so many seconds; `anyway` even if it rests, since nobody else is left."""

    step: Step
    wait: float = 0.0
    anyway: bool = False


def kind_of(error: UpstreamError, *, begun: bool = False) -> FailureKind:
    """The row of the table that a failure belongs to; `begun`: some of the answer had come."""
    if isinstance(error, UpstreamRefused):
        return _refusal(error)
    if isinstance(error, ConnectFailed):
        return error.kind
    if isinstance(error, UpstreamTimeout):
        return _TIMEOUTS.get(error.phase) or ("stalled" if begun else "silent")
    if isinstance(error, UpstreamCut):
        return "cut" if begun or error.headed else "reset"
    return "not_asked" if isinstance(error, NoCredentials) else "garbage"


def _refusal(error: UpstreamRefused) -> FailureKind:
    kind = _KINDS.get(error.kind)
    if kind is not None:
        return kind
    if error.status == 400:
        words = error.message.lower()
        if any(said in words for said in _PREFILL):
            return "prefill_refused"
        if error.kind == "unsupported_parameter" or "unsupported" in words or "not supported" in words:
            return "unsupported_parameter"
    return _STATUSES.get(error.status) or ("server_error" if error.status >= 500 else "bad_request")


def following(
    plan: Plan,
    tried: Sequence[Tried],
    *,
    retries: int | None = None,
    patience: float = PATIENCE,
    speeds: Mapping[Target, float] = NO_SPEEDS,
) -> Next | None:
    """The next attempt; None where nobody can do better.

    Args:
        plan: its steps are not empty.
        tried: in order, each with what came of it.
        retries: the caller's wish: so many attempts after the first, no more and no fewer while they make sense.
        patience: most seconds to wait for a provider that asks for it.
        speeds: seconds until a target usually begins to answer: of those that are well, where it is known.
    """
    if not tried:
        return Next(plan.steps[0])
    if not room(tried, 1, retries) or final(tried):
        return None
    return (
        _at_once_again(plan, tried)
        or _elsewhere(plan, tried, patience, speeds)
        or _once_more(tried, retries, patience)
        or _last_resort(tried, patience)
    )


def final(tried: Sequence[Tried]) -> bool:
    """Whether the last failure is one that nobody can mend."""
    return bool(tried) and RULES[tried[-1].kind].elsewhere == "no"


def room(tried: Sequence[Tried], more: int, retries: int | None) -> bool:
    """Whether so many more requests may be sent, by the caller's wish and in all."""
    sent = sum(one.kind not in _UNSENT for one in tried)
    return sent + more <= (MAX_ATTEMPTS if retries is None else min(retries + 1, MAX_ATTEMPTS))


def _elsewhere(plan: Plan, tried: Sequence[Tried], patience: float, speeds: Mapping[Target, float]) -> Next | None:
    """A step that was not tried; before a poorer one, the same again where it said when."""
    last = tried[-1]
    left = untried(plan, tried, speeds)
    if last.kind == "rate_limited" and last.retry_after is not None and _times(tried, last.step) < 2:
        wait = _told(last, patience)
        if wait is not None and not any(_as_good(step, last.step) for step in left):
            return Next(last.step, wait)
    return Next(left[0]) if left else None


def _at_once_again(plan: Plan, tried: Sequence[Tried]) -> Next | None:
    """A further attempt on the same model, where the route says so and it makes sense."""
    last = tried[-1]
    if not plan.retries or last.kind in _UNSENT or RULES[last.kind].again == "no":
        return None
    times = _times(tried, last.step)
    if times > plan.retries:
        return None
    wait = max(_backoff(times), last.retry_after or 0.0)
    return Next(last.step, wait) if wait <= _LONGEST else None


def untried(plan: Plan, tried: Sequence[Tried], speeds: Mapping[Target, float] = NO_SPEEDS) -> list[Step]:
    """The steps that were not tried and may help, those of which a failure speaks as well at the end.

    Poorer ones by `speeds`, see `following`; those of this machine after all clouds that can be reached.
    """
    done = [one.step.target for one in tried]
    left = [step for step in plan.steps if step.target not in done and not any(_useless(step, one) for one in tried)]
    chain = plan.strategy == "chain"

    def doubt(step: Step) -> int:
        most = max((_doubt(step, one, chain=chain) for one in tried), default=0)
        return max(most, 1) if step.stands in _RESERVE else most

    alike = groupby(sorted(left, key=doubt), key=doubt)
    return [step for _, steps in alike for step in quickest_first(steps, speeds)]


def _useless(step: Step, one: Tried) -> bool:
    """Whether a failure is sure to come again."""
    other = one.step
    if one.kind in ("out_of_credit", "bad_key"):
        return step.target.provider == other.target.provider and step.target.key == other.target.key
    if one.kind == "context_length":
        return step.model.context <= other.model.context
    if one.kind in ("model_gone", "content_filter", "unsupported_parameter", "prefill_refused"):
        return step.target.provider == other.target.provider and step.model.upstream == other.model.upstream
    return False


def _doubt(step: Step, one: Tried, *, chain: bool) -> int:
    """How far a failure speaks of a step too: 0 not at all, 1 of its provider, 2 of all that it could be asked."""
    if step.target.provider != one.step.target.provider or one.kind in _UNSENT:
        return 0
    if RULES[one.kind].tells == "provider_failure":
        return 2
    if one.kind in _OF_ONE_KEY:
        return 0 if step.target.key != one.step.target.key else int(not chain)
    return int(not chain or step.model.upstream == one.step.model.upstream)


def _as_good(step: Step, other: Step) -> bool:
    """Whether a step is neither of the same provider and key nor of a lower tier."""
    same = step.target.provider == other.target.provider and step.target.key == other.target.key
    return not same and _tier(step.model) >= _tier(other.model)


def _tier(model: Model) -> int:
    return TIERS.index(model.tier) if model.tier is not None else 1


def _told(one: Tried, patience: float) -> float | None:
    """How long to wait before asking again; None where that is too long, or makes no sense."""
    again = RULES[one.kind].again
    if again == "no":
        return None
    if again == "quick" and one.retry_after is None:
        return _QUICK
    if one.retry_after is None:
        return _UNTOLD if one.kind == "rate_limited" else _QUICK
    return one.retry_after if one.retry_after <= patience else None


def _once_more(tried: Sequence[Tried], retries: int | None, patience: float) -> Next | None:
    """The first target whose failure allows another attempt: one for each call, or as many as the caller wishes."""
    if retries is None and any(_times(tried, one.step) > 1 for one in tried):
        return None
    found: list[tuple[int, Tried, float]] = []
    for one in _latest(tried):
        wait = _told(one, patience)
        if wait is not None and _rested(tried, one.step) < _MOST_RESTS:
            found.append((_times(tried, one.step), one, wait))
    if not found:
        return None
    times, one, wait = min(found, key=lambda each: each[0])
    return Next(one.step, max(wait, _backoff(times) if retries is not None and times else 0.0))


def _rested(tried: Sequence[Tried], step: Step) -> int:
    return sum(one.step.target == step.target and one.kind == "resting" for one in tried)


def _last_resort(tried: Sequence[Tried], patience: float) -> Next | None:
    """Of those that rest, whoever is due first, then the others, while there is patience; nobody else is left."""
    resting = [one for one in _latest(tried) if one.kind == "resting"]
    looks = sum(one.kind == "resting" for one in tried) - len(resting)
    if not resting or (looks and looks * _QUICK >= patience):
        return None
    one = min(resting, key=lambda each: (_rested(tried, each.step), each.retry_after or 0.0))
    return Next(one.step, _QUICK if looks else 0.0, anyway=True)


def _latest(tried: Sequence[Tried]) -> list[Tried]:
    """What came of each target last, in the order in which they were first asked."""
    return list({one.step.target: one for one in tried}.values())


def _times(tried: Sequence[Tried], step: Step) -> int:
    """How often a target was asked."""
    return sum(one.step.target == step.target and one.kind not in _UNSENT for one in tried)


def _backoff(times: int) -> float:
    return min(_QUICK * 2.0 ** (times - 1), _LONGEST)
