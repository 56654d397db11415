"""What the comparison makes of what is not simply right or wrong."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from invoices import DAY, HOUR, NANO, START

from pointsman.compose.drift import drift_alert
from pointsman.core.clock import SystemClock
from pointsman.core.errors import InvalidRequest
from pointsman.core.usage import Usage
from pointsman.insight.periods import Period
from pointsman.insight.queries import Questions
from pointsman.insight.reconcile.answer import Reconciliation
from pointsman.insight.reconcile.names import Models, fold
from pointsman.insight.reconcile.reading import Export
from pointsman.insight.reconcile.reconciling import Ask
from pointsman.insight.reconcile.rows import Style
from pointsman.insight.reconcile.words import verdict
from pointsman.store.ledger import Ledger
from pointsman.store.settings import LedgerSettings

Compare = Callable[..., Reconciliation]
MAP = {name: name for name in ("time", "model", "input", "output", "cost")}


@pytest.fixture
def url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def fill(url, make) -> Callable[..., None]:
    """Attempts, each of a call of its own."""

    def write(*attempts: dict[str, Any]) -> None:
        ledger = Ledger(url, SystemClock(), LedgerSettings())
        ledger.start()
        for one in attempts:
            said = {
                "provider": "lab",
                "upstream": "m-1",
                "usage": Usage(input=100, output=10),
                "cost": 1_000_000,
                **one,
            }
            answer = said.pop("answer_id", "")
            ledger.record(make.outcome(now=said["started"], attempts=(make.attempt(**said),), answer_id=answer))
        assert ledger.flush(20)
        assert ledger.close()

    return write


@pytest.fixture
def compare(url, tmp_path) -> Iterator[Compare]:
    questions = Questions(url)

    def ask(*texts: str, columns=None, **more) -> Reconciliation:
        exports = []
        for number, text in enumerate(texts):
            path = tmp_path / f"e{number}.txt"
            path.write_text(text, encoding="utf-8")
            exports.append(Export(path, "csv" if columns else None, columns or {}, Style()))
        return questions.reconcile(exports, Ask(**{"provider": "lab", **more}))

    yield ask
    questions.close()


def table(*rows: tuple[Any, ...], head: tuple[str, ...] = tuple(MAP)) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([head, *rows])
    return out.getvalue()


def usage_page(*rows: dict[str, Any], width: int = DAY) -> str:
    data = [
        {
            "start_time": row["start"] // NANO,
            "end_time": (row["start"] + width) // NANO,
            "results": [{"model": "m-1", "input_tokens": 100, "output_tokens": 10, "num_model_requests": 1, **row}],
        }
        for row in rows
    ]
    return json.dumps({"object": "page", "data": data, "has_more": False})


def verdicts(found: Reconciliation) -> list[tuple[str, int, str]]:
    return [(one.verdict, one.start, one.model) for one in found.findings]


def test_failed_attempts_that_cost_nothing_are_not_missed_and_hedged_ones_are(fill, compare):
    fill(
        {"started": START + 1},
        {"started": START + 2, "error": "upstream_cut", "usage": None, "cost": 0},
        {"started": START + 3, "error": "outpaced", "cost": 500_000},
        {"started": START + 4, "error": "caller_gone", "usage": None, "cost": None},
    )
    text = table(("2026-11-01", "m-1", 200, 20, "0.0015"))
    found = compare(text, columns=MAP)
    assert (found.matched, found.findings, found.alarm) == (1, (), False)
    assert found.here.unknown == 1
    assert any("may bill them" in note for note in found.notes)
    found = compare(table(("2026-11-01", "m-1", 100, 10, "0.00100")), columns=MAP)
    assert [one.fields for one in found.findings] == [("input", "output", "cost")]


def test_unpriced_attempts_differ_from_any_amount(fill, compare):
    fill({"started": START + 1, "cost": None})
    found = compare(table(("2026-11-01", "m-1", 100, 10, "0.25")), columns=MAP)
    assert [(one.verdict, one.fields, one.here.unpriced) for one in found.findings] == [("differing", ("cost",), 1)]
    assert found.alarm
    assert any("unpriced" in note for note in found.notes)


def test_what_crossed_midnight_is_said_to_have_crossed_it(fill, compare):
    fill({"started": START + DAY - 1}, {"started": START + 1}, {"started": START + DAY + 1})
    rows = [("2026-11-01", "m-1", 100, 10, "0.001"), ("2026-11-02", "m-1", 200, 20, "0.002")]
    found = compare(table(*rows), columns=MAP)
    assert verdicts(found) == [("border", START, "m-1"), ("border", START + DAY, "m-1")]
    assert (found.border, found.differing, found.gross, found.alarm) == (2, 0, 0.0, False)
    rows[1] = ("2026-11-02", "m-1", 200, 21, "0.002")  # and one that did not only cross it
    found = compare(table(*rows), columns=MAP)
    assert (found.border, found.differing) == (0, 2)
    assert found.gross == pytest.approx(2 / 3)


def test_what_cancels_out_over_the_month_is_an_alarm_all_the_same(fill, compare):
    fill({"started": START + 1}, {"started": START + 5 * DAY, "cost": 2_000_000})
    rows = [("2026-11-01", "m-1", 100, 10, "0.0015"), ("2026-11-06", "m-1", 100, 10, "0.0015")]
    found = compare(table(*rows), columns=MAP)
    assert (found.drift, found.alarm) == (0.0, True)
    assert found.gross == pytest.approx(1 / 3)


def test_what_only_the_ledger_has_is_new_and_no_infinite_share(fill, compare):
    fill({"started": START}, {"started": START + DAY})
    nothing = compare(table((START // NANO, "m-1", 0, 0, "0.00")), columns=MAP, period=Period(START, START + DAY))
    assert (nothing.drift, nothing.gross, nothing.alarm) == (None, None, True)
    said = verdict(nothing)
    assert said == "new, for the export has nothing (there -, here $0.001)"
    alert = drift_alert(nothing, None, START)
    assert alert is not None
    assert "inf" not in alert.summary
    assert alert.details.get("drift") is None


def test_the_tolerance_is_the_askers(fill, compare):
    fill({"started": START + 1})
    text = table(("2026-11-01", "m-1", 100, 10, "0.00103"))
    assert compare(text, columns=MAP).alarm
    assert not compare(text, columns=MAP, tolerance=Decimal("0.03")).alarm


def test_equal_lines_are_two_requests_where_the_ledger_has_two(fill, compare):
    row = ("2026-11-01T00:00:00Z", "m-1", 100, 10, "0.001")
    fill({"started": START + 1}, {"started": START + 2})
    assert compare(table(row, row), columns=MAP).findings == ()
    found = compare(table(row, row, row), columns=MAP)
    assert {one[0] for one in verdicts(found)} <= {"doubled", "differing"}
    assert found.alarm


def test_a_line_item_that_is_left_out_is_named_by_its_kind(fill, compare):
    fill({"started": START + 1})
    items = [{"line_item": "m-1, input", "amount": {"value": 0.0004, "currency": "usd"}}]
    page = {"start_time": START // NANO, "end_time": (START + DAY) // NANO, "results": items}
    found = compare(json.dumps({"data": [page]}))
    assert [(one.verdict, one.lacks) for one in found.findings] == [("differing", ("output",))]


def test_usage_and_costs_of_one_day_are_one_thing(fill, compare):
    fill({"started": START + 1})
    usage = usage_page({"start": START})
    costs = table(
        (START // NANO, (START + DAY) // NANO, "m-1, input", "0.001"),
        head=("start_time", "end_time", "line_item", "amount_value"),
    )
    found = compare(usage, costs)
    assert (found.matched, found.findings, found.of) == (1, (), "money")
    assert (found.there.cost, found.there.input, found.there.requests) == ("0.001", 100, 1)


def test_usage_by_the_minute_and_by_the_hour(fill, compare):
    fill({"started": START + 59 * NANO}, {"started": START + 61 * NANO})
    rows = [{"start": START}, {"start": START + 60 * NANO}]
    found = compare(usage_page(*rows, width=60 * NANO), period=Period(START, START + HOUR))
    assert (found.width, found.matched) == (60 * NANO, 2)


def test_other_keys_are_set_aside_where_ours_are_named(fill, compare):
    fill(
        {"started": START + 1, "key_env": "A"},
        {"started": START + 2, "key_env": "B"},
        {"started": START + 3, "provider": "x"},
    )
    page = usage_page(
        {"start": START, "api_key_id": "key_a"},
        {"start": START, "api_key_id": "key_b"},
        {"start": START, "api_key_id": "mine"},
    )
    together = compare(page)
    assert (together.matched, together.differing) == (0, 1)
    found = compare(page, keys={"key_a": "A", "key_b": "B"})
    assert (found.matched, found.others, found.findings) == (2, 1, ())
    assert [part.name for part in found.by_key] == ["A", "B"]
    only = compare(page, keys={"key_a": "A"})
    assert (only.matched, only.others, only.findings) == (1, 2, ())


def test_a_wrong_provider_is_said_with_those_that_there_are(fill, compare):
    fill({"started": START + 1})
    found = compare(usage_page({"start": START}), provider=None)
    assert found.provider == "openai"
    assert any("it has lab: say --provider" in note for note in found.notes)
    assert found.alarm


def test_lines_outside_the_period_are_counted_and_not_compared(fill, compare):
    fill({"started": START + 1}, {"started": START + DAY})
    text = table(("2026-11-01", "m-1", 100, 10, "0.001"), ("2026-11-02", "m-1", 1, 1, "9"))
    found = compare(text, columns=MAP, period=Period(START, START + DAY))
    assert (found.matched, found.outside, found.findings) == (1, 1, ())


def test_ids_that_the_provider_changed_are_found_by_tokens_and_time(fill, compare):
    fill({"started": START + 10 * NANO, "answer_id": "gen-wire"}, {"started": START + 900 * NANO, "answer_id": "gen-2"})
    head = ("generation_id", "created_at", "cost_total", "tokens_prompt", "tokens_completion", "model_permaslug")
    rows = [
        ("gen-bill", "2026-11-01 00:00:11", "0.001", 100, 10, "m-1"),
        ("gen-2", "2026-11-01 00:15:00", "0.002", 100, 10, "m-1"),
    ]
    found = compare(table(*rows, head=head), period=Period(START, START + DAY))
    assert (found.matched, found.paired, found.differing) == (1, 1, 1)
    assert [one.id for one in found.findings] == ["gen-2"]
    rows[0] = ("gen-bill", "2026-11-01 00:05:11", "0.001", 100, 10, "m-1")  # five minutes are no matter of clocks
    found = compare(table(*rows, head=head), period=Period(START, START + DAY))
    assert (found.missing_here, found.missing_there, found.paired) == (1, 1, 0)


def test_estimates_are_told(fill, compare):
    fill({"started": START + 1, "usage": Usage(input=98, output=10, estimated=True)})
    found = compare(table(("2026-11-01", "m-1", 100, 10, "0.001")), columns=MAP)
    assert found.findings[0].here.estimated == 1
    assert any("estimates" in note for note in found.notes)


def test_more_pages_and_models_that_are_not_told_apart_are_noted(fill, compare):
    fill({"started": START + 1})
    page = json.loads(usage_page({"start": START, "model": None}))
    found = compare(json.dumps({**page, "has_more": True}))
    assert found.matched == 1
    assert any("more pages" in note for note in found.notes)
    assert any("group_by=model" in note for note in found.notes)


def test_what_cannot_be_compared_is_refused(fill, compare):
    fill({"started": START + 1})
    with pytest.raises(InvalidRequest, match="covers 30 days"):
        compare(
            table((START // NANO, (START + 30 * DAY) // NANO, "1"), head=("start_time", "end_time", "amount_value"))
        )
    nothing = json.dumps({"object": "page", "data": []})
    with pytest.raises(InvalidRequest, match="nothing in"):
        compare(nothing)
    found = compare(nothing, period=Period(START, START + DAY))  # then all of it is missing there
    assert (found.missing_there, found.rows, found.alarm) == (1, 0, True)
    mixed = table(("a", "2026-11-01", "1"), ("", "2026-11-01", "1"), head=("generation_id", "created_at", "cost_total"))
    with pytest.raises(InvalidRequest, match=r"e0.txt, line 3: some lines are of single requests"):
        compare(mixed)
    with pytest.raises(InvalidRequest, match="there is no column `nix`"):
        compare(table(("1",), head=("a",)), columns={"nix": "time"})
    with pytest.raises(InvalidRequest, match="`colour` is no field"):
        compare(table(("1",), head=("a",)), columns={"a": "colour"})


def test_names_of_models():
    models = Models(
        ["claude-sonnet-4-5-20250929", "gpt-4o", "gpt-4o-mini", "o3-2025-04-16", "o3"],
        ["Claude Sonnet 4.5", "gpt-4o-2024-08-06", "GPT-4o mini", "O3", "web_search"],
        {"odd": "gpt-4o"},
    )
    assert models("Claude Sonnet 4.5") == "claude-sonnet-4-5-20250929"
    assert models("gpt-4o-2024-08-06") == models("odd") == "gpt-4o"
    assert models("GPT-4o mini") == "gpt-4o-mini"
    assert models("O3") == models("o3") == models("o3-2025-04-16") == "o3"
    assert models("web_search") == "web_search"
    assert fold("openai/gpt-oss-120b-20260910:free") == "openai/gpt-oss-120b:free"
