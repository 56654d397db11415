"""What a pattern of a key stands for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.scope import PATTERN, covers, permits

PIECES = st.text("ab/*-", max_size=8)
NAMES = st.text("ab/-", max_size=10)


@given(pattern=PIECES, name=NAMES)
def test_a_star_is_any_text_and_everything_else_itself(pattern: str, name: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert covers(pattern, name) is (re.fullmatch(expression, name, re.DOTALL) is not None)


@given(pattern=PIECES, provider=st.text("ab", min_size=1, max_size=3), model=NAMES)
def test_who_may_use_all_of_a_provider_may_use_each_of_its_models(pattern: str, provider: str, model: str) -> None:
    """Passing through unread asks for `provider/*`: nothing may open that which does not open every model."""
    if covers(pattern, f"{provider}/*"):
        assert covers(pattern, f"{provider}/{model}")


@pytest.mark.parametrize(
    ("pattern", "name", "stands"),
    [
        ("auto", "auto", True),
        ("auto", "automatic", False),
        ("auto", "Auto", False),
        ("anthropic/*", "anthropic/claude", True),
        ("anthropic/*", "anthropic", False),
        ("anthropic/*", "x-anthropic/claude", False),
        ("*", "", True),
        ("a*a", "a", False),
        ("a.c", "abc", False),
        ("?", "a", False),
        ("[ab]", "a", False),
    ],
)
def test_names_that_are_easily_confused(pattern: str, name: str, stands: bool) -> None:
    assert covers(pattern, name) is stands


def test_nothing_said_is_everything_and_one_good_name_is_enough() -> None:
    assert permits((), "x")
    assert permits(("a", "b"), "x", "b")
    assert not permits(("a", "b"), "x", "y")
    assert not permits(("a",), "")


@pytest.mark.parametrize("entry", ["", "a b", "a,b", "a\n", "é", "x" * 257, "?", "[a]", "a\x00"])
def test_what_could_mean_something_else_is_no_entry(entry: str) -> None:
    assert PATTERN.fullmatch(entry) is None
