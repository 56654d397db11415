"""How many examples a property is tried with: all in the full suite, a quarter in the quick one (`-m "not slow"`)."""

from __future__ import annotations

import pytest
from hypothesis import settings

USUAL = 100
QUICK = 25
_LEAST = 10


def load(config: pytest.Config) -> None:
    """Choose what everything that says no number of its own is tried with; before tests are collected."""
    quick = "not slow" in str(config.option.markexpr)
    settings.register_profile("chosen", settings.default, max_examples=QUICK if quick else USUAL)
    settings.load_profile("chosen")


def examples(full: int) -> int:
    """The number for a property that says one: its full one, or the quick suite's share of it."""
    return max(full * settings().max_examples // USUAL, min(full, _LEAST))
