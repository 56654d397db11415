"""What callers get from providers of other dialects, held to OpenAI's own client."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type_unchecked
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from fuzzing import examples
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
    Logprobs,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.errors import PointsmanError
from pointsman.core.usage import Usage
from pointsman.wire.events import Assembly, events_of
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_responses import OpenAIResponses, answer_items
from pointsman.wire.trip import Outgoing

EVENT = TypeAdapter(ResponseStreamEvent)
USAGE = Usage(input=10, cache_read=4, output=5, reasoning=2)
RAW = msgspec.Raw
OUTGOING = Outgoing(path="", body=b"")


def events_in(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream, which all have to be OpenAI's, in order, in one line each."""
    found = []
    for at, frame in enumerate(stream.decode().removesuffix("\n\n").split("\n\n")):
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == at
        EVENT.validate_python(event)
        found.append(event)
    return found


def check(stream: bytes) -> dict[str, Any]:
    """Hold a stream to OpenAI's client, which puts the response together again; returns the response."""
    events = events_in(stream)
    state = ResponseStreamState(input_tools=omit, text_format=omit)
    grown: dict[tuple[Any, ...], str] = {}
    ids: dict[int, str] = {}
    for event in events:
        state.handle_event(construct_type_unchecked(type_=ResponseStreamEvent, value=event))
        index = event.get("output_index")
        if event["type"] == "response.output_item.added":
            assert index == len(ids)
            ids[index] = event["item"]["id"]
        elif index is not None:
            assert (event.get("item_id") or event["item"]["id"]) == ids[index]
        if event["type"].endswith(".delta"):
            key = (event["type"].removesuffix(".delta"), index, event.get("content_index"))
            grown[key] = grown.get(key, "") + event["delta"]
        if event["type"].endswith("_text.done"):
            assert (
                grown.get((event["type"].removesuffix(".done"), index, event.get("content_index")), "") == event["text"]
            )
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] in ("response.completed", "response.incomplete", "response.failed")
    done = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    last = events[-1]["response"]
    assert [done[at] for at in sorted(done)] == last["output"]
    assert last["id"] == events[0]["response"]["id"]
    Response.model_validate(last)
    return last


def plain(value) -> Any:
    """A core value as plain JSON."""
    return json.loads(json.dumps(msgspec.to_builtins(value, enc_hook=lambda raw: json.loads(bytes(raw) or b"null"))))


def streamed(answer: Answer, incoming, step: int = 1) -> bytes:
    writer = OpenAIResponses().writer(incoming)
    events = events_of(answer)
    out = b"".join(writer.write(events[at : at + step]) for at in range(0, len(events), step))
    return out + writer.close(answer.usage, None)


def answer(*blocks, finish: Any = "stop", **more: Any) -> Answer:
    return Answer(
        id="msg_abc", model="m-1", created=7, choices=(Choice(blocks=blocks, finish=finish, **more),), usage=USAGE
    )


def whole(value: Answer, incoming) -> dict[str, Any]:
    encoded = OpenAIResponses().write_answer(value, incoming)
    body = json.loads(encoded.body)
    Response.model_validate(body)
    assert answer_items(encoded.body) is not None
    return body


def test_the_ids_of_an_answer_are_those_of_its_call(asking):
    """Ollama numbers its answers from 0 to 998, so two of them, or of two providers, may bear the same id."""
    first, second = (msgspec.structs.replace(asking(), call=call) for call in ("01one", "01two"))
    said = answer(Reasoning(text="hm"), Text(text="hi"), ToolCall(id="c", name="f"))
    bodies = [whole(said, first), check(streamed(said, first)), whole(said, second)]
    ids = [[body["id"], *(item["id"] for item in body["output"])] for body in bodies]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


