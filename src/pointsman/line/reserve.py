"""Reserve: between the plan and the first attempt, the worst case is held in every budget that the call counts to.

    plan -> accounts -> take what the dearest step may cost -> attempts, each within the hold -> settle what it cost

Nearly every call fits at once: `at_once` is for those, without waiting for anything. Where the worst case does not fit,
it is looked at more closely, in steps that the caller notices less than the next ones:

1. the request is counted, where a count is a proven bound and not its bytes;
2. a request that leaves it to the provider how it is served is told the usual way;
3. the planner is asked once more, for a plan within what is left: dearer models drop out;
4. a request that does not say how long its answer may be is told so.

Only what is billed counts: an attempt that was refused costs nothing, so the next one has its hold; what is billed
besides (a hedge, the rest of a stream that broke) has to be held too before it is asked for, or it is not asked for. So
does an attempt whose cost nobody knows (`core.failure.Rule.billed`): its worst case stays held, and is booked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from pointsman.core.budget import Account, Group, Hold, Payer
from pointsman.core.counting import Counted
from pointsman.core.errors import BudgetExceeded, PointsmanError, RateLimited, StoreUnavailable, Unbounded
from pointsman.core.extent import PLAIN, Extent, Most
from pointsman.core.labels import cut_label
from pointsman.core.model import Ability
from pointsman.core.outcome import Attempt
from pointsman.core.plan import Needs, Plan, Step
from pointsman.core.ports import Principal
from pointsman.line.worst import Worst, longest_for, quickly, unbounded_in, worst_of_plan, worst_of_step
from pointsman.wire.extents import MOST_USES

_made = tuple.__new__  # quicker than by name
_NO_NEEDS = Needs(dialect="")
_EMBEDDINGS = int(Ability.EMBEDDINGS)
_MOST_COUNTED = 8
"""Models for which a request is counted, where what stands in it counts differently for each."""
Replan = Callable[[int | None, Extent, bool], Plan]
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

    def lacking(
        self, group: Group, usd: int, tokens: int, requests: int = 1, likely: int | None = None
    ) -> Account | None:
        """The first hard account that has not enough at hand; None where all have."""
        ...

    def take(self, group: Group, usd: int, tokens: int = 0, likely: int | None = None) -> Hold | None:
        """Hold these amounts, and one request, everywhere, or nowhere (None)."""
        ...

    async def hold(self, group: Group, usd: int, tokens: int = 0, likely: int | None = None) -> Hold | None:
        """The same, with leases for what is not at hand."""
        ...

    def more(self, hold: Hold, usd: int, tokens: int, likely: int | None = None) -> bool:
        """Raise a hold by these amounts; whether that was possible."""
        ...

    def settle(self, hold: Hold, usd: int, tokens: int, requests: int, doubt: int = 0) -> None:
        """Let a hold go and book what was used; `doubt` of the money stands in no bill."""
        ...

    async def fund(self, group: Group, usd: int, tokens: int, requests: int = 1, likely: int | None = None) -> None:
        """Get what these amounts need where it is not at hand. Raises `StoreUnavailable`."""
        ...

    def refusal(self, account: Account, needed: int | None) -> BudgetExceeded | RateLimited:
        """The error for a call that needs so much of an account that has less; None: more than there is."""
        ...


class Reserved(msgspec.Struct, eq=False):
    """What one call holds.

    Attributes:
        plan: what it may do with that; None leaves the plan as it was.
        extent: how far a provider may go, as it was held for.
        usual: the request is told to be served the usual way.
        uses: how often it is told that tools which run at the provider may be used; 0 is not told.
        counting: it only counts tokens, which costs nothing.
        whole: the worst case of every step of the plan is in the hold.
        active: the steps whose attempts may still be billed, and what each may use.
        doubts: the most that attempts may have used which ended without a word on it, by their number in the call.
    """

    purse: Purse
    hold: Hold
    plan: Plan | None = None
    needs: Needs = _NO_NEEDS
    extent: Extent = PLAIN
    usual: bool = False
    uses: int = 0
    counting: bool = False
    whole: bool = False
    active: tuple[tuple[Step, Worst], ...] = ()
    doubts: tuple[tuple[int, Worst], ...] = ()

    def at_first(self, step: Step, attempts: Sequence[Attempt], added: int = 0) -> bool:
        """Whether a step is covered as it is, and then it may be asked; see `cover`."""
        if self.counting or (self.whole and not (attempts or self.active or added)):
            self.active = (*self.active, (step, _NOT_LOOKED_AT))
            return True
        return False

    async def cover(self, step: Step, attempts: Sequence[Attempt], added: int = 0) -> int | None:
        """Before a step is asked: have its worst case in the hold, beside what the attempts before it were billed.

        `added`: tokens at most that it reads besides the request, as what a stream that broke has told so far.

        Returns the length that its answer is to be limited to, in tokens, where the request does not say one and what
        is held would not do for the longest, or nobody knows how long that is.

        Raises:
            BudgetExceeded, RateLimited: there is not enough for it.
        """
        if self.at_first(step, attempts, added):
            return self.untold(step)
        extent = msgspec.structs.replace(self.extent, added=self.extent.added + added) if added else self.extent
        before, worst = self._used(attempts), worst_of_step(step, self.needs, extent)
        self.active = (*self.active, (step, worst))  # before any waiting: who is asked meanwhile has to see it
        if await self._raised(_sum(before, worst)):
            return self.untold(step)
        if not self.needs.output_tokens:
            await self._raised(self._within_reach(_sum(before, worst)))
        cap = self._cap(step, extent, before)
        if cap is None:
            self.ended(step)
            raise self._refusal(_sum(before, worst))
        return cap

    def ended(self, step: Step) -> None:
        """A step brought nothing, or what it cost is booked: what it might have cost is free for the next."""
        self.active = tuple(one for one in self.active if one[0] is not step)

    def doubted(self, step: Step, number: int) -> None:
        """A step's attempt brought nothing, and may be billed all the same: the most that it may cost stays held."""
        worst = next((self._most(*one) for one in self.active if one[0] is step), None)
        if worst is not None:
            self.doubts = (*self.doubts, (number, worst))
        self.ended(step)

    def settle(self, attempts: Sequence[Attempt], *, sent: bool, doubt: bool = False) -> None:
        """Let the hold go and book what was used: of an attempt in doubt the most that it may have.

        `doubt`: more may have been used than was seen; then, and where an attempt's cost is not known otherwise, all
        that was held counts.
        """
        hold = self.hold
        if len(attempts) == 1 and sent and not (doubt or self.doubts):  # as nearly always
            (only,) = attempts
            if only.cost is not None:
                used = 0 if only.usage is None else only.usage.input + only.usage.output
                self.purse.settle(hold, only.cost, used, 1)
                return
        if not sent:
            self.purse.settle(hold, 0, 0, 0)
            return
        usd, tokens, doubts = 0, 0, dict(self.doubts)
        for one in attempts:
            most = doubts.get(one.number, _NOTHING)
            if one.cost is None and most is _NOTHING:
                doubt = True
            used = 0 if one.usage is None else one.usage.input + one.usage.output
            usd += max(one.cost or 0, most.usd)
            tokens += max(used, most.tokens)
        known = sum(one.cost or 0 for one in attempts)
        if doubt:  # what was told beyond what was held counts as well
            usd, tokens = max(usd, hold.usd), max(tokens, hold.tokens)
        self.purse.settle(hold, usd, tokens, 1, usd - known)

    def untold(self, step: Step) -> int | None:
        """The limit that an answer is told because nobody knows of another; what is held was counted with it."""
        reach, needs = step.reach, self.needs
        if not reach.told or self.counting or needs.output_tokens or reach.deaf or int(needs.abilities) & _EMBEDDINGS:
            return None
        return reach.output

    def _used(self, attempts: Sequence[Attempt]) -> Worst:
        """What earlier attempts were billed, and those may be that run."""
        used = Worst()
        for step, worst in self.active:
            used = _sum(used, self._most(step, worst))
        doubts = dict(self.doubts)
        for one in attempts:
            if one.number in doubts:
                used = _sum(used, doubts[one.number])
                continue
            tokens = one.usage.total if one.usage is not None else 0
            used = _sum(used, Worst(self.hold.usd if one.cost is None else one.cost, tokens, tokens))
        return used

    def _most(self, step: Step, worst: Worst) -> Worst:
        return worst_of_step(step, self.needs, self.extent) if worst is _NOT_LOOKED_AT else worst

    async def _raised(self, worst: Worst) -> bool:
        """Have so much in the hold, if it can be had."""
        if self._more(worst):
            return True
        hold = self.hold
        usd, tokens = max(worst.usd - hold.usd, 0), max(worst.tokens - hold.tokens, 0)
        try:
            await self.purse.fund(hold.group, usd, tokens, 0)
        except StoreUnavailable:
            return False  # this attempt is not made; the call goes on with those that are held
        return self._more(worst)

    def _within_reach(self, worst: Worst) -> Worst:
        """As much of it as can be had: an answer that is told its length does with less."""
        hold = self.hold
        usd = min([worst.usd, *(hold.usd + one.open for one in hold.group.usd if one.hard)])
        there = [(hold.brief if one.brief else hold.tokens) + one.open for one in hold.group.tokens if one.hard]
        return Worst(usd, min([worst.tokens, *there]), min([worst.likely, *there]))

    def _more(self, worst: Worst) -> bool:
        hold = self.hold
        usd, tokens = max(worst.usd - hold.usd, 0), max(worst.tokens - hold.tokens, 0)
        return not (usd or tokens) or self.purse.more(hold, usd, tokens, min(max(worst.likely - hold.brief, 0), tokens))

    def _cap(self, step: Step, extent: Extent, used: Worst) -> int | None:
        """Tokens of each answer that fit into what is held; None where too few do, or the request says how many."""
        hold, group = self.hold, self.hold.group
        usd = hold.usd - used.usd if group.usd else None
        return longest_for(step, self.needs, extent, usd, hold.tokens - used.tokens if group.tokens else None)

    def _refusal(self, worst: Worst) -> PointsmanError:
        hold = self.hold
        lacking = self.purse.lacking(hold.group, worst.usd - hold.usd, worst.tokens - hold.tokens, 0)
        account = lacking or hold.group.every[0]
        return self.purse.refusal(account, worst.usd if account.budget.unit == "usd" else worst.tokens)


