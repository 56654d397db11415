from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import CallerError, InvalidJson, InvalidRequest, UnsupportedParameter
from pointsman.core.model import Ability
from pointsman.wire.openai_chat import OpenAIChat

HI = [{"role": "user", "content": "hi"}]


def read(surface: Any = "chat.completions", **fields: Any):
    body = {"model": "auto", "messages": HI} if surface == "chat.completions" else {"model": "auto", "prompt": "hi"}
    return OpenAIChat().read_request(json.dumps(body | fields).encode(), surface)


def test_a_plain_request():
    got = read(user="u-1", custom={"x": [1, 2]})
    assert (got.model, got.stream, got.user, got.shows_usage) == ("auto", False, "u-1", False)
    assert (got.needs.messages, got.needs.choices, got.needs.abilities) == (1, 1, Ability(0))
    assert bytes(got.fields["custom"]) == b'{"x": [1, 2]}'
    assert got.needs.dialect == "openai-chat"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"  \n ", "empty"),
        (b'{"model": "a",\n  "messages": [}', "line 2, column 16"),
        (b'{"model": "a", "messages": [{"role": "us', "ends too early, after 40 bytes"),
        (b'{"model": NaN}', "line 1, column 11"),
        (b'{"model": "a"} x', "trailing"),
        (b'\xef\xbb\xbf{"model": "a"}', "column 1"),
        ('{"model": "ä"}'.encode("latin-1"), "not UTF-8: byte 0xe4 at offset 11"),
        ('{"model": "a"}'.encode("utf-16"), "not UTF-8"),
        (b'{"model": "\\ud83d", "messages": []}', "surrogate"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too deeply"),
    ],
)
def test_what_is_not_json_says_where(body, said):
    with pytest.raises(InvalidJson) as caught:
        OpenAIChat().read_request(body, "chat.completions")
    assert said in str(caught.value)
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_json_that_is_no_object(body):
    with pytest.raises(InvalidRequest, match="JSON object"):
        OpenAIChat().read_request(body, "chat.completions")


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"model": None}, "model", "has to be a string, not null"),
        ({"model": 5}, "model", "not 5"),
        ({"model": ""}, "model", "route or model"),
        ({"messages": None}, "messages", "a list of messages"),
        ({"messages": "hi"}, "messages", 'not "hi"'),
        ({"messages": {}}, "messages", "list"),
        ({"messages": []}, "messages", "empty"),
        ({"messages": [*HI, "hi"]}, "messages[1]", "has to be an object, not a string"),
        ({"messages": [*HI, [1]]}, "messages[1]", "has to be an object, not a list"),
        ({"messages": [*HI, 7]}, "messages[1]", "has to be an object, not a number"),
        ({"messages": [*HI, {"content": "x"}]}, "messages[1].role", "is missing"),
        ({"messages": [{"role": 1}]}, "messages[0].role", "a string, not a number"),
        ({"stream": "yes"}, "stream", "true or false"),
        ({"stream": 1}, "stream", "not 1"),
        ({"n": 0}, "n", "1 to 128"),
        ({"n": "2"}, "n", 'not "2"'),
        ({"n": 10**30}, "n", "whole number"),
        ({"n": 1.5}, "n", "whole number"),
        ({"tools": {}}, "tools", "list of objects"),
        ({"tools": ["f"]}, "tools", "list of objects"),
        ({"functions": "f"}, "functions", "list of objects"),
        ({"max_tokens": "many"}, "max_tokens", "whole number"),
        ({"max_completion_tokens": []}, "max_completion_tokens", "whole number"),
        ({"response_format": "json"}, "response_format", "object"),
        ({"modalities": "audio"}, "modalities", "list of strings"),
        ({"stream": True, "stream_options": []}, "stream_options", "object"),
        ({"logprobs": "x"}, "logprobs", "true or false"),
    ],
)
def test_wrong_shapes_name_the_field(fields, param, said):
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert caught.value.param == param
    assert f"`{param}`" in str(caught.value)
    assert said in str(caught.value)


def test_missing_fields():
    for body, param in ((b'{"messages":[{"role":"user"}]}', "model"), (b'{"model":"a"}', "messages")):
        with pytest.raises(InvalidRequest, match="missing") as caught:
            OpenAIChat().read_request(body, "chat.completions")
        assert caught.value.param == param
    with pytest.raises(InvalidRequest, match="missing") as caught:
        OpenAIChat().read_request(b'{"model":"a"}', "completions")
    assert caught.value.param == "prompt"


