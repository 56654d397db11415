"""Whatever the export says: both sides add up, by day and by model, and nothing is lost on the way."""

from __future__ import annotations

import random
from decimal import Decimal

import invoices
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from invoices import DAY, NANO, START

import fuzzing
from pointsman.core.clock import SystemClock
from pointsman.insight.periods import Period
from pointsman.insight.queries import Questions
from pointsman.insight.reconcile.reading import Export
from pointsman.insight.reconcile.reconciling import Ask
from pointsman.insight.reconcile.rows import Style
from pointsman.store.ledger import Ledger
from pointsman.store.settings import LedgerSettings

DAYS = 4
MAP = {"at": "time", "m": "model", "i": "input", "o": "output", "usd": "cost"}
NAMES = ("matched", "missing_here", "missing_there", "doubled", "differing", "border")


@pytest.fixture(scope="module")
def made(make):
    return invoices.outcomes(make, 60, days=DAYS)


@pytest.fixture(scope="module")
def questions(made, tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"
    ledger = Ledger(url, SystemClock(), LedgerSettings())
    ledger.start()
    for one in made:
        ledger.record(one)
    assert ledger.flush(20)
    assert ledger.close()
    found = Questions(url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("exports") / "e.csv"


def rows_of(made):
    """Rows that are right, to be mixed with others."""
    return [
        (one.at // NANO, one.model, sum(one.tokens[kind] for kind in invoices.KINDS[:3]), one.tokens["output"], one.id)
        for one in invoices.booked(made)
    ]


def any_row(rng: random.Random):
    """One that is most likely nowhere in the ledger."""
    at, model = rng.randrange(START // NANO - 86_400, START // NANO + DAYS * 86_400), rng.choice(ODD)
    return at, model, rng.choice([0, rng.randrange(90_000)]), rng.choice([0, rng.randrange(9_000)]), rng.choice("abc")


ODD = [*invoices.MODELS, "Beta 2", "gamma", ""]


@given(seed=st.integers(0, 1 << 60), by_id=st.booleans())
@settings(max_examples=fuzzing.examples(100))
def test_parts_add_up_to_both_sides(seed, by_id, made, questions, path):
    rng, right = random.Random(seed), rows_of(made)
    chosen = [rng.choice(right) if rng.random() < 0.6 else any_row(rng) for _ in range(rng.randrange(1, 60))]
    chosen += rng.choices(chosen, k=rng.randrange(3))
    amounts = [Decimal(rng.choice([0, rng.randrange(-5, 50 * 10**7)])).scaleb(-7) for _ in chosen]
    columns = {**MAP, "id": "id"} if by_id else MAP
    lines = [
        f"{at},{model},{fresh},{out},{usd}" + f",{name}" * by_id
        for (at, model, fresh, out, name), usd in zip(chosen, amounts, strict=True)
    ]
    path.write_text("\n".join(["at,m,i,o,usd" + ",id" * by_id, *lines]), encoding="utf-8")
    period = Period(START, START + DAYS * DAY)
    ask = Ask(provider="lab", period=period)
    found = questions.reconcile([Export(path, "csv", columns, Style())], ask)

    inside = [(row, usd) for row, usd in zip(chosen, amounts, strict=True) if START <= row[0] * NANO < period.end]
    told = [(row, usd) for row, usd in inside if by_id or row[2] or row[3] or usd]
    if by_id or len(set(zip(chosen, amounts, strict=True))) == len(chosen):
        assert Decimal(found.there.cost or 0) == sum((usd for _, usd in told), Decimal(0))
        assert found.there.rows <= len(told)
        assert (found.there.input or 0) == sum(row[2] for row, _ in told)
    spent = sum(tried.cost or 0 for one in made for tried in one.attempts)
    if not by_id:  # by id, what a line's clock puts elsewhere may lie at the border
        assert Decimal(found.here.cost or 0) == Decimal(spent).scaleb(-9)
    for parts in (found.by_day, found.by_model):
        for name in NAMES:
            assert sum(getattr(part, name) for part in parts) == getattr(found, name)
        assert sum(Decimal(part.here.cost or 0) for part in parts) == Decimal(found.here.cost or 0)
        assert sum(Decimal(part.there.cost or 0) for part in parts) == Decimal(found.there.cost or 0)
    assert found.rows == found.there.rows
    assert len(found.findings) == sum(getattr(found, name) for name in NAMES[1:])
