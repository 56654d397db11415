from __future__ import annotations

import json

import pytest

from pointsman.core.errors import UpstreamRefused
from pointsman.wire.openai_chat.relay import ChatRelay

CALLS = [{"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}} for name in "ab"]
LOGPROBS = {"content": []}
ANSWER = {
    "id": "c-1",
    "object": "chat.completion",
    "model": "m-1",
    "system_fingerprint": "fp",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hé"}, "logprobs": LOGPROBS, "finish_reason": "stop"},
        {"index": 1, "message": {"role": "assistant", "tool_calls": CALLS}, "finish_reason": "tool_calls"},
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}  # fmt: skip


def test_a_whole_answer_becomes_a_stream_with_everything_in_it(dialect, asking, through):
    incoming = asking(n=2)
    got = through(ChatRelay(incoming, None), dialect.as_stream(json.dumps(ANSWER).encode(), incoming), 7)
    assert got.error is None
    assert (got.facts.id, got.facts.finish, got.facts.usage.output) == ("c-1", "stop", 2)
    events = [json.loads(line[6:]) for line in got.out.split(b"\n\n") if line and b"[DONE]" not in line]
    first, _, second, end, usage = events
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "Hé"}
    assert first["choices"][0]["logprobs"] == {"content": []}
    assert first["system_fingerprint"] == "fp"
    assert [call["index"] for call in second["choices"][0]["delta"]["tool_calls"]] == [0, 1]
    assert end["choices"] == [{"index": 1, "delta": {}, "finish_reason": "tool_calls"}]
    assert (usage["choices"], usage["usage"]) == ([], ANSWER["usage"])
    assert got.out.endswith(b"data: [DONE]\n\n")


def test_usage_only_for_those_who_asked(dialect, asking):
    assert b"usage" not in dialect.as_stream(json.dumps(ANSWER).encode(), asking(shows_usage=False))


def test_old_completions(dialect, asking, through):
    body = {
        "id": "c",
        "choices": [{"index": 0, "text": "hi", "finish_reason": "length"}],
        "usage": {"prompt_tokens": 1},
    }
    incoming = asking(surface="completions")
    got = through(ChatRelay(incoming, None), dialect.as_stream(json.dumps(body).encode(), incoming), 7)
    assert (got.error, got.facts.finish) == (None, "length")
    assert json.loads(got.out.split(b"\n\n")[0][6:]) == body


def test_an_error_in_place_of_the_answer(dialect, asking):
    with pytest.raises(UpstreamRefused):
        dialect.as_stream(b'{"error":{"message":"no"}}', asking())
