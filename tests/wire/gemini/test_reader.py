from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import Answer, Citation, Media, Opaque, Reasoning, Text, ToolCall
from pointsman.core.errors import UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.extras import own
from pointsman.wire.gemini.stream_writer import GeminiWriter
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.raw import value_of
from pointsman.wire.trip import Outgoing
from wire.gemini.made import GEMINI, SIGNED, USAGE, answer, assembled, chunk, heard, objects, read, streaming

MAKER = "gemini/gemini-3-flash"


def both(*parts: Any, finish: Any = "STOP", **more: Any) -> Answer:
    """An answer read as a whole, and in a stream of a chunk for each part; they have to agree."""
    whole = read(answer(*parts, finish=finish, **more))
    data = b"".join(chunk(part) for part in parts) + chunk(finish=finish, usage=USAGE, **more)
    bare = tuple(msgspec.structs.replace(choice, extras=()) for choice in whole.choices)
    streamed = assembled(heard(data))
    assert streamed == assembled(heard(data, 1))
    assert streamed.choices[0].blocks == bare[0].blocks
    assert streamed.choices[0].finish == bare[0].finish
    assert streamed.usage == whole.usage
    return whole


def blocks(*parts: Any, **more: Any) -> tuple[Any, ...]:
    return both(*parts, **more).choices[0].blocks


def call(name: str, args: Any = None, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, **({"args": args} if args is not None else {})}, **more}


def test_text_is_one_block():
    got = both({"text": "Hel"}, {"text": ""}, {"text": "lo"})
    assert got.choices[0].blocks == (Text(text="Hello"),)
    assert (got.id, got.model, got.usage) == ("r-1", "gemini-3-flash", Usage(input=10, output=5))


def test_thoughts_are_reasoning():
    assert blocks({"text": "h", "thought": True}, {"text": "m", "thought": True}, {"text": "so"}) == (
        Reasoning(text="hm", summary=True, maker=MAKER),
        Text(text="so"),
    )


def test_signatures_stand_with_what_they_sign():
    """Gotcha 14: on calls, on text, and on an empty text behind all."""
    got = blocks(
        {"text": "hm", "thought": True, "thoughtSignature": "dA=="},
        {"text": "a"},
        {"text": "b", "thoughtSignature": SIGNED},
        {"text": "c"},
        call("f", {}, thoughtSignature=SIGNED),
        call("g", {}),
        {"text": "", "thoughtSignature": "ZQ=="},
    )
    assert [type(block) for block in got] == [Reasoning, Text, Text, ToolCall, ToolCall, Reasoning]
    assert got[0] == Reasoning(text="hm", signature="dA==", summary=True, maker=MAKER)
    assert [block.text for block in got[1:3]] == ["ab", "c"]
    assert value_of(own(got[1].extras, "gemini")["thoughtSignature"]) == SIGNED
    assert (got[1].extras[0].model, got[2].extras) == ("gemini-3-flash", ())
    assert value_of(own(got[3].extras, "gemini")["thoughtSignature"]) == SIGNED
    assert got[4].extras == ()
    assert got[5] == Reasoning(signature="ZQ==", summary=True, maker=MAKER)


def test_calls_get_ids_that_are_theirs_alone():
    """Gotcha 7; and another answer with the same call gets another id."""
    first, second = blocks(call("f", {"a": 1}), call("f", {"a": 1}))
    assert first.id != second.id
    assert (first.name, json.loads(first.arguments)) == ("f", {"a": 1})
    assert read(answer(call("f", {"a": 1}))).choices[0].blocks[0].id == first.id
    assert read(answer(call("f", {"a": 1}), responseId="r-2")).choices[0].blocks[0].id != first.id
    kept = read(answer({"functionCall": {"name": "f", "id": "abc"}})).choices[0].blocks[0]
    assert (kept.id, kept.arguments) == ("abc", "{}")


def test_names_of_tools_are_the_callers():
    body = answer(call("t_1st_abc123", {}))
    known = GEMINI.read_whole(body, Outgoing(path="", body=b"", tool_names={"t_1st_abc123": "1st"}))
    assert known.choices[0].blocks[0].name == "1st"


