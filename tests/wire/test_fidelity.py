"""Every recorded exchange of the dialect goes through unchanged. A share in the quick suite, all under `slow`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.core.errors import UpstreamRefused
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_chat.relay import ChatRelay

SHARES = 7
QUICK = (3, SHARES)
shares = pytest.mark.parametrize(
    "share",
    [pytest.param(QUICK, id="quick"), *(pytest.param((n, 4), id=str(n), marks=pytest.mark.slow) for n in range(4))],
)
CHAT = ("openai-chat", "openai-completions")
SURFACES = {"openai-chat": "chat.completions", "openai-completions": "completions"}
REFUSED_IN_STREAM = {"34eabc2c9a89b2e8": 400, "e7667cc8c4eed898": 400}  # errors inside a 200: status that they mean
KINDS = {
    400: {"invalid_request", "context_length_exceeded", "content_filter"},
    401: {"invalid_api_key"},
    403: {"not_permitted"},
    404: {"model_not_found", "not_found"},
    429: {"rate_limit_exceeded"},
    500: {"server_error"},
}


def request_of(record: dict[str, Any]) -> dict[str, Any] | None:
    body = (record["request"] or {}).get("body")
    # Azure names the model in the path, which is the server's to read.
    return body if isinstance(body, dict) and body.get("model") is not None else None


@shares
def test_requests_reach_a_provider_of_the_dialect_unchanged(recorded, model, share):
    dialect, seen = OpenAIChat(), 0
    for record in recorded(*CHAT, share=share):
        wanted = request_of(record)
        if wanted is None:
            continue
        incoming = dialect.read_request(json.dumps(wanted).encode(), SURFACES[record["dialect"]])
        same_name = msgspec.structs.replace(model, upstream=incoming.model)
        sent = json.loads(dialect.write_request(incoming, same_name).body)
        if incoming.stream and not incoming.shows_usage:
            options = (wanted.get("stream_options") or {}) | {"include_usage": True}
            wanted = wanted | {"stream_options": options}
        wanted = {name: value for name, value in wanted.items() if name != "usage"}  # which asks the gateway
        assert sent == wanted, record["id"]
        seen += 1
    assert seen > 200


@shares
def test_answers_are_read_and_only_the_cost_is_added(recorded, share):
    dialect, seen = OpenAIChat(), 0
    for record in recorded(*CHAT, share=share):
        body = record["response"].get("body")
        if record["response"]["status"] != 200 or body is None:
            continue
        raw = json.dumps(body).encode()
        facts = dialect.read_answer(raw)
        assert facts.id == (body.get("id") or ""), record["id"]
        usage = body.get("usage")
        assert (facts.usage is not None) == bool(usage), record["id"]
        annotated = dialect.annotate(raw, 4_100)
        if usage and '"cost"' not in json.dumps(usage):
            assert annotated.replace(b'"cost":0.0000041,', b"") == raw
            body["usage"]["cost"] = 0.0000041
        assert json.loads(annotated) == body, record["id"]
        if usage and facts.usage:
            assert facts.usage.input >= (usage.get("prompt_tokens") or 0)
            assert facts.usage.output >= (usage.get("completion_tokens") or 0)
            assert facts.usage.total == max(usage.get("total_tokens") or 0, facts.usage.total)
        seen += 1
    assert seen > 150


@shares
def test_streams_are_equal_under_any_split(recorded, asking, through, price, share):
    seen = costs = 0
    for record in recorded(*CHAT, share=share):
        text = record["response"].get("sse")
        if text is None:
            continue
        data = text.encode()
        wanted = request_of(record) or {}
        incoming = asking(n=wanted.get("n") or 1)
        whole = through(ChatRelay(incoming, None), data, len(data))
        if record["id"] in REFUSED_IN_STREAM:
            assert isinstance(whole.error, UpstreamRefused)
            assert whole.error.status == REFUSED_IN_STREAM[record["id"]]
            continue
        assert whole.error is None, record["id"]
        assert whole.has_content, record["id"]
        assert whole.out == data, record["id"]
        assert through(ChatRelay(incoming, None), data, 7) == whole, record["id"]
        priced = through(ChatRelay(incoming, price), data, 1)
        assert priced == through(ChatRelay(incoming, price), data, len(data)), record["id"]
        assert priced[1:] == whole[1:], record["id"]
        costs += priced.out != data
        check_events(data, priced.out)
        seen += 1
    assert seen > 60
    assert costs > 20


def check_events(before: bytes, after: bytes) -> None:
    """Equal event by event, but for the cost in usage."""
    if before == after:
        return
    old, new = before.splitlines(), after.splitlines()
    assert len(old) == len(new)
    for was, now in zip(old, new, strict=True):
        if was != now:
            event = json.loads(now[5:])
            assert event["usage"].pop("cost") >= 0
            assert event == json.loads(was[5:])


@shares
def test_unasked_usage_is_hidden_and_nothing_else(recorded, asking, through, share):
    hidden = 0
    for record in recorded("openai-chat", share=share):
        text = record["response"].get("sse")
        if text is None or record["id"] in REFUSED_IN_STREAM:
            continue
        incoming = asking(shows_usage=False, n=(request_of(record) or {}).get("n") or 1)
        shown = through(ChatRelay(asking(), None), text.encode(), 4_096)
        got = through(ChatRelay(incoming, None), text.encode(), 4_096)
        assert got.facts == shown.facts, record["id"]
        lines = {line for line in shown.out.splitlines() if line.startswith(b"data:")}
        for line in lines - set(got.out.splitlines()):
            event = json.loads(line[5:])
            assert event["choices"] == []
            assert event["usage"]
            hidden += 1
    assert hidden > 15


def test_errors_are_read_with_a_sensible_status_and_kind(recorded, dialect):
    seen = 0
    for record in recorded(*CHAT):
        response = record["response"]
        if (response["status"] or 0) < 400:
            continue
        headers = [(name.lower().encode(), value.encode()) for name, value in response["headers"].items()]
        body = response["text"].encode() if "text" in response else json.dumps(response["body"]).encode()
        error = dialect.read_error(response["status"], headers, body)
        assert error.status == response["status"], record["id"]
        assert error.kind in KINDS[error.status], (record["id"], error.kind)
        assert error.retryable is (error.status in (429, 500)), record["id"]
        assert str(error) in json.dumps(response, ensure_ascii=False).replace('\\"', '"'), record["id"]
        seen += 1
    assert seen > 40