def test_an_answer_as_a_response(asking):
    body = whole(
        answer(Reasoning(text="hm"), Text(text="hi"), ToolCall(id="c", name="f", arguments='{"a":1}')), asking()
    )
    assert (body["object"], body["status"], body["model"], body["created_at"]) == ("response", "completed", "m-1", 7)
    assert body["id"].startswith("resp_")
    thought, said, call = body["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert (said["role"], said["content"][0]["text"]) == ("assistant", "hi")
    assert (call["call_id"], call["name"], call["arguments"]) == ("c", "f", '{"a":1}')
    assert len({item["id"] for item in body["output"]}) == 3
    assert body["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    assert body == whole(
        answer(Reasoning(text="hm"), Text(text="hi"), ToolCall(id="c", name="f", arguments='{"a":1}')), asking()
    )


def test_ids_depend_on_the_providers_id(asking):
    first, second = answer(Text(text="a")), msgspec.structs.replace(answer(Text(text="a")), id="other")
    assert whole(first, asking())["id"] != whole(second, asking())["id"]
    assert whole(msgspec.structs.replace(first, id="resp_1"), asking())["id"] == "resp_1"
    nameless = msgspec.structs.replace(first, id="")
    assert whole(nameless, asking(input="a"))["id"] != whole(nameless, asking(input="b"))["id"]


def test_the_request_is_repeated(asking):
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}]
    asked = {
        "instructions": "s",
        "tools": tools,
        "tool_choice": "required",
        "temperature": 0.5,
        "top_p": 0.9,
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "max_output_tokens": 99,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "store": False,
    }
    body = whole(answer(Text(text="a")), asking(**asked))
    assert {name: body[name] for name in asked} == asked
    bare = whole(answer(Text(text="a")), asking(tools=None, metadata=None))
    assert (bare["tools"], bare["tool_choice"], bare["metadata"], bare["parallel_tool_calls"]) == ([], "auto", {}, True)
    assert bare["store"] is False, "whoever keeps it says so"


def test_what_the_provider_did_not_do_is_not_repeated(asking):
    body = whole(answer(Text(text="a")), asking(service_tier="flex", truncation="auto"))
    assert (body["service_tier"], body["truncation"]) == (None, "disabled")