@pytest.mark.parametrize(
    ("word", "called", "finish"),
    [
        ("STOP", False, "stop"),
        ("STOP", True, "tool_calls"),
        (1, True, "tool_calls"),
        ("MAX_TOKENS", True, "length"),
        (2, False, "length"),
        ("SAFETY", True, "content_filter"),
        (3, False, "content_filter"),
        ("RECITATION", False, "content_filter"),
        ("BLOCKLIST", False, "content_filter"),
        ("PROHIBITED_CONTENT", False, "content_filter"),
        ("SPII", False, "content_filter"),
        ("MODEL_ARMOR", False, "content_filter"),
        ("IMAGE_SAFETY", False, "content_filter"),
        ("IMAGE_PROHIBITED_CONTENT", False, "content_filter"),
        ("IMAGE_RECITATION", False, "content_filter"),
        ("MALFORMED_FUNCTION_CALL", False, "error"),
        ("UNEXPECTED_TOOL_CALL", True, "error"),
        ("FAKE_ENUM", False, "stop"),
        (99, False, "stop"),
    ],
)
def test_ends(word, called, finish):
    """Gotchas 3 and 48: also where the STOP comes in a later chunk than the call."""
    part = call("f", {}) if called else {"text": "x"}
    assert both(part, finish=word).choices[0].finish == finish


def test_an_end_that_is_said_again_does_not_whitewash():
    data = chunk({"text": "x"}, finish="STOP") + chunk({"text": "y"}, finish="RECITATION") + chunk(finish="STOP")
    got = assembled(heard(data)).choices[0]
    assert (got.finish, got.finish_raw, got.blocks[0].text) == ("content_filter", "RECITATION", "xy")


def test_candidates_are_choices():
    """Gotcha 44: interleaved, one usage."""
    data = b"".join(
        chunk({"text": text}, candidate={"index": index}, finish=finish, usage=USAGE)
        for index, text, finish in ((0, "a", None), (1, "b", None), (0, "c", "STOP"), (1, "d", "MAX_TOKENS"))
    )
    got = assembled(heard(data))
    assert [(one.index, one.blocks[0].text, one.finish) for one in got.choices] == [
        (0, "ac", "stop"),
        (1, "bd", "length"),
    ]
    with pytest.raises(UpstreamCut):
        heard(data.rpartition(b"data:")[0])


def test_pictures_and_sounds():
    got = blocks(
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}, "thoughtSignature": SIGNED},
        {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "QQ=="}},
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}, "thought": True},
    )
    assert [(type(one), getattr(one, "kind", "")) for one in got] == [
        (Media, "image"),
        (Media, "audio"),
        (Opaque, "inlineData"),
    ]
    assert value_of(own(got[0].extras, "gemini")["thoughtSignature"]) == SIGNED


def test_built_in_tools_are_no_calls():
    """Gotcha 11."""
    code = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
    tool = {"toolCall": {"id": "x", "toolType": "GOOGLE_SEARCH_WEB", "args": {}}, "thoughtSignature": SIGNED}
    got = both(code, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}, tool, {"text": "1"})
    assert [getattr(one, "kind", "text") for one in got.choices[0].blocks] == [
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "text",
    ]
    assert value_of(got.choices[0].blocks[2].raw) == tool
    assert got.choices[0].finish == "stop"


def grounded(*supports: tuple[int, int, str, list[int]]) -> dict[str, Any]:
    return {
        "groundingMetadata": {
            "groundingChunks": [
                {"web": {"uri": "https://a", "title": "a.org"}},
                {"retrievedContext": {"title": "doc", "text": "the words"}},
                {"maps": {"uri": "https://m", "title": "Place"}},
            ],
            "groundingSupports": [
                {"segment": {"startIndex": start, "endIndex": end, "text": text}, "groundingChunkIndices": places}
                for start, end, text, places in supports
            ],
        }
    }


