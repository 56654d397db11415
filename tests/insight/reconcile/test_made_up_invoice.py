"""An invoice with 1 % of its rows missing, doubled and mispriced: each is named, in every format, and nothing else."""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import invoices
import pytest
from invoices import DAY, DAYS, HOUR, KEYS, START, Spoiled, spoil

from pointsman.core.clock import SystemClock
from pointsman.insight.periods import Period
from pointsman.insight.queries import Questions
from pointsman.insight.reconcile.reading import Export
from pointsman.insight.reconcile.reconciling import Ask
from pointsman.insight.reconcile.rows import Style
from pointsman.store.ledger import Ledger
from pointsman.store.settings import LedgerSettings

CALLS = 4_000
WHOLE = Period(START, START + DAYS * DAY)
NOTHING = Spoiled(set(), set(), set())
# name: writer, width of its buckets, whether it tells keys apart, ending
BUCKETS = {
    "openai usage json": (invoices.openai_usage_json, HOUR, True, "json"),
    "openai usage csv": (invoices.openai_usage_csv, HOUR, True, "csv"),
    "openai costs json": (invoices.openai_costs_json, DAY, True, "json"),
    "openai costs csv": (invoices.openai_costs_csv, DAY, True, "csv"),
    "anthropic usage json": (invoices.anthropic_usage_json, HOUR, True, "json"),
    "anthropic cost json": (invoices.anthropic_cost_json, DAY, False, "json"),
    "anthropic tokens csv": (invoices.anthropic_tokens_csv, DAY, True, "csv"),
    "anthropic cost csv": (invoices.anthropic_cost_csv, DAY, True, "csv"),
    "openrouter activity json": (invoices.openrouter_activity_json, DAY, False, "json"),
    "openrouter activity csv": (invoices.openrouter_activity_csv, DAY, False, "csv"),
    "generic csv": (invoices.generic_csv, DAY, True, "csv"),
}


def fill(url: str, outcomes) -> None:
    ledger = Ledger(url, SystemClock(), LedgerSettings())
    ledger.start()
    for one in outcomes:
        ledger.record(one)
    assert ledger.flush(30)
    assert ledger.close()


@pytest.fixture(scope="module")
def made(make):
    return invoices.outcomes(make, CALLS)


