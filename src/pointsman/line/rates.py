"""What callers are told of their budgets, in headers that the clients of their dialect read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

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
_NAMES = {
    (messages, requests, tokens): frozenset((*of_requests * requests, *of_tokens * tokens))
    for messages, of_requests, of_tokens in (
        (False, _REQUESTS, _TOKENS),
        (True, _REQUESTS_OF_MESSAGES, _TOKENS_OF_MESSAGES),
    )
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
    if group.requests:
        headers += _rate(_REQUESTS_OF_MESSAGES if messages else _REQUESTS, group.requests, now, messages=messages)
    if group.tokens:
        headers += _rate(_TOKENS_OF_MESSAGES if messages else _TOKENS, group.tokens, now, messages=messages)
    return headers


def names_for(group: Group, dialect: str) -> frozenset[bytes]:
    """The names of the headers that `rates` gives of limits of a rate."""
    return _NAMES[dialect == MESSAGES, bool(group.requests), bool(group.tokens)]


def _rate(names: _Names, accounts: Sequence[Account], now: int, *, messages: bool) -> list[tuple[bytes, bytes]]:
    one = accounts[0] if len(accounts) == 1 else min(accounts, key=_open)
    left, budget = one.free + one.left, one.budget
    lines = [(names[0], budget.digits), (names[1], b"%d" % left if left > 0 else b"0")]
    if budget.period == "total":  # which never begins anew
        return lines
    if messages:
        ends = dt.datetime.fromtimestamp(one.end // _NANO, tz=dt.UTC)
        lines.append((names[2], ends.strftime("%Y-%m-%dT%H:%M:%SZ").encode()))
    else:
        seconds = -((now - one.end) // _NANO)
        lines.append((names[2], b"%ds" % seconds if seconds > 0 else b"0s"))
    return lines


def _open(account: Account) -> int:
    return account.open
