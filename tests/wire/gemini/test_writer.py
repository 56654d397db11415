from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from pointsman.core.chat import (
    Alive,
    Answer,
    AnswerStart,
    BlockEnd,
    BlockStart,
    Choice,
    ChoiceEnd,
    Citation,
    Delta,
    Extras,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.usage import Usage
from pointsman.wire.events import events_of
from pointsman.wire.gemini.seals import MARK
from pointsman.wire.raw import dump
from wire.gemini.made import GEMINI, SIGNED, asked, assembled, heard, objects, read, streaming

USED = Usage(input=10, cache_read=4, output=8, reasoning=3)
COUNTS = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 5,
    "totalTokenCount": 18,
    "cachedContentTokenCount": 4,
    "thoughtsTokenCount": 3,
}
DUMMY = "skip_thought_signature_validator"
CLAUDE = "anthropic-messages/claude"


def made(*blocks: Any, finish: Any = "stop", **more: Any) -> Answer:
    choice = Choice(blocks=blocks, finish=finish, **more.pop("choice", {}))
    return Answer(id="a-1", model="m-1", created=1_700_000_000, choices=(choice,), usage=USED, **more)


def written(*blocks: Any, **more: Any) -> tuple[dict[str, Any], set[str]]:
    encoded = GEMINI.write_answer(made(*blocks, **more), asked())
    return json.loads(encoded.body), {one.path for one in encoded.dropped}


def streamed(*blocks: Any, query: str = "alt=sse", **more: Any) -> bytes:
    writer = GEMINI.writer(streaming(query))
    return writer.write(events_of(made(*blocks, **more))) + writer.close(USED, 4_100)


def parts(*blocks: Any, **more: Any) -> list[Any]:
    """The parts of a whole answer."""
    return written(*blocks, **more)[0]["candidates"][0]["content"].get("parts", [])


def in_stream(*blocks: Any, **more: Any) -> list[Any]:
    return [
        part
        for one in objects(streamed(*blocks, **more))
        for candidate in one["candidates"]
        for part in candidate["content"]["parts"]
        if part != {"text": ""}
    ]


def test_a_whole_answer():
    body, dropped = written(Text(text="Hi"))
    assert body == {
        "candidates": [
            {"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": "STOP", "index": 0},
        ],
        "usageMetadata": COUNTS,
        "modelVersion": "m-1",
        "createTime": "2023-11-14T22:13:20Z",
        "responseId": "a-1",
    }
    assert not dropped


def test_a_stream_says_everything_once_and_its_end_and_usage_last():
    """Gotchas 1, 27, 31."""
    writer = GEMINI.writer(streaming())
    out = writer.write([AnswerStart(id="a-1", model="m-1"), BlockStart(index=0, block=Text(text=""))])
    assert out == b""
    out = writer.write([Delta(index=0, field="text", text="Hel\n"), Alive(), Delta(index=0, field="text", text="lo")])
    told = objects(out)
    assert [one["candidates"] for one in told] == [
        [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}] for text in ("Hel\n", "lo")
    ]
    assert all((one["modelVersion"], one["responseId"]) == ("m-1", "a-1") for one in told)
    assert writer.write([BlockEnd(index=0), ChoiceEnd(finish="length")]) == b""  # nothing ends that may yet be cut
    (last,) = objects(writer.close(USED, 4_100))
    nothing = {"parts": [{"text": ""}], "role": "model"}
    assert last["candidates"] == [{"content": nothing, "finishReason": "MAX_TOKENS", "index": 0}]
    assert last["usageMetadata"] == {"cost": 0.0000041, **COUNTS}


def test_a_stream_as_an_array():
    """Gotcha 26."""
    writer = GEMINI.writer(streaming(query=""))
    assert writer.write([AnswerStart(id="a", model="m")]) == b""
    out = b""
    for event in events_of(made(Text(text="Hi"), Text(text="!"))):
        out += writer.write([event])
    out += writer.close(USED, None)
    assert out.startswith(b'[{"candidates"')
    told = json.loads(out)
    assert [one["candidates"][0]["content"].get("parts") for one in told] == [
        [{"text": text}] for text in ("Hi", "!", "")
    ]
    assert told[:2] == objects(streamed(Text(text="Hi"), Text(text="!")))[:2]


