"""Asking the store for leases: all that calls want at the moment in one question, and one question at a time.

Each question is a transaction, which costs a disk's or a network's time. Were there one for each call, a burst would
wait in a row longer than callers have patience; so whoever comes while one is on its way joins the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pointsman.core.budget import Account, Granted, Wanted

_PART = 16
"""A lease is a sixteenth of what is left, where calls need no more."""
_MOST = 256
"""Accounts in one question; the others wait for the next."""


class Lender(Protocol):
    """Grants leases. Does I/O; any thread may call; raises `StoreUnavailable`."""

    def lease(self, wanted: Sequence[Wanted], part: int) -> list[Granted]:
        """Of each account what is needed and the limit allows, or a `part` of what is left where that is more."""
        ...


class Want(NamedTuple):
    """What a call lacks of one account: so much has to be free of it. `known`: so much was used before."""

    account: Account
    amount: int
    known: int


class _Call(NamedTuple):
    wants: Sequence[Want]
    answered: asyncio.Future[None]


class Teller:
    """For one event loop."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender
        self._waiting: list[_Call] = []
        self._under_way: set[Account] = set()
        self._rounds: asyncio.Task[None] | None = None

    def asks(self, account: Account) -> bool:
        """Whether the store is being asked of it, or will be."""
        return account in self._under_way or any(want.account is account for call in self._waiting for want in call[0])

    async def ask(self, wants: Sequence[Want]) -> None:
        """Lease what is wanted, where there is so much; what is granted counts also if the caller leaves meanwhile.

        Raises:
            StoreUnavailable: what is left cannot be known.
        """
        answered = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(wants, answered))
        if self._rounds is None:
            self._rounds = asyncio.create_task(self._run(), name="leases")
        await answered

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._round(self._next())
                await asyncio.sleep(0)  # whoever was answered takes first, so that the next round sees what is free
        finally:
            self._rounds = None
            for call in self._waiting:  # we are stopped
                call.answered.cancel()
            self._waiting.clear()

    def _next(self) -> list[_Call]:
        """Those who wait, longest first, as many as fit into a question; who has left waits no more."""
        waiting = [call for call in self._waiting if not call.answered.done()]
        accounts, count = set[Account](), 0
        for call in waiting:
            accounts.update(want.account for want in call.wants)
            if count and len(accounts) > _MOST:
                break
            count += 1
        self._waiting = waiting[count:]
        return waiting[:count]

    async def _round(self, calls: list[_Call]) -> None:
        try:
            wanted = _wanted([want for call in calls for want in call.wants])
            self._under_way = set(wanted)
            granted = await asyncio.to_thread(self._lender.lease, list(wanted.values()), _PART) if wanted else []
            for account, one in zip(wanted, granted, strict=True):
                account.lease(one.now)
                account.left = one.left
                account.asked = True
        except Exception as error:  # noqa: BLE001 - the edge of a round: whatever went wrong, its callers are told
            for call in calls:
                if not call.answered.done():
                    call.answered.set_exception(error)
        finally:
            self._under_way = set()
            for call in calls:
                if not call.answered.done():
                    call.answered.set_result(None)


def _wanted(wants: Sequence[Want]) -> dict[Account, Wanted]:
    """A line for each account to ask of: what each call lacks of it, once those before it have taken theirs."""
    needs: dict[Account, list[int]] = {}
    known: dict[Account, int] = {}
    free: dict[Account, int] = {}
    for account, amount, used in wants:
        left = free.get(account, account.free)
        lacking = needs.setdefault(account, [])
        if account.hard and amount > left:
            lacking.append(amount - left)
        free[account] = max(left - amount, 0)
        known[account] = max(known.get(account, 0), used)
    return {
        one: Wanted(one.id, one.begin, one.end, one.budget.amount, tuple(lacking), known[one])
        for one, lacking in needs.items()
        if lacking or not one.asked
    }