def test_sources_are_citations_by_characters():
    """Google counts bytes of UTF-8."""
    extra = {"candidate": grounded((0, 9, "Gr\u00fc\u00dfe.", [0]), (9, 13, " You", [1, 7]), (0, 0, "You", [2]))}
    (text,) = blocks({"text": "Gr\u00fc"}, {"text": "\u00dfe. You"}, **extra)
    assert text.text == "Gr\u00fc\u00dfe. You"
    assert text.citations == (
        Citation(url="https://a", title="a.org", start=0, end=6),
        Citation(title="doc", quote="the words", start=6, end=10),
        Citation(url="https://m", title="Place", start=7, end=10),
    )


def test_sources_that_come_with_the_signature_are_of_the_text_before_it():
    """How Gemini 3 streams: the last chunk holds an empty signed text and all sources."""
    last = chunk({"text": "", "thoughtSignature": SIGNED}, finish="STOP", candidate=grounded((0, 2, "Hi", [0])))
    text, seal = assembled(heard(chunk({"text": "Hi"}) + last)).choices[0].blocks
    assert (text.text, [one.url for one in text.citations], seal.signature) == ("Hi", ["https://a"], SIGNED)


def test_sources_of_a_text_that_was_closed_before_are_not_lost():
    data = chunk({"text": "Hi"}) + chunk({"text": "", "thoughtSignature": SIGNED})
    data += chunk(finish="STOP", candidate=grounded((0, 2, "Hi", [0])))
    got = assembled(heard(data)).choices[0].blocks
    assert [one.url for block in got if isinstance(block, Text) for one in block.citations] == ["https://a"]


def test_sources_go_to_the_block_that_they_are_of():
    code = {"executableCode": {"code": "1"}}
    extra = {"candidate": grounded((0, 2, "ab", [0]), (2, 4, "cd", [2]))}
    first, _, second = read(answer({"text": "ab"}, code, {"text": "cd"}, **extra)).choices[0].blocks
    assert first.citations == (Citation(url="https://a", title="a.org", start=0, end=2),)
    assert second.citations == (Citation(url="https://m", title="Place", start=0, end=2),)


def test_recitations_are_citations():
    sources = {
        "citationMetadata": {"citations": [{"startIndex": 1, "endIndex": 3, "uri": "https://r", "license": "mit"}]}
    }
    (text,) = blocks({"text": "abcd"}, candidate=sources)
    assert text.citations == (Citation(url="https://r", start=1, end=3),)


def test_log_probabilities():
    """Gotcha 44."""
    chosen = {"token": "\u00fc", "logProbability": -0.5, "tokenId": 7}
    result = {"chosenCandidates": [chosen], "topCandidates": [{"candidates": [chosen, {"token": "u"}]}]}
    got = both({"text": "\u00fc"}, candidate={"logprobsResult": result}).choices[0].logprobs
    token = {"token": "\u00fc", "logprob": -0.5, "bytes": [195, 188]}
    other = {"token": "u", "logprob": 0.0, "bytes": [117]}
    assert value_of(got) == {"content": [{**token, "top_logprobs": [token, other]}]}


def test_calls_in_pieces():
    def piece(**fields: Any) -> bytes:
        return chunk({"functionCall": fields})

    data = piece(name="f", willContinue=True)
    data += piece(partialArgs=[{"jsonPath": "$.a", "stringValue": "x", "willContinue": True}], willContinue=True)
    data += piece(partialArgs=[{"jsonPath": "$.a", "stringValue": "y"}], willContinue=True)
    data += piece(partialArgs=[{"jsonPath": "$.b[0].c", "numberValue": 1}], willContinue=True)
    data += piece(
        partialArgs=[{"jsonPath": "$.b[1]['d e']", "boolValue": True}, {"jsonPath": "$.n", "nullValue": "NULL_VALUE"}],
        willContinue=True,
    )
    data += piece(partialArgs=[{"jsonPath": "$.b[99999]", "numberValue": 1}, {"jsonPath": "$"}, {}], willContinue=True)
    data += (
        piece()
        + piece(name="g", args={"z": 1})
        + piece(name="h", willContinue=True)
        + chunk(finish="STOP", usage=USAGE)
    )
    got = assembled(heard(data)).choices[0]
    assert [(one.name, json.loads(one.arguments)) for one in got.blocks] == [
        ("f", {"a": "xy", "b": [{"c": 1}, {"d e": True}], "n": None}),
        ("g", {"z": 1}),
        ("h", {}),
    ]
    assert got.finish == "tool_calls"


