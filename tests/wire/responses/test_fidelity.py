"""Every recorded exchange of the dialect goes through unchanged. A share in the quick suite, all under `slow`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.core.chat import Opaque, ResponseFormat
from pointsman.core.errors import InvalidRequest, UpstreamCut, UpstreamGarbage
from pointsman.wire.events import Assembly, events_of
from pointsman.wire.openai_responses import answer_items
from pointsman.wire.openai_responses.relay import ResponsesRelay
from pointsman.wire.trip import Outgoing

SHARES = 7
QUICK = (3, SHARES)
shares = pytest.mark.parametrize(
    "share",
    [pytest.param(QUICK, id="quick"), *(pytest.param((n, 4), id=str(n), marks=pytest.mark.slow) for n in range(4))],
)
RESPONSES = "openai-responses"
COUNTS = "openai-responses-input_tokens"
COMPACT = "openai-responses-compact"
OUTGOING = Outgoing(path="/responses", body=b"{}", dialect=RESPONSES)
KINDS = {
    400: {"invalid_request", "context_length_exceeded", "content_filter"},
    401: {"invalid_api_key"},
    404: {"model_not_found", "not_found"},
}
TWO_ANSWERS = {"99570daf336cccdd", "fd3297b70048b508"}  # recordings of two streams in one: the first ends the stream
OUT_OF_ORDER = {"2a320672560e83ba"}  # three MCP servers that answered in another order than they were asked
ELSEWHERE = ("previous_response_id", "conversation", "prompt", "background")


def request_of(record: dict[str, Any]) -> dict[str, Any] | None:
    body = (record["request"] or {}).get("body")
    # Azure names the model in the path, which is the server's to read.
    return body if isinstance(body, dict) and body.get("model") is not None else None


def body_of(record: dict[str, Any]) -> dict[str, Any] | None:
    body = record["response"].get("body")
    return body if record["response"]["status"] == 200 and isinstance(body, dict) else None


def last_of(stream: str) -> dict[str, Any]:
    """The response in a stream's last event."""
    datas = [line[5:].strip() for line in stream.splitlines() if line.startswith("data:") and "[DONE]" not in line]
    return json.loads(datas[-1])["response"]


def first_of(stream: str) -> str:
    """The first answer of a recording that holds two."""
    at = stream.index("event: response.created", 10)
    return stream[:at]


@shares
def test_requests_reach_a_provider_of_the_dialect_unchanged(recorded, model, dialect, share):
    seen = 0
    for record in recorded(RESPONSES, COUNTS, COMPACT, share=share):
        wanted = request_of(record)
        if wanted is None:
            continue
        surface = "responses.input_tokens" if record["dialect"] == COUNTS else "responses"
        incoming = dialect.read_request(json.dumps(wanted).encode(), surface)
        sent = dialect.write_request(incoming, msgspec.structs.replace(model, upstream=incoming.model))
        assert json.loads(sent.body) == wanted, record["id"]
        assert sent.dropped == ()
        assert sent.path == ("/responses/input_tokens" if record["dialect"] == COUNTS else "/responses")
        assert incoming.stream is (wanted.get("stream") is True and record["dialect"] != COUNTS)
        seen += 1
    assert seen > 150


@shares
def test_answers_are_read_and_only_the_cost_is_added(recorded, dialect, share):
    seen = 0
    for record in recorded(RESPONSES, share=share):
        body = body_of(record)
        if body is None or "output" not in body:
            continue
        raw = json.dumps(body).encode()
        facts = dialect.read_answer(raw)
        assert facts.id == body["id"], record["id"]
        assert facts.model == (body.get("model") or "")
        usage = body.get("usage")
        assert (facts.usage is not None) == bool(usage), record["id"]
        for known in (facts, None):
            annotated = dialect.annotate(raw, 4_100, known)
            expected = body
            if usage and "cost" not in usage:
                assert annotated.replace(b'"cost":0.0000041,', b"", 1) == raw
                expected = {**body, "usage": {**usage, "cost": 0.0000041}}
            assert json.loads(annotated) == expected, record["id"]
        if facts.usage:
            assert facts.usage.input == usage["input_tokens"], record["id"]
            assert facts.usage.output == usage["output_tokens"], record["id"]
            assert facts.usage.reasoning == (usage.get("output_tokens_details") or {}).get("reasoning_tokens", 0)
        seen += 1
    assert seen > 100