@pytest.mark.parametrize(
    ("finish", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("refusal", "incomplete", {"reason": "content_filter"}),
        ("pause", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        ("error", "failed", None),
    ],
)
def test_ends(asking, finish, status, details):
    value = answer(Text(text="a"), finish=finish)
    body = whole(value, asking())
    assert (body["status"], body["incomplete_details"]) == (status, details)
    assert (body["error"] is not None) is (status == "failed")
    assert body["output"][0]["status"] == ("completed" if status == "completed" else "incomplete")
    stream = streamed(value, asking())
    assert check(stream) == body
    assert events_in(stream)[-1]["type"] == f"response.{status}"


def test_neighbouring_texts_are_one_and_their_citations_move_along(asking):
    cited = Text(text="two", citations=(Citation(url="https://a", title="A", start=0, end=3, quote="q"),))
    value = answer(Text(text="one "), cited, Text(text=" three"), Refusal(text="no"))
    (item,) = whole(value, asking())["output"]
    part, refusal = item["content"]
    assert part["text"] == "one two three"
    assert [(note["start_index"], note["end_index"]) for note in part["annotations"]] == [(4, 7)]
    assert refusal == {"type": "refusal", "refusal": "no"}
    stream = streamed(value, asking())
    assert check(stream)["output"] == [item]
    assert b"annotation.added" in stream


def test_what_interrupts_a_text_ends_its_message(asking):
    value = answer(Text(text="a"), ToolCall(id="c", name="f"), Text(text="b"))
    body = whole(value, asking())
    assert [item["type"] for item in body["output"]] == ["message", "function_call", "message"]
    assert check(streamed(value, asking())) == body


def test_texts_that_overlap_are_parts_of_their_own(asking):
    writer = OpenAIResponses().writer(asking())
    events = [
        AnswerStart(id="a", model="m"),
        BlockStart(index=0, block=Text(text="")),
        BlockStart(index=1, block=Text(text="")),
        Delta(index=0, field="text", text="a"),
        Delta(index=1, field="text", text="b"),
        Delta(index=0, field="text", text="c"),
        BlockEnd(index=1),
        BlockEnd(index=0),
        ChoiceEnd(finish="stop"),
    ]
    body = check(writer.write(events) + writer.close(None, None))
    assert [part["text"] for part in body["output"][0]["content"]] == ["ac", "b"]


def test_items_that_overlap_end_each(asking):
    writer = OpenAIResponses().writer(asking())
    events = [AnswerStart(id="a", model="m")]
    events += [BlockStart(index=at, block=ToolCall(id=f"c{at}", name="f", arguments="")) for at in (0, 1)]
    events += [Delta(index=at, field="arguments", text="{}") for at in (1, 0)]
    events += [BlockEnd(index=0), BlockEnd(index=1), ChoiceEnd(finish="tool_calls")]
    body = check(writer.write(events) + writer.close(None, None))
    assert [item["call_id"] for item in body["output"]] == ["c0", "c1"]


def test_a_text_that_goes_on_beside_a_call_is_whole(asking):
    writer = OpenAIResponses().writer(asking())
    events = [
        AnswerStart(id="a", model="m"),
        BlockStart(index=0, block=Text(text="")),
        Delta(index=0, field="text", text="one "),
        BlockStart(index=1, block=ToolCall(id="c", name="f", arguments="")),
        Delta(index=0, field="text", text="more"),
        BlockStart(index=2, block=Text(text="another")),
        Delta(index=1, field="arguments", text="{}"),
        BlockEnd(index=0),
        BlockEnd(index=1),
        BlockEnd(index=2),
        ChoiceEnd(finish="tool_calls"),
    ]
    body = check(writer.write(events) + writer.close(None, None))
    assert [item["type"] for item in body["output"]] == ["message", "function_call", "message"]
    assert [body["output"][at]["content"][0]["text"] for at in (0, 2)] == ["one more", "another"]


def test_calls_without_arguments_have_an_empty_object(asking):
    value = answer(ToolCall(id="c", name="f", arguments="{}"))
    stream = check(streamed(value, asking()))
    assert stream["output"][0]["arguments"] == "{}"
    writer = OpenAIResponses().writer(asking())
    events = [AnswerStart(id="a", model="m"), BlockStart(index=0, block=ToolCall(id="c", name="f", arguments=""))]
    body = check(writer.write([*events, BlockEnd(index=0), ChoiceEnd(finish="tool_calls")]) + writer.close(None, None))
    assert body["output"][0]["arguments"] == "{}"


CUSTOM = {"type": "custom", "name": "apply_patch", "description": "d"}
SHELL = {"type": "local_shell"}
SPACE = {
    "type": "namespace",
    "name": "mcp__docs__",
    "description": "d",
    "tools": [{"type": "function", "name": "search", "parameters": {}}],
}


@pytest.mark.parametrize(
    "arguments", ['{"input":"*** Begin\\n"}', '{"patch":"*** Begin\\n"}', '"*** Begin\\n"', "*** Begin\n"]
)
def test_calls_of_custom_tools_are_turned_back(asking, arguments):
    value = answer(ToolCall(id="c", name="apply_patch", arguments=arguments), finish="tool_calls")
    incoming = asking(tools=[CUSTOM])
    (item,) = whole(value, incoming)["output"]
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "apply_patch", "*** Begin\n")
    assert check(streamed(value, incoming))["output"] == [item]
    assert "custom_tool_call_input.delta" in streamed(value, incoming).decode()


def test_calls_of_the_local_shell_are_turned_back(asking):
    value = answer(ToolCall(id="c", name="local_shell", arguments='{"command":["ls","-l"],"timeout_ms":5}'))
    incoming = asking(tools=[SHELL])
    (item,) = whole(value, incoming)["output"]
    assert item["action"] == {"type": "exec", "command": ["ls", "-l"], "timeout_ms": 5, "env": {}}
    assert check(streamed(value, incoming))["output"] == [item]


