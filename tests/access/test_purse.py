"""The purse: whatever happens side by side, in one process or in several, no hard budget is overrun."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.access.purse import Purse
from pointsman.core.budget import Budget, Granted, Group, Hold, Payer, Wanted, window
from pointsman.core.errors import BudgetExceeded, RateLimited, StoreUnavailable
from pointsman.core.model import Model, Price, Provider
from pointsman.core.plan import Needs, Step
from pointsman.line.reserve import Reserved
from pointsman.store.allowances import Allowances

START = 1_800_000_000 * 10**9
DAY = 86_400 * 10**9


class SetClock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.time


class Books:
    """Leases in memory, as the store keeps them."""

    def __init__(self) -> None:
        self.granted: dict[tuple[str, int], int] = {}
        self.spent: dict[tuple[str, int], int] = {}
        self.away = False
        self.questions = 0

    def lease(self, wanted: Sequence[Wanted], part: int) -> list[Granted]:
        if self.away:
            raise StoreUnavailable("away")
        self.questions += 1
        return [self._grant(one, part) for one in wanted]

    def _grant(self, one: Wanted, part: int) -> Granted:
        key = (one.account, one.begin)
        before = max(self.granted.get(key, 0), one.known)
        grant = one.grant(before, part)
        self.granted[key] = before + grant.now
        return grant

    def settle(self, changes: Sequence[tuple[str, int, int, int, int]]) -> list[int]:
        if self.away:
            raise StoreUnavailable("away")
        for account, begin, granted, spent, _ in changes:
            key = (account, begin)
            self.granted[key] = self.granted.get(key, 0) + granted
            self.spent[key] = self.spent.get(key, 0) + spent
        return [self.granted[account, begin] for account, begin, *_ in changes]

    def close(self) -> None:
        return None


def purse(books: Any, clock: SetClock, *budgets: Budget) -> Purse:
    made = Purse(books, clock)
    made.configure("test", budgets)
    return made


def found(one: Purse, payer: Payer) -> Group:
    accounts = one.accounts(payer, one._clock.now())
    assert accounts is not None
    return accounts


async def held(one: Purse, accounts: Group, usd: int) -> Hold:
    """So much held, which has to be possible."""
    await one.fund(accounts, usd, 0)
    hold = one.take(accounts, usd)
    assert hold is not None
    return hold


async def test_what_is_held_is_not_there_for_others() -> None:
    clock, books = SetClock(), Books()
    one = purse(books, clock, Budget(scope="organisation", amount=100))
    accounts = found(one, Payer())
    hold = await held(one, accounts, 60)
    await one.fund(accounts, 60, 0)
    assert one.take(accounts, 60) is None
    one.settle(hold, 10, 0, 1)
    await one.fund(accounts, 60, 0)
    assert one.take(accounts, 60) is not None


async def test_a_hold_is_settled_once() -> None:
    clock, books = SetClock(), Books()
    one = purse(books, clock, Budget(scope="organisation", amount=100))
    accounts = found(one, Payer())
    hold = await held(one, accounts, 60)
    one.settle(hold, 10, 0, 1)
    one.settle(hold, 10, 0, 1)
    assert (accounts.every[0].spent, accounts.every[0].held) == (10, 0)


async def test_all_accounts_are_taken_from_or_none() -> None:
    clock, books = SetClock(), Books()
    one = purse(books, clock, Budget(scope="organisation", amount=100), Budget(scope="team", amount=10))
    accounts = found(one, Payer(team="t"))
    await one.fund(accounts, 20, 0)
    assert one.take(accounts, 20) is None
    assert [account.held for account in accounts.every] == [0, 0]


async def test_a_new_period_begins_with_everything_and_old_calls_settle_into_theirs() -> None:
    clock, books = SetClock(), Books()
    one = purse(books, clock, Budget(scope="organisation", amount=100, period="day"))
    old = found(one, Payer())
    hold = await held(one, old, 90)
    clock.time += DAY
    new = found(one, Payer())
    await one.fund(new, 90, 0)
    assert one.take(new, 90) is not None
    one.settle(hold, 80, 0, 1)
    assert (old.every[0].spent, new.every[0].spent) == (80, 0)


async def test_two_processes_share_a_limit_by_leases() -> None:
    clock, books = SetClock(), Books()
    budget = Budget(scope="organisation", amount=100)
    first, second = purse(books, clock, budget), purse(books, clock, budget)
    mine, theirs = found(first, Payer()), found(second, Payer())
    hold = await held(first, mine, 70)
    await second.fund(theirs, 40, 0)
    assert second.take(theirs, 40) is None
    first.settle(hold, 20, 0, 1)
    first.give_back()
    await second.fund(theirs, 40, 0)
    assert second.take(theirs, 40) is not None


async def test_what_a_provider_bills_beyond_the_hold_is_booked_and_ends_the_budget() -> None:
    clock, books = SetClock(), Books()
    one = purse(books, clock, Budget(scope="organisation", amount=100))
    accounts = found(one, Payer())
    hold = await held(one, accounts, 50)
    one.settle(hold, 500, 0, 1)
    one.give_back()
    assert list(books.granted.values()) == [500]
    await one.fund(accounts, 1, 0)
    assert one.take(accounts, 1) is None


async def test_without_the_store_money_is_refused_and_a_rate_is_kept_alone() -> None:
    clock, books = SetClock(), Books()
    books.away = True
    money = purse(books, clock, Budget(scope="organisation", amount=100, period="day"))
    with pytest.raises(StoreUnavailable, match="hard one"):
        await money.fund(found(money, Payer()), 1, 0)
    rate = purse(books, clock, Budget(scope="organisation", amount=2, unit="requests", period="minute"))
    accounts = found(rate, Payer())
    taken = []
    for _ in range(3):
        await rate.fund(accounts, 0, 0)
        taken.append(rate.take(accounts, 0) is not None)
    assert taken == [True, True, False]


async def test_a_limit_that_became_less_binds_at_once() -> None:
    clock, books = SetClock(), Books()
    one, other = (purse(books, clock, Budget(scope="organisation", amount=1_600)) for _ in range(2))
    holds = [await held(each, found(each, Payer()), 700) for each in (one, other)]
    for each, hold in zip((one, other), holds, strict=True):
        each.settle(hold, 100, 0, 1)
        each.configure("test", [Budget(scope="organisation", amount=300)])
        accounts = found(each, Payer())
        await each.fund(accounts, 150, 0)
        assert each.take(accounts, 150) is None, "what is leased was granted of the old limit"
    for each in (one, other):
        each._tell(each._changes(clock.now()))
    assert list(books.granted.values()) == [200]
    accounts = found(one, Payer())
    await one.fund(accounts, 90, 0)
    assert one.take(accounts, 90) is not None
    await other.fund(found(other, Payer()), 90, 0)
    assert other.take(found(other, Payer()), 90) is None


async def test_a_rate_kept_alone_while_the_store_was_away_is_leased_afterwards() -> None:
    clock, books = SetClock(), Books()
    one = purse(books, clock, Budget(scope="organisation", amount=100, unit="tokens", period="day"))
    accounts, books.away = found(one, Payer()), True
    await one.fund(accounts, 0, 60)
    hold = one.take(accounts, 0, 60)
    assert hold is not None
    books.away = False
    one.settle(hold, 0, 50, 1)
    one.give_back()
    assert (list(books.granted.values()), list(books.spent.values())) == ([50], [50])


async def test_what_is_settled_cannot_be_raised() -> None:
    clock, books = SetClock(), Books()
    one = purse(books, clock, Budget(scope="organisation", amount=100))
    accounts = found(one, Payer())
    hold = await held(one, accounts, 60)
    one.settle(hold, 10, 0, 1)
    assert not one.more(hold, 5, 0)
    assert accounts.every[0].held == 0


@given(
    calls=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 600), st.floats(0, 1), st.integers(0, 2)), max_size=40)
)
@settings(max_examples=60)
def test_a_rate_of_tokens_is_passed_by_less_than_itself_whatever_is_read(calls: list[Any]) -> None:
    """Two processes; each call is likely to use so many tokens, may use so many more, and uses a share of these."""

    async def run() -> None:
        clock, books = SetClock(), Books()
        budget = Budget(scope="organisation", amount=1_000, unit="tokens", period="minute")
        purses, open_holds = [purse(books, clock, budget) for _ in range(2)], list[Any]()
        for likely, more, share, act in calls:
            one = purses[act % 2]
            accounts, most = found(one, Payer()), likely + more
            await one.fund(accounts, 0, most, 1, likely)
            hold = one.take(accounts, 0, most, likely)
            if hold is not None:
                open_holds.append((one, hold, likely + int(more * share), more))
            if act == 2 and open_holds:
                owner, hold, used, _ = open_holds.pop(0)
                owner.settle(hold, 0, used, 1)
            if len(open_holds) > 5:
                clock.time += 6 * 10**9
                one._tell(one._changes(clock.now()))
        for owner, hold, used, _ in open_holds:
            owner.settle(hold, 0, used, 1)
        spent = sum(account.spent for each in purses for account in each._accounts.values())
        assert spent <= 2 * 1_000 + 2 * 600  # the only one of each process may be at risk in any case
        assert all(account.risk == account.held == 0 for each in purses for account in each._accounts.values())

    asyncio.run(run())


async def test_a_caller_who_leaves_while_a_lease_is_asked_for_loses_nothing() -> None:
    clock, books = SetClock(), Books()
    one = purse(books, clock, Budget(scope="organisation", amount=100))
    accounts = found(one, Payer())
    asking = asyncio.create_task(one.fund(accounts, 60, 0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    for _ in range(50):
        await asyncio.sleep(0.01)
        if accounts.every[0].leased:
            break
    assert accounts.every[0].leased == sum(books.granted.values()) == 60


def test_the_refusal_says_which_how_much_and_when() -> None:
    clock = SetClock()
    one = purse(Books(), clock, Budget(scope="key", subject="ci", amount=5 * 10**9, period="day"))
    (account,) = found(one, Payer(key="1", key_name="ci")).every
    error = one.refusal(account, 7 * 10**9)
    assert isinstance(error, BudgetExceeded)
    assert error.status == 402
    assert not error.retryable
    assert "0 usd left (key ci: 5 usd a day)" in error.message
    assert "up to 7 usd" in error.message
    assert "resets at 2027-01-16 00:00:00Z" in error.message
    many = purse(Books(), clock, Budget(scope="organisation", amount=60, unit="requests", period="minute"))
    (account,) = found(many, Payer()).every
    rate = many.refusal(account, 1)
    assert isinstance(rate, RateLimited)
    assert rate.status == 429
    assert rate.retry_after is not None
    assert 0 < rate.retry_after <= 60


def test_a_flood_of_names_is_bounded() -> None:
    clock = SetClock()
    one = purse(Books(), clock, Budget(scope="user", amount=1))
    for number in range(70_000):
        found(one, Payer(user=f"u{number}"))
    assert len(one._accounts) <= 65_536


@given(st.data())
@settings(max_examples=60)
def test_no_order_of_events_overruns_a_limit(data: st.DataObject) -> None:
    """Several processes take, settle, give back, lose the store and end, in any order."""

    asyncio.run(Events(data).run())


class Events:
    """Three processes that share a store; `data` draws what happens."""

    limits = {"organisation": 1_000, "team": 300, "user": 150}  # noqa: RUF012 - never changed

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.clock, self.books = SetClock(), Books()
        budgets = (
            Budget(scope="organisation", amount=1_000, period="day"),
            Budget(scope="team", amount=300, period="day"),
            Budget(scope="user", amount=150),
        )
        self.purses = [purse(self.books, self.clock, *budgets) for _ in range(3)]
        self.holds: list[tuple[Purse, Any]] = []

    async def run(self) -> None:
        for _ in range(self.draw(st.integers(1, 40))):
            act = self.draw(st.sampled_from([self.take, self.take, self.take, self.settle, self.back, self.time]))
            await act(self.draw(st.sampled_from(self.purses)))
            self.check()
        self.books.away = False
        for owner, hold in self.holds:
            owner.settle(hold, 0, 0, 1)
        for each in self.purses:
            each.give_back()
        assert self.books.granted == {key: self.books.spent.get(key, 0) for key in self.books.granted}

    async def take(self, one: Purse) -> None:
        team, user = self.draw(st.sampled_from(["a", "b"])), self.draw(st.sampled_from(["x", "y", "z"]))
        accounts = found(one, Payer(team=team, user=user))
        amount = self.draw(st.integers(1, 200))
        try:
            await one.fund(accounts, amount, 0)
        except StoreUnavailable:
            return
        hold = one.take(accounts, amount)
        if hold is not None:
            self.holds.append((one, hold))

    async def settle(self, _one: Purse) -> None:
        if self.holds:
            owner, hold = self.holds.pop(self.draw(st.integers(0, len(self.holds) - 1)))
            owner.settle(hold, self.draw(st.integers(0, hold.usd)), 0, 1)

    async def back(self, one: Purse) -> None:
        if self.books.away:
            self.books.away = False
        else:
            one.give_back()

    async def time(self, _one: Purse) -> None:
        self.books.away = self.draw(st.booleans())
        self.clock.time += self.draw(st.sampled_from([0, 10**9, 10 * 10**9, DAY]))

    def check(self) -> None:
        for (name, _), granted in self.books.granted.items():
            assert granted <= self.limits[name.split('"')[1]]
        for each in self.purses:
            for account in each._accounts.values():
                assert account.free >= 0
                assert account.held >= 0


async def test_leases_in_the_store_add_up_to_the_limit_and_no_more(store_url: str) -> None:
    """Eight owners, each with its own connection, at once."""
    clock = SetClock()
    budget = Budget(scope="organisation", amount=10_000, period="day")
    vaults = [Allowances(store_url, clock) for _ in range(8)]
    purses = [purse(vault, clock, budget) for vault in vaults]
    spent = 0

    async def work(one: Purse, seed: int) -> None:
        nonlocal spent
        draw = random.Random(seed)
        for _ in range(60):
            accounts, amount = found(one, Payer()), draw.randrange(1, 120)
            await one.fund(accounts, amount, 0)
            hold = one.take(accounts, amount)
            if hold is None:
                continue
            await asyncio.sleep(0)
            used = draw.randrange(0, amount + 1)
            spent += used
            one.settle(hold, used, 0, 1)

    await asyncio.gather(*(work(one, seed) for seed, one in enumerate(purses)))
    assert spent <= 10_000
    assert spent > 9_000
    for one in purses:
        await asyncio.to_thread(one.give_back)
    (account,) = found(purses[0], Payer()).every
    assert vaults[0].spent(account.id, window("day", clock.now())[0]) == (spent, spent)
    for vault in vaults:
        vault.close()


async def test_leases_released_under_a_server_that_runs_are_found_again_and_booked_once(store_url: str) -> None:
    """It goes on spending what it has: that is no more there for others, and no more than it was."""
    clock = SetClock()
    budget, payer = Budget(scope="organisation", amount=100, period="day"), Payer()
    mine, others = Allowances(store_url, clock), Allowances(store_url, clock)
    running = purse(mine, clock, budget)
    hold = await held(running, found(running, payer), 60)
    await asyncio.to_thread(others.release, leases=True)
    running.settle(hold, 60, 0, 1)
    await asyncio.to_thread(running.give_back)

    class Past:
        def every(self, _scope: str, _begin: int) -> dict[tuple[str, ...], tuple[int, int, int]]:
            return {(): (60, 0, 0)}  # as the ledger has it

        def of(self, scope: str, whose: tuple[str, ...], begin: int) -> tuple[int, int, int]:
            return self.every(scope, begin)[whose]

    next_one = Purse(others, clock, Past())
    next_one.configure("test", [budget])
    accounts = found(next_one, payer)
    await next_one.fund(accounts, 41, 0)
    assert next_one.take(accounts, 41) is None
    await held(next_one, accounts, 40)
    assert others.spent(accounts.every[0].id, window("day", clock.now())[0]) == (100, 60)
    for vault in (mine, others):
        vault.close()


def test_any_name_of_a_user_can_be_stored(store_url: str) -> None:
    clock = SetClock()
    vault = Allowances(store_url, clock)
    one = purse(vault, clock, Budget(scope="user", amount=100))
    for name in ["a\0b", "\ud800", "x" * 5_000, '"', "é", "\n"]:
        accounts = found(one, Payer(key="k", user=name))
        asyncio.run(one.fund(accounts, 5, 0))
        assert one.take(accounts, 5) is not None
    vault.close()


async def test_a_budget_that_comes_late_or_back_begins_at_what_was_used() -> None:
    """Of the ledger; and once, however many calls there are."""

    class Past:
        asked = 0
        used = 70

        def every(self, _scope: str, _begin: int) -> dict[tuple[str, ...], tuple[int, int, int]]:
            Past.asked += 1
            return {("k",): (Past.used, 0, 0)}

        def of(self, scope: str, whose: tuple[str, ...], begin: int) -> tuple[int, int, int]:
            return self.every(scope, begin)[whose]

    clock, books = SetClock(), Books()
    one = Purse(books, clock, Past())
    budget, payer = Budget(scope="key", amount=100, period="month"), Payer(key="k")
    one.configure("file", [budget])
    for amount, fits in ((20, True), (11, False), (10, True)):
        await one.fund(found(one, payer), amount, 0)
        hold = one.take(found(one, payer), amount)
        assert (hold is not None) is fits
        if hold is not None:
            one.settle(hold, amount, 0, 1)
    one.give_back()
    one.configure("file", [])
    Past.used = 130
    clock.time += 1
    one.configure("file", [msgspec.structs.replace(budget, amount=140)])
    await one.fund(found(one, payer), 11, 0)
    assert one.take(found(one, payer), 11) is None
    assert one.take(found(one, payer), 0) is not None
    assert Past.asked == 2
    clock.time += 40 * DAY
    await one.fund(found(one, payer), 100, 0)
    assert one.take(found(one, payer), 100) is not None, "a new period has counted everything itself"
    assert Past.asked == 2


async def test_two_that_are_asked_beside_each_other_are_both_held_for() -> None:
    """The second is looked at while the first still waits for the store."""
    clock, books = SetClock(), Books()
    one = purse(books, clock, Budget(scope="organisation", amount=2 * 10**7))
    accounts = found(one, Payer())
    here = Provider(name="here", dialect="openai-chat", base_url="http://127.0.0.1:1")
    price = Price(input=1_000_000, output=1_000_000)
    models = [Model(name=name, provider=here, upstream=name, max_output=100, price=price) for name in "ab"]
    first, second = (Step(model=model, dialect="openai-chat") for model in models)
    needs = Needs(dialect="openai-chat", body_bytes=976, output_tokens=1_000)
    hold = await held(one, accounts, 0)
    reserved = Reserved(one, hold, None, needs)
    await asyncio.gather(reserved.cover(first, ()), reserved.cover(second, ()))
    assert hold.usd >= 2 * 3_000 * 1_000
    reserved.ended(first)
    await reserved.cover(first, (), added=5_000)
    assert hold.usd >= (2 * 3_000 + 5_000) * 1_000, "what it goes on from is read too"
    reserved.settle((), sent=True)
    assert accounts.every[0].held == 0