@shares
def test_streams_are_equal_under_any_split(recorded, asking, through, price, share):
    seen = costs = 0
    incoming = asking()
    for record in recorded(RESPONSES, share=share):
        text = record["response"].get("sse")
        if text is None:
            continue
        data = text.encode() if record["id"] not in TWO_ANSWERS else first_of(text).encode()
        whole = through(ResponsesRelay(incoming, None), data, len(data))
        assert whole.error is None, record["id"]
        assert whole.has_content, record["id"]
        assert whole.out == data, record["id"]
        assert through(ResponsesRelay(incoming, None), data, 7) == whole, record["id"]
        relay = ResponsesRelay(incoming, price)
        priced = through(relay, data, 1)
        assert priced == through(ResponsesRelay(incoming, price), data, len(data)), record["id"]
        assert priced[1:] == whole[1:], record["id"]
        last = last_of(data.decode())
        assert whole.facts.id == last["id"] or record["provider"] == "copilot"
        assert whole.facts.usage.input == last["usage"]["input_tokens"]
        assert json.loads(relay.final) == last_of(priced.out.decode())
        assert len(answer_items(relay.final)) == len(last["output"])
        costs += check_events(whole.out, priced.out)
        seen += 1
    assert seen > 40
    assert costs > 40


def check_events(before: bytes, after: bytes) -> bool:
    """Equal line by line, but for the cost in the last event's usage."""
    old, new = before.splitlines(), after.splitlines()
    assert len(old) == len(new)
    changed = [(was, now) for was, now in zip(old, new, strict=True) if was != now]
    assert len(changed) <= 1
    for was, now in changed:
        event = json.loads(now[5:])
        assert event["response"]["usage"].pop("cost") >= 0
        assert event == json.loads(was[5:])
    return bool(changed)


@shares
def test_a_stream_says_what_its_whole_answer_says(recorded, dialect, share):
    """Read event by event, in any split, or as the response that its last event holds: the same answer."""
    seen = 0
    for record in recorded(RESPONSES, share=share):
        text = record["response"].get("sse")
        if text is None or record["id"] in TWO_ANSWERS:
            continue
        single = 1 if len(text) < 20_000 else 61
        answers = [read_stream(dialect, text.encode(), size) for size in (single, 7, len(text) * 4)]
        assert answers[0] == answers[1] == answers[2], record["id"]
        last = last_of(text)
        if not last["output"]:
            continue
        whole = dialect.read_whole(json.dumps(last).encode(), OUTGOING)
        told, held = same_seals(plain(answers[0])), same_seals(plain(whole))
        if record["id"] in OUT_OF_ORDER:
            for answer in (told, held):
                answer["choices"][0]["blocks"].sort(key=str)
        if record["provider"] == "copilot":  # its ids change from event to event
            told["id"] = held["id"]
        assert told == held, record["id"]
        seen += 1
    assert seen > 40


def same_seals(value: Any, name: str = "") -> Any:
    """Without what OpenAI writes anew in each event: encrypted thinking, and log probabilities to the last digit."""
    if isinstance(value, dict):
        return {key: same_seals(held, key) for key, held in value.items()}
    if isinstance(value, list):
        return [same_seals(held) for held in value]
    if name in ("encrypted", "encrypted_content", "fingerprint"):
        return bool(value)
    return round(value, 4) + 0.0 if name == "logprob" else value


def read_stream(dialect, data: bytes, size: int):
    reader, assembly = dialect.reader(OUTGOING), Assembly()
    for at in range(0, len(data), size):
        assembly.add(reader.feed(data[at : at + size]))
    assembly.add(reader.close())
    return assembly.answer()


def plain(value) -> Any:
    """A core value as plain JSON."""
    return json.loads(json.dumps(msgspec.to_builtins(value, enc_hook=lambda raw: json.loads(bytes(raw) or b"null"))))


@shares
def test_no_item_of_an_answer_is_lost(recorded, dialect, share):
    """Each recorded item becomes a block (an empty one none), and each block says what the item says."""
    seen = 0
    for record in recorded(RESPONSES, share=share):
        body = body_of(record)
        if record["response"].get("sse"):
            body = last_of(record["response"]["sse"])
        if body is None or "output" not in body:
            continue
        raw = json.dumps(body).encode()
        if body.get("status") in {"queued", "in_progress"} and not body["output"]:  # of work in the background
            with pytest.raises(UpstreamGarbage):
                dialect.read_whole(raw, OUTGOING)
            continue
        answer = dialect.read_whole(raw, OUTGOING)
        blocks = plain(answer.choices[0].blocks)
        check_blocks(body["output"], blocks, record["id"])
        assembly = Assembly()
        assembly.add(events_of(answer))
        if answer.choices[0].finish is not None:
            assert plain(assembly.answer()) == plain(answer), record["id"]
        seen += 1
    assert seen > 150