def part(kind: str, **inner: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": kind, kind: inner}]}]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, Ability.TOOLS),
        ({"functions": [{"name": "f"}]}, Ability.TOOLS),
        ({"tools": []}, Ability(0)),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, Ability.JSON_SCHEMA),
        ({"response_format": {"type": "json_object"}}, Ability.JSON_MODE),
        ({"response_format": {"type": "text"}}, Ability(0)),
        ({"modalities": ["text", "audio"]}, Ability.AUDIO_OUTPUT),
        ({"modalities": ["text"]}, Ability(0)),
        ({"logprobs": True}, Ability.LOGPROBS),
        ({"logprobs": False}, Ability(0)),
        ({"messages": part("image_url", url="http://x/y.png")}, Ability.VISION),
        ({"messages": part("input_audio", data="AA==", format="wav")}, Ability.AUDIO_INPUT),
        ({"messages": part("video_url", url="https://a.example/b.mp4")}, Ability.VISION),
        ({"messages": part("file", file_id="f-1")}, Ability.DOCUMENTS),
        ({"messages": [{"role": "user", "content": '{"type": "image_url"}'}]}, Ability(0)),
        ({"messages": HI, "metadata": {"type": "image_url"}}, Ability(0)),
        ({"response_format": None, "tools": None, "logprobs": None, "modalities": None}, Ability(0)),
    ],
)
def test_abilities_that_a_request_needs(fields, wanted):
    assert read(**fields).needs.abilities == wanted


def test_pictures_are_counted_and_their_bytes_are_not_text():
    small = read(messages=part("image_url", url="data:image/png;base64," + "A" * 100))
    large = read(messages=part("image_url", url="data:image/png;base64," + "A" * 4_000_000))
    assert small.needs.images == large.needs.images == 1
    assert small.needs.input_tokens == large.needs.input_tokens < 2_000


def test_the_estimate_follows_the_text_and_the_tools():
    base = read().needs.input_tokens
    assert read(messages=[{"role": "user", "content": "x" * 40_000}]).needs.input_tokens == pytest.approx(10_000, 0.1)
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 4_000}}
    assert read(tools=[tool]).needs.input_tokens - base == pytest.approx(1_000, 0.1)


def test_counts_and_limits():
    assert read(max_tokens=5).needs.output_tokens == 5
    assert read(max_tokens=5, max_completion_tokens=7).needs.output_tokens == 7
    assert read(max_tokens=-1).needs.output_tokens == 0
    assert read(n=3).needs.choices == 3
    assert read(n=None).needs.choices == 1
    assert read(tools=[{"type": "function"}, {"type": "custom"}]).needs.tools == 2


def test_usage_in_streams_is_shown_only_when_asked_for():
    assert read(stream=True, stream_options={"include_usage": True}).shows_usage
    assert not read(stream=True, stream_options={"include_usage": False}).shows_usage
    assert not read(stream=True, stream_options=None).shows_usage
    assert not read(stream_options={"include_usage": True}).shows_usage


def test_duplicate_names_count_once_the_last_one():
    body = b'{"model":"a","messages":[{"role":"user"}],"model":"b"}'
    got = OpenAIChat().read_request(body, "chat.completions")
    assert got.model == "b"


@pytest.mark.parametrize(
    ("prompt", "prompts", "tokens"), [("hello", 1, 1), (["a", "b"], 2, 2), ([1, 2, 3], 1, 3), ([[1], [2]], 2, 1)]
)
def test_old_completions(prompt, prompts, tokens):
    got = read("completions", prompt=prompt, logprobs=3, max_tokens=9)
    assert got.surface == "completions"
    assert got.needs.abilities == Ability.COMPLETIONS | Ability.LOGPROBS
    assert got.needs.choices == prompts
    assert got.needs.input_tokens >= tokens
    assert got.needs.output_tokens == 9


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    *("model", "messages", "prompt", "stream", "stream_options", "n", "tools", "functions", "response_format"),
    *("modalities", "logprobs", "user", "max_tokens", "max_completion_tokens"),
]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body):
    for surface in ("chat.completions", "completions"):
        with contextlib.suppress(CallerError):
            OpenAIChat().read_request(body, surface)


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.sampled_from(["chat.completions", "completions"]))
def test_any_object_is_read_or_refused_by_name(fields, surface):
    base = {"model": "m", "messages": HI, "prompt": "x"}
    try:
        OpenAIChat().read_request(json.dumps(base | fields).encode(), surface)
    except InvalidJson:
        assert any(word in json.dumps(fields) for word in ("NaN", "Infinity", "\\ud"))
        return
    except InvalidRequest as error:
        param = error.param or ""
    else:
        return
    assert param.split("[")[0].split(".")[0] in NAMES


