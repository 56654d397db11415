"""The nearest names: as good as difflib's, and quick over thousands."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from pointsman.routing.nearest import Nearest

NAMES = ["gpt-5-mini", "gpt-5.4-mini", "gpt-4o-mini", "claude-sonnet-4-5", "auto", "gpt-5-mini"]


def test_a_slip_of_the_pen_finds_the_name_once() -> None:
    nearest = Nearest(NAMES)
    assert nearest.of("gpt-5-minj")[0] == "gpt-5-mini"
    assert nearest.of("gpt-5-minj").count("gpt-5-mini") == 1
    assert nearest.of("claude-sonet-4-5") == ["claude-sonnet-4-5"]
    assert nearest.of("Auto", cutoff=0.5) == ["auto"]
    assert nearest.of("zzz") == []
    assert Nearest([]).of("x") == []


@given(st.text(max_size=300), st.lists(st.text(max_size=50), max_size=30))
def test_any_text_gives_names_of_the_list(asked: str, names: list[str]) -> None:
    found = Nearest(names).of(asked)
    assert set(found) <= set(names)
    assert len(found) <= 3


@given(st.lists(st.text(min_size=4, max_size=30), min_size=1, max_size=30, unique=True), st.data())
def test_a_name_is_nearest_to_itself(names: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names))
    assert name in Nearest(names).of(name)


def test_thousands_of_names_hold_up_no_event_loop() -> None:
    nearest = Nearest(f"provider-{n % 40}/model-{n}-mini" for n in range(5_000))
    nearest.of("warm")
    took = []
    for number in range(5):
        began = time.perf_counter()
        nearest.of(f"provider-7/modle-{number}47-mini")
        took.append(time.perf_counter() - began)
    assert min(took) < 0.2