_NOT_LOOKED_AT = Worst()
_NOTHING = Worst()


def _sum(one: Worst, other: Worst) -> Worst:
    return Worst(one.usd + other.usd, one.tokens + other.tokens, one.likely + other.likely)


def at_once(purse: Purse, group: Group, plan: Plan, needs: Needs, extent: Extent) -> Reserved | None:
    """Hold what a plan may cost, where nothing has to be waited for or changed; else None."""
    if group.soft or not group.asked:
        return None
    if not (group.usd or group.tokens):
        hold = purse.take(group, 0)
        return None if hold is None else Reserved(purse, hold, plan, needs, extent, whole=True)
    usd, tokens, likely, bounded = quickly(plan, needs, extent) or worst_of_plan(plan, needs, extent)
    if group.bounded and not bounded:
        return None
    hold = purse.take(group, usd, tokens, likely)
    return None if hold is None else Reserved(purse, hold, plan, needs, extent, False, 0, False, True)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be held for, and by whom.

    Attributes:
        purse: where it is held.
        group: the accounts that the call counts to.
        needs: what the request asks for.
        extent: how far a provider may go with it.
        bounded: the same, once it is told to be served the usual way, and how often tools may be used.
        count: what a model reads of it, by the provider's name of the model.
        replan: the planner, for a plan within what is left.
        counting: the call only counts tokens, which costs nothing.
    """

    purse: Purse
    group: Group
    needs: Needs
    extent: Extent
    bounded: Callable[[bool, int], Extent]
    count: Callable[[str], Awaitable[Counted]]
    replan: Replan
    counting: bool = False

    async def reserve(self, plan: Plan) -> Reserved:
        """Hold what a plan may cost, or what a plan within what is left may.

        Raises:
            BudgetExceeded, RateLimited: what is left does for no plan.
            StoreUnavailable: what is left cannot be known.
        """
        purse, group = self.purse, self.group
        if self.counting:
            made = await hold(purse, group)
            made.counting = True
            return made
        if not group.asked:
            await purse.fund(group, 0, 0)
        frugal = any(_soft(one) for one in group.every)
        uses = self._uses(plan)
        extent, usual, asked = self.extent, False, False
        async for extent, usual in self._closer(plan, uses):
            chosen = self._chosen(plan, extent, frugal=frugal)
            if chosen is None:
                continue
            worst = worst_of_plan(chosen, self.needs, extent)
            if asked and self._beyond(worst):
                continue  # what is left is known by now: asking the store for each step would keep it busy
            taken, asked = await self._taken(worst), True
            if taken is not None:
                return Reserved(purse, taken, chosen, self.needs, extent, usual, uses, whole=True)
        plan = self._within(plan, extent, frugal=frugal)
        usd, tokens, likely = self._affordable(plan, extent)
        if asked and self._beyond(Worst(usd, tokens, likely)):
            raise refused(purse, group, usd, tokens, likely)
        made = await hold(purse, group, usd, tokens, likely)
        made.plan, made.needs, made.extent, made.usual, made.uses = plan, self.needs, extent, usual, uses
        return made

    async def _closer(self, plan: Plan, uses: int) -> AsyncIterator[tuple[Extent, bool]]:
        """How far a provider may go, looked at more and more closely; and whether it has to be told the usual way."""
        extent = self.bounded(False, uses) if uses else self.extent
        yield extent, False
        if self.group.bounded and not self._funds():
            return
        counted = await self._counted(plan, extent)
        if counted:
            extent = msgspec.structs.replace(extent, counted=counted)
            yield extent, False
        if extent.open:
            yield msgspec.structs.replace(self.bounded(True, uses), counted=counted), True

    async def _counted(self, plan: Plan, extent: Extent) -> tuple[tuple[str, int], ...]:
        """Tokens that models read of it at most, where a count is a bound."""
        models = list(dict.fromkeys(step.model.upstream for step in plan.steps))
        alike = not (extent.kept or self.needs.images)
        found = []
        for model in models[:1] if alike else models[:_MOST_COUNTED]:
            upper = (await self.count(model)).upper
            if upper is not None:
                found += [(one, upper) for one in (models if alike else (model,))]
        return tuple(found)

    def _uses(self, plan: Plan) -> int:
        """How often tools that run at the provider may be used, where somebody has to say; else 0.

        Raises:
            Unbounded: nobody can say.
        """
        extent = self.extent
        if extent.uses is not None or not self.group.bounded:
            return 0
        if not extent.settable:
            raise Unbounded(
                f"A hard budget binds this request, and nothing bounds how often `{extent.tools[0]}` is used",
                hint="leave it out, or use a key without a hard budget",
            )
        funds = self._funds() or 0
        for uses in range(MOST_USES, 1, -1):
            worst = worst_of_plan(plan, self.needs, self.bounded(False, uses))
            if worst.bounded and worst.usd <= funds:
                return uses
        return 1

    def _chosen(self, plan: Plan, extent: Extent, *, frugal: bool) -> Plan | None:
        """The plan as it is where that may be paid for, or one within what is left; None where there is none."""
        if not frugal and (not self.group.bounded or worst_of_plan(plan, self.needs, extent).bounded):
            return plan
        try:
            return self.replan(self._funds(), extent, frugal)
        except BudgetExceeded:
            return None

    def _beyond(self, worst: Worst) -> bool:
        """Whether it is more than what is left as far as this process knows."""
        group = self.group
        return any(one.open < worst.usd for one in group.usd if one.hard) or any(
            one.open < (worst.likely if one.brief else worst.tokens) for one in group.tokens if one.hard
        )

    async def _taken(self, worst: Worst) -> Hold | None:
        purse, group = self.purse, self.group
        usd, tokens, likely, _ = worst
        taken = await purse.hold(group, usd, tokens, likely)
        if taken is None and group.tokens and likely < tokens:  # too much is at risk: then all of it is to be held
            await purse.fund(group, usd, tokens)
            taken = purse.take(group, usd, tokens, likely)
        return taken

    def _within(self, plan: Plan, extent: Extent, *, frugal: bool) -> Plan:
        try:
            return self.replan(self._funds(), extent, frugal)
        except BudgetExceeded as error:
            unbounded = unbounded_in(plan, self.needs, extent)
            if unbounded is not None:
                raise Unbounded(
                    f"A hard budget binds this request, and nobody can say what it costs at most: {error.message}",
                    hint=_way_out(plan.steps[0].model.name, unbounded),
                ) from None
            told = self.purse.refusal(min((one for one in self.group.usd if one.hard), key=_open), None)
            told.message = f"{told.message}; {error.message}"
            raise told from None

    def _funds(self) -> int | None:
        """Nano-dollars that are left where money is bounded; None where it is not."""
        return min((one.open for one in self.group.usd if one.hard), default=None)

    def _affordable(self, plan: Plan, extent: Extent) -> tuple[int, int, int]:
        """What is to be held for a plan within what is left: where the length of an answer can be set, no more.

        Where that does for the first step's longest answer, no more than that: were all that is left held for what may
        follow, no other call would have anything. What follows is held for when it is asked, see `Reserved.cover`.
        """
        usd, tokens, likely, _ = worst_of_plan(plan, self.needs, extent)
        if self.needs.output_tokens:
            return usd, tokens, likely
        first = worst_of_step(plan.steps[0], self.needs, extent)
        if first.bounded and not self._beyond(first):
            return first.usd, first.tokens, first.likely
        usd = min([usd, *(one.open for one in self.group.usd if one.hard)])
        over = [(likely if one.brief else tokens) - one.open for one in self.group.tokens if one.hard]
        cut = max([0, *over])
        return usd, tokens - cut, likely - cut


async def hold(purse: Purse, group: Group, usd: int = 0, tokens: int = 0, likely: int | None = None) -> Reserved:
    """Hold these amounts, and one request, in every account.

    Raises:
        BudgetExceeded, RateLimited: one of them has not enough.
        StoreUnavailable: what is left cannot be known.
    """
    taken = await purse.hold(group, usd, tokens, likely)
    if taken is None:
        raise refused(purse, group, usd, tokens, tokens if likely is None else likely)
    return Reserved(purse, taken)


def refused(purse: Purse, group: Group, usd: int, tokens: int, likely: int) -> BudgetExceeded | RateLimited:
    """The error for these amounts, of which one is more than there is."""
    account = purse.lacking(group, usd, tokens, 1, likely) or group.every[0]
    needed = {"usd": usd, "tokens": likely if account.brief else tokens, "requests": 1}
    return purse.refusal(account, needed[account.budget.unit])


def _way_out(model: str, unbounded: Most) -> str:
    """How a request gets a bound, by the name of the model that lacks one."""
    setting = unbounded.setting
    said = f"set `{setting}` for `{model}` under `models` in the configuration, or " if setting else ""
    return f"{model}: {unbounded.why}; {said}use a key without a hard budget"


def _open(account: Account) -> int:
    return account.open


def _soft(account: Account) -> bool:
    budget = account.budget
    return budget.soft < 1 and budget.amount - account.open >= budget.soft * budget.amount


def payer_of(principal: Principal, user: str, session: str, route: str) -> Payer:
    """Whose call it is."""
    user, session = cut_label(user) if user else "", cut_label(session) if session else ""
    return _made(Payer, (principal.id, principal.name, principal.team, principal.project, user, session, route))
