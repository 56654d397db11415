from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.seams import HELD, Overlap, Seam, Stripped, seam_of
from wire.continuing.second import counts, doubtful, pieces

ODD = st.text(st.sampled_from("ab \n\t\u00a0\u3000é\u0301😀👩\u200d👧🏽.*`-"), max_size=60)
PROSE = "The pointsman sets the switches so that each train takes the right track, "


def through(seam: Seam, text: str, seed: int = 0) -> str:
    """A text through a seam, in pieces."""
    return "".join(seam.take(piece) for piece in pieces(text, random.Random(seed))) + seam.rest()


@given(ODD, ODD, st.integers(0, 9))
def test_a_begun_answer_is_joined_exactly_whatever_stands_at_the_seam(told, rest, seed):
    sent = told.rstrip()
    assert told + through(seam_of("prefill", told), (told + rest)[len(sent) :], seed) == told + rest


@given(ODD, ODD, st.integers(0, 9), st.integers(0, 60))
def test_a_repetition_is_cut_and_nothing_else(told, rest, seed, again):
    again = min(again, len(told))
    said = told[len(told) - again :] + rest
    if not counts(told, said, again) or doubtful(told, said, again):
        again, said = 0, rest
    if doubtful(told, said, again):
        return
    seam = seam_of("instruction", told)
    assert through(seam, said, seed) == rest
    assert seam.cut == again


@pytest.mark.parametrize(
    ("told", "said", "shown"),
    [
        ("it says hel", "lo", "lo"),
        ("so it is the ", "the end", "the end"),  # three letters and a space are no proof
        (PROSE, "takes the right track, and goes.", "and goes."),
        ("it was an old mill,", "an old mill, and goes.", " and goes."),  # exactly twelve characters
        ("it was a new mill,", "a new mill, and goes.", "a new mill, and goes."),  # eleven
        ("it takes the right track,", "right track, and goes.", "right track, and goes."),  # a pair may come twice
        ("| 100.0 % of 745", " | 100.0 % of 745 |", " | 100.0 % of 745 |"),  # cells of a row are often alike
        ("import pytest", "\nimport pytest_asyncio", "\nimport pytest_asyncio"),  # lines may begin alike
        ("it says\n        false,\n", "        false,\n    end", "        false,\n    end"),  # a line may come twice
        ("so:\n- The same line again.\n", "- The same line again.\n", "- The same line again.\n"),
        (f"so:\n{PROSE}\n", f"{PROSE}\nand", "and"),
        (PROSE, "ight track, and goes.", "ight track, and goes."),  # from within a word
        (PROSE, "takes the right trams", "takes the right trams"),  # not to its end
        ("Yes, ", "Yes, it is", "it is"),  # all of it again
        ("Yes", "Yes it is", "Yes it is"),  # too short to say
        ("| --- | --- | ---", "| --- | ---", "| --- | ---"),  # a pattern that goes on
        ("-" * 30, "-" * 40, "-" * 40),
        ("I am here. I am here. ", "I am here. ", "I am here. "),  # told twice already
        (PROSE, "Continuing: takes", "Continuing: takes"),
        (PROSE, PROSE + "and goes.", "and goes."),
        (PROSE, "", ""),
    ],
)
def test_what_is_taken_for_a_repetition(told, said, shown):
    for size in (1, 5, 1000):
        seam = Overlap(told)
        out = "".join(seam.take(said[at : at + size]) for at in range(0, len(said), size)) + seam.rest()
        assert out == shown


def test_little_is_held_back_where_nothing_is_repeated():
    seam = Overlap(PROSE)
    assert seam.take("xylo") == "xylo"
    assert seam.take("phone") == "phone"


def test_held_back_is_no_more_than_the_bound():
    told = "".join(random.Random(1).choices("abcdefgh", k=3 * HELD)) + " "
    told += "".join(random.Random(2).choices("abcdefgh", k=HELD))
    seam, held = Overlap(told), 0
    for at, character in enumerate(told[-HELD:] + "ijk"):
        out = seam.take(character)
        held = max(held, at + 1 if not out else 0)
    assert held <= HELD
    assert seam.cut == HELD


def test_an_answer_that_begins_anew_is_not_told_twice():
    told = "".join(random.Random(2).choices("abcdefgh ", k=3 * HELD))
    seam = Overlap(told)
    with pytest.raises(UpstreamGarbage, match="began the answer anew"):
        seam.take(told[: HELD + 5])


@pytest.mark.parametrize(
    ("white", "said", "shown"),
    [
        (" ", " more", "more"),
        (" ", "more", "more"),
        ("\n\n", "\nmore", "more"),
        (" ", "\nmore", "\nmore"),
        ("", " m", " m"),
    ],
)
def test_white_space_that_was_told_is_not_told_again(white, said, shown):
    assert through(Stripped(white), said) == shown


def test_white_space_is_cut_at_the_seam_alone():
    seam = Stripped(" ")
    assert [seam.take(piece) for piece in ("more", " ", "and more")] == ["more", " ", "and more"]


ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_hardly_any_word_of_real_texts_is_lost_where_they_are_gone_on_with_exactly():
    files = sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")])
    places = lost = 0
    for file in files:
        text = file.read_text()[:6_000]
        for found in re.finditer(r"\b(?=\s)", text):
            told, rest = text[: found.start()], text[found.start() : found.start() + 600]
            seam = seam_of("instruction", told)
            places += 1
            lost += seam.take(rest) + seam.rest() != rest
    assert places > 50_000
    assert lost / places < 1 / 10_000, f"{lost} of {places}"
