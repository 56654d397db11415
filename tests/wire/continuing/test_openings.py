"""Models that do not begin with the next character: fences opened again, first lines and words said again."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.openings import Fence, open_fence
from pointsman.wire.seams import seam_of
from wire.continuing.second import pieces

ROOT = Path(__file__).parents[3]
INTRO = "Here is the function that you asked for:\n\n"
CODE = "def add(left, right):\n    total = left + right\n    return total\n\n\nprint(add(1, 2))\n"
KINDS = st.sampled_from(["python", "c++", "JSON", "objective-c", "yaml"])
MARKS = st.sampled_from(["```", "````", "~~~"])
WORDS = st.text(st.sampled_from("abcdefghij ,.\n"), max_size=60)
SEEDS = st.integers(0, 9)


def joined(told: str, said: str, seed: int = 0, *, json: bool = False) -> str:
    """What the caller has in the end."""
    seam = seam_of("instruction", told, json=json)
    shown = "".join(seam.take(piece) for piece in pieces(said, random.Random(seed))) + seam.rest()
    assert len(shown) == len(said) - seam.cut, "citations are moved by what was cut"
    return told + shown


@given(KINDS, MARKS, st.integers(0, len(CODE)), st.sampled_from(["", INTRO, "# A heading\n\n1. First\n\n"]), SEEDS)
def test_a_fence_that_is_open_is_not_opened_again(kind: str, marks: str, cut: int, before: str, seed: int) -> None:
    whole = f"{before}{marks}{kind}\n{CODE}{marks}\nThat is all."
    at = len(whole) - len(CODE) - len(marks) - len("\nThat is all.") + cut
    told, rest = whole[:at], whole[at:]
    assert joined(told, f"{marks}{kind}\n{rest}", seed) == whole
    assert joined(told, rest, seed) == whole
    assert joined(told, f"{marks}{kind.lower()}\n{rest}", seed) == whole


@given(st.integers(1, 10), SEEDS)
def test_the_line_that_opens_a_fence_is_not_said_twice(cut: int, seed: int) -> None:
    whole = f"{INTRO}```python\n{CODE}```"
    at = len(INTRO) + cut
    said = whole[len(INTRO) :] if cut >= 3 else whole[at:]
    assert joined(whole[:at], said, seed) == whole


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("```python\nx = 1\n", "```\nDone."),  # its end
        ("```\nx = 1\n", "```\nDone."),
        ("```python\nx = 1\n", "```bash\nls\n```"),  # another kind: nobody can know
        ("````markdown\nSo:\n", "```python\nx\n```\n````"),  # one in another
        ("```markdown\nSo:\n", "```markdown\nx\n```"),
        ("~~~python\n", "```python\n"),
        ("So it is done:\n\n", "```python\nx = 1\n```"),  # a new one
        ("1. ", "```bash\nls\n```"),
        ("> Say:\n> ", "```text\nls\n"),
        ("```js\nx\n```\nIt then ", "returns ```x``` at once"),
        ("```js\nx\n```\n", "```js\ny\n```"),  # the next one
        ("Of four marks: `", "```markdown\nx\n````"),
        ("So ", "```python x = 1```"),
        ("So ", "```"),
        ("`chat`, `responses`, `messag", "es`, `messages.count_tokens`"),  # a list, and no word begins there
        ("It is called ", "~~~~~~~ and so on"),
    ],
)
def test_what_could_be_wanted_stays(told: str, said: str) -> None:
    for seed in range(4):
        assert joined(told, said, seed) == told + said


def test_a_fence_behind_other_words_gets_a_line_of_its_own() -> None:
    assert joined("Run this:", "```bash\nls\n```") == "Run this:\n```bash\nls\n```"
    assert joined("Run this:", "\n```bash\nls\n```") == "Run this:\n```bash\nls\n```"


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
)


@given(
    JSONS,
    st.data(),
    st.sampled_from(["```json\n", "```\n", "\n```JSON\n"]),
    st.sampled_from(["\n```", "\n```\n", ""]),
    SEEDS,
)
def test_json_is_gone_on_with_without_the_fence_around_it(
    value: object, data: st.DataObject, head: str, end: str, seed: int
) -> None:
    whole = json.dumps(
        {"told": value, "more": [value]}, ensure_ascii=False, indent=data.draw(st.sampled_from([None, 2]))
    )
    at = data.draw(st.integers(5, len(whole) - 1))
    assert json.loads(joined(whole[:at], f"{head}{whole[at:]}{end}", seed, json=True)) == json.loads(whole)
    assert joined(whole[:at], whole[at:], seed, json=True) == whole


def test_what_follows_json_is_not_hidden() -> None:
    assert joined('{"a": ', "```json\n1}\n```\nThat is all.", json=True) == '{"a": 1}\n```\nThat is all.'
    assert joined('{"a": ', '"x```', json=True) == '{"a": "x```'
    assert joined('{"a": ', '```json\n"x```', json=True) == '{"a": "x```', "it stopped within a string"
    assert joined('```json\n{"a": ', "```json\n1}\n```", json=True) == '```json\n{"a": 1}\n```', (
        "the fence is the first one's"
    )


@given(st.integers(1, len(CODE) - 2), SEEDS)
def test_the_first_line_is_not_said_again(cut: int, seed: int) -> None:
    whole = f"{INTRO}```python\n{CODE}```"
    at = len(whole) - len(CODE) - 3 + cut
    told, rest = whole[:at], whole[at:]
    if not told.rpartition("\n")[2].strip() or whole[len(INTRO) :].startswith(rest[:12]):
        return  # at the beginning of a line the same line may come again
    assert joined(told, INTRO + rest, seed) == whole
    assert joined(told, f"{INTRO}```python\n{rest}", seed) == whole


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("Row, row, row your boat\nGently down the stream\n", "Row, row, row your boat\nMerrily"),  # a song
        ("Now la la la la\nla li\nNow la la la la\nla l", "Now la la la la\nso"),
        ("Sure thing\nso it goe", "Sure thing\ns on"),  # too short to say
        ("| Name | Sort |\n|---|---|\n| a ", "| Name | Sort |\n"),
        ("- a list of things\n- ", "- a list of things\n"),
        ("A single line without an e", "A single line without"),
    ],
)
def test_a_line_that_may_come_again_stays(told: str, said: str) -> None:
    for seed in range(4):
        assert joined(told, said, seed) == told + said


def test_a_rest_that_begins_as_the_code_did_is_no_beginning_anew() -> None:
    told = f"{INTRO}```python\nimport os\n\nprint(os.na"
    assert joined(told, f"{INTRO}```python\nimport_of)\n```") == f"{told}import_of)\n```"


def test_who_begins_anew_in_other_words_is_not_told_twice() -> None:
    told = f"{INTRO}It adds two numbers and then gives ba"
    with pytest.raises(UpstreamGarbage, match="began the answer anew"):
        joined(told, f"{INTRO}It adds two numerals, so")
    assert joined(told, told + "ck what it has.") == told + "ck what it has.", "all of it again is an overlap"


@pytest.mark.parametrize(
    ("told", "said", "shown"),
    [
        ("Then the pointsm", "pointsman sets", "an sets"),
        ("Then the pointsman", "pointsman sets", " sets"),
        ("Then the pointsman ", "pointsman sets", "pointsman sets"),  # said twice is something else
        ("Then it is real", "really so", "really so"),  # four letters may be a word that doubles
        ("It is my_point", "pointsman", "pointsman"),  # the end of a longer word
        ("The strand GATTACA", "GATTACAGA", "GATTACAGA"),
        ("The answer: 12345", "123456", "123456"),
        ("Так что стрелоч", "стрелочник", "ник"),
        ("说你好世界呀", "你好世界呀吗", "你好世界呀吗"),
        ("if so:\n    return", "    return x", " x"),
        ("if so:\n    return", "    return", "    return"),
        ("if so:\n    return", "    return\n", "    return\n"),  # a column may hold it twice
        ("if so:\n  error", "  error  warn", "  error  warn"),
        ("if so:\n  error", "  errors", "s"),
    ],
)
def test_a_word_in_which_it_stops_is_not_begun_twice(told: str, said: str, shown: str) -> None:
    for seed in range(6):
        assert joined(told, said, seed) == told + shown


PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", random.Random(4).sample(PAGES, 12), ids=lambda page: page.stem)
def test_an_exact_rest_of_a_real_text_loses_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")[:12_000]
    rng = random.Random(7)
    for at in sorted(rng.sample(range(1, len(text)), min(400, len(text) - 1))):
        seam = seam_of("instruction", text[:at])
        rest = text[at : at + 900]
        assert seam.take(rest[:3]) + seam.take(rest[3:40]) + seam.take(rest[40:]) + seam.rest() == rest, text[
            at - 40 : at
        ]


@given(WORDS, st.text(max_size=30), SEEDS)
def test_little_is_held_back(told: str, said: str, seed: int) -> None:
    seam = seam_of("instruction", told)
    taken = given_back = 0
    for piece in pieces(said, random.Random(seed)):
        taken += len(piece)
        given_back += len(seam.take(piece))
        assert taken - given_back - seam.cut <= 480


@pytest.mark.parametrize(
    "text",
    [" " * 200_000, "`" * 200_000, "```" + " " * 200_000 + "`", "~" * 200_000 + "\n", "- " * 100_000, "\n" * 200_000],
)
def test_no_text_takes_long(text: str) -> None:
    for told, said in ((text, text), ("x" + text, "y" + text), ('{"a": ', "```json\n" + text)):
        for is_json in (False, True):
            seam = seam_of("instruction", told, json=is_json)
            try:
                seam.take(said)
                seam.rest()
            except UpstreamGarbage:
                pass


def test_which_fence_is_open() -> None:
    assert open_fence("a\n```py\nb") == Fence("```", "py")
    assert open_fence("a\n  - ```py\n    b\n") == Fence("```", "py")
    assert open_fence("a\n```py\nb\n```\n") is None
    assert open_fence("a\n````md\n```py\nb\n```\n") == Fence("````", "md")
    assert open_fence("a ``` b\n") is None
    assert open_fence("```py") is None, "its line has no end yet"