@given(st.lists(JSON, max_size=3))
def test_any_messages_are_read_or_refused_by_name(messages):
    parts = [{"role": "user", "content": messages}, {"role": "user", "content": [{"type": "image_url"}]}]
    try:
        OpenAIChat().read_request(json.dumps({"model": "m", "messages": parts}).encode(), "chat.completions")
    except InvalidJson:
        assert any(word in json.dumps(messages) for word in ("NaN", "Infinity", "\\ud"))


# --- what the provider gets


def sent(model, surface: Any = "chat.completions", **fields: Any):
    outgoing = OpenAIChat().write_request(read(surface, **fields), model)
    return json.loads(outgoing.body), outgoing


def test_only_the_model_changes(model):
    body, outgoing = sent(model, temperature=0.2, unknown={"a": [1, None, "ü"]})
    assert body == {"model": "small-1", "messages": HI, "temperature": 0.2, "unknown": {"a": [1, None, "ü"]}}
    assert list(body) == ["model", "messages", "temperature", "unknown"]
    assert outgoing.path == "/chat/completions"
    assert outgoing.dropped == ()
    assert sent(model, "completions")[1].path == "/completions"


def test_usage_is_asked_for_in_streams(model):
    assert sent(model, stream=True)[0]["stream_options"] == {"include_usage": True}
    body, _ = sent(model, stream=True, stream_options={"include_obfuscation": False})
    assert body["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert sent(model, stream=True, stream_options=None)[0]["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent(model)[0]
    silent = msgspec.structs.replace(model, provider=msgspec.structs.replace(model.provider, stream_usage=False))
    assert "stream_options" not in sent(silent, stream=True)[0]
    refusing = msgspec.structs.replace(model, refused_params=frozenset({"stream_options"}))
    assert "stream_options" not in sent(refusing, stream=True)[0]


def test_default_parameters_fill_only_gaps(model):
    params = (("temperature", msgspec.Raw(b"0.5")), ("max_tokens", msgspec.Raw(b"99")), ("top_k", msgspec.Raw(b"4")))
    with_params = msgspec.structs.replace(model, params=params)
    body, _ = sent(with_params, temperature=1, max_completion_tokens=7)
    assert (body["temperature"], body["top_k"], body["max_completion_tokens"]) == (1, 4, 7)
    assert "max_tokens" not in body
    assert sent(with_params)[0]["max_tokens"] == 99


@pytest.mark.parametrize(
    ("old", "new"), [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")]
)
def test_the_length_limit_takes_the_name_that_the_model_knows(model, old, new):
    picky = msgspec.structs.replace(model, refused_params=frozenset({old}), param_policy="refuse")
    body, outgoing = sent(picky, **{old: 5})
    assert body[new] == 5
    assert old not in body
    assert outgoing.dropped == ()
    both, _ = sent(picky, **{old: 5, new: 6})
    assert both[new] == 6
    assert old not in both


def test_refused_parameters_are_dropped_by_name_or_refused(model):
    picky = msgspec.structs.replace(model, refused_params=frozenset({"temperature", "top_p"}))
    body, outgoing = sent(picky, temperature=1, seed=3)
    assert "temperature" not in body
    assert body["seed"] == 3
    assert [drop.path for drop in outgoing.dropped] == ["temperature"]
    strict = msgspec.structs.replace(picky, param_policy="refuse")
    with pytest.raises(UnsupportedParameter) as caught:
        sent(strict, top_p=1)
    assert caught.value.param == "top_p"
    assert caught.value.hint


@pytest.mark.parametrize("name", ["evil/a\x00b", "a\nb", "a\x7f", "a\x85b", "a\u2028b", "x" * 257])
def test_a_name_that_no_model_can_have_is_refused(name):
    with pytest.raises(InvalidRequest) as caught:
        read(model=name)
    assert caught.value.param == "model"
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ["x" * 256, "openrouter/a:free", "模型", "a b", "a\u00a0b"])
def test_long_and_odd_names_are_names(name):
    assert read(model=name).model == name


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[{"role":"user","content":"x"}]'
        + b"".join(b',"k%d":1' % i for i in range(150_000))
        + b"}",
        b'{"model":"m"' + b',"messages":[{"role":"user","content":"x"}]' * 30_000 + b"}",
    ],
    ids=["many", "repeated"],
)
def test_a_large_body_of_nothing_but_fields_is_refused_before_it_is_taken_apart(body):
    with pytest.raises(InvalidRequest, match="bytes outside of `messages`"):
        OpenAIChat().read_request(body, "chat.completions")


def test_a_large_body_with_its_bulk_in_messages_or_tools_passes():
    body = b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % (b"a b" * 1_000_000)
    assert OpenAIChat().read_request(body, "chat.completions").needs.input_tokens > 100_000