def test_the_end_of_a_stream_without_anything():
    for usage in (None, USED):
        (only,) = objects(GEMINI.writer(streaming()).close(usage, None))
        assert only["promptFeedback"] == {"blockReason": "OTHER"}
        assert ("usageMetadata" in only) is (usage is not None)


@pytest.mark.parametrize(
    ("finish", "raw", "word"),
    [
        ("stop", "", "STOP"),
        ("tool_calls", "tool_calls", "STOP"),
        ("length", "length", "MAX_TOKENS"),
        ("content_filter", "", "SAFETY"),
        ("content_filter", "RECITATION", "RECITATION"),
        ("refusal", "refusal", "SAFETY"),
        ("pause", "pause_turn", "STOP"),
        ("error", "", "OTHER"),
        ("error", "MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"),
    ],
)
def test_ends(finish, raw, word):
    assert written(finish=finish, choice={"finish_raw": raw})[0]["candidates"][0]["finishReason"] == word
    last = objects(streamed(Text(text="x"), finish=finish, choice={"finish_raw": raw}))[-1]
    assert last["candidates"][0]["finishReason"] == word


@pytest.mark.parametrize("show", [parts, in_stream])
def test_calls_are_whole_and_say_that_they_are_not_signed(show):
    """Gotchas 4, 7 and 14: as an object, with the id; a Gemini that goes on with it must not refuse the turn."""
    got = show(
        ToolCall(id="toolu_1", name="f", arguments='{\n "a": 1\n}'),
        ToolCall(id="toolu_2", name="g", arguments=""),
        ToolCall(id="toolu_3", name="h", arguments="cut of"),
        finish="tool_calls",
    )
    assert got == [
        {"functionCall": {"id": "toolu_1", "name": "f", "args": {"a": 1}}, "thoughtSignature": DUMMY},
        {"functionCall": {"id": "toolu_2", "name": "g", "args": {}}},
        {"functionCall": {"id": "toolu_3", "name": "h", "args": {"arguments": "cut of"}}},
    ]


