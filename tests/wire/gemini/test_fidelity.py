"""Every recorded exchange of the dialect goes through unchanged. A share in the quick suite, all under `slow`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.core.errors import InvalidRequest, PointsmanError, UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.wire.gemini.relay import GeminiRelay
from pointsman.wire.trip import Outgoing
from wire.gemini.made import GEMINI, STUDIO, VERTEX, assembled, heard, model, streaming

SHARES = 7
shares = pytest.mark.parametrize(
    "share",
    [
        pytest.param((3, SHARES), id="quick"),
        *(pytest.param((n, 4), id=str(n), marks=pytest.mark.slow) for n in range(4)),
    ],
)
GENERATE, COUNT = "gemini-generateContent", "gemini-countTokens"
SIZES = (1, 7, 1 << 30)
NO_ANSWERS = {"0757bfaea3bc1501", "0d8ff1b42506ef68"}  # cached contents, recorded under the wrong name
WRONG_ROLE = "fd1c9baa200cb9bd"
ENDS = {"16856b23b2a1658e": UpstreamRefused, "975da563bc926d5d": UpstreamCut}  # broken off, and told so


def incoming_of(record: dict[str, Any]):
    request = record["request"]
    if not request or not isinstance(request["body"], dict):
        return None
    query = "&".join(f"{name}={value}" for name, value in (request["query"] or {}).items())
    surface = "gemini.count_tokens" if record["dialect"] == COUNT else "gemini.generate"
    return GEMINI.read_request(json.dumps(request["body"]).encode(), surface, request["path"], query)


@shares
def test_requests_reach_a_provider_of_the_dialect_unchanged(recorded, share):
    seen = 0
    for record in recorded(GENERATE, COUNT, share=share):
        incoming = incoming_of(record)
        if incoming is None:
            continue
        path = record["request"]["path"]
        assert incoming.model == path.partition("/models/")[2].rpartition(":")[0]
        assert incoming.stream == path.endswith("streamGenerateContent")
        out = GEMINI.write_request(
            incoming, model(incoming.model, VERTEX if record["provider"] == "vertex" else STUDIO)
        )
        assert json.loads(out.body) == record["request"]["body"], record["id"]
        assert out.path.partition("?")[0] == f"/models/{incoming.model}:{path.rpartition(':')[2]}"
        assert out.path.endswith("?alt=sse") == incoming.stream
        assert not out.dropped
        seen += 1
    assert seen > 100


@shares
def test_requests_cross_in_both_forms(recorded, share):
    for record in recorded(GENERATE, COUNT, share=share):
        incoming = incoming_of(record)
        if incoming is None:
            continue
        if record["id"] == WRONG_ROLE:
            with pytest.raises(InvalidRequest, match=r"contents\[0\]\.role"):
                GEMINI.to_core(incoming)
            continue
        core = GEMINI.to_core(incoming)
        for upstream in ("gemini-2.5-flash", "gemini-3-flash"):
            assert json.loads(GEMINI.from_core(core, model(upstream)).body)["contents"]


@shares
def test_answers_are_read_and_only_the_cost_is_added(recorded, share):
    seen = 0
    for record in recorded(GENERATE, share=share):
        body = record["response"].get("body")
        if record["response"]["status"] != 200 or not isinstance(body, dict) or record["id"] in NO_ANSWERS:
            continue
        raw = json.dumps(body).encode()
        facts = GEMINI.read_answer(raw)
        usage = body.get("usageMetadata") or {}
        assert facts.id == (body.get("responseId") or ""), record["id"]
        assert (facts.usage is not None) == any(name.endswith("TokenCount") for name in usage), record["id"]
        for known in (facts, None):
            told = json.loads(GEMINI.annotate(raw, 4_100, known))
            if usage:
                assert told["usageMetadata"].pop("cost") == 0.0000041
            assert told == body, record["id"]
        if facts.usage and (usage.get("totalTokenCount") or 0) >= (usage.get("promptTokenCount") or 0) > 0:
            assert facts.usage.total == usage["totalTokenCount"], record["id"]
        seen += 1
    assert seen > 80


def test_counts_of_tokens_are_read(recorded):
    counts = [record["response"]["body"] for record in recorded(COUNT)]
    assert len(counts) > 8
    for body in counts:
        raw = json.dumps(body).encode()
        assert GEMINI.read_count(raw) == body["totalTokens"]
        assert GEMINI.annotate(raw, 1, GEMINI.read_answer(raw)) == raw
        assert json.loads(GEMINI.write_count(body["totalTokens"])) == {"totalTokens": body["totalTokens"]}


@shares
def test_streams_are_equal_under_any_split(recorded, through, price, share):
    seen = costs = 0
    for record in recorded(GENERATE, share=share):
        text = record["response"].get("sse")
        if text is None or record["response"]["status"] != 200:
            continue
        data = text.encode()
        incoming = streaming()
        whole, *others = [through(GeminiRelay(incoming, None), data, size) for size in reversed(SIZES)]
        if record["id"] in ENDS:
            assert type(whole.error) is ENDS[record["id"]]
            continue
        assert whole.error is None, record["id"]
        assert whole.has_content, record["id"]
        assert whole.out == data, record["id"]
        for other in others:
            assert other == whole, record["id"]
        priced = [through(GeminiRelay(incoming, price), data, size) for size in SIZES]
        assert priced[0] == priced[1] == priced[2], record["id"]
        costs += priced[0].out != data
        for was, now in zip(data.splitlines(), priced[0].out.splitlines(), strict=True):
            if was != now:
                event = json.loads(now[5:])
                assert event["usageMetadata"].pop("cost") >= 0
                assert event == json.loads(was[5:])
        seen += 1
    assert seen > 30
    assert costs > 25


@shares
def test_a_stream_is_the_same_answer_in_pieces_and_as_a_whole(recorded, share):
    seen = 0
    for record in recorded(GENERATE, share=share):
        text = record["response"].get("sse")
        if text is None or record["response"]["status"] != 200 or record["id"] in ENDS:
            continue
        data = text.encode()
        events = heard(data)
        assert heard(data, 1) == events == heard(data, 7), record["id"]
        chunks = [json.loads(line[5:]) for line in data.splitlines() if line.startswith(b"data:")]
        array = json.dumps(chunks).encode()
        whole = GEMINI.read_whole(array, Outgoing(path="", body=b""))
        bare = [msgspec.structs.replace(choice, extras=()) for choice in whole.choices]
        whole = msgspec.structs.replace(whole, extras=(), choices=tuple(bare))
        assert assembled(events) == whole, record["id"]
        assert heard(array, 7) == heard(array, 1) == events, record["id"]
        seen += 1
    assert seen > 30


@shares
def test_whole_answers_come_back_as_they_were(recorded, share):
    """Through core and back: every part, end, signature and count of tokens."""
    seen = 0
    for record in recorded(GENERATE, share=share):
        body = record["response"].get("body")
        if record["response"]["status"] != 200 or not isinstance(body, dict) or not body.get("candidates"):
            continue
        core = GEMINI.read_whole(json.dumps(body).encode(), Outgoing(path="", body=b""))
        back = json.loads(GEMINI.write_answer(core, streaming()).body)
        for before, after in zip(body["candidates"], back["candidates"], strict=True):
            assert essence(after) == essence(before), record["id"]
            left = {name: value for name, value in before.items() if name not in TOLD}
            assert {name: after.get(name) for name in left} == left, record["id"]
        usage = body.get("usageMetadata") or {}
        for name in ("thoughtsTokenCount", "cachedContentTokenCount"):
            assert back.get("usageMetadata", {}).get(name, 0) == usage.get(name, 0), record["id"]
        seen += 1
    assert seen > 80


TOLD = {"content", "finishReason", "index", "logprobsResult", "groundingMetadata", "citationMetadata"}


def essence(candidate: dict[str, Any]) -> list[Any]:
    """What a candidate says: runs of text as one, calls without the ids that they are given, empty texts left out."""
    told: list[Any] = []
    for raw in candidate.get("content", {}).get("parts") or []:
        part = {name: value for name, value in raw.items() if name != "thought" or value}
        if "functionCall" in part:
            call = {"args": {}, **part["functionCall"]}
            call.pop("id", None)
            part["functionCall"] = call
            if part.get("thoughtSignature") == "skip_thought_signature_validator":
                del part["thoughtSignature"]
        if part.get("text") == "" and len(part) == 1:
            continue
        last = told[-1] if told else {}
        if set(part) - {"thoughtSignature"} == set(last) and "text" in last:
            told[-1] = {**part, "text": last["text"] + part["text"]}
        else:
            told.append(part)
    finish = candidate.get("finishReason")
    words = {1: "STOP", 2: "MAX_TOKENS", None: "STOP"}
    return [told, words.get(finish, finish)]


def test_errors_are_read_with_a_sensible_status_and_kind(recorded):
    kinds = {
        400: {"invalid_request", "context_length_exceeded"},
        403: {"not_permitted"},
        404: {"model_not_found", "not_found"},
        429: {"rate_limit_exceeded", "insufficient_quota"},
    }
    seen = 0
    for record in recorded(GENERATE):
        response = record["response"]
        if (response["status"] or 0) < 400:
            continue
        headers = [(name.lower().encode(), value.encode()) for name, value in response["headers"].items()]
        text = response.get("text") or response.get("sse") or json.dumps(response.get("body"))
        error = GEMINI.read_error(response["status"], headers, text.encode())
        if "API key not valid" in text:
            assert (error.status, error.kind, error.retryable) == (401, "invalid_api_key", False), record["id"]
        else:
            assert error.status == response["status"], record["id"]
            assert error.kind in kinds[error.status], (record["id"], error.kind)
            assert error.retryable is (error.status == 429), record["id"]
        seen += 1
    assert seen > 18


def test_what_is_no_answer_is_garbage(recorded):
    seen = 0
    for record in recorded(GENERATE):
        if record["id"] in NO_ANSWERS:
            raw = json.dumps(record["response"]["body"]).encode()
            for reading in (GEMINI.read_answer, lambda raw: GEMINI.read_whole(raw, Outgoing(path="", body=b""))):
                with pytest.raises(PointsmanError) as caught:
                    reading(raw)
                assert type(caught.value) is UpstreamGarbage
            seen += 1
    assert seen == len(NO_ANSWERS)