def test_times_and_names_of_the_head():
    got = read(answer({"text": "x"}, createTime="2026-05-04T20:01:02.264968Z"))
    assert got.created == 1_777_924_862
    for odd in ("yesterday", 5, None, "0001-01-01T00:00:00Z"):
        assert read(answer({"text": "x"}, createTime=odd)).created == 0


def test_what_only_gemini_says_is_kept_beside():
    got = read(answer({"text": "x"}, candidate={"safetyRatings": [1], "avgLogprobs": -1}, modelStatus={"a": 1}))
    assert set(own(got.extras, "gemini")) == {"modelStatus"}
    assert set(own(got.choices[0].extras, "gemini")) == {"safetyRatings", "avgLogprobs"}


def test_usage_runs_along_and_the_last_counts():
    data = chunk({"text": "a"}, usage={"promptTokenCount": 10, "candidatesTokenCount": 900}) + chunk(
        usage={"trafficType": "X"}
    )
    data += chunk(finish="STOP", usage=USAGE)
    assert assembled(heard(data)).usage == Usage(input=10, output=5)


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b": x\n\n", b'data: {"usageMetadata":{"promptTokenCount":1}}\n\n', b"[]"]
)
def test_a_stream_without_an_answer_is_cut(data):
    with pytest.raises(UpstreamCut):
        heard(data)


@pytest.mark.parametrize("data", [b"data: [1]\n\n", b"data: x\n\n", b"data: null\n\n", b'{"a":1}\n\n', b"[1,[2]]"])
def test_events_that_are_none_are_garbage(data):
    with pytest.raises((UpstreamGarbage, UpstreamCut)):
        heard(data)


def test_half_a_character_does_not_break_an_answer():
    body = answer({"text": "x"}).replace(b'"x"', b'"x\\ud83d"')
    assert read(body).choices[0].blocks[0].text.startswith("x")
    assert assembled(heard(b"data: " + body + b"\n\n")).choices[0].blocks[0].text.startswith("x")


# fmt: off
NAMES = st.sampled_from((
    "text", "thought", "thoughtSignature", "functionCall", "name", "args", "partialArgs", "jsonPath", "stringValue",
    "willContinue", "inlineData", "mimeType", "data", "groundingChunks", "groundingSupports", "segment", "startIndex",
    "endIndex", "groundingChunkIndices", "web", "uri", "chosenCandidates", "token", "$.a", "$.a[0]", "executableCode",
))
# fmt: on
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | NAMES
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))
PARTS = st.lists(st.dictionaries(NAMES, JSON, max_size=3), max_size=3)
CANDIDATES = st.fixed_dictionaries(
    {"content": st.fixed_dictionaries({"parts": PARTS})},
    optional={"groundingMetadata": JSON, "finishReason": JSON, "index": st.integers(0, 1), "logprobsResult": JSON},
)
CHUNKS = st.lists(
    st.fixed_dictionaries({"candidates": st.lists(CANDIDATES, max_size=2)}, optional={"usageMetadata": JSON})
)


@given(chunks=CHUNKS)
def test_any_chunks_are_events_that_can_be_written(chunks):
    """Whatever comes: only our errors, and events that every writer can take."""
    end = {"candidates": [{"index": index, "finishReason": "STOP"} for index in (0, 1)]}
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in (*chunks, end))
    with contextlib.suppress(UpstreamGarbage, UpstreamRefused):
        events = heard(data)
        whole = GEMINI.read_whole(json.dumps([*chunks, end]).encode(), Outgoing(path="", body=b""))
        bare = tuple(msgspec.structs.replace(choice, extras=()) for choice in whole.choices)
        assert assembled(events).choices == bare
        json.loads(GEMINI.write_answer(whole, streaming()).body)
        writer = GeminiWriter()
        objects(writer.write(events) + writer.close(None, None))
        chat = OpenAIChat()
        body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}'
        chat.writer(chat.read_request(body, "chat.completions")).write(events)