@pytest.mark.parametrize("show", [parts, in_stream])
def test_what_a_gemini_signed_passes_as_it_was(show):
    seal = (Extras(dialect="gemini", fields={"thoughtSignature": dump(SIGNED)}),)
    got = show(
        Reasoning(signature="ZQ==", maker="gemini/gemini-3-flash"),
        ToolCall(id="1", name="f", extras=seal),
    )
    assert got == [
        {"text": "", "thoughtSignature": "ZQ=="},
        {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": SIGNED},
    ]


@pytest.mark.parametrize(
    "block",
    [
        Reasoning(text="I think", signature="s?g>=", maker=CLAUDE),
        Reasoning(encrypted="hidden", maker=CLAUDE),
        Reasoning(text="summary", encrypted="blob", maker="openai-responses/gpt-5"),
    ],
)
@pytest.mark.parametrize("show", [parts, in_stream])
def test_thinking_of_other_makers_comes_back_as_it_was(show, block):
    """Through a client that sends parts back unread, in either alphabet of base64."""
    shown = show(block, Text(text="so"))
    assert all(part.get("thought") for part in shown[:-1])
    assert shown[-2]["thoughtSignature"].encode().startswith(MARK)
    plain = base64.b64decode(shown[-2]["thoughtSignature"])
    assert plain.startswith(b"pm1.{")
    shown[-2]["thoughtSignature"] = base64.urlsafe_b64encode(plain).decode()
    turns = [{"role": "user", "parts": [{"text": "?"}]}, *({"role": "model", "parts": [part]} for part in shown)]
    back = GEMINI.to_core(asked({"contents": turns})).messages[1].blocks
    assert back == (block, Text(text="so"))


@pytest.mark.parametrize("show", [parts, in_stream])
def test_other_blocks(show):
    raw = {"executableCode": {"language": "PYTHON", "code": "1"}}
    assert show(
        Reasoning(text="hm"),
        Refusal(text="I won't."),
        Media(kind="image", media_type="image/png", data="QQ=="),
        Media(kind="image", url="https://a/b.png"),
        Opaque(
            dialect="gemini",
            kind="executableCode",
            raw=msgspec.Raw(b'{"executableCode":{"language":"PYTHON",\n"code":"1"}}'),
        ),
    ) == [
        {"text": "hm", "thought": True},
        {"text": "I won't."},
        {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://a/b.png"}},
        raw,
    ]


def test_what_cannot_be_said_is_named():
    foreign = Opaque(dialect="anthropic-messages", kind="server_tool_use", raw=msgspec.Raw(b"{}"))
    extras = (Extras(dialect="openai-chat", fields={"system_fingerprint": dump("x")}),)
    _, dropped = written(foreign, extras=extras, choice={"stop_sequence": "END"})
    assert dropped == {"system_fingerprint", "candidates[0]", "candidates[0].stop_sequence"}
    last = objects(streamed(Text(text="x"), foreign))[-1]
    assert last["pointsmanMetadata"] == {"dropped": ["Gemini has no place for `server_tool_use`"]}
    last = objects(streamed(Text(text="x"), choice={"stop_sequence": "END"}))[-1]
    assert last["pointsmanMetadata"] == {"dropped": ["Gemini does not say which one it was"]}


@pytest.mark.parametrize("mode", ["whole", "stream"])
def test_citations_become_grounding_by_bytes(mode):
    blocks = (
        Text(text="Gr\u00fc\u00dfe. ", citations=(Citation(url="https://a", title="A", start=0, end=6),)),
        Text(
            text="You",
            citations=(Citation(url="https://a", title="A", start=0, end=3), Citation(title="doc", quote="q")),
        ),
    )
    told = [written(*blocks)[0]] if mode == "whole" else objects(streamed(*blocks))
    assert told[-1]["candidates"][0]["groundingMetadata"] == {
        "groundingChunks": [
            {"web": {"uri": "https://a", "title": "A"}},
            {"retrievedContext": {"title": "doc", "text": "q"}},
        ],
        "groundingSupports": [
            {"segment": {"endIndex": 8, "text": "Gr\u00fc\u00dfe."}, "groundingChunkIndices": [0]},
            {"segment": {"startIndex": 9, "endIndex": 12, "text": "You"}, "groundingChunkIndices": [0]},
        ],
    }


@pytest.mark.parametrize("mode", ["whole", "stream"])
def test_log_probabilities_come_back_as_they_were(mode):
    """Gotcha 44."""
    token = {"token": "\u00fc", "logprob": -0.5, "bytes": [195, 188]}
    content = {"content": [{**token, "top_logprobs": [token]}]}
    choice = {"logprobs": dump(content)}
    if mode == "whole":
        back = read(json.dumps(written(Text(text="\u00fc"), choice=choice)[0]).encode())
    else:
        back = assembled(heard(streamed(Text(text="\u00fc"), choice=choice)))
    assert msgspec.json.decode(back.choices[0].logprobs) == content


def test_choices_are_candidates():
    answer = Answer(
        id="a",
        model="m",
        choices=tuple(Choice(index=at, blocks=(Text(text=text),), finish="stop") for at, text in enumerate("ab")),
    )
    body = json.loads(GEMINI.write_answer(answer, asked()).body)
    assert [(one["index"], one["content"]["parts"][0]["text"]) for one in body["candidates"]] == [(0, "a"), (1, "b")]
    assert "usageMetadata" not in body
    writer = GEMINI.writer(streaming())
    back = assembled(heard(writer.write(events_of(answer)) + writer.close(None, None)))
    assert [one.blocks[0].text for one in back.choices] == ["a", "b"]


def test_signs_of_life_say_nothing_in_either_framing():
    sign = GEMINI.keep_alive()
    one = streamed(Text(text="Hi"))
    assert sign == GEMINI.keep_alive(begun=False)
    assert objects(sign + one.replace(b"\n\n", b"\n\n" + sign)) == objects(one)
    array = streamed(Text(text="Hi"), query="")
    assert json.loads(sign + array.replace(b",\r\n", sign + b",\r\n" + sign)) == json.loads(array)


@pytest.mark.parametrize("created", [0, -5, 1 << 60])
def test_odd_times_are_left_out(created):
    answer = msgspec.structs.replace(made(Text(text="x")), created=created)
    assert "createTime" not in json.loads(GEMINI.write_answer(answer, asked()).body)
    assert b"createTime" not in GEMINI.writer(streaming()).write(events_of(answer))
