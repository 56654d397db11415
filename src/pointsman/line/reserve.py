"""Reserve: between the plan and the first attempt, the worst case is held in every budget that the call counts to.

    plan -> accounts -> take what the dearest step may cost -> attempts, each within the hold -> settle what it cost

Where the worst case does not fit, the planner is asked once more, for a plan within what is left: dearer models drop
out, and a request that does not say how long its answer may be is told so. Only what is billed counts: a failed attempt
costs nothing, so the next one has its hold; what is billed besides (a hedge, the rest of a stream that broke) has to be
held too before it is asked for, or it is not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from pointsman.core.budget import Account, Amounts, Hold, Payer
from pointsman.core.errors import BudgetExceeded, PointsmanError, RateLimited
from pointsman.core.money import usd_text
from pointsman.core.outcome import Attempt
from pointsman.core.plan import LEAST_OUTPUT, Needs, Plan, Step, most_input, most_output, worst_case
from pointsman.core.ports import Principal

_NO_NEEDS = Needs(dialect="")
Replan = Callable[[int | None, bool], Plan]
"""The plan within so many nano-dollars (None is unlimited), and whether the cheapest goes first."""


class Purse(Protocol):
    """What every budget has left; see `access.purse.Purse`."""

    @property
    def any(self) -> bool:
        """Whether there is any budget at all."""
        ...

    def accounts(self, payer: Payer, now: int) -> tuple[Account, ...]:
        """Every account that a call counts to."""
        ...

    def lacking(self, accounts: Sequence[Account], amounts: Amounts) -> Account | None:
        """The first account that has not enough at hand; None where all have."""
        ...

    def take(self, accounts: tuple[Account, ...], amounts: Amounts) -> Hold | None:
        """Hold these amounts everywhere, or nowhere."""
        ...

    def more(self, hold: Hold, amounts: Amounts) -> bool:
        """Raise a hold to these amounts, which are not less; whether that was possible."""
        ...

    def settle(self, hold: Hold, used: Amounts) -> None:
        """Let a hold go and book what was used."""
        ...

    async def fund(self, accounts: Sequence[Account], amounts: Amounts) -> None:
        """Get what these amounts need where it is not at hand. Raises `StoreUnavailable`."""
        ...

    def refusal(self, account: Account, needed: int) -> BudgetExceeded | RateLimited:
        """The error for a call that an account has not enough for."""
        ...


class Reserved(msgspec.Struct, eq=False):
    """What one call holds. `plan` is what it may do with that; `active` what its attempts may still cost."""

    purse: Purse
    hold: Hold
    plan: Plan | None = None
    needs: Needs = _NO_NEEDS
    counting: bool = False
    active: dict[int, Amounts] = {}

    async def cover(self, step: Step, attempts: Sequence[Attempt]) -> int | None:
        """Before a step is asked: have its worst case in the hold, beside what the attempts before it were billed.

        Returns the length that its answer is to be limited to, in tokens, where the request does not say one and what
        is held would not do for the longest.

        Raises:
            BudgetExceeded, RateLimited: there is not enough for it.
        """
        if self.counting:
            return None
        needs, used = self.needs, self._used(attempts)
        worst = _worst(step, needs)
        cap = None
        wanted = _sum(used, worst)
        if not await self._raised(wanted):
            cap = self._cap(step, used)
            if cap is None:
                raise self._refusal(wanted)
            worst = _worst(step, needs, cap * needs.choices)
        self.active[id(step)] = worst
        return cap

    def ended(self, step: Step) -> None:
        """A step brought nothing, or what it cost is booked: what it might have cost is free for the next."""
        self.active.pop(id(step), None)

    def settle(self, cost: int | None, attempts: Sequence[Attempt], *, sent: bool) -> None:
        """Let the hold go; `cost` in nano-dollars, None where it is unknown: then all that was held counts."""
        held = self.hold.amounts
        tokens = sum(one.usage.total for one in attempts if one.usage is not None)
        used = Amounts(held.usd if cost is None else cost, tokens, 1) if sent else Amounts()
        self.purse.settle(self.hold, used)

    def headers(self, now: int) -> list[tuple[bytes, bytes]]:
        """What the caller is told of its budgets; `now` in nanoseconds since the epoch."""
        return told(self.hold.accounts, now)

    def _used(self, attempts: Sequence[Attempt]) -> Amounts:
        """What earlier attempts were billed, and those may be that run."""
        used = _sum(Amounts(0, 0, 1), *self.active.values())
        for one in attempts:
            cost = self.hold.amounts.usd if one.cost is None else one.cost  # unknown: whatever was held for it
            used = _sum(used, Amounts(cost, one.usage.total if one.usage is not None else 0))
        return used

    async def _raised(self, wanted: Amounts) -> bool:
        held = self.hold.amounts
        wanted = Amounts(max(wanted.usd, held.usd), max(wanted.tokens, held.tokens), held.requests)
        if wanted == held or self.purse.more(self.hold, wanted):
            return True
        extra = Amounts(wanted.usd - held.usd, wanted.tokens - held.tokens)
        await self.purse.fund(self.hold.accounts, extra)
        return self.purse.more(self.hold, wanted)

    def _cap(self, step: Step, used: Amounts) -> int | None:
        """Tokens of each answer that fit into what is held; None where too few do, or the request says how many."""
        price, read, held = step.model.price, most_input(step.model, self.needs), self.hold.amounts
        if self.needs.output_tokens or price is None or read is None:
            return None
        most = most_output(step.model, self.needs)
        if any(one.budget.unit == "usd" for one in self.hold.accounts):
            each = price.worst(0, 1_000_000) - price.worst(0, 0)  # of a million, for what a single one costs is rounded
            left = held.usd - used.usd - price.worst(read, 0)
            most = min(most, left * 1_000_000 // each if each else most)
        if any(one.budget.unit == "tokens" for one in self.hold.accounts):
            most = min(most, held.tokens - used.tokens - read)
        cap = most // self.needs.choices
        return cap if cap >= LEAST_OUTPUT else None

    def _refusal(self, wanted: Amounts) -> PointsmanError:
        held = self.hold.amounts
        extra = Amounts(wanted.usd - held.usd, wanted.tokens - held.tokens)
        lacking = self.purse.lacking(self.hold.accounts, extra)
        account = lacking or self.hold.accounts[0]
        return self.purse.refusal(account, wanted.of(account.budget.unit))


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be held for, and by whom.

    Attributes:
        purse: where it is held.
        accounts: that the call counts to; at least one.
        needs: what the request asks for.
        replan: the planner, for a plan within what is left.
        counting: the call only counts tokens, which costs nothing.
    """

    purse: Purse
    accounts: tuple[Account, ...]
    needs: Needs
    replan: Replan
    counting: bool = False

    async def reserve(self, plan: Plan) -> Reserved:
        """Hold what a plan may cost, or what a plan within what is left may.

        Raises:
            BudgetExceeded, RateLimited: what is left does for no plan.
            StoreUnavailable: what is left cannot be known.
        """
        purse, accounts, needs = self.purse, self.accounts, self.needs
        if self.counting:
            return await self._hold(plan, Amounts(0, 0, 1))
        if any(not one.asked for one in accounts):
            await purse.fund(accounts, Amounts(0, 0, 1))
        frugal = any(_soft(one) for one in accounts)
        if frugal or (self._funds() is not None and any(worst_case(one.model, needs) is None for one in plan.steps)):
            plan = self._within(frugal=frugal)
        wanted = _dearest(plan, needs)
        taken = purse.take(accounts, wanted)
        if taken is None:
            await purse.fund(accounts, wanted)
            taken = purse.take(accounts, wanted)
        if taken is not None:
            return Reserved(purse, taken, plan, needs, active={})
        plan = self._within(frugal=frugal)
        return await self._hold(plan, self._affordable(_dearest(plan, needs)))

    async def _hold(self, plan: Plan, amounts: Amounts) -> Reserved:
        made = await hold(self.purse, self.accounts, amounts)
        made.plan, made.needs, made.counting = plan, self.needs, self.counting
        return made

    def _within(self, *, frugal: bool) -> Plan:
        try:
            return self.replan(self._funds(), frugal)
        except BudgetExceeded as error:
            money = [one for one in self.accounts if one.budget.hard and one.budget.unit == "usd"]
            told = self.purse.refusal(min(money, key=_open), 0)
            told.message = f"{told.message}; {error.message}"
            raise told from None

    def _funds(self) -> int | None:
        """Nano-dollars that are left where money is bounded; None where it is not."""
        return min((one.open for one in self.accounts if one.budget.hard and one.budget.unit == "usd"), default=None)

    def _affordable(self, wanted: Amounts) -> Amounts:
        """What can be held where a request says not how long its answer may be, and is told so: all that is left."""
        if self.needs.output_tokens:
            return wanted
        hard = [one for one in self.accounts if one.budget.hard]
        usd = min([wanted.usd, *(one.open for one in hard if one.budget.unit == "usd")])
        tokens = min([wanted.tokens, *(one.open for one in hard if one.budget.unit == "tokens")])
        return Amounts(usd, tokens, 1)


