"""Of several processes with one store, one tells of a trouble."""

from __future__ import annotations

import asyncio

from pointsman.core.clock import SystemClock
from pointsman.store.alert_claims import AlertClaims

NAME = "provider_down acme"
HOLD = 900


def claims(url: str, node: str) -> AlertClaims:
    return AlertClaims(url, SystemClock(), node)


async def test_the_first_tells_and_the_others_leave_it_at_that(store_url):
    nodes = [claims(store_url, f"n{number}") for number in range(4)]
    taken = await asyncio.gather(*(one.take(NAME, "firing", 1_000, HOLD) for one in nodes))
    assert sum(taken) == 1
    over = await asyncio.gather(*(one.take(NAME, "resolved", 1_500, HOLD) for one in nodes))
    assert sum(over) == 1
    for one in nodes:
        one.close()


async def test_it_is_told_anew_when_it_begins_anew_or_lasts(store_url):
    one, other = claims(store_url, "one"), claims(store_url, "other")
    assert await one.take(NAME, "firing", 1_000, HOLD)
    assert await one.take(NAME, "firing", 1_100, HOLD), "who told it may go on telling"
    assert not await other.take(NAME, "firing", 1_200, HOLD)
    assert await other.take("provider_down other", "firing", 1_200, HOLD)
    assert await other.take(NAME, "firing", 2_100, HOLD), "long ago"
    assert await one.take(NAME, "resolved", 2_200, HOLD)
    assert await other.take(NAME, "firing", 2_300, HOLD), "again"
    one.close()
    other.close()


async def test_what_a_process_told_may_be_told_again_after_its_end(store_url):
    one, next_one = claims(store_url, "one"), claims(store_url, "next")
    assert await one.take(NAME, "firing", 1_000, HOLD)
    one.close()
    assert await next_one.take(NAME, "firing", 1_001, HOLD)
    next_one.close()


async def test_without_a_store_everybody_tells(tmp_path):
    lost = claims(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'ledger.db'}", "one")
    assert await lost.take(NAME, "firing", 1_000, HOLD)
    lost.close()
