from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from sqlalchemy import text

from pointsman.core.clock import SystemClock
from pointsman.core.errors import StoreUnavailable
from pointsman.core.usage import Usage
from pointsman.insight.answers import Filters, to_json
from pointsman.insight.queries import Questions
from pointsman.store.database import open_database
from pointsman.store.decisions import Decisions
from pointsman.store.inserts import Inserts
from pointsman.store.ledger import Ledger
from pointsman.store.location import locate
from pointsman.store.rows import Batch, flatten
from pointsman.store.settings import LedgerSettings

HOUR = 3_600_000_000_000


def fill(url: str, outcomes, **settings) -> None:
    ledger = Ledger(url, SystemClock(), LedgerSettings(**settings))
    ledger.start()
    for one in outcomes:
        ledger.record(one)
    assert ledger.flush(20)
    assert ledger.close()


@pytest.fixture
def ask(store_url) -> Iterator[Questions]:
    questions = Questions(store_url)
    yield questions
    questions.close()


def test_newest_first_page_by_page(store_url, ask, make):
    now = time.time_ns()
    outcomes = [make.outcome(now=now + n * 1_000_000) for n in range(25)]
    fill(store_url, outcomes)
    pages, before = [], ""
    while page := ask.calls(limit=10, before_id=before):
        pages.append([row.id for row in page])
        before = page[-1].id
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [one for page in pages for one in page] == [one.id for one in reversed(outcomes)]


def test_what_the_store_gets_next_comes_after_all_it_has_however_late_it_ends(store_url, ask, make):
    now = time.time_ns()
    fill(store_url, [make.outcome(now=now + n * 1_000_000) for n in range(5)])
    place = ask.place()
    assert ask.written(place).calls == ()
    late = make.outcome(now=now - HOUR, duration=HOUR)  # began before all others, ended after them
    older = make.outcome(now=now - 2 * HOUR, duration=1)  # waited on disk
    fill(store_url, [late])
    fill(store_url, [older])
    found = ask.written(place)
    assert [one.id for one in found.calls] == [late.id, older.id]
    assert (found.more, found.gap) == (False, False)
    assert ask.written(found.next).calls == ()
    first = ask.written(place, 1)
    assert (first.more, [one.id for one in first.calls]) == (True, [late.id])
    assert [one.id for one in ask.written(first.next, 10).calls] == [older.id]
    assert len(ask.written(0).calls) == 7


def test_going_on_passes_over_what_a_filter_leaves_out(store_url, ask, make):
    fill(store_url, [make.outcome(status="failed" if n == 0 else "ok") for n in range(9)])
    found = ask.written(0, 5, Filters(status="failed"))
    assert (len(found.calls), found.more, found.next) == (1, False, ask.place())
    assert ask.written(0, 5, Filters(key="nobody")).next == ask.place()


def test_a_place_of_another_store_or_one_long_forgotten_is_a_gap(store_url, ask, make):
    fill(store_url, [make.outcome() for _ in range(6)])
    other = ask.written(1_000_000)
    assert (other.gap, len(other.calls)) == (True, 6)
    database = open_database(locate(store_url))
    database.run("DELETE FROM written WHERE call_id IN (SELECT call_id FROM written ORDER BY place LIMIT 3)")
    database.close()
    assert ask.written(0).gap
    assert len(ask.written(0).calls) == 3
    assert not ask.written(ask.place() - 3).gap


def test_only_the_newest_places_are_kept(store_url, ask, make):
    fill(store_url, [make.outcome() for _ in range(3)])
    database = open_database(locate(store_url))
    database.run("INSERT INTO written (place, call_id) VALUES (100000, 'x')")
    if store_url.startswith("postgresql"):
        database.run("ALTER TABLE written ALTER COLUMN place RESTART WITH 100001")
    fill(store_url, [make.outcome()])
    kept = database.rows("SELECT place FROM written ORDER BY place")
    database.close()
    assert kept == [(2,), (3,), (100_000,), (100_001,)]
    assert ask.written(0).gap
    assert not ask.written(1).gap
    assert len(ask.calls()) == 4, "the calls themselves stay"