async def hold(purse: Purse, accounts: tuple[Account, ...], amounts: Amounts) -> Reserved:
    """Hold these amounts in every account.

    Raises:
        BudgetExceeded, RateLimited: one of them has not enough.
        StoreUnavailable: what is left cannot be known.
    """
    taken = purse.take(accounts, amounts)
    if taken is None:
        await purse.fund(accounts, amounts)
        taken = purse.take(accounts, amounts)
    if taken is None:
        account = purse.lacking(accounts, amounts) or accounts[0]
        raise purse.refusal(account, amounts.of(account.budget.unit))
    return Reserved(purse, taken, active={})


def _open(account: Account) -> int:
    return account.open


def _soft(account: Account) -> bool:
    budget = account.budget
    return budget.soft < 1 and budget.amount - account.open >= budget.soft * budget.amount


def _worst(step: Step, needs: Needs, output: int | None = None) -> Amounts:
    """The most that an answer of a step can use; nothing where that is unknown, which only soft budgets allow."""
    written = most_output(step.model, needs) if output is None else output
    read = most_input(step.model, needs)
    return Amounts(worst_case(step.model, needs, written) or 0, (read or needs.input_tokens) + written)


def _dearest(plan: Plan, needs: Needs) -> Amounts:
    worst = [_worst(step, needs) for step in plan.steps]
    return Amounts(max(one.usd for one in worst), max(one.tokens for one in worst), 1)


def _sum(*amounts: Amounts) -> Amounts:
    return Amounts(
        sum(one.usd for one in amounts),
        sum(one.tokens for one in amounts),
        sum(one.requests for one in amounts),
    )


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


def told(accounts: Sequence[Account], now: int) -> list[tuple[bytes, bytes]]:
    """Headers: what is left of the tightest budget, and of the tightest rates, as OpenAI's clients read."""
    headers = []
    money = [one for one in accounts if one.budget.unit == "usd"]
    if money:
        headers.append((b"x-pointsman-budget-left-usd", usd_text(min(one.open for one in money)).encode()))
    for unit in ("requests", "tokens"):
        of_unit = [one for one in accounts if one.budget.unit == unit]
        if of_unit:
            one = min(of_unit, key=_open)
            resets = f"{max((one.end - now) // 1_000_000, 0)}ms" if one.budget.period != "total" else "0ms"
            headers += [
                (b"x-ratelimit-limit-%b" % unit.encode(), b"%d" % one.budget.amount),
                (b"x-ratelimit-remaining-%b" % unit.encode(), b"%d" % one.open),
                (b"x-ratelimit-reset-%b" % unit.encode(), resets.encode()),
            ]
    return headers
