"""Leases for a burst: few questions, nobody served at another's cost, nobody waiting for one who has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from pointsman.access.purse import Purse
from pointsman.access.teller import Teller, Want
from pointsman.core.budget import Account, Budget, Granted, Group, Hold, Payer, Wanted
from pointsman.core.errors import StoreUnavailable

START = 1_800_000_000 * 10**9
DAY = 86_400 * 10**9


class Still:
    def now(self) -> int:
        return START

    def monotonic(self) -> int:
        return START


class Slow:
    """A store whose every transaction takes its time."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.seconds = seconds
        self.questions: list[int] = []
        self.granted: dict[str, int] = {}
        self.broken: Exception | None = None

    def lease(self, wanted: Sequence[Wanted], part: int) -> list[Granted]:
        time.sleep(self.seconds)
        self.questions.append(len(wanted))
        if self.broken is not None:
            raise self.broken
        found = []
        for one in wanted:
            before = max(self.granted.get(one.account, 0), one.known)
            found.append(one.grant(before, part))
            self.granted[one.account] = before + found[-1].now
        return found

    def settle(self, changes: Sequence[tuple[str, int, int, int, int]]) -> list[int]:
        return [0 for _ in changes]

    def close(self) -> None:
        return None


def account(limit: int = 1_000, name: str = "a") -> Account:
    return Account(name, Budget(scope="organisation", amount=limit), START, START + DAY)


async def test_a_burst_is_served_by_few_questions_and_within_the_limit() -> None:
    store = Slow()
    purse = Purse(store, Still())
    purse.configure("test", [Budget(scope="organisation", amount=3_000), Budget(scope="user", amount=400)])

    async def one(number: int) -> bool:
        group = purse.accounts(Payer(key="k", user=f"u{number % 20}"), START)
        assert group is not None
        return await purse.hold(group, 20) is not None

    held = await asyncio.gather(*(one(number) for number in range(200)))
    assert held.count(True) == 150
    assert len(store.questions) <= 4
    assert max(store.granted.values()) <= 3_000


async def test_a_call_that_does_not_fit_takes_nothing_from_those_that_do() -> None:
    store, one = Slow(0), account(100)
    teller = Teller(store)
    await asyncio.gather(*(teller.ask([Want(one, amount, 0)]) for amount in (60, 500, 40)))
    assert (one.leased, one.left) == (100, 0)
    other = account(100, "b")
    await teller.ask([Want(other, 500, 0)])
    assert (other.leased, other.left) == (0, 100)


async def test_who_has_left_is_not_asked_for_and_holds_nobody_up() -> None:
    store, one, other = Slow(), account(1_000), account(1_000, "b")
    teller = Teller(store)
    first = asyncio.create_task(teller.ask([Want(one, 10, 0)]))
    await asyncio.sleep(0.01)
    gone = asyncio.create_task(teller.ask([Want(other, 900, 0)]))
    await asyncio.sleep(0)
    gone.cancel()
    second = asyncio.create_task(teller.ask([Want(one, 300, 0)]))
    await asyncio.gather(first, second)
    assert one.leased >= 300
    assert not other.asked
    first = asyncio.create_task(teller.ask([Want(other, 500, 0)]))
    await asyncio.sleep(0.01)
    first.cancel()  # while its question is under way: what is granted counts
    await asyncio.sleep(0.1)
    assert other.leased == 500
    assert not teller.asks(other)


async def test_a_store_that_breaks_is_told_to_all_who_wait_and_asked_again_later() -> None:
    store, one = Slow(0), account()
    teller = Teller(store)
    store.broken = StoreUnavailable("away")
    found = await asyncio.gather(*(teller.ask([Want(one, 10, 0)]) for _ in range(5)), return_exceptions=True)
    assert {type(each) for each in found} == {StoreUnavailable}
    store.broken = RuntimeError("a defect")
    with pytest.raises(RuntimeError, match="a defect"):
        await teller.ask([Want(one, 10, 0)])
    store.broken = None
    await teller.ask([Want(one, 10, 0)])
    assert one.leased >= 10


async def test_many_accounts_are_asked_for_in_several_questions() -> None:
    store, accounts = Slow(0), [account(100, f"a{number}") for number in range(900)]
    teller = Teller(store)
    await asyncio.gather(*(teller.ask([Want(one, 10, 0)]) for one in accounts))
    assert all(one.leased == 10 for one in accounts)
    assert max(store.questions) <= 256


async def test_who_finds_that_others_took_his_lease_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as there is more in the store: a refusal would say that it has enough."""
    purse = Purse(Slow(0), Still())
    purse.configure("test", [Budget(scope="organisation", amount=1_600)])
    group = purse.accounts(Payer(), START)
    assert group is not None
    await purse.fund(group, 0, 0)
    assert purse.take(group, 100) is not None  # all that is leased
    take, takes = purse.take, iter([False, True])

    def after_others(group: Group, usd: int, tokens: int = 0, likely: int | None = None) -> Hold | None:
        if next(takes, False):
            assert take(group, 90) is not None
        return take(group, usd, tokens, likely)

    monkeypatch.setattr(purse, "take", after_others)
    assert await purse.hold(group, 100) is not None


async def test_an_account_at_its_end_is_asked_of_once() -> None:
    store = Slow(0)
    purse = Purse(store, Still())
    purse.configure("test", [Budget(scope="organisation", amount=10)])
    group = purse.accounts(Payer(), START)
    assert group is not None
    assert await purse.hold(group, 10) is not None
    before = len(store.questions)
    assert await purse.hold(group, 1) is None
    assert len(store.questions) == before + 1


def test_budgets_of_ten_thousand_keys_are_not_looked_through_for_a_new_payer(monkeypatch: pytest.MonkeyPatch) -> None:
    purse = Purse(Slow(0), Still())
    budgets = [Budget(scope="key", subject=f"k{number}", amount=100) for number in range(10_000)]
    purse.configure("keys", [*budgets, Budget(scope="key", subject="named", amount=7), Budget(scope="team", amount=9)])
    looked_at: list[Budget] = []
    whose = Budget.whose

    def counted(budget: Budget, payer: Payer) -> tuple[str, ...] | None:
        looked_at.append(budget)
        return whose(budget, payer)

    monkeypatch.setattr(Budget, "whose", counted)

    def amounts(payer: Payer) -> list[int]:
        group = purse.accounts(payer, START)
        return [] if group is None else [one.budget.amount for one in group.every]

    assert amounts(Payer(key="k7", key_name="k7", team="t")) == [100, 9]
    assert amounts(Payer(key="x", key_name="named")) == [7]
    assert amounts(Payer(key="x", key_name="other")) == []
    looked_at.clear()
    for number in range(1_000):
        assert amounts(Payer(key=f"k{number}", user=str(number))) == [100]
    assert len(looked_at) == 2_000, "its own, and that of every team"
