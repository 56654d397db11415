from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import InvalidJson, InvalidRequest
from pointsman.core.model import Ability
from wire.gemini.made import GEMINI, HELLO, asked, model, thinker

IMAGE = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(b"x" * 60_000).decode()}}
DECLARED = {"functionDeclarations": [{"name": "a"}, {"name": "b"}]}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1beta/models/gemini-3-flash:generateContent", "gemini-3-flash"),
        ("/v1/models/google/gemini-3-flash:generateContent", "google/gemini-3-flash"),
        ("/v1beta/models/tunedModels/mine:generateContent", "tunedModels/mine"),
        ("/v1beta/local/smollm2-135m:generateContent", "local/smollm2-135m"),
        ("/v1beta/tunedModels/mine:generateContent", "tunedModels/mine"),
        ("/v1/projects/p/locations/l/publishers/google/models/gemini-3:generateContent", "gemini-3"),
        ("/models/ollama/qwen3:8b:generateContent", "ollama/qwen3:8b"),
    ],
)
def test_the_path_names_the_model(path, name):
    body = json.dumps({"contents": HELLO}).encode()
    assert GEMINI.read_request(body, "gemini.generate", path).model == name


def test_the_path_says_whether_to_stream():
    assert asked(verb="streamGenerateContent").stream
    assert not asked(verb="generateContent").stream
    assert not asked(verb="countTokens").stream
    assert asked().shows_usage


@pytest.mark.parametrize(
    ("query", "array"), [("", True), ("alt=json", True), ("key=x&alt=sse", False), ("$alt=sse", False)]
)
def test_a_stream_is_an_array_unless_events_are_asked_for(query, array):
    """Gotcha 26."""
    assert asked(verb="streamGenerateContent", query=query).array is array
    assert not asked(query=query).array


def test_credentials_in_the_query_stay_here():
    incoming = asked(
        verb="streamGenerateContent", query="alt=sse&key=secret&&access_token=t&a b&\u00fc&prettyPrint=false"
    )
    assert incoming.query == "alt=sse&prettyPrint=false"


@pytest.mark.parametrize("path", ["", "/v1beta/models/:generateContent", "/v1beta/models", "/v1beta/models/x"])
def test_a_path_without_a_model_is_told(path):
    with pytest.raises(InvalidRequest) as caught:
        GEMINI.read_request(json.dumps({"contents": HELLO}).encode(), "gemini.generate", path)
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"contents": None}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "hi"}, "contents"),
        ({"contents": ["hi"]}, "contents[0]"),
        ({"contents": HELLO, "tools": 1}, "tools"),
        ({"contents": HELLO, "tools": [1]}, "tools[0]"),
        ({"contents": HELLO, "generationConfig": []}, "generationConfig"),
        ({"contents": HELLO, "generationConfig": {"maxOutputTokens": "many"}}, "generationConfig.maxOutputTokens"),
        ({"contents": HELLO, "generationConfig": {"candidateCount": 1000}}, "generationConfig.candidateCount"),
        ({"generateContentRequest": []}, "generateContentRequest"),
        ({"generateContentRequest": {}}, "generateContentRequest.contents"),
    ],
)
def test_what_is_wrong_is_named(body, param):
    with pytest.raises(InvalidRequest) as caught:
        asked(body)
    assert caught.value.param == param


def test_what_is_no_json_object_is_told():
    with pytest.raises(InvalidJson):
        asked(b"{")
    with pytest.raises(InvalidRequest) as caught:
        asked(b"[]")
    assert '"contents"' in caught.value.hint


def test_one_object_stands_for_a_list_of_one():
    incoming = asked({"contents": {"parts": {"text": "Hi"}}, "tools": DECLARED})
    assert (incoming.needs.messages, incoming.needs.tools) == (1, 2)
    assert GEMINI.to_core(incoming).messages[0].blocks[0].text == "Hi"


@pytest.mark.parametrize("style", ["camel", "snake"])
def test_both_spellings_are_read(style):
    body = {
        "contents": HELLO,
        "generationConfig": {"maxOutputTokens": 7, "candidateCount": 2, "responseMimeType": "application/json"},
        "tools": [DECLARED, {"googleSearch": {}, "codeExecution": None}],
    }
    text = json.dumps(body)
    if style == "snake":
        for camel, snake in {
            "generationConfig": "generation_config",
            "maxOutputTokens": "max_output_tokens",
            "candidateCount": "candidate_count",
            "responseMimeType": "response_mime_type",
            "functionDeclarations": "function_declarations",
            "googleSearch": "google_search",
            "codeExecution": "code_execution",
        }.items():
            text = text.replace(camel, snake)
    needs = asked(text.encode()).needs
    assert (needs.output_tokens, needs.choices, needs.tools) == (7, 2, 3)
    assert needs.abilities == Ability.TOOLS | Ability.JSON_MODE


