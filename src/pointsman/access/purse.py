"""The purse: what every budget has left, and the only place where it is taken from.

**Why a budget cannot be overrun.** A call holds its worst case before anything is sent and settles what it cost
afterwards. Looking and taking is one synchronous step, so that no other call of this process comes between. Between
processes it is the store that is asked: each takes *leases*, in a transaction that never grants more than the limit in
all, and spends only what it has leased. So whatever the number of processes:

    spent + held <= leased (here),  sum of all leases <= limit (in the store)

Of tokens by the minute or hour a call holds what it is likely to read, and all that it may write: its bytes would be
four times too much, and refuse callers whose rate is within the limit. What the calls under way may come to beyond that
is added up (`risk`), and bounded: where it would be more than the limit, the next one holds its bytes, unless it is the
only one. So a window ends below twice its limit, or one call's misjudgement above it; an estimate is seldom that wrong.

What a call cost beyond what it had held (a provider that breaks its own bounds) is booked as well and leased after the
fact, even beyond the limit: the truth comes first, and nobody gets anything until the period is over.

**What a dead process costs.** Its leases stay granted until their period ends: its budgets look more used than they
are, by at most what it had leased and not spent. A lease is no more than what a call needs and a sixteenth of what is
left, so that is little, and never the other way round.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from pointsman.access.beginning import Beginnings, Past, of_kind
from pointsman.access.refusing import refusal
from pointsman.access.teller import Lender, Teller, Want
from pointsman.core.budget import SCOPES, Account, Budget, Group, Hold, Payer, Period, group, window
from pointsman.core.clock import Clock
from pointsman.core.errors import BudgetExceeded, PointsmanError, RateLimited, StoreUnavailable

_log = logging.getLogger("pointsman")
_NANO = 1_000_000_000
_IDLE = 5 * _NANO
"""What is not used for so long is given back to the others (nanoseconds)."""
_TRIES = 3
"""How often a call asks the store: others may take what was leased for it before it does."""
_STORE_SECONDS = 5.0
"""How long a call waits for a lease: longer than a busy store needs, shorter than its caller's patience."""
_MOST_ACCOUNTS = 65_536
_MOST_GROUPS = 16_384
_KEEP_SECONDS = 1.0
_LONGEST_NAME = 300
_FORGOTTEN = 300 * _NANO
_NEVER = (0, 0)


