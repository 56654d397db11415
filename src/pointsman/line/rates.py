"""What callers are told of their budgets, in headers that the clients of their dialect read."""

from __future__ import annotations

import datetime as dt

from pointsman.core.budget import Account, Group
from pointsman.core.dialects import MESSAGES
from pointsman.core.money import usd_line

_NANO = 1_000_000_000
_Names = tuple[bytes, bytes, bytes]
_REQUESTS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_TOKENS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")
_REQUESTS_OF_MESSAGES = (
    b"anthropic-ratelimit-requests-limit",
    b"anthropic-ratelimit-requests-remaining",
    b"anthropic-ratelimit-requests-reset",
)
_TOKENS_OF_MESSAGES = (
    b"anthropic-ratelimit-tokens-limit",
    b"anthropic-ratelimit-tokens-remaining",
    b"anthropic-ratelimit-tokens-reset",
)
_USUAL, _OF_MESSAGES = (_REQUESTS, _TOKENS), (_REQUESTS_OF_MESSAGES, _TOKENS_OF_MESSAGES)
_NAMES = {
    (messages, requests, tokens): frozenset((*of_requests * requests, *of_tokens * tokens))
    for messages, (of_requests, of_tokens) in ((False, _USUAL), (True, _OF_MESSAGES))
    for requests in (False, True)
    for tokens in (False, True)
}


def rates(group: Group, now: int, dialect: str) -> list[tuple[bytes, bytes]]:
    """What is left of the tightest budget of money, and of the tightest rates; `now` in nanoseconds since the epoch.

    OpenAI's names (https://platform.openai.com/docs/guides/rate-limits), but for callers of Messages Anthropic's
    (https://docs.anthropic.com/en/api/rate-limits).
    """
    headers = []
    if group.usd:
        least = None
        for one in group.usd:
            left = one.free + one.left
            if least is None or left < least:
                least = left
        headers.append((b"x-pointsman-budget-left-usd", usd_line(least) if least and least > 0 else b"0"))
    messages = dialect == MESSAGES
    requests, tokens = _OF_MESSAGES if messages else _USUAL
    for accounts, names in ((group.requests, requests), (group.tokens, tokens)):
        if not accounts:
            continue
        one = accounts[0] if len(accounts) == 1 else min(accounts, key=_open)
        left, budget = one.free + one.left, one.budget
        headers.append((names[0], budget.digits))
        headers.append((names[1], b"%d" % left if left > 0 else b"0"))
        if budget.period != "total":  # which never begins anew
            headers.append((names[2], _moment(one) if messages else _seconds(one.end - now)))
    return headers


def names_for(group: Group, dialect: str) -> frozenset[bytes]:
    """The names of the headers that `rates` gives of limits of a rate."""
    return _NAMES[dialect == MESSAGES, bool(group.requests), bool(group.tokens)]


def _seconds(left: int) -> bytes:
    return b"%ds" % (-(-left // _NANO)) if left > 0 else b"0s"


def _moment(account: Account) -> bytes:
    """When its period ends, as Anthropic writes it; the same in every call."""
    if not account.ends:
        ends = dt.datetime.fromtimestamp(account.end // _NANO, tz=dt.UTC)
        account.ends = ends.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    return account.ends


def _open(account: Account) -> int:
    return account.open