def test_a_reader_that_goes_on_misses_no_call_and_gets_none_twice_while_many_write(store_url, ask, make):
    ledgers = [Ledger(store_url, SystemClock(), LedgerSettings(interval=0.001, batch=7)) for _ in range(4)]
    fill(store_url, [])
    made: list[str] = []

    def write(ledger: Ledger) -> None:
        ledger.start()
        for _ in range(100):
            one = make.outcome()
            made.append(one.id)
            ledger.record(one)
            time.sleep(0.001)
        assert ledger.flush(20)
        assert ledger.close()

    seen: list[str] = []
    place, ended = 0, False
    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, ledger) for ledger in ledgers]
        while not ended:
            ended = all(one.done() for one in writing)  # one more look after all has been written
            found = ask.written(place, 13)
            while found.more:
                seen += [one.id for one in found.calls]
                found = ask.written(found.next, 13)
            seen += [one.id for one in found.calls]
            place = found.next
        for one in writing:
            one.result()
    assert len(seen) == len(set(seen))
    assert sorted(seen) == sorted(made)


def test_a_reader_passes_by_no_call_whose_transaction_is_still_open(store_url, ask, make):
    fill(store_url, [make.outcome()])
    place = ask.place()
    first, second = make.outcome(), make.outcome()
    databases = [open_database(locate(store_url)) for _ in range(2)]
    rows = [flatten([one], Decisions()) for one in (first, second)]

    def write(batch: Batch) -> None:
        Inserts(databases[1]).write([batch])

    with ThreadPoolExecutor(1) as pool:
        with databases[0].transaction():
            Inserts(databases[0])._table("calls", rows[0].calls)
            other = pool.submit(write, rows[1])
            time.sleep(0.3)
            between = ask.written(place)  # what is seen now must not lie beyond what is not seen yet
        other.result(10)
    seen = [*between.calls, *ask.written(between.next).calls]
    assert sorted(one.id for one in seen) == sorted([first.id, second.id])
    for database in databases:
        database.close()


def test_each_filter_keeps_what_it_says(store_url, ask, make):
    now = time.time_ns()
    other = make.attempt(model="large", provider="acme", upstream="l")
    plan = make.PLAN
    chain = msgspec.structs.replace(plan, route="chain")
    outcomes = {
        "a": make.outcome(id="01a", now=now - 3 * HOUR),
        "b": make.outcome(id="01b", attempts=(other,), plan=chain),
        "c": make.outcome(id="01c", status="failed", http_status=502, key="key-1"),
        "d": make.outcome(id="02d", status="cancelled", http_status=499),
    }
    fill(store_url, outcomes.values())

    def found(**filters) -> str:
        return "".join(sorted(row.id[-1] for row in ask.calls(filters=Filters(**filters))))

    assert found() == "abcd"
    assert found(route="chain") == "b"
    assert found(model="large") == "b"
    assert found(provider="openai") == "ad"  # nobody answered the failed call
    assert found(status="failed") == "c"
    assert found(status="ok") == "ab"
    assert found(key="key-1") == "c"
    assert found(id_prefix="01") == "abc"
    assert found(model="large", status="failed") == ""


def test_since_is_exact_to_the_nanosecond(store_url, ask, make):
    now = time.time_ns()
    fill(store_url, [make.outcome(now=now + n) for n in range(-3, 3)])
    assert len(ask.calls(filters=Filters(since=now))) == 3
    assert ask.totals(now).all.calls == 3


