"""What a call cost can be worked out again from the store alone, at the price that it was billed by."""

from __future__ import annotations

import pytest

from pointsman.core.clock import SystemClock
from pointsman.core.model import Price
from pointsman.core.usage import Usage
from pointsman.insight.queries import Questions
from pointsman.store.ledger import Ledger

PRICE = Price(
    input=1_500,
    output=2_500,
    cache_read=333,
    fees=(("web_search", 10_000_000),),
    services=(("flex", Price(input=750, output=1_250)),),
    hours=((0, 1_440, Price(input=1_501, output=2_500, fees=(("web_search", 10_000_000),))),),
    source="a list",
    since="2026-11-01",
)
DEARER = Price(input=9_000, output=9_000, source="a list", since="2026-12-01")
USED = Usage(input=101, cache_read=33, output=7, fees=(("web_search", 2), ("container", 1)))
FLEX = Usage(input=3, output=1, service="flex")


@pytest.fixture
def kept(tmp_path, make):
    """Calls of two prices, in a store of their own; asked again after the price has changed."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    tried = [
        make.attempt(1, price=PRICE, usage=FLEX, cost=4, purpose="hedge", error="outpaced"),
        make.attempt(2, price=PRICE, usage=USED, cost=PRICE.cost(USED, 0)),
        make.attempt(3, price=PRICE, usage=None, cost=0, error="upstream_timeout"),
        make.attempt(4, price=None, usage=USED, cost=None),
    ]
    first = make.outcome(attempts=tuple(tried), usage=USED, cost=None)
    later = make.outcome(attempts=(make.attempt(1, price=DEARER, usage=FLEX, cost=DEARER.cost(USED)),))
    ledger = Ledger(url, SystemClock())
    ledger.start()
    for one in (first, later, make.outcome(attempts=(tried[1],))):
        ledger.record(one)
    assert ledger.flush(20)
    assert ledger.close()
    questions = Questions(url)
    yield questions, first.id, later.id
    questions.close()


def test_an_old_call_keeps_its_price_and_its_parts(kept):
    questions, first, _ = kept
    found = questions.call(first)
    hedge, answer, failed, unpriced = found.attempts
    assert answer.cost_details == {"input": 102, "cache_read": 50, "output": 17, "web_search": 20_000}
    assert sum(answer.cost_details.values()) == answer.cost
    assert answer.unpriced == (("container", 1),)
    assert (answer.usage, found.call.usage) == (USED, USED)
    assert (hedge.purpose, hedge.usage.service, hedge.cost_details) == ("hedge", "flex", {"input": 3, "output": 1})
    assert (failed.cost_details, unpriced.cost_details) == (None, None)
    assert [one.bill.state for one in found.attempts] == ["billed", "billed", "not_billed", "unpriced"]
    assert [(line.kind, line.count, line.price) for line in answer.bill.lines] == [
        ("input", 68, 1_501), ("cache_read", 33, 1_501), ("output", 7, 2_500), ("web_search", 2, 10_000_000),
        ("container", 1, None),
    ]  # fmt: skip
    assert (hedge.bill.service, hedge.bill.since) == ("flex", "2026-11-01"), "a service has none of its own"
    assert hedge.price_digest == answer.price_digest == failed.price_digest != ""
    assert unpriced.price_digest == ""


def test_what_does_not_add_up_has_no_parts(kept):
    questions, first, later = kept
    found = questions.call(later).attempts[0]
    assert found.cost_details is None, "it was booked at something else"
    assert found.price_digest not in ("", questions.call(first).attempts[0].price_digest)


def test_each_price_is_kept_once(kept, tmp_path):
    import sqlite3  # noqa: PLC0415

    with sqlite3.connect(tmp_path / "ledger.db") as store:
        rows = store.execute("SELECT source, since FROM prices ORDER BY since").fetchall()
    assert rows == [("a list", "2026-11-01"), ("a list", "2026-12-01")]