def test_calls_in_a_namespace_are_turned_back(asking):
    value = answer(ToolCall(id="c", name="mcp__docs__search", arguments="{}"))
    incoming = asking(tools=[SPACE, {"type": "function", "name": "mcp", "parameters": {}}])
    (item,) = whole(value, incoming)["output"]
    assert (item["type"], item["name"], item["namespace"]) == ("function_call", "search", "mcp__docs__")
    assert check(streamed(value, incoming))["output"] == [item]
    given = asking(input=[{"type": "additional_tools", "role": "developer", "tools": [SPACE]}])
    assert whole(value, given)["output"] == [item]


SIGNED = Reasoning(text="hm", signature="sig", maker="anthropic-messages/claude")
HIDDEN = Reasoning(encrypted="data", maker="anthropic-messages/claude")
GEMINI = Extras(dialect="gemini", fields={"thoughtSignature": RAW(b'"seal"')})


@pytest.mark.parametrize("streams", [False, True])
def test_thinking_of_other_makers_comes_back_with_its_seal(asking, dialect, streams):
    """Codex sends reasoning items back as they came, and nothing else that it does not know."""
    call = ToolCall(id="c", name="f", arguments="{}", extras=(GEMINI,))
    value = answer(SIGNED, HIDDEN, Text(text="hi"), call, finish="tool_calls")
    body = check(streamed(value, asking())) if streams else whole(value, asking())
    kept = ("type", "role", "content", "summary", "encrypted_content", "call_id", "name", "arguments")
    history = [{name: item[name] for name in kept if name in item} for item in body["output"]]
    for item in history:
        if item["type"] == "message":
            item["content"] = [{"type": "output_text", "text": part["text"]} for part in item["content"]]
    result = {"type": "function_call_output", "call_id": "c", "output": "1"}
    turn, results = dialect.to_core(asking(input=[*history, result])).messages
    assert turn.blocks == (SIGNED, HIDDEN, Text(text="hi"), call)
    assert results.role == "tool"


def test_own_thinking_goes_out_as_it_is(asking):
    own = Reasoning(text="hm", encrypted="gAAA", summary=True, maker="openai-responses/gpt-5")
    assert whole(answer(own), asking())["output"][0]["encrypted_content"] == "gAAA"


def test_damaged_seals_are_text_alone(asking, dialect):
    item = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "pm1.%%%"}
    (turn,) = dialect.to_core(asking(input=[item])).messages
    assert turn.blocks == (Reasoning(text="hm", summary=True, maker="openai-responses"),)


def test_pictures_and_what_was_ours(asking):
    drawn = Media(kind="image", media_type="image/png", data="QUJD")
    ours = Opaque(
        dialect="openai-responses",
        kind="web_search_call",
        raw=RAW(b'{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}}'),
    )
    value = answer(drawn, ours)
    body = whole(value, asking())
    assert [item["type"] for item in body["output"]] == ["image_generation_call", "web_search_call"]
    assert check(streamed(value, asking())) == body


def test_what_cannot_be_said_is_named(asking, dialect):
    foreign = Opaque(dialect="gemini", kind="executableCode", raw=RAW(b"{}"))
    cited = Text(text="a", citations=(Citation(quote="of a document"),))
    more = Choice(index=1, blocks=(Text(text="second"),), finish="stop")
    value = msgspec.structs.replace(answer(foreign, cited), choices=(*answer(foreign, cited).choices, more))
    encoded = dialect.write_answer(value, asking())
    assert [one.path for one in encoded.dropped] == ["choices[1]", "output[0]", "output[0].annotations"]
    final = check(streamed(value, asking()))
    assert final["pointsman_metadata"]["dropped"] == ["output[0].executableCode", "output[0].annotations", "choices[1]"]


