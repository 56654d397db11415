from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bench import answers


def events(count: int) -> bytes:
    return b"".join(answers.event(1000 + n, first=n == 0) for n in range(count))


@given(st.integers(1, 8), st.lists(st.integers(1, 400), max_size=12))
def test_times_are_read_back_however_the_bytes_are_split(count, cuts):
    data = events(count) + answers.LAST
    marks, found, at = answers.Marks(), [], 0
    for cut in [*cuts, len(data)]:
        found += marks.feed(data[at : at + cut])
        at += cut
    assert found == [1000 + n for n in range(count)]


def test_every_event_is_a_chunk_that_a_caller_understands():
    for line in (events(2) + answers.LAST).decode().strip().split("\n\n")[:-1]:
        chunk = json.loads(line.removeprefix("data: "))
        assert chunk["object"] == "chat.completion.chunk"
    assert answers.LAST.endswith(b"data: [DONE]\n\n")


def test_the_answer_is_one_line_that_nginx_can_quote():
    text = answers.answer()
    assert json.loads(text)["usage"]["total_tokens"] == 36
    assert not set(text) & set("'\n$\\")


def test_a_streamed_request_asks_for_usage():
    body = json.loads(answers.request("auto", stream=True, text="hello"))
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["messages"][-1]["content"] == "hello"