@pytest.mark.parametrize(
    ("config", "ability"),
    [
        ({"responseSchema": {"type": "OBJECT"}}, Ability.JSON_SCHEMA),
        ({"responseMimeType": "application/json", "responseJsonSchema": {}}, Ability.JSON_SCHEMA),
        ({"responseMimeType": "application/json", "responseSchema": None}, Ability.JSON_MODE),
        ({"responseLogprobs": True}, Ability.LOGPROBS),
        ({"responseLogprobs": False}, Ability(0)),
        ({"responseModalities": ["TEXT", "IMAGE"]}, Ability.IMAGE_OUTPUT),
        ({"responseModalities": ["AUDIO"]}, Ability.AUDIO_OUTPUT),
        ({"responseModalities": ["TEXT"]}, Ability(0)),
    ],
)
def test_the_configuration_says_what_is_needed(config, ability):
    assert asked({"contents": HELLO, "generationConfig": config}).needs.abilities == ability


@pytest.mark.parametrize(
    ("media_type", "ability", "images"),
    [
        ("image/png", Ability.VISION, 1),
        ("video/mp4", Ability.VISION, 1),
        ("audio/wav", Ability.AUDIO_INPUT, 0),
        ("application/pdf", Ability.DOCUMENTS, 0),
        ("text/plain", Ability(0), 0),
    ],
)
@pytest.mark.parametrize("where", ["inlineData", "file_data", "result"])
def test_files_say_what_is_needed(media_type, ability, images, where):
    part = {"inlineData": {"mimeType": media_type, "data": "QUJD"}}
    if where == "file_data":
        part = {"file_data": {"mime_type": media_type, "file_uri": "gs://b/f"}}
    elif where == "result":
        part = {"functionResponse": {"name": "f", "response": {}, "parts": [part]}}
    needs = asked({"contents": [{"role": "user", "parts": [part]}]}).needs
    assert (needs.abilities, needs.images) == (ability, images)


def test_data_are_not_counted_as_text():
    needs = asked({"contents": [{"parts": [{"text": "x" * 4_000}, IMAGE]}]}).needs
    assert 1_700 < needs.input_tokens < 1_900


def test_a_question_for_a_count_is_read_as_the_request_that_it_is_about():
    body = {"generateContentRequest": {"model": "models/m", "contents": HELLO, "tools": [DECLARED]}}
    incoming = asked(body, "countTokens")
    assert incoming.needs.tools == 2
    assert len(GEMINI.to_core(incoming).tools) == 2


def test_large_contents_are_no_attack():
    part = {"inlineData": {"mimeType": "image/png", "data": "A" * 3_000_000}}
    assert asked({"contents": [{"parts": [part]}]}).needs.images == 1


# fmt: off
WORDS = st.sampled_from((
    "contents", "parts", "text", "role", "user", "model", "inlineData", "inline_data", "functionCall", "thought",
    "args", "functionResponse", "function_response", "response", "name", "id", "tools", "functionDeclarations",
    "mimeType", "generationConfig", "toolConfig", "functionCallingConfig", "mode", "ANY", "systemInstruction",
    "thoughtSignature", "maxOutputTokens", "candidateCount", "stopSequences", "thinkingConfig", "thinkingLevel",
    "parameters", "data", "responseSchema", "responseMimeType", "application/json", "$ref", "#/$defs/a", "$defs",
    "properties", "type", "generateContentRequest", "fileData", "fileUri", "allowedFunctionNames",
    "cG0xLnsibWFrZXIiOjF9", "const", "allOf",
))
# fmt: on
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5))
CONTENTS = st.lists(
    st.fixed_dictionaries(
        {"parts": st.lists(st.dictionaries(WORDS, JSON, max_size=3), max_size=3)}, optional={"role": JSON}
    ),
    min_size=1,
    max_size=4,
)
BODIES = st.fixed_dictionaries(
    {"contents": CONTENTS | JSON},
    optional=dict.fromkeys(("tools", "toolConfig", "generationConfig", "systemInstruction", "model"), JSON),
)


@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode), path=st.text(max_size=40), query=st.text())
def test_nothing_but_our_errors_for_any_bytes(body, path, query):
    for where in (path, "/v1beta/models/m:streamGenerateContent"):
        try:
            GEMINI.read_request(body, "gemini.generate", where, query)
        except (InvalidJson, InvalidRequest):
            continue


@given(body=BODIES | st.dictionaries(WORDS, JSON), count=st.booleans())
def test_nothing_but_our_errors_for_any_request(body, count):
    try:
        incoming = asked(json.dumps(body).encode(), "countTokens" if count else "generateContent")
        core = GEMINI.to_core(incoming)
    except (InvalidJson, InvalidRequest):
        return
    for one in (model("gemini-2.5-flash"), thinker("gemini-3-pro"), model("gemini-2.0-flash")):
        assert json.loads(GEMINI.from_core(core, one).body)["contents"]
        assert GEMINI.count_from_core(core, one).body
        assert json.loads(GEMINI.write_request(incoming, one).body)
        GEMINI.with_system(incoming, "a", "b")