def test_log_probabilities_stand_with_the_text(asking):
    tokens = [{"token": "hi", "logprob": -0.1, "bytes": [104], "top_logprobs": []}]
    raw = RAW(json.dumps({"content": tokens}).encode())
    body = whole(answer(Text(text="hi"), logprobs=raw), asking())
    assert body["output"][0]["content"][0]["logprobs"] == tokens
    writer = OpenAIResponses().writer(asking())
    events = [
        AnswerStart(id="a", model="m"),
        BlockStart(index=0, block=Text(text="")),
        Delta(index=0, field="text", text="hi"),
    ]
    out = writer.write([*events, Logprobs(raw=raw)]) + writer.write([BlockEnd(index=0), ChoiceEnd(finish="stop")])
    found = events_in(out + writer.close(None, None))
    deltas = [event for event in found if event["type"] == "response.output_text.delta"]
    assert deltas[0]["logprobs"] == tokens
    assert found[-1]["response"]["output"][0]["content"][0]["logprobs"] == tokens


def test_the_last_event_holds_usage_and_cost(asking):
    writer = OpenAIResponses().writer(asking())
    writer.write(events_of(answer(Text(text="a"))))
    assert writer.final == b""
    last = json.loads(writer.close(USAGE, 4_100).decode().split("data: ")[1])
    assert last["response"]["usage"]["cost"] == 0.0000041
    assert json.loads(writer.final) == last["response"]


def test_signs_of_life_write_nothing(asking):
    """The line has a sign of its own for long silences."""
    writer = OpenAIResponses().writer(asking())
    assert writer.write([Alive()]) == b""
    writer.write([AnswerStart(id="a", model="m")])
    assert writer.write([Alive()]) == b""


def test_line_breaks_of_a_request_do_not_break_the_stream(dialect):
    body = json.dumps({"model": "m", "input": "x", "stream": True, "tools": [SPACE]}, indent=2).encode()
    check(streamed(answer(Text(text="a")), dialect.read_request(body, "responses")))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
BLOCKS = st.one_of(
    st.builds(
        Text, text=TEXTS, citations=st.lists(st.builds(Citation, url=st.just("https://a")), max_size=2).map(tuple)
    ),
    st.builds(Refusal, text=TEXTS),
    st.builds(
        Reasoning,
        text=TEXTS,
        signature=TEXTS,
        encrypted=TEXTS,
        maker=st.sampled_from(["", "gemini/g", "openai-responses/m"]),
    ),
    st.builds(
        ToolCall,
        id=TEXTS,
        name=st.sampled_from(["f", "apply_patch", "local_shell", "mcp__docs__search"]),
        arguments=st.just('{"a":1}'),
    ),
    st.builds(Media, kind=st.just("image"), media_type=st.just("image/png"), data=TEXTS),
)


@settings(max_examples=examples(150))
@given(
    st.lists(BLOCKS, max_size=6, unique_by=lambda b: b.id if isinstance(b, ToolCall) else object()),
    st.sampled_from(["stop", "length", "tool_calls", "error"]),
    st.integers(1, 5),
)
def test_a_stream_and_a_whole_answer_are_the_same_response(blocks, finish, step):
    incoming = OpenAIResponses().read_request(
        json.dumps({"model": "m", "input": "x", "tools": [CUSTOM, SHELL, SPACE]}).encode(), "responses"
    )
    value = answer(*blocks, finish=finish)
    final = check(streamed(value, incoming, step))
    final.pop("pointsman_metadata", None)
    assert final == json.loads(OpenAIResponses().write_answer(value, incoming).body)


