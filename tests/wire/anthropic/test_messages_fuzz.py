"""No input of any kind raises an error that has no type of ours, and no split of a stream changes what it says."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.chat import Alive
from pointsman.core.errors import InvalidJson, InvalidRequest, UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Model, Price, Provider
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.events import events_of
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.trip import Outgoing

DIALECT, CHAT = AnthropicMessages(), OpenAIChat()
PROVIDER = Provider(name="p", dialect="anthropic-messages", base_url="http://127.0.0.1:9/v1")
MODELS = [Model(name="m", provider=PROVIDER, upstream=name) for name in ("claude-sonnet-4-5", "claude-opus-5-5", "x")]
OUTGOING = Outgoing(path="", body=b"", tool_names={"f": "g"}, answer_tool="tool_use")
ASKED = DIALECT.read_request(b'{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]}', "messages")
CHAT_ASKED = CHAT.read_request(b'{"model":"m","messages":[{"role":"user","content":"x"}]}', "chat.completions")
PRICE = Price(input=1_000_000, output=2_000_000)
UPSTREAM = (UpstreamCut, UpstreamGarbage, UpstreamRefused)

WORDS = (
    "text thinking redacted_thinking tool_use tool_result image document search_result server_tool_use base64 url file "
    "content user assistant system any auto none tool enabled adaptive disabled ephemeral 1h json_schema refusal "
    "end_turn tool_use stop_sequence pm1.x.y pm1c.e30 message_start message_delta message_stop content_block_start "
    "ping error content_block_delta content_block_stop text_delta input_json_delta thinking_delta signature_delta "
    "citations_delta"
)
NAMES = (
    "type text thinking signature data input id name content tool_use_id is_error source media_type url file_id title "
    "cache_control ttl citations caller role model messages system tools tool_choice max_tokens stream stop_sequences "
    "temperature top_p top_k metadata user_id output_config effort format schema budget_tokens display stop_reason "
    "usage stop_details explanation error message index delta content_block partial_json citation "
    "input_tokens output_tokens cache_creation iterations input_schema strict disable_parallel_tool_use encrypted_index"
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 1 << 70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(WORDS.split())
)
names = st.sampled_from(NAMES.split()) | st.text(max_size=4)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=7), max_leaves=24
)
objects = st.dictionaries(names, values, max_size=7)
blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(WORDS.split())}, optional=dict.fromkeys(NAMES.split()[1:17], values)
)
contents = st.text(max_size=5) | st.lists(blocks | values, max_size=4)
turns = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "x"]), "content": contents})
requests = st.builds(
    lambda more, turns: {**more, "model": "m", "messages": turns}, objects, st.lists(turns, min_size=1, max_size=4)
)
answers = st.builds(lambda more, content: {**more, "content": content}, objects, contents)
KINDS = [word for word in WORDS.split() if word.startswith(("message_", "content_block", "ping", "error"))]
stream_events = st.builds(
    lambda kind, more: f"event: {kind}\ndata: {json.dumps({**more, 'type': kind})}\n\n".encode(),
    st.sampled_from(KINDS),
    st.fixed_dictionaries(
        {},
        optional={
            "index": st.integers(0, 2) | values,
            "content_block": blocks | values,
            "delta": blocks | values,
            "message": objects,
            "usage": values,
            "error": values,
        },
    ),
)
HEAD = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"c"}}\n\n'
streams = st.builds(
    lambda head, events: head + b"".join(events),
    st.sampled_from([HEAD, b""]),
    st.lists(stream_events | st.binary(max_size=12) | st.just(b"\n\n"), max_size=8),
)


def dumped(value) -> bytes:
    return json.dumps(value).encode()


@given(st.binary(max_size=80) | values.map(dumped) | requests.map(dumped))
@settings(max_examples=examples(400))
def test_any_request_is_read_or_refused(body):
    for surface in ("messages", "messages.count_tokens"):
        try:
            incoming = DIALECT.read_request(body, surface)
            for model in MODELS:
                msgspec.json.decode(DIALECT.write_request(incoming, model).body)
            request = DIALECT.to_core(incoming)
        except (InvalidJson, InvalidRequest):
            continue
        for model in MODELS:
            for sent in (DIALECT.from_core(request, model), DIALECT.count_from_core(request, model)):
                written = msgspec.json.decode(sent.body)
                assert written["messages"][0]["role"] == "user"
                assert all(turn["content"] for turn in written["messages"])
        CHAT.from_core(request, MODELS[0])


@given(st.binary(max_size=80) | values.map(dumped) | answers.map(dumped))
@settings(max_examples=examples(400))
def test_any_answer_is_read_or_told_for_what_it_is(body):
    for read in (DIALECT.read_answer, DIALECT.read_count, lambda raw: DIALECT.as_stream(raw, ASKED)):
        try:
            read(body)
        except UPSTREAM:
            continue
    assert isinstance(DIALECT.annotate(body, 5), bytes)
    try:
        answer = DIALECT.read_whole(body, OUTGOING)
    except UPSTREAM:
        return
    msgspec.json.decode(DIALECT.write_answer(answer, ASKED).body)
    CHAT.write_answer(answer, CHAT_ASKED)
    writer = DIALECT.writer(ASKED)
    assert (writer.write(events_of(answer)) + writer.close(answer.usage, 3)).endswith(b'{"type":"message_stop"}\n\n')


@given(streams, st.integers(1, 9))
@settings(max_examples=examples(300))
def test_any_stream_is_read_alike_in_any_split_or_told_for_what_it_is(data, size):
    assert outcome(data, size, DIALECT.reader(OUTGOING)) == outcome(data, max(len(data), 1), DIALECT.reader(OUTGOING))
    whole = outcome(data, max(len(data), 1), DIALECT.relay(ASKED, PRICE))
    split = outcome(data, size, DIALECT.relay(ASKED, PRICE))
    assert split[1] == whole[1]
    if not whole[1]:
        assert b"".join(split[0]) == b"".join(whole[0])


def outcome(data, size, reader):
    out, error = [], ""
    try:
        out.extend(reader.feed(data[at : at + size]) for at in range(0, len(data), size))
        out.append(reader.close())
    except UPSTREAM as failure:
        error = type(failure).__name__
    if out and isinstance(out[0], list):
        # How many signs of life there are in blank lines and comments is nobody's affair.
        out = [] if error else [event for events in out for event in events if event != Alive()]
    return out, error


@given(streams)
@settings(max_examples=examples(200))
def test_whatever_is_read_can_be_written(data):
    reader, writer = DIALECT.reader(OUTGOING), DIALECT.writer(ASKED)
    try:
        written = writer.write(reader.feed(data)) + writer.write(reader.close())
    except UPSTREAM:
        return
    for frame in (written + writer.close(None, 4)).split(b"\n\n")[:-1]:
        msgspec.json.decode(frame.partition(b"data: ")[2])


@given(st.integers(0, 999), st.binary(max_size=60) | values.map(dumped))
def test_any_error_is_read(status, body):
    DIALECT.read_error(status, (), body)