def test_one_call_comes_back_in_full(store_url, ask, make):
    one = make.outcome(
        attempts=(make.attempt(1, error="upstream_timeout", status=0, usage=None, cost=None), make.attempt(2)),
        request_body=b'{"a": 1}',
        answer_body=b"\x00\xff",
        session="s",
        tags="t",
        user="u",
        key="k",
    )
    fill(store_url, [one, make.outcome()], content=True)
    detail = ask.call(one.id)
    assert detail == ask.by_answer_id(one.answer_id)
    assert detail.call.cost == one.cost
    assert detail.call.usage == one.usage
    assert (detail.call.session, detail.call.tags, detail.call.user, detail.call.key) == ("s", "t", "u", "k")
    assert detail.needs == one.needs
    assert [a.error for a in detail.attempts] == ["upstream_timeout", ""]
    assert detail.attempts[0].usage is None
    assert (detail.request, detail.answer) == (b'{"a": 1}', b"\x00\xff")
    decision = detail.decision
    assert [(s.model, s.provider, s.upstream, s.start) for s in decision.steps] == [
        ("small", "openai", "small-2026", "at_once"),
        ("large", "openai", "large-2026", "after_failure"),
    ]
    assert decision.steps[0].price == make.SMALL.price
    assert decision.steps[1].price is None
    assert decision.dropped == one.plan.dropped
    assert decision.warnings == one.plan.warnings
    assert (decision.policy, decision.propensity, decision.draw) == ("policy-1", 1.0, 0.25)
    assert json.loads(to_json(detail))["call"]["id"] == one.id


def test_what_is_not_there_is_none(store_url, ask, make):
    fill(store_url, [make.outcome(answer_id="")])
    assert ask.call("nobody") is None
    assert ask.by_answer_id("nobody") is None
    assert ask.by_answer_id("nobody", since=time.time_ns()) is None
    assert ask.by_answer_id("") is None


def test_totals_add_up_and_say_what_they_leave_out(store_url, ask, make):
    prices = [1, 10**15, 999_999_999]
    outcomes = [make.outcome(cost=cost, duration=(n + 1) * 1000) for n, cost in enumerate(prices)]
    free = make.attempt(model="mystery", provider="acme", upstream="m", cost=None)
    outcomes.append(make.outcome(cost=None, attempts=(make.attempt(), free), duration=4000))
    outcomes.append(make.outcome(status="failed", cost=None, usage=None, first_byte=None))
    outcomes.append(make.outcome(status="refused", cost=None, usage=None, plan=None, needs=None, attempts=()))
    outcomes.append(make.outcome(status="cancelled", cost=7))
    fill(store_url, outcomes)
    totals = ask.totals()
    everything = totals.all
    assert (everything.calls, everything.ok, everything.failed, everything.refused, everything.cancelled) == (
        7,
        4,
        1,
        1,
        1,
    )
    assert everything.cost == sum(prices) + 7
    assert everything.unpriced == 1
    assert everything.attempts == 7
    assert (everything.input_tokens, everything.cached_tokens, everything.output_tokens) == (500, 200, 100)
    assert (everything.duration.calls, everything.duration.p50, everything.duration.p95) == (4, 2000, 4000)
    assert list(totals.by_model) == ["small", "mystery"]
    assert totals.by_model["small"].calls == 4
    assert totals.by_provider["acme"].unpriced == 1
    assert totals.by_route["auto"].calls == 6
    assert json.loads(to_json(totals))["all"]["cost"] == everything.cost


def test_what_lost_a_race_is_an_estimate_in_the_cost_of_its_call_in_lists_and_in_totals(store_url, ask, make):
    guess = Usage(input=12, estimated=True)
    lost = make.attempt(1, usage=guess, cost=30, error="outpaced")
    hedged = make.outcome(cost=100, attempts=(lost, make.attempt(2, cost=70)))
    cut = make.attempt(1, usage=guess, cost=5, error="upstream_cut")
    whole = make.outcome(usage=guess, cost=12, attempts=(cut, make.attempt(2, usage=guess, cost=7)))
    alone = make.outcome(usage=guess, cost=9, attempts=(make.attempt(usage=guess, cost=9),))
    unpriced = make.outcome(cost=None, attempts=(lost, make.attempt(2, cost=None)))
    fill(store_url, [hedged, whole, alone, unpriced, make.outcome(cost=1)])
    all_of_it = ask.totals().all
    assert (all_of_it.cost, all_of_it.estimated, all_of_it.estimated_cost) == (122, 3, 30 + 12 + 9)
    expected = {hedged.id: 30, whole.id: 12, alone.id: 9, unpriced.id: 0}
    listed = {one.id: one.estimated_cost for one in ask.calls() if one.id in expected}
    came = {one.id: one.estimated_cost for one in ask.written(0).calls if one.id in expected}
    assert listed == came == expected
    detail = ask.call(hedged.id)
    assert detail is not None
    assert detail.call.estimated_cost == 30


