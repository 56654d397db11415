"""Headers: what is left of a caller's budgets, as OpenAI's clients read them."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.budget import Account, Group
from pointsman.core.money import usd_text

_NANO = 1_000_000_000
_Names = tuple[bytes, bytes, bytes]
_REQUESTS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_TOKENS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")


def told(group: Group, now: int) -> list[tuple[bytes, bytes]]:
    """What is left of the tightest budget, and of the tightest rates; `now` in nanoseconds since the epoch."""
    headers = []
    if group.usd:
        one, *others = group.usd
        left = one.leased - one.spent - one.held + one.left
        for one in others:
            left = min(left, one.leased - one.spent - one.held + one.left)
        headers.append((b"x-pointsman-budget-left-usd", usd_text(max(left, 0)).encode()))
    if group.requests:
        headers += _rate(_REQUESTS, group.requests, now)
    if group.tokens:
        headers += _rate(_TOKENS, group.tokens, now)
    return headers


def _rate(names: _Names, accounts: Sequence[Account], now: int) -> tuple[tuple[bytes, bytes], ...]:
    one = accounts[0] if len(accounts) == 1 else min(accounts, key=_open)
    left, seconds = one.leased - one.spent - one.held + one.left, -((now - one.end) // _NANO)
    return (
        (names[0], one.budget.digits),
        (names[1], b"%d" % left if left > 0 else b"0"),
        (names[2], b"%ds" % seconds if seconds > 0 else b"0s"),
    )


def _open(account: Account) -> int:
    return account.open
