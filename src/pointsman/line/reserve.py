"""Reserve: between the plan and the first attempt, the worst case is held in every budget that the call counts to.

    plan -> accounts -> take what the dearest step may cost -> attempts, each within the hold -> settle what it cost

Where the worst case does not fit, the planner is asked once more, for a plan within what is left: dearer models drop
out, and a request that does not say how long its answer may be is told so. Only what is billed counts: a failed attempt
costs nothing, so the next one has its hold; what is billed besides (a hedge, the rest of a stream that broke) has to be
held too before it is asked for, or it is not asked for.

Nearly every call fits at once: `at_once` is for those, without waiting for anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from pointsman.core.budget import Account, Group, Hold, Payer
from pointsman.core.errors import BudgetExceeded, PointsmanError, RateLimited, StoreUnavailable
from pointsman.core.money import PICOS_PER_NANO, usd_text
from pointsman.core.outcome import Attempt
from pointsman.core.plan import LEAST_OUTPUT, Needs, Plan, Step, most_input, most_output, worst_case
from pointsman.core.ports import Principal

_NANO = 1_000_000_000
_NO_NEEDS = Needs(dialect="")
Replan = Callable[[int | None, bool], Plan]
"""The plan within so many nano-dollars (None is unlimited), and whether the cheapest goes first."""


class Purse(Protocol):
    """What every budget has left; see `access.purse.Purse`."""

    @property
    def any(self) -> bool:
        """Whether there is any budget at all."""
        ...

    def accounts(self, payer: Payer, now: int) -> Group | None:
        """Every account that a call counts to; None where there is none."""
        ...

    def lacking(self, group: Group, usd: int, tokens: int, requests: int = 1) -> Account | None:
        """The first hard account that has not enough at hand; None where all have."""
        ...

    def take(self, group: Group, usd: int, tokens: int = 0) -> Hold | None:
        """Hold these amounts, and one request, everywhere, or nowhere (None)."""
        ...

    def more(self, hold: Hold, usd: int, tokens: int) -> bool:
        """Raise a hold by these amounts; whether that was possible."""
        ...

    def settle(self, hold: Hold, usd: int, tokens: int, requests: int) -> None:
        """Let a hold go and book what was used."""
        ...

    async def fund(self, group: Group, usd: int, tokens: int, requests: int = 1) -> None:
        """Get what these amounts need where it is not at hand. Raises `StoreUnavailable`."""
        ...

    def refusal(self, account: Account, needed: int | None) -> BudgetExceeded | RateLimited:
        """The error for a call that needs so much of an account that has less; None: more than there is."""
        ...


class Reserved(msgspec.Struct, eq=False):
    """What one call holds.

    Attributes:
        plan: what it may do with that; None leaves the plan as it was.
        counting: it only counts tokens, which costs nothing.
        whole: the worst case of every step of the plan is in the hold.
        active: the steps whose attempts may still be billed.
    """

    purse: Purse
    hold: Hold
    plan: Plan | None = None
    needs: Needs = _NO_NEEDS
    counting: bool = False
    whole: bool = False
    active: tuple[Step, ...] = ()

    async def cover(self, step: Step, attempts: Sequence[Attempt]) -> int | None:
        """Before a step is asked: have its worst case in the hold, beside what the attempts before it were billed.

        Returns the length that its answer is to be limited to, in tokens, where the request does not say one and what
        is held would not do for the longest.

        Raises:
            BudgetExceeded, RateLimited: there is not enough for it.
        """
        if self.counting or (self.whole and not attempts and not self.active):
            self.active = (*self.active, step)
            return None
        usd, tokens = self._used(attempts)
        worst_usd, worst_tokens = _worst(step, self.needs)
        cap = None
        if not await self._raised(usd + worst_usd, tokens + worst_tokens):
            cap = self._cap(step, usd, tokens)
            if cap is None:
                raise self._refusal(usd + worst_usd, tokens + worst_tokens)
        self.active = (*self.active, step)
        return cap

    def ended(self, step: Step) -> None:
        """A step brought nothing, or what it cost is booked: what it might have cost is free for the next."""
        self.active = tuple(one for one in self.active if one is not step)

    def settle(self, cost: int | None, attempts: Sequence[Attempt], *, sent: bool) -> None:
        """Let the hold go; `cost` in nano-dollars, None where it is unknown: then all that was held counts."""
        if not sent:
            self.purse.settle(self.hold, 0, 0, 0)
            return
        tokens = 0
        for one in attempts:
            if one.usage is not None:
                tokens += one.usage.input + one.usage.output
        self.purse.settle(self.hold, self.hold.usd if cost is None else cost, tokens, 1)

    def headers(self, now: int) -> list[tuple[bytes, bytes]]:
        """What the caller is told of its budgets; `now` in nanoseconds since the epoch."""
        return told(self.hold.group, now)

    def _used(self, attempts: Sequence[Attempt]) -> tuple[int, int]:
        """Nano-dollars and tokens that earlier attempts were billed, and those may be that run."""
        usd = tokens = 0
        for step in self.active:
            more_usd, more_tokens = _worst(step, self.needs)
            usd, tokens = usd + more_usd, tokens + more_tokens
        for one in attempts:
            usd += self.hold.usd if one.cost is None else one.cost  # unknown: whatever was held for it
            tokens += one.usage.total if one.usage is not None else 0
        return usd, tokens

    async def _raised(self, usd: int, tokens: int) -> bool:
        """Have so much in the hold, if it can be had."""
        hold = self.hold
        more_usd, more_tokens = max(usd - hold.usd, 0), max(tokens - hold.tokens, 0)
        if not (more_usd or more_tokens) or self.purse.more(hold, more_usd, more_tokens):
            return True
        try:
            await self.purse.fund(hold.group, more_usd, more_tokens, 0)
        except StoreUnavailable:
            return False  # this attempt is not made; the call goes on with those that are held
        return self.purse.more(hold, more_usd, more_tokens)

    def _cap(self, step: Step, usd: int, tokens: int) -> int | None:
        """Tokens of each answer that fit into what is held; None where too few do, or the request says how many."""
        price, read, hold = step.model.price, most_input(step.model, self.needs), self.hold
        if self.needs.output_tokens or price is None or read is None:
            return None
        most = most_output(step.model, self.needs)
        if hold.group.usd:
            each = price.worst(0, 1_000_000) - price.worst(0, 0)  # of a million, for what a single one costs is rounded
            most = min(most, (hold.usd - usd - price.worst(read, 0)) * 1_000_000 // each) if each else most
        if hold.group.tokens:
            most = min(most, hold.tokens - tokens - read)
        cap = most // self.needs.choices
        return cap if cap >= LEAST_OUTPUT else None

    def _refusal(self, usd: int, tokens: int) -> PointsmanError:
        hold = self.hold
        lacking = self.purse.lacking(hold.group, usd - hold.usd, tokens - hold.tokens, 0)
        account = lacking or hold.group.every[0]
        return self.purse.refusal(account, usd if account.budget.unit == "usd" else tokens)


def at_once(purse: Purse, group: Group, plan: Plan, needs: Needs) -> Reserved | None:
    """Hold what a plan may cost, where nothing has to be waited for or changed; else None."""
    if group.soft or not group.asked:
        return None
    usd, tokens, bounded = _dearest(plan, needs)
    if group.bounded and not bounded:
        return None
    hold = purse.take(group, usd, tokens)
    return None if hold is None else Reserved(purse, hold, plan, needs, whole=True)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be held for, and by whom.

    Attributes:
        purse: where it is held.
        group: the accounts that the call counts to.
        needs: what the request asks for.
        replan: the planner, for a plan within what is left.
        counting: the call only counts tokens, which costs nothing.
    """

    purse: Purse
    group: Group
    needs: Needs
    replan: Replan
    counting: bool = False

    async def reserve(self, plan: Plan) -> Reserved:
        """Hold what a plan may cost, or what a plan within what is left may.

        Raises:
            BudgetExceeded, RateLimited: what is left does for no plan.
            StoreUnavailable: what is left cannot be known.
        """
        purse, group, needs = self.purse, self.group, self.needs
        if self.counting:
            made = await hold(purse, group)
            made.counting = True
            return made
        if not group.asked:
            await purse.fund(group, 0, 0)
        frugal = any(_soft(one) for one in group.every)
        usd, tokens, bounded = _dearest(plan, needs)
        if frugal or (group.bounded and not bounded):
            plan = self._within(frugal=frugal)
            usd, tokens, _ = _dearest(plan, needs)
        taken = purse.take(group, usd, tokens)
        if taken is None:
            await purse.fund(group, usd, tokens)
            taken = purse.take(group, usd, tokens)
        if taken is not None:
            return Reserved(purse, taken, plan, needs, whole=True)
        plan = self._within(frugal=frugal)
        made = await hold(purse, group, *self._affordable(plan))
        made.plan, made.needs = plan, needs
        return made

    def _within(self, *, frugal: bool) -> Plan:
        try:
            return self.replan(self._funds(), frugal)
        except BudgetExceeded as error:
            told = self.purse.refusal(min((one for one in self.group.usd if one.hard), key=_open), None)
            told.message = f"{told.message}; {error.message}"
            raise told from None

    def _funds(self) -> int | None:
        """Nano-dollars that are left where money is bounded; None where it is not."""
        return min((one.open for one in self.group.usd if one.hard), default=None)

    def _affordable(self, plan: Plan) -> tuple[int, int]:
        """What is to be held for a plan within what is left: where the length of an answer can be set, no more."""
        usd, tokens, _ = _dearest(plan, self.needs)
        if self.needs.output_tokens:
            return usd, tokens
        usd = min([usd, *(one.open for one in self.group.usd if one.hard)])
        return usd, min([tokens, *(one.open for one in self.group.tokens if one.hard)])