@pytest.fixture(scope="module")
def questions(made, tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"
    fill(url, made)
    found = Questions(url)
    yield found
    found.close()


def asked(questions, path: Path, text: str, *, keys: bool = False, columns=None, **ask):
    path.write_text(text, encoding="utf-8", newline="")
    export = Export(path, "csv" if columns else None, columns or {}, Style())
    said = {"provider": "lab", "period": WHOLE, "keys": KEYS if keys else {}, **ask}
    return questions.reconcile([export], Ask(**said))


def without_keys(rows):
    """The provider books all under one key, where the format does not tell them apart."""
    return [row._replace(key="") for row in rows]


@pytest.mark.parametrize("name", BUCKETS)
def test_each_spoiled_bucket_is_named_and_no_other(name, questions, made, tmp_path):
    write, width, keys, ending = BUCKETS[name]
    rows = invoices.booked(made)
    buckets = invoices.bucketed(rows if keys else without_keys(rows), width)
    spoiled = spoil([one.name for one in buckets])
    columns = invoices.GENERIC_MAP if name == "generic csv" else None
    found = asked(questions, tmp_path / f"e.{ending}", write(buckets, spoiled), keys=keys, columns=columns)

    def named(verdict: str) -> set:
        return {(one.start, one.model, one.key) for one in found.findings if one.verdict == verdict}

    def ours(names: set) -> set:
        return {(start, model, KEYS.get(key, "")) for start, model, key in names}

    assert named("missing_there") == ours(spoiled.missing)
    assert named("doubled") == ours(spoiled.doubled)
    assert named("differing") == ours(spoiled.mispriced)
    assert (found.missing_here, found.border, found.unnamed) == (0, 0, 0)
    assert found.matched == len(buckets) - len(spoiled.missing) - len(spoiled.mispriced)
    assert found.alarm
    assert found.gross > 0.01
    for one in found.findings:
        assert (one.place == "") == (one.verdict == "missing_there")
        assert one.fields or one.verdict != "differing"
    by_day = Counter(one.start // DAY for one in found.findings)
    for part in found.by_day:
        day = int(time.mktime(time.strptime(f"{part.name} UTC", "%Y-%m-%d %Z")) - time.timezone) // 86_400
        assert part.missing_there + part.doubled + part.differing == by_day[day]


@pytest.mark.parametrize("name", BUCKETS)
def test_a_true_invoice_matches_wholly(name, questions, made, tmp_path):
    write, width, keys, ending = BUCKETS[name]
    rows = invoices.booked(made)
    buckets = invoices.bucketed(rows if keys else without_keys(rows), width)
    columns = invoices.GENERIC_MAP if name == "generic csv" else None
    found = asked(questions, tmp_path / f"e.{ending}", write(buckets, NOTHING), keys=keys, columns=columns)
    assert found.findings == ()
    assert (found.matched, found.alarm, found.outside) == (len(buckets), False, 0)
    assert abs(found.drift) < (0.001 if name == "anthropic cost csv" else 1e-9)


@pytest.mark.parametrize("name", BUCKETS)
def test_what_the_provider_bills_and_the_ledger_never_saw_is_named(name, questions, made, make, tmp_path):
    write, width, keys, ending = BUCKETS[name]
    strangers = invoices.booked(
        invoices.outcomes(make, 80, seed=9)
    )  # the dear ones: what is below a cent shows nowhere
    foreign = [row._replace(model="gamma-3") for row in strangers if row.model == "beta-2"]
    rows = sorted([*invoices.booked(made), *foreign])
    buckets = invoices.bucketed(rows if keys else without_keys(rows), width)
    columns = invoices.GENERIC_MAP if name == "generic csv" else None
    found = asked(questions, tmp_path / f"e.{ending}", write(buckets, NOTHING), keys=keys, columns=columns)
    strange = {(one.start, one.model, KEYS.get(one.key, "")) for one in buckets if one.model == "gamma-3"}
    assert {(one.start, one.model, one.key) for one in found.findings} == strange
    assert {one.verdict for one in found.findings} == {"missing_here"}
    assert [part.missing_here for part in found.by_model if part.name == "gamma-3"] == [len(strange)]


@pytest.mark.parametrize("name", ["openrouter csv", "generic by id"])
def test_each_spoiled_request_is_named_by_its_id_and_no_other(name, questions, made, tmp_path):
    rows = invoices.booked(made)
    by_id = {one.answer_id: one for one in made}
    spoiled = spoil([one.id for one in rows if one.id in by_id])
    if name == "openrouter csv":
        found = asked(questions, tmp_path / "e.csv", invoices.openrouter_csv(rows, spoiled))
        extra: set = set()
    else:
        columns = {"request": "id", "when_ms": "time", "usd": "cost"}
        found = asked(questions, tmp_path / "e.csv", invoices.generic_by_id_csv(rows, spoiled), columns=columns)
        extra = {one.id for one in rows if one.id not in by_id}  # ids of attempts nobody saw the answer of

    def named(verdict: str) -> set:
        return {one.id for one in found.findings if one.verdict == verdict}

    missing = {one.call for one in found.findings if one.verdict == "missing_there"}
    undelivered = {one.id for one in made if len([t for t in one.attempts if t.usage]) > 1} if extra else set()
    assert missing == {by_id[one].id for one in spoiled.missing} | undelivered
    assert named("doubled") == spoiled.doubled
    assert named("differing") == spoiled.mispriced
    assert named("missing_here") == extra
    assert found.alarm
    if not extra:
        assert found.paired == len(rows) - len(by_id)  # hedged away: another id, the same tokens and time
    for one in found.findings:
        if one.verdict == "differing":
            assert one.fields == ("cost",)
            assert Decimal(one.there.cost) == pytest.approx(
                Decimal(one.here.cost) * Decimal("1.25"), abs=Decimal("1e-8")
            )


def test_on_both_engines(store_url, make, tmp_path):
    made = invoices.outcomes(make, 300, days=3)
    fill(store_url, made)
    questions = Questions(store_url)
    rows = invoices.booked(made)
    buckets = invoices.bucketed(rows, HOUR)
    spoiled = spoil([one.name for one in buckets])
    period = Period(START, START + 3 * DAY)
    text = invoices.openai_usage_json(buckets, spoiled)
    found = asked(questions, tmp_path / "e.json", text, keys=True, period=period)
    assert (found.missing_there, found.doubled, found.differing) == tuple(len(each) for each in spoiled)
    single = spoil([one.id for one in rows if not one.id.startswith("gen-other")])
    found = asked(questions, tmp_path / "e.csv", invoices.openrouter_csv(rows, single), period=period)
    assert (found.missing_there, found.doubled, found.differing) == tuple(len(each) for each in single)
    assert found.missing_here == 0
    questions.close()
