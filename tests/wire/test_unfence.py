"""JSON out of fences: whole and streamed give the same text, and what is not one fenced answer stays as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import (
    Answer,
    AnswerStart,
    BlockEnd,
    BlockStart,
    Choice,
    ChoiceEnd,
    Citation,
    Delta,
    Event,
    Reasoning,
    Text,
    ToolCall,
)
from pointsman.wire.events import Assembly, events_of
from pointsman.wire.forms import is_json
from pointsman.wire.unfence import Peeler, Unfenced, unfence, unfenced

JSON = '{"city": "Paris", "code": "```py\\n\\"}\\"\\n```", "list": [1, {"a": []}]}'
PEELED = {
    "a fence": f"```json\n{JSON}\n```",
    "a fence without a word": f"```\n{JSON}\n```",
    "other spelling": f"```JSON\r\n{JSON}\r\n```\r\n",
    "a fence in one line": f"```json {JSON}```",
    "a sentence before": f"Here is the JSON you asked for:\n\n```json\n{JSON}\n```",
    "a sentence behind": f"```json\n{JSON}\n```\nLet me know if you need more!",
    "sentences around": f"Sure!\n```json\n{JSON}\n```\n\nIt has {{three}} fields.",
    "a long fence": f"````json\n{JSON}\n````",
    "white space around": f"\n  ```json\n\n{JSON}\n\n```\n\n",
    "cut off by a stop string": f"```json\n{JSON}\n",
    "an array": "```json\n[1, 2]\n```",
}
KEPT = {
    "bare": JSON,
    "bare with white space": f"\n {JSON}\n",
    "bare with words behind": f"{JSON}\nI hope this helps! ```json\n{JSON}\n```",
    "prose": "The capital of France is Paris.",
    "prose with quoted code": "Use ```print()``` for that.",
    "another language": "```python\nprint({})\n```",
    "two fences": f"```json\n{JSON}\n```\nor\n```json\n{JSON}\n```",
    "a fence that goes on": f"```json\n{JSON}\n{JSON}\n```",
    "a fence far down": "x" * 600 + f"\n```json\n{JSON}\n```",
    "a number": "```json\n42\n```",
    "nothing": "",
    "half a fence": "``",
    "a fence of nothing": "```json\n",
    "long words behind": f"```json\n{JSON}\n```\n" + "bye " * 2000,
}


def in_pieces(text: str, size: int) -> tuple[str, list[str]]:
    peeler = Peeler()
    pieces = [peeler.feed(text[at : at + size]) for at in range(0, len(text), size)]
    return "".join(pieces) + peeler.close(), pieces


@pytest.mark.parametrize("name", PEELED)
def test_json_comes_out_of_its_fence_whole_and_in_any_pieces(name: str) -> None:
    text = PEELED[name]
    bare, _ = unfenced(text)
    assert bare.strip() in (JSON, "[1, 2]")
    assert bare.lstrip() == bare
    for size in (1, 2, 3, 7, 50, 10_000):
        assert in_pieces(text, size)[0] == bare


@pytest.mark.parametrize("name", KEPT)
def test_everything_else_stays_as_it_is(name: str) -> None:
    text = KEPT[name]
    assert unfenced(text) == (text, 0)


@pytest.mark.parametrize("name", [name for name in KEPT if "two" not in name and "goes on" not in name])
def test_everything_else_stays_as_it_is_in_pieces(name: str) -> None:
    for size in (1, 2, 3, 7, 50, 10_000):
        out, _ = in_pieces(KEPT[name], size)
        assert out == (KEPT[name] if name != "long words behind" else out)
        assert is_json(out) == is_json(KEPT[name])


@pytest.mark.parametrize("name", ["two fences", "a fence that goes on", "long words behind"])
def test_a_stream_that_turns_out_to_be_no_single_fence_loses_its_opening_alone_and_is_no_json(name: str) -> None:
    text = KEPT[name]
    for size in (1, 5, 10_000):
        out, _ = in_pieces(text, size)
        assert text.endswith(out)
        assert not is_json(out)


def test_json_that_is_broken_inside_stays_fenced_where_it_is_whole() -> None:
    text = '```json\n{"a": 1,}\n```'
    assert unfenced(text) == (text, 0)


def test_little_is_held_back() -> None:
    """What a caller waits for: words before a fence for a while, then the fence; the JSON itself comes at once."""
    for text in (JSON, f"```json\n{JSON}\n```"):
        peeler, out, lag = Peeler(), "", 0
        for character in text[: text.rindex("}") + 1]:
            out += peeler.feed(character)
            lag = max(lag, 0 if out else lag + 1)
        assert out == JSON
        assert lag <= 9
    peeler = Peeler()
    assert sum(len(peeler.feed("word ")) for _ in range(1000)) == 5000, "prose is let go after a while, with all of it"


@given(st.text(alphabet='`{}[]"\\ \njson1,:é', max_size=80), st.lists(st.integers(1, 9), min_size=1))
def test_any_split_gives_the_same_text_and_whole_answers_are_never_made_worse(text: str, sizes: list[int]) -> None:
    peeler, out, at, turn = Peeler(), "", 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        out += peeler.feed(text[at : at + size])
        at, turn = at + size, turn + 1
    out += peeler.close()
    assert out == in_pieces(text, len(text) or 1)[0]
    assert out in text
    bare, _ = unfenced(text)
    assert bare == text or is_json(bare)
    assert is_json(bare) or not is_json(text)
    if is_json(bare):
        assert json.loads(bare) == json.loads(out)


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    ),
    st.sampled_from(["", "Here: ", "Sure!\n\n"]),
    st.sampled_from(["", "\nDone.", "\n\n"]),
    st.integers(1, 9),
)
def test_any_object_or_array_comes_out_whole(value: Any, before: str, behind: str, size: int) -> None:
    text = json.dumps({"value": value}, indent=2, ensure_ascii=False)
    wrapped = f"{before}```json\n{text}\n```{behind}"
    assert unfenced(wrapped)[0].strip() == text
    assert in_pieces(wrapped, size)[0].strip() == text


class Heard:
    """A stream that is known, event by event."""

    done = True

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def feed(self, chunk: bytes) -> list[Event]:  # noqa: ARG002 - the port's
        return [self._events.pop(0)] if self._events else []

    def close(self) -> list[Event]:
        return self._events


def test_a_stream_keeps_everything_but_the_fence() -> None:
    fenced = f"```json\n{JSON}\n```"
    cited = Citation(url="https://a.example", start=8, end=12)
    answer = Answer(
        id="a",
        model="m",
        choices=(
            Choice(
                blocks=(
                    Reasoning(text="```json\n{}\n```", signature="s"),
                    Text(text=fenced, citations=(cited,)),
                    ToolCall(id="1", name="f", arguments="```json\n{}\n```"),
                ),
                finish="stop",
            ),
            Choice(index=1, blocks=(Text(text="no"), Text(text=fenced)), finish="stop"),
        ),
    )
    events: list[Event] = []
    for event in events_of(answer):  # text arrives in small pieces
        if isinstance(event, Delta):
            events += [Delta(choice=event.choice, index=event.index, field=event.field, text=c) for c in event.text]
        else:
            events.append(event)
    reader, assembly = Unfenced(Heard(events)), Assembly()
    for _ in range(len(events)):
        assembly.add(reader.feed(b""))
    assembly.add(reader.close())
    streamed, whole = assembly.answer(), unfence(answer)
    assert streamed.choices[0].blocks[0] == whole.choices[0].blocks[0] == answer.choices[0].blocks[0]
    assert streamed.choices[0].blocks[2] == whole.choices[0].blocks[2] == answer.choices[0].blocks[2]
    for got in (streamed, whole):
        text = got.choices[0].blocks[1]
        assert isinstance(text, Text)
        assert (text.text.strip(), text.citations[0].start, text.citations[0].end) == (JSON, 0, 4)
        last = got.choices[1].blocks
        assert isinstance(last[0], Text)
        assert isinstance(last[1], Text)
        assert (last[0].text, last[1].text.strip()) == ("no", JSON)


def test_an_answer_without_a_fence_is_the_same_value() -> None:
    answer = Answer(id="a", model="m", choices=(Choice(blocks=(Text(text=JSON),)),))
    assert unfence(answer) is answer


def test_text_that_stands_in_a_block_from_its_start_is_looked_at_too() -> None:
    events: list[Event] = [
        AnswerStart(id="a", model="m"),
        BlockStart(index=0, block=Text(text="```json\n{")),
        Delta(index=0, field="text", text="}\n```"),
        BlockEnd(index=0),
        ChoiceEnd(finish="stop"),
    ]
    reader, assembly = Unfenced(Heard(events)), Assembly()
    assembly.add(reader.close())
    block = assembly.answer().choices[0].blocks[0]
    assert isinstance(block, Text)
    assert block.text == "{}"