def test_totals_of_nothing_are_nothing(store_url, ask):
    fill(store_url, [])
    totals = ask.totals()
    assert totals.all.calls == 0
    assert totals.all.duration.p50 is None
    assert totals.by_model == {}
    assert ask.calls() == []


def test_conformance_is_counted_by_model_since_a_moment_and_by_key(store_url, ask, make):
    now = time.time_ns()

    def made(model: str, form: str, ago: int = 0, key: str = ""):
        tried = make.attempt(1, model="first", error="upstream_refused", started=now - ago)
        answered = make.attempt(2, model=model, form=form, started=now - ago)
        return make.outcome(now=now - ago, key=key, attempts=(tried, answered))

    forms = ["ok", "ok", "broken", "", "ok"]
    outcomes = [made("small", form, n * HOUR, "mine" if n else "yours") for n, form in enumerate(forms)]
    fill(store_url, [*outcomes, made("large", "broken"), made("silent", "")])
    small, large = ask.conformance()
    assert (small.model, small.asked, small.ok, small.share) == ("small", 4, 3, 0.75)
    assert small.since == now - 4 * HOUR
    assert (large.model, large.asked, large.ok, large.share) == ("large", 1, 0, 0.0)
    assert [(one.model, one.asked) for one in ask.conformance(now - HOUR - 1)] == [("small", 2), ("large", 1)]
    assert [(one.asked, one.ok) for one in ask.conformance(key="mine")] == [(3, 2)]
    assert ask.conformance(key="nobody") == []


def test_a_series_has_every_bucket(store_url, ask, make):
    start = time.time_ns() - 10 * HOUR
    moments = [0, HOUR - 1, HOUR, 9 * HOUR, 10 * HOUR, 11 * HOUR]
    fill(store_url, [make.outcome(now=start + at, cost=5) for at in moments] + [make.outcome(now=start - 1)])
    buckets = ask.series(start, start + 10 * HOUR, 10)
    assert [b.calls for b in buckets] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert [b.start for b in buckets] == [start + n * HOUR for n in range(10)]
    assert (buckets[0].cost, buckets[0].tokens, buckets[0].ok) == (10, 240, 2)


def test_a_store_that_was_never_made_says_so(tmp_path):
    questions = Questions(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(StoreUnavailable, match="no such file") as caught:
        questions.calls()
    assert "first call" in caught.value.hint
    questions.close()
    assert not (tmp_path / "none.db").exists()


def test_a_reader_cannot_write(store_url, ask, make):
    fill(store_url, [make.outcome()])
    with pytest.raises(StoreUnavailable, match=r"read.?only"), ask._reader.connect() as connection:
        connection.execute(text("DELETE FROM calls"))
    assert ask.totals().all.calls == 1


def test_many_threads_ask_at_once(store_url, ask, make):
    fill(store_url, [make.outcome() for _ in range(50)])
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: len(ask.calls(20)), range(40))) == [20] * 40


def test_hostile_filters_find_nothing_and_break_nothing(store_url, ask, make):
    fill(store_url, [make.outcome()])
    for name in ("' OR 1=1 --", "%", "☃", "x" * 10_000):
        assert ask.calls(filters=Filters(route=name)) == []
        assert ask.calls(filters=Filters(id_prefix=name)) == []
        assert ask.by_answer_id(name) is None
