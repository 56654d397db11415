"""Tables and figures: what can be said of them for every input."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.cli import figures, terminal
from pointsman.cli.table import Table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800), ("2w", 1_209_600), (" 1H ", 3600)]
)
def test_spans(text, seconds):
    assert figures.span(text) == seconds


@given(st.text())
def test_a_span_is_read_or_refused(text):
    with contextlib.suppress(ValueError):
        assert figures.span(text) >= 0


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, "-"), ("0", "0"), ("3", "3.00"), ("0.150", "0.15"), ("0.0375", "0.0375"), ("25", "25.00")],
)
def test_prices(amount, text):
    assert figures.price(None if amount is None else Decimal(amount)) == text


@given(st.decimals(min_value=0, max_value=10_000, places=6))
def test_a_price_is_shown_exactly(amount):
    assert Decimal(figures.price(amount)) == amount


@pytest.mark.parametrize(
    ("nanos", "text"), [(None, "-"), (4_110_000, "4.11 ms"), (254_000_000, "254 ms"), (2_340_000_000, "2.34 s")]
)
def test_durations(nanos, text):
    assert figures.seconds(nanos) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "-"), (8192, "8,192"), (128_000, "128k"), (1_000_000, "1M"), (1_047_576, "1.05M")]
)
def test_windows(count, text):
    assert figures.tokens(count) == text


@given(st.text())
def test_no_text_from_outside_steers_the_terminal(text):
    shown = terminal.plain(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    assert len(shown) == len(text)


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("There is nothing.", "there is nothing"),
        ("PostgreSQL is away", "PostgreSQL is away"),
        ("Lab.yaml:1:1: unknown key", "Lab.yaml:1:1: unknown key"),
        ("", ""),
    ],
)
def test_an_error_reads_as_a_clause(text, clause):
    assert terminal.clause(text) == clause


WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=0, max_size=60)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5))
def test_in_a_pipe_nothing_is_cut(rows):
    table = Table(("A", "B", "C"), rows)
    for row in rows:
        line = table.line(row)
        assert all(cell in line for cell in row)


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5), st.integers(min_value=36, max_value=200))
def test_on_a_terminal_a_line_fits(rows, columns):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Terminal())
        patch.setenv("COLUMNS", str(columns))
        table = Table(("A", "B", "C"), rows)
        assert all(len(table.line(row)) <= columns for row in rows)


def test_spare_columns_go_first_and_kept_ones_are_whole(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    row = ("x" * 20, "y" * 20, "z" * 20)
    table = Table(("A", "B", "C"), [row], keep=frozenset({2}), spare=(1,))
    assert table.line(row) == "x" * 17 + "…  " + "z" * 20
    assert "B" not in table.head