async def hold(purse: Purse, group: Group, usd: int = 0, tokens: int = 0) -> Reserved:
    """Hold these amounts, and one request, in every account.

    Raises:
        BudgetExceeded, RateLimited: one of them has not enough.
        StoreUnavailable: what is left cannot be known.
    """
    taken = purse.take(group, usd, tokens) if group.asked else None
    if taken is None:
        await purse.fund(group, usd, tokens)
        taken = purse.take(group, usd, tokens)
    if taken is None:
        account = purse.lacking(group, usd, tokens) or group.every[0]
        raise purse.refusal(account, {"usd": usd, "tokens": tokens, "requests": 1}[account.budget.unit])
    return Reserved(purse, taken)


def _open(account: Account) -> int:
    return account.open


def _soft(account: Account) -> bool:
    budget = account.budget
    return budget.soft < 1 and budget.amount - account.open >= budget.soft * budget.amount


def _worst(step: Step, needs: Needs) -> tuple[int, int]:
    """Nano-dollars and tokens that an answer of a step can use at most; 0 where it is unknown, under soft budgets."""
    read = most_input(step.model, needs)
    return worst_case(step.model, needs) or 0, (read or needs.input_tokens) + most_output(step.model, needs)


def _dearest(plan: Plan, needs: Needs) -> tuple[int, int, bool]:
    """The most of what the steps of a plan can use, and whether all of them have a bound."""
    usd = tokens = 0
    bounded = True
    for step in plan.steps:
        model, rate = step.model, step.dearest
        read, written = most_input(model, needs), most_output(model, needs)
        if rate is None or read is None:
            bounded = False
            tokens = max(tokens, (read or needs.input_tokens) + written)
            continue
        usd = max(usd, read * rate[0] + written * rate[1] + rate[2])
        tokens = max(tokens, read + written)
    return -(-usd // PICOS_PER_NANO), tokens, bounded


def payer_of(principal: Principal, user: str, session: str, route: str) -> Payer:
    """Whose call it is."""
    return Payer(
        key=principal.id,
        key_name=principal.name,
        team=principal.team,
        project=principal.project,
        user=user,
        session=session,
        route=route,
    )


def told(group: Group, now: int) -> list[tuple[bytes, bytes]]:
    """Headers: what is left of the tightest budget, and of the tightest rates, as OpenAI's clients read."""
    headers = []
    if group.usd:
        left = min([one.leased - one.spent - one.held + one.left for one in group.usd])
        headers.append((b"x-pointsman-budget-left-usd", usd_text(max(left, 0)).encode()))
    if group.requests:
        headers += _rate(b"requests", group.requests, now)
    if group.tokens:
        headers += _rate(b"tokens", group.tokens, now)
    return headers


def _rate(unit: bytes, accounts: Sequence[Account], now: int) -> tuple[tuple[bytes, bytes], ...]:
    one = accounts[0] if len(accounts) == 1 else min(accounts, key=_open)
    return (
        (b"x-ratelimit-limit-" + unit, b"%d" % one.budget.amount),
        (b"x-ratelimit-remaining-" + unit, b"%d" % one.open),
        (b"x-ratelimit-reset-" + unit, b"%ds" % max(-((now - one.end) // _NANO), 0)),
    )