class Vault(Lender, Protocol):
    """Where leases are added up. Does I/O; any thread may call; raises `StoreUnavailable`."""

    def settle(self, changes: Sequence[tuple[str, int, int, int, int]]) -> list[int]:
        """Take back what is not needed and note what was spent: account, begin of its period, granted, spent, doubt.

        Returns what is granted of each afterwards, in all.
        """
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class Purse:
    """Counts for one process. Everything but `fund` and `keep` is synchronous."""

    def __init__(self, vault: Vault, clock: Clock, past: Past | None = None) -> None:
        self._vault = vault
        self._clock = clock
        self._budgets: dict[str, tuple[Budget, ...]] = {}
        self._everybodys: list[Budget] = []
        self._somebodys: dict[tuple[str, str], list[Budget]] = {}
        self._accounts: dict[_Key, Account] = {}
        self._windows: dict[Period, tuple[int, int]] = {}
        self._groups: dict[Payer, Group] = {}
        self._teller = Teller(vault)
        self._beginnings = Beginnings(past) if past is not None else None
        self.last_error = ""

    @property
    def any(self) -> bool:
        """Whether there is any budget at all."""
        return bool(self._budgets)

    def configure(self, source: str, budgets: Iterable[Budget]) -> None:
        """Put the budgets of one source (the configuration, the keys) in force, in place of its earlier ones."""
        found = tuple(budgets)
        self._groups.clear()
        if self._beginnings is not None:
            new = self._beginnings.force(source, found, self._clock.now())
            for account in self._accounts.values() if new else ():
                if of_kind(account.budget, new):  # it was here before, and did not count meanwhile
                    account.asked = False
        if found:
            self._budgets[source] = found
        else:
            self._budgets.pop(source, None)
        self._everybodys, self._somebodys = [], {}
        for budget in (one for budgets in self._budgets.values() for one in budgets):
            if budget.subject:
                self._somebodys.setdefault((budget.scope, budget.subject), []).append(budget)
            else:
                self._everybodys.append(budget)

    def accounts(self, payer: Payer, now: int) -> Group | None:
        """Every account that a call counts to (`now` in nanoseconds since the epoch); None where there is none."""
        found = self._groups.get(payer)
        if found is not None and now < found.until:
            return found
        if len(self._groups) >= _MOST_GROUPS:
            self._groups.clear()
        every = self._bind(payer)
        every.sort(key=lambda budget: (budget.hard, -budget.amount))  # of two for one account the tighter comes last
        accounts = [self._account(budget, whose, now) for budget in every if (whose := budget.whose(payer)) is not None]
        if not accounts:
            return None
        found = self._groups[payer] = group(tuple(dict.fromkeys(accounts)))  # each once, or it would be held twice
        for account in found.every:
            _lowered(account)
        return found

    def _bind(self, payer: Payer) -> list[Budget]:
        """The budgets that may bind a payer: there may be one for each of ten thousand keys."""
        found = list(self._everybodys)
        if self._somebodys:
            for scope in SCOPES:
                found += self._somebodys.get((scope, getattr(payer, scope, "")), ())
            if payer.key_name != payer.key:
                found += self._somebodys.get(("key", payer.key_name), ())
        return found

    def _account(self, budget: Budget, whose: tuple[str, ...], now: int) -> Account:
        begin, end = self._windows.get(budget.period, _NEVER)
        if not begin <= now < end:
            begin, end = self._windows[budget.period] = window(budget.period, now)
        key = (budget.scope, budget.unit, budget.period, bool(budget.subject), whose, begin)
        account = self._accounts.get(key)
        if account is None:
            if len(self._accounts) >= _MOST_ACCOUNTS:
                self._forget_one()
            account = self._accounts[key] = Account(_name(key), budget, begin, end, brief=_brief(budget), whose=whose)
        account.budget, account.hard, account.used = budget, budget.hard, now
        return account

    def _forget_one(self) -> None:
        """Make room: the account that has rested longest of those where nothing is held or owed."""
        for key, account in self._accounts.items():
            idle = not (account.held or account.back) and not self._teller.asks(account)
            if idle and account.told == account.spent == account.leased:
                del self._accounts[key]
                self._groups.clear()  # they hold accounts that are no longer told of
                return

    def lacking(
        self, group: Group, usd: int, tokens: int, requests: int = 1, likely: int | None = None
    ) -> Account | None:
        """The first hard account that has not enough at hand; None where all have. See `take`."""
        for one in group.usd:
            if one.free < usd and one.hard:
                return one
        for one in group.tokens:
            amount = likely if likely is not None and one.brief else tokens
            if one.free < amount and one.hard:
                return one
        for one in group.requests:
            if one.free < requests and one.hard:
                return one
        return None

    def take(self, group: Group, usd: int, tokens: int = 0, likely: int | None = None) -> Hold | None:
        """Hold these amounts, and one request, everywhere, or nowhere (None).

        `likely`: as many tokens as are to be expected where `tokens` is a bound, for limits by the minute or hour.
        """
        money, rates, counts = group.usd, group.tokens, group.requests
        for one in money:
            if one.free < usd and one.hard:
                return None
        for one in counts:
            if one.free < 1 and one.hard:
                return None
        brief, risk = tokens, 0
        if rates:
            if likely is not None and likely < tokens:
                brief = self._brief(group, tokens, likely)
                risk = tokens - brief
            for one in rates:
                if one.free < (brief if one.brief else tokens) and one.hard:
                    return None
            for one in rates:
                one.free -= brief if one.brief else tokens
                one.risk += risk
        for one in money:
            one.free -= usd
        for one in counts:
            one.free -= 1
        return Hold(group, usd, tokens, 1, False, brief, risk)

    async def hold(self, group: Group, usd: int, tokens: int = 0, likely: int | None = None) -> Hold | None:
        """The same, with leases for what is not at hand; None where a hard limit has less left.

        Raises:
            StoreUnavailable: what is left of a budget cannot be known.
        """
        if group.asked and (taken := self.take(group, usd, tokens, likely)) is not None:
            return taken
        for _ in range(_TRIES):
            await self.fund(group, usd, tokens, 1, likely)
            if (taken := self.take(group, usd, tokens, likely)) is not None:
                return taken
            lacking = self.lacking(group, usd, tokens, 1, likely)
            if lacking is None or not lacking.left:
                return None
        return None

    def _brief(self, group: Group, tokens: int, likely: int) -> int:
        """What is held in limits by the minute or hour: what is likely, as long as not too much is at risk."""
        risk = tokens - likely
        if risk <= 0:
            return tokens
        for one in group.tokens:
            if one.brief and one.hard and one.risk and one.risk + risk > one.leased:
                return tokens
        return likely

    def more(self, hold: Hold, usd: int, tokens: int, likely: int | None = None) -> bool:
        """Raise a hold by these amounts; whether that was possible. Not once it is settled."""
        group = hold.group
        brief = tokens if likely is None or not group.tokens else self._brief(group, tokens, likely)
        if hold.settled or self.lacking(group, usd, tokens, 0, brief) is not None:
            return False
        for one in group.usd:
            one.free -= usd
        for one in group.tokens:
            one.free -= brief if one.brief else tokens
            one.risk += tokens - brief
        hold.usd += usd
        hold.tokens += tokens
        hold.brief += brief
        hold.risk += tokens - brief
        return True

    def refusal(self, account: Account, needed: int | None) -> BudgetExceeded | RateLimited:
        """The error for a call that needs so much (in the budget's unit; None: see there) of an account with less."""
        return refusal(account, needed, self._clock.now())

    def settle(self, hold: Hold, usd: int, tokens: int, requests: int, doubt: int = 0) -> None:
        """Let a hold go and book what was used, `doubt` of the money in no bill; the second time nothing."""
        if hold.settled:
            return
        hold.settled = True
        group, now = hold.group, self._clock.now()
        for one in group.usd:
            one.free += hold.usd - usd
            one.spent += usd
            if doubt:
                one.doubt += doubt
            one.used = now
        for one in group.tokens:
            one.free += (hold.brief if one.brief else hold.tokens) - tokens
            one.risk -= hold.risk
            one.spent += tokens
            one.used = now
        for one in group.requests:
            one.free += hold.requests - requests
            one.spent += requests
            one.used = now

    async def fund(self, group: Group, usd: int, tokens: int, requests: int = 1, likely: int | None = None) -> None:
        """Lease what these amounts need where it is not at hand; afterwards `take` may still find too little.

        Raises:
            StoreUnavailable: what is left of a budget cannot be known.
        """
        now = self._clock.now()
        wants = []
        for account in group.every:
            account.used = now  # nobody forgets it meanwhile
        for accounts, needed in ((group.usd, usd), (group.tokens, tokens), (group.requests, requests)):
            for account in accounts:
                amount = likely if likely is not None and account.brief else needed
                if account.asked and not (account.hard and account.free < amount):
                    continue
                try:
                    wants.append(Want(account, amount, await self._known(account, now)))
                except (StoreUnavailable, TimeoutError) as error:
                    self._without_store(account, error)
        if wants:
            await self._lease(wants)
        group.asked = True

    async def _lease(self, wants: list[Want]) -> None:
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await self._teller.ask(wants)
        except (StoreUnavailable, TimeoutError) as error:
            for want in wants:
                self._without_store(want.account, error)

    async def _known(self, account: Account, now: int) -> int:
        """What was used before this account was opened, as the ledger has it."""
        if account.asked or self._beginnings is None:
            return 0
        return await self._beginnings.known(account, now)

    def _without_store(self, account: Account, error: Exception) -> None:
        """A rate is kept by this process alone while the store is away; money is not spent unseen."""
        budget = account.budget
        if not budget.hard:
            return
        if not budget.rate:
            raise StoreUnavailable(
                f"What is left of a budget cannot be known ({budget.name}), and it is a hard one",
                hint="the gateway's log says why the store is away",
            ) from error
        if account.leased < budget.amount:  # the store hears of it when it is back, and grants it then
            account.back -= budget.amount - account.leased
            account.lease(budget.amount - account.leased)
        account.asked = True

    async def keep(self, seconds: float = _KEEP_SECONDS) -> None:
        """Tell the store what was spent, and give back what is not needed; until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            changes = self._changes(self._clock.now())
            try:
                lefts = await asyncio.to_thread(self._tell, changes)
            except PointsmanError as error:
                self._undo(changes)
                if not self.last_error:
                    _log.warning("the store does not take what was spent of budgets: %s", error.message)
                self.last_error = error.message
                continue
            for (account, *_), granted in zip(changes, lefts, strict=True):
                account.left = max(account.budget.amount - granted, 0)
            self.last_error = ""
            self._drop_old()

    def give_back(self) -> None:
        """At the end: all that is leased and not spent goes back. Does I/O; raises `StoreUnavailable`."""
        self._tell(self._changes(self._clock.now(), last=True))

    def _changes(self, now: int, *, last: bool = False) -> list[_Change]:
        """What goes back of each account, and what was spent since the last time.

        It is taken off here at once, before the store hears of it, so that nobody spends meanwhile what goes back.
        """
        found = []
        for account in self._accounts.values():
            idle = now >= account.end or last or now - account.used > _IDLE
            free = account.free
            spare = free if free < 0 or (idle and free > 0) else 0
            if spare > 0:  # what calls may come to beyond what they hold stays backed
                spare = max(spare - account.risk, 0)
            told = account.spent - account.told
            if spare or told or account.back:
                found.append((account, spare, account.back, told, account.doubt))
                account.lease(-spare)
                account.told += told
                account.back = account.doubt = 0
        return found

    def _undo(self, changes: Sequence[_Change]) -> None:
        for account, spare, back, told, doubt in changes:
            account.lease(spare)
            account.back += back
            account.told -= told
            account.doubt += doubt

    def _tell(self, changes: Sequence[_Change]) -> list[int]:
        if not changes:
            return []
        return self._vault.settle(
            [(one.id, one.begin, -spare - back, told, doubt) for one, spare, back, told, doubt in changes]
        )

    def _drop_old(self) -> None:
        """Forget accounts whose time is over, or that nobody has used for long; the store knows of them."""
        now, before = self._clock.now(), len(self._accounts)
        for key, one in list(self._accounts.items()):
            over = now >= one.end or now - one.used > _FORGOTTEN
            if over and not (one.held or one.free or one.back) and one.told == one.spent and not self._teller.asks(one):
                del self._accounts[key]
        if len(self._accounts) < before:
            self._groups.clear()  # they hold accounts that are no longer told of


def _brief(budget: Budget) -> bool:
    return budget.unit == "tokens" and budget.period in ("minute", "hour")


def _lowered(account: Account) -> None:
    """Of a limit that became less, what is leased and not in use goes back: it was granted of the old one."""
    amount, before = account.budget.amount, account.limit
    account.limit = amount
    if amount < before and account.free > 0:
        account.back += account.free
        account.lease(-account.free)
        account.left = 0


_Key = tuple[str, str, str, bool, tuple[str, ...], int]
_Change = tuple[Account, int, int, int, int]
"""An account, what goes back of its lease, what was to go back already, what was spent since the last time, and what of
that is in doubt."""


def _name(key: _Key) -> str:
    """An account's name in the store, the same in every process; what callers say may be of any length."""
    name = json.dumps([*key[:3], "one" if key[3] else "each", *key[4]])
    return name if len(name) <= _LONGEST_NAME else f"{name[:40]}… {hashlib.sha256(name.encode()).hexdigest()}"