def check_blocks(output: list[dict[str, Any]], blocks: list[dict[str, Any]], record_id: str) -> None:
    held = json.dumps(blocks, ensure_ascii=False)
    opaque = [block for block in blocks if block["type"] == "opaque"]
    for item in output:
        match item["type"]:
            case "message":
                for part in item["content"]:
                    said = part.get("text") or part.get("refusal")
                    assert not said or json.dumps(said, ensure_ascii=False) in held, record_id
                    for note in part.get("annotations") or []:
                        key = note.get("url") or note.get("file_id")
                        assert key in held, record_id
            case "reasoning":
                for part in (*item["summary"], *(item.get("content") or [])):
                    assert json.dumps(part["text"], ensure_ascii=False)[1:-1] in held, record_id
                assert (item.get("encrypted_content") or "") in held
            case "function_call":
                called = [one for one in blocks if one["type"] == "tool_call" and one["id"] == item["call_id"]]
                assert json.dumps(called).count(item["name"]), record_id
                assert called[0]["arguments"] == (item["arguments"] or "{}")
            case "image_generation_call" if item.get("result"):
                assert item["result"] in held
            case kind:
                assert kind in {block["kind"] for block in opaque}, record_id


@shares
def test_requests_come_back_from_the_core_as_they_were_meant(recorded, dialect, thinker, share):
    """To the core and back to the dialect: every text, call, result, tool and number is there again, or named."""
    seen = 0
    for record in recorded(RESPONSES, COUNTS, share=share):
        wanted = request_of(record)
        if wanted is None:
            continue
        incoming = dialect.read_request(json.dumps(wanted).encode(), "responses")
        if any(wanted.get(name) for name in ELSEWHERE) or "item_reference" in json.dumps(wanted.get("input")):
            with pytest.raises(InvalidRequest):
                dialect.to_core(incoming)
            continue
        request = dialect.to_core(incoming)
        outgoing = dialect.from_core(request, thinker)
        sent = json.loads(outgoing.body)
        again = dialect.to_core(dialect.read_request(outgoing.body, "responses"))
        assert meaning(again) == meaning(request), record["id"]
        assert {one.path for one in outgoing.dropped} <= {"max_tokens"}, (record["id"], outgoing.dropped)
        assert sent["store"] is False
        seen += 1
    assert seen > 100


def meaning(request) -> dict[str, Any]:
    """A core request without what may differ: the model's name, who speaks in front, shapes that mean the same."""
    value = plain(request)
    messages = value.pop("messages")
    texts = []
    while (
        messages
        and messages[0]["role"] in ("system", "developer")
        and all(b["type"] == "text" for b in messages[0]["blocks"])
    ):
        texts += [block["text"] for block in messages.pop(0)["blocks"] if block["text"]]
    for tool in value.get("tools", ()):
        if not tool.get("dialect"):
            tool["strict"] = bool(tool.get("strict"))
    if value["response_format"] == plain(ResponseFormat()):
        value["response_format"] = None
    for name in ("model", "stream"):
        value.pop(name)
    value["max_output"] = value["max_output"] and max(value["max_output"], 16)  # OpenAI takes no less
    messages = [message for message in messages if message["blocks"]]
    return {**value, "messages": messages, "instructions": "\n\n".join(texts)}


def test_errors_are_read_with_a_sensible_status_and_kind(recorded, dialect):
    seen = 0
    for record in recorded(RESPONSES, COUNTS, COMPACT):
        response = record["response"]
        if (response["status"] or 0) < 400:
            continue
        headers = [(name.lower().encode(), value.encode()) for name, value in response["headers"].items()]
        body = response["text"].encode() if "text" in response else json.dumps(response["body"]).encode()
        error = dialect.read_error(response["status"], headers, body)
        meant = {"model_not_found": 404, "invalid_api_key": 401}.get(error.kind)  # xAI says 400 to both
        assert error.status == (meant or response["status"]), record["id"]
        assert error.kind in KINDS[error.status], (record["id"], error.kind)
        assert not error.retryable
        seen += 1
    assert seen > 20


def test_counts_are_read(recorded, dialect):
    seen = 0
    for record in recorded(COUNTS):
        body = body_of(record)
        if body is not None:
            assert dialect.read_count(json.dumps(body).encode()) == body["input_tokens"]
            assert json.loads(dialect.write_count(body["input_tokens"])) == body
            seen += 1
    assert seen > 3


@shares
def test_a_stream_cut_anywhere_is_never_whole(recorded, dialect, share):
    for number, record in enumerate(recorded(RESPONSES, share=share)):
        text = record["response"].get("sse")
        if text is None:
            continue
        events = [event + "\n\n" for event in text.strip().split("\n\n")]
        end = next(
            at for at, event in enumerate(events) if "response.completed" in event or "response.incomplete" in event
        )
        part = "".join(events[: number % end]).encode()
        reader = dialect.reader(OUTGOING)
        reader.feed(part)
        with pytest.raises(UpstreamCut):
            reader.close()


def test_opaque_items_are_what_they_were(dialect):
    item = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "é"}}
    body = json.dumps({"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [item]})
    (block,) = dialect.read_whole(body.encode(), OUTGOING).choices[0].blocks
    assert isinstance(block, Opaque)
    assert json.loads(bytes(block.raw)) == item