@pytest.mark.parametrize(
    "share",
    [pytest.param((3, 9), id="quick"), *(pytest.param((n, 4), id=str(n), marks=pytest.mark.slow) for n in range(4))],
)
def test_recorded_chat_streams_are_what_openais_client_expects(recorded, asking, share):
    chat, seen = OpenAIChat(), 0
    for record in recorded("openai-chat", share=share):
        text = record["response"].get("sse")
        if text is None:
            continue
        reader, writer, assembly = chat.reader(OUTGOING), OpenAIResponses().writer(asking()), Assembly()
        try:
            events = [*reader.feed(text.encode()), *reader.close()]
        except PointsmanError:
            continue
        assembly.add(events)
        built = assembly.answer()
        final = check(writer.write(events) + writer.close(built.usage, None))
        lost = final.pop("pointsman_metadata", None)
        said = "".join(block.text for block in built.choices[0].blocks if isinstance(block, Text))
        parts = [part for item in final["output"] if item["type"] == "message" for part in item["content"]]
        assert "".join(part.get("text", "") for part in parts) == said, record["id"]
        calls = [block.name for block in built.choices[0].blocks if isinstance(block, ToolCall)]
        assert [item["name"] for item in final["output"] if item["type"] == "function_call"] == calls
        if len(built.choices) == 1 and built.choices[0].logprobs is None and lost is None:
            whole_body = json.loads(OpenAIResponses().write_answer(built, asking()).body)
            assert whole_body["output"] == final["output"], record["id"]
        seen += 1
    assert seen > 50


@pytest.mark.parametrize(
    "share",
    [pytest.param((3, 9), id="quick"), *(pytest.param((n, 4), id=str(n), marks=pytest.mark.slow) for n in range(4))],
)
def test_recorded_answers_are_written_as_openais_types(recorded, asking, dialect, share):
    """Whole answers of chat, and of this dialect by way of the core."""
    chat, seen = OpenAIChat(), 0
    for record in recorded("openai-chat", "openai-responses", share=share):
        body = record["response"].get("body")
        if record["response"]["status"] != 200 or not isinstance(body, dict):
            continue
        source = chat if record["dialect"] == "openai-chat" else dialect
        try:
            value = source.read_whole(json.dumps(body).encode(), OUTGOING)
        except PointsmanError:
            continue
        if any(isinstance(block, Opaque) for choice in value.choices for block in choice.blocks):
            continue  # written as they came, odd or not
        Response.model_validate_json(dialect.write_answer(value, asking()).body)
        if value.choices and value.choices[0].finish is not None:
            check(streamed(value, asking()))
        seen += 1
    assert seen > 100


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # of items that OpenAI's client does not know
@pytest.mark.parametrize(
    "share",
    [pytest.param((3, 9), id="quick"), *(pytest.param((n, 4), id=str(n), marks=pytest.mark.slow) for n in range(4))],
)
def test_recorded_answers_as_streams_are_what_openais_client_expects(recorded, asking, dialect, through, share):
    """A whole answer to a request for a stream."""
    seen = 0
    for record in recorded("openai-responses", share=share):
        body = record["response"].get("body")
        if record["response"]["status"] != 200 or not isinstance(body, dict) or body.get("status") != "completed":
            continue
        if record["provider"] != "openai" or body.get("object") != "response":
            continue
        stream = dialect.as_stream(json.dumps(body, indent=1).encode(), asking())
        state = ResponseStreamState(input_tools=omit, text_format=omit)
        for frame in stream.decode().removesuffix("\n\n").split("\n\n"):
            event = json.loads(frame.split("data: ", 1)[1])
            state.handle_event(construct_type_unchecked(type_=ResponseStreamEvent, value=event))
        relay = dialect.relay(asking(), None)
        assert through(relay, stream, 7).error is None, record["id"]
        assert json.loads(relay.final) == body
        reader, assembly = dialect.reader(OUTGOING), Assembly()
        assembly.add([*reader.feed(stream), *reader.close()])
        wanted = dialect.read_whole(json.dumps(body).encode(), OUTGOING)
        assert plain(assembly.answer()) == plain(wanted), record["id"]
        seen += 1
    assert seen > 50
