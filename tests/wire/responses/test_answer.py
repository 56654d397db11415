from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import Citation, Media, Opaque, Reasoning, Refusal, Text, ToolCall
from pointsman.core.errors import UpstreamError, UpstreamGarbage, UpstreamRefused
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.passage import Passages
from pointsman.wire.trip import AnswerFacts, Outgoing, Trip

OUTGOING = Outgoing(path="", body=b"")
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 15,
}


def answer(*output: dict[str, Any], **more: Any) -> bytes:
    body = {"id": "resp_1", "object": "response", "created_at": 7, "status": "completed", "model": "m-1"}
    return json.dumps({**body, "error": None, "output": list(output), "usage": USAGE, **more}).encode()


def message(text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], **more}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def blocks_of(*output: dict[str, Any]):
    return OpenAIResponses().read_whole(answer(*output), OUTGOING).choices[0].blocks


def test_accounting(dialect):
    facts = dialect.read_answer(answer(message("hi")))
    assert (facts.id, facts.model, facts.finish) == ("resp_1", "m-1", "completed")
    used = facts.usage
    assert (used.input, used.cache_read, used.output, used.reasoning) == (10, 4, 5, 3)


def test_the_end_says_why(dialect):
    body = answer(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert dialect.read_answer(body).finish == "max_output_tokens"
    assert dialect.read_whole(body, OUTGOING).choices[0].finish == "length"
    filtered = answer(status="incomplete", incomplete_details={"reason": "content_filter"})
    assert dialect.read_whole(filtered, OUTGOING).choices[0].finish == "content_filter"
    assert (
        dialect.read_whole(answer(status="incomplete", incomplete_details=None), OUTGOING).choices[0].finish == "length"
    )
    assert dialect.read_whole(answer(status="complete"), OUTGOING).choices[0].finish == "stop"
    assert dialect.read_whole(answer(status="cancelled"), OUTGOING).choices[0].finish == "error"
    assert b"response.completed" not in dialect.as_stream(answer(status="cancelled"), None)


def test_usage_whose_sums_differ_is_told_by_its_total(dialect):
    """A server with reasoning beside the output, as xAI's chat has it: the total decides."""
    used = dialect.read_answer(answer(usage={"input_tokens": 10, "output_tokens": 5, "total_tokens": 25})).usage
    assert (used.output, used.reasoning) == (15, 10)
    assert dialect.read_answer(answer(usage={"input_tokens": -1, "output_tokens": 5})).usage is None
    assert dialect.read_answer(answer(usage={"input_tokens": "many", "output_tokens": 5})).usage is None
    assert dialect.read_answer(answer(usage=None)).usage is None


def test_a_cost_stands_first_in_usage_and_nothing_else_changes(dialect):
    body = answer(message("hi"))
    facts = dialect.read_answer(body)
    assert dialect.annotate(body, 4_100, facts) == body.replace(b'{"input_tokens"', b'{"cost":0.0000041,"input_tokens"')
    assert dialect.annotate(body, None, facts) == body
    with_cost = answer(usage={**USAGE, "cost": 1})
    assert dialect.annotate(with_cost, 4_100, dialect.read_answer(with_cost)) == with_cost


def test_usage_in_the_tools_of_the_request_is_not_taken_for_the_answers(dialect):
    tools = [{"type": "function", "name": "f", "parameters": {"properties": {"usage": {"type": "string"}}}}]
    body = json.dumps({"tools": tools, **json.loads(answer(message("hi")))}).encode()
    annotated = json.loads(dialect.annotate(body, 4_100, dialect.read_answer(body)))
    assert annotated["tools"] == tools
    assert annotated["usage"] == {"cost": 0.0000041, **USAGE}


@pytest.mark.parametrize("read", ["read_answer", "read_whole"])
def test_failed_answers_are_refusals(dialect, read):
    error = {"code": "rate_limit_exceeded", "message": "Too fast."}
    arguments = (answer(status="failed", error=error),) + ((OUTGOING,) if read == "read_whole" else ())
    with pytest.raises(UpstreamRefused, match="Too fast") as failure:
        getattr(dialect, read)(*arguments)
    assert (failure.value.kind, failure.value.status, failure.value.retryable) == ("rate_limit_exceeded", 429, True)
    assert failure.value.body == b""  # a response is no error body: the caller gets ours
    silent = (answer(status="failed"), *arguments[1:])
    with pytest.raises(UpstreamRefused):
        getattr(dialect, read)(*silent)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"output": {}}', b'{"output": [', b"<html>", b'{"output": 3}'])
def test_what_is_no_answer(dialect, body):
    with pytest.raises(UpstreamGarbage):
        dialect.read_answer(body)
    with pytest.raises(UpstreamGarbage):
        dialect.read_whole(body, OUTGOING)


def test_an_error_in_a_200(dialect):
    with pytest.raises(UpstreamRefused, match="no such model"):
        dialect.read_answer(b'{"error": {"message": "no such model", "code": "model_not_found"}}')


def test_parts_of_a_message():
    note = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
    file = {"type": "file_citation", "file_id": "file-1", "filename": "a.txt", "index": 3}
    said = message("hi", annotations=[note, file])
    said["content"].append({"type": "refusal", "refusal": "no"})
    text, refusal = blocks_of(said)
    assert (text.text, text.citations) == ("hi", (Citation(url="https://a", title="A", start=0, end=2),))
    assert json.loads(bytes(text.extras[0].fields["annotations"])) == [file]
    assert refusal == Refusal(text="no")


def test_thinking_in_all_its_forms():
    summary = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    content = [{"type": "reasoning_text", "text": "c"}]
    maker = "openai-responses/m-1"
    item = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "x"}
    assert blocks_of(item) == (Reasoning(text="a\n\nb", encrypted="x", summary=True, maker=maker),)
    assert blocks_of({**item, "summary": [], "content": content}) == (Reasoning(text="c", encrypted="x", maker=maker),)
    both = blocks_of({**item, "content": content})
    assert [(block.text, block.encrypted, block.summary) for block in both] == [("a\n\nb", "x", True), ("c", "", False)]
    assert blocks_of({**item, "summary": []}) == (Reasoning(encrypted="x", maker=maker),)
    assert blocks_of({"type": "reasoning", "id": "rs_1", "summary": []}) == ()


def test_thinking_beside_the_items(dialect):
    """mistral.rs."""
    first, _ = dialect.read_whole(answer(message("hi"), reasoning="hm"), OUTGOING).choices[0].blocks
    assert first == Reasoning(text="hm", maker="openai-responses/m-1")
    assert len(dialect.read_whole(answer(message("hi"), reasoning={"effort": "low"}), OUTGOING).choices[0].blocks) == 1


def test_calls_have_their_names_at_the_caller_and_never_an_empty_id(dialect):
    call = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f_1", "arguments": '{"a":1}'}
    outgoing = Outgoing(path="", body=b"", tool_names={"f_1": "f.1"})
    choice = dialect.read_whole(answer(call, {**call, "call_id": "", "id": "", "arguments": ""}), outgoing).choices[0]
    assert choice.finish == "tool_calls"
    first, second = choice.blocks
    assert first == ToolCall(id="c1", name="f.1", arguments='{"a":1}')
    assert second.arguments == "{}"
    assert second.id.startswith("call_")


def test_what_runs_at_the_provider_is_no_call_of_the_callers(dialect):
    items = [
        {"type": kind, "id": kind} for kind in ("web_search_call", "mcp_call", "code_interpreter_call", "new_kind")
    ]
    choice = dialect.read_whole(answer(*items), OUTGOING).choices[0]
    assert [(type(block), block.kind) for block in choice.blocks] == [(Opaque, item["type"]) for item in items]
    assert choice.finish == "stop"


def test_pictures(dialect):
    drawn = {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "result": "QUJD",
        "output_format": "webp",
    }
    (block,) = blocks_of(drawn)
    assert block == Media(kind="image", media_type="image/webp", data="QUJD")
    (failed,) = blocks_of({**drawn, "status": "failed", "result": None})
    assert isinstance(failed, Opaque)


def test_log_probabilities(dialect):
    token = {"token": "hi", "logprob": -0.1, "bytes": [104, 105], "top_logprobs": []}
    choice = dialect.read_whole(answer(message("hi", logprobs=[token])), OUTGOING).choices[0]
    assert json.loads(bytes(choice.logprobs)) == {"content": [token]}


def test_halves_of_characters_and_bytes_that_are_no_text(dialect):
    body = answer(message("half")).replace(b"half", b"half \\ud83d")
    assert dialect.read_answer(body).id == "resp_1"
    assert dialect.read_whole(body, OUTGOING).choices[0].blocks[0].text == "half ?"
    body = answer(message("half")).replace(b"half", b"half \xff")
    assert dialect.read_whole(body, OUTGOING).choices[0].blocks[0].text == "half \ufffd"


def test_a_count_passes_and_is_no_answer(dialect):
    body = b'{"object":"response.input_tokens","input_tokens":12}'
    assert dialect.read_answer(body) == AnswerFacts()
    for read in (dialect.read_whole, dialect.as_stream):
        with pytest.raises(UpstreamGarbage):
            read(body, OUTGOING)


@pytest.mark.parametrize("tidy", [False, True])
def test_a_count_of_the_callers_own_dialect_stays_as_it_is(dialect, asking, tidy):
    way = Passages([dialect]).between(dialect.name, dialect.name, tidy=tidy)
    body = b'{"object":"response.input_tokens","input_tokens":12, "more": null}'
    trip = Trip(incoming=asking("responses.input_tokens"), outgoing=OUTGOING)
    assert way.read_answer(body, trip).body == body
    with pytest.raises(UpstreamRefused):
        way.read_answer(b'{"error":{"message":"no"}}', trip)


def test_counts(dialect):
    assert dialect.read_count(b'{"object":"response.input_tokens","input_tokens":12}') == 12
    for body in (b"{}", b"[", b'{"input_tokens":"12"}'):
        with pytest.raises(UpstreamGarbage):
            dialect.read_count(body)
    with pytest.raises(UpstreamRefused):
        dialect.read_count(b'{"error":{"message":"no"}}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)
ITEM = st.dictionaries(
    st.sampled_from(
        ["type", "id", "content", "summary", "arguments", "name", "call_id", "result", "encrypted_content"]
    ),
    JSON | st.sampled_from(["message", "reasoning", "function_call", "image_generation_call"]),
)
BODY = st.dictionaries(st.sampled_from(["id", "model", "status", "usage", "error", "created_at", "reasoning"]), JSON)


@given(BODY, st.lists(ITEM, max_size=4) | JSON)
def test_any_answer_is_read_or_refused(body, output):
    dialect = OpenAIResponses()
    raw = json.dumps({**body, "output": output}).encode()
    with contextlib.suppress(UpstreamError):
        facts = dialect.read_answer(raw)
        assert json.loads(dialect.annotate(raw, 5, facts)).keys() >= body.keys()
    with contextlib.suppress(UpstreamError):
        found = dialect.read_whole(raw, OUTGOING)
        incoming = dialect.read_request(b'{"model":"m","input":"x"}', "responses")
        dialect.write_answer(found, incoming)
    with contextlib.suppress(UpstreamError):
        dialect.as_stream(raw, None)


@given(st.binary(max_size=60))
def test_any_bytes(body):
    dialect = OpenAIResponses()
    for read in (dialect.read_answer, lambda raw: dialect.read_whole(raw, OUTGOING), dialect.read_count):
        with contextlib.suppress(UpstreamError):
            read(body)


def test_text_of_several_items_stays_in_order():
    said = blocks_of(message("a"), {"type": "web_search_call", "id": "ws_1"}, message("b"))
    assert [block.text if isinstance(block, Text) else "-" for block in said] == ["a", "-", "b"]
