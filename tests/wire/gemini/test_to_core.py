from __future__ import annotations

import base64
from typing import Any

import pytest

from pointsman.core.chat import Media, Opaque, Reasoning, Text, ToolCall, ToolResult
from pointsman.core.errors import InvalidRequest
from pointsman.wire.extras import own
from pointsman.wire.raw import value_of
from wire.gemini.made import GEMINI, HELLO, SIGNED, asked


def core(contents: Any = HELLO, **more: Any):
    return GEMINI.to_core(asked({"contents": contents, **more}))


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def said(*parts: Any) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def call(name: str, args: Any = None, **more: Any) -> dict[str, Any]:
    inner = {"name": name, **({"args": args} if args is not None else {}), **more.pop("inner", {})}
    return {"functionCall": inner, **more}


def gave(name: str, response: Any, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": response, **more}}


def test_roles_and_system_text():
    request = core(
        [{"parts": [{"text": "a"}]}, said({"text": "b"}), {"role": "user", "parts": [{"text": "c"}]}],
        systemInstruction={"role": "user", "parts": [{"text": "s1"}, {"text": ""}, {"text": "s2"}]},
    )
    told = [(one.role, [block.text for block in one.blocks]) for one in request.messages]
    assert told == [("system", ["s1", "s2"]), ("user", ["a"]), ("assistant", ["b"]), ("user", ["c"])]
    assert core(systemInstruction={"parts": {"text": "s"}}).messages[0].blocks == (Text(text="s"),)
    assert core(systemInstruction="s").messages[0].blocks == (Text(text="s"),)
    assert core(systemInstruction=None).messages[0].role == "user"
    assert core([{"role": None, "parts": [{"text": "a"}]}]).messages[0].role == "user"


@pytest.mark.parametrize("role", ["assistant", "system", 1, {}])
def test_unknown_roles_are_refused(role):
    with pytest.raises(InvalidRequest) as caught:
        core([{"role": role, "parts": []}])
    assert caught.value.param == "contents[0].role"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": [user("hello")]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": "hello"}]}, "contents[0].parts"),
        ({"systemInstruction": ["be brief"]}, "systemInstruction"),
        ({"systemInstruction": {"parts": ["be brief"]}}, "systemInstruction.parts[0]"),
    ],
)
def test_words_where_parts_belong_are_refused_and_never_lost(fields, param):
    with pytest.raises(InvalidRequest) as caught:
        core(**fields)
    assert caught.value.param == param


def test_a_content_may_have_no_parts():
    assert core([{"parts": None}, {"parts": []}, {}]).messages[0].blocks == ()


def test_a_streamed_answer_that_comes_back_is_one_turn():
    """Google's library returns every chunk of a stream as a content of its own."""
    request = core([*HELLO, said({"text": "Hel"}), said({"text": "lo"}), said(call("f", {})), said({"text": "!"})])
    blocks = request.messages[1].blocks
    assert [type(block) for block in blocks] == [Text, ToolCall, Text]
    assert blocks[0].text == "Hello"


def test_signatures_stand_with_what_they_sign():
    """Gotcha 14."""
    request = core(
        [
            *HELLO,
            said(
                {"text": "hm", "thought": True, "thoughtSignature": "dA=="},
                {"text": "so", "thought_signature": SIGNED},
                call("f", {"a": 1}, thoughtSignature=SIGNED),
                call("g", {}),
                {"text": "", "thoughtSignature": SIGNED},
            ),
        ]
    )
    thought, text, first, second, alone = request.messages[1].blocks
    assert thought == Reasoning(text="hm", signature="dA==", summary=True, maker="gemini")
    for block in (text, first):
        assert value_of(own(block.extras, "gemini")["thoughtSignature"]) == SIGNED
    assert second.extras == ()
    assert alone == Reasoning(signature=SIGNED, maker="gemini")


@pytest.mark.parametrize("plain", ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"])
def test_words_that_stand_for_a_signature_are_none(plain):
    for seal in (plain, base64.b64encode(plain.encode()).decode(), base64.urlsafe_b64encode(plain.encode()).decode()):
        blocks = core([*HELLO, said(call("f", {}, thoughtSignature=seal))]).messages[1].blocks
        assert blocks[0].extras == ()


def test_calls_without_ids_get_stable_ones_that_their_results_find():
    """Gotcha 7."""
    turns = [
        *HELLO,
        said(call("f", {"a": 1}), call("f", {"a": 1}), call("g")),
        user(gave("g", {"result": "3"}), gave("f", {"result": "1"}), gave("f", {"result": "2"})),
    ]
    _, model, results = core(turns).messages
    ids = [block.id for block in model.blocks]
    assert len(set(ids)) == 3
    assert results.role == "tool"
    assert [(one.call_id, one.content[0].text) for one in results.blocks] == [
        (ids[2], "3"),
        (ids[0], "1"),
        (ids[1], "2"),
    ]
    longer = core([*turns, said({"text": "x"}), user({"text": "y"}), said(call("f", {"a": 1}))]).messages
    assert [block.id for block in longer[1].blocks] == ids  # the same history, the same ids
    assert longer[-1].blocks[0].id not in ids


def test_ids_that_are_there_are_kept():
    turns = [
        *HELLO,
        said(call("f", {}, inner={"id": "c1"}), call("f", {}, inner={"id": "c2"})),
        user(gave("f", {"result": "2"}, id="c2")),
        user(gave("f", {"result": "1"}, id="c1"), {"text": "and?"}),
    ]
    messages = core(turns).messages
    assert [block.id for block in messages[1].blocks] == ["c1", "c2"]
    assert [(one.role, len(one.blocks)) for one in messages[2:]] == [("tool", 1), ("user", 2)]
    assert [one.call_id for message in messages[2:] for one in message.blocks if isinstance(one, ToolResult)] == [
        "c2",
        "c1",
    ]


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"result": "sunny"}, "sunny", False),
        ({"error": "no such city"}, "no such city", True),
        ({"result": 5}, '{"result": 5}', False),
        ({"temperature": 18, "unit": "C"}, '{"temperature": 18, "unit": "C"}', False),
        ({"result": '{"a":1}'}, '{"result": "{\\"a\\":1}"}', False),
        ({}, "", False),
        (None, "", False),
        ("sunny", "sunny", False),
        (["sunny", 18], '["sunny", 18]', False),
    ],
)
def test_results(response, text, is_error):
    result = core([*HELLO, said(call("f", {})), user(gave("f", response))]).messages[2].blocks[0]
    assert ("".join(block.text for block in result.content), result.is_error, result.name) == (text, is_error, "f")


def test_files_in_results():
    part = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}
    result = core([*HELLO, said(call("f", {})), user(gave("f", {}, parts=[part]))]).messages[2].blocks[0]
    assert result.content == (Media(kind="image", media_type="image/png", data="QUJD"),)


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"inlineData": {"mimeType": "image/png", "data": "QQ"}},
            Media(kind="image", media_type="image/png", data="QQ"),
        ),
        (
            {"inline_data": {"mime_type": "audio/wav", "data": "QQ"}},
            Media(kind="audio", media_type="audio/wav", data="QQ"),
        ),
        (
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/f.pdf", "displayName": "f"}},
            Media(kind="document", media_type="application/pdf", url="gs://b/f.pdf", name="f"),
        ),
        ({"fileData": {"fileUri": "https://youtu.be/x"}}, Media(kind="video", url="https://youtu.be/x")),
        (
            {"fileData": {"fileUri": "https://a.b/c.jpg"}},
            Media(kind="image", media_type="image/jpeg", url="https://a.b/c.jpg"),
        ),
        ({"fileData": {"fileUri": "files/abc"}}, Media(kind="document", file_id="files/abc")),
    ],
)
def test_files(part, block):
    """Gotcha 41."""
    assert core([user(part)]).messages[0].blocks == (block,)


def test_what_only_gemini_knows_stays_in_place():
    code = {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": SIGNED}
    blocks = (
        core([*HELLO, said({"text": "a"}, code, {"newKind": 1}), user({"text": "b", "thought": False})])
        .messages[1]
        .blocks
    )
    assert [type(block) for block in blocks] == [Text, Opaque, Opaque]
    assert (blocks[1].kind, value_of(blocks[1].raw)) == ("executableCode", code)


def test_tools_in_both_schema_languages():
    old = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "nullable": True, "format": "int32"}}}
    request = core(
        tools=[
            {"functionDeclarations": [{"name": "a", "description": "d", "parameters": old}, {"name": "b"}]},
            {"function_declarations": [{"name": "c", "parameters_json_schema": {"type": "object"}, "behavior": "X"}]},
            {"googleSearch": {}, "codeExecution": None},
        ]
    )
    a, b, c, search = request.tools
    assert value_of(a.schema) == {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}
    assert (a.description, value_of(b.schema), value_of(c.schema)) == ("d", {}, {"type": "object"})
    assert value_of(own(c.extras, "gemini")["behavior"]) == "X"
    assert (search.name, search.dialect, value_of(search.raw)) == ("googleSearch", "gemini", {"googleSearch": {}})


@pytest.mark.parametrize("odd", [[], {}, None, True, 5])
@pytest.mark.parametrize("word", ["format", "type", "enum", "items", "properties", "nullable", "anyOf"])
def test_odd_words_in_a_schema_are_the_providers_to_judge(word, odd):
    declared = {"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {word: odd}}}}
    (tool,) = core(tools=[{"functionDeclarations": [declared]}]).tools
    assert value_of(tool.schema)["type"] == "object"


def test_a_property_that_is_named_like_a_word_of_schemas_is_a_property():
    """Gotcha 40."""
    names = ("title", "default", "nullable", "format", "type", "any_of", "property_ordering", "example")
    old = {"type": "OBJECT", "properties": {name: {"type": "STRING", "title": "T"} for name in names}}
    schema = value_of(core(tools={"functionDeclarations": {"name": "a", "parameters": old}}).tools[0].schema)
    assert schema["properties"] == {name: {"type": "string", "title": "T"} for name in names}


@pytest.mark.parametrize(
    ("calling", "mode", "name", "left"),
    [
        ({"mode": "AUTO"}, "auto", "", {}),
        ({"mode": "NONE"}, "none", "", {}),
        ({"mode": "any"}, "required", "", {}),
        ({"mode": 2}, "required", "", {}),
        ({"mode": "ANY", "allowedFunctionNames": ["f"]}, "named", "f", {}),
        ({"mode": "ANY", "allowed_function_names": ["f", "g"]}, "required", "", {"allowedFunctionNames": ["f", "g"]}),
        ({"mode": "VALIDATED"}, "auto", "", {"mode": "VALIDATED"}),
    ],
)
def test_tool_choice(calling, mode, name, left):
    """Gotcha 9."""
    request = core(toolConfig={"functionCallingConfig": calling}, tools=[{"functionDeclarations": [{"name": "f"}]}])
    assert (request.tool_choice.mode, request.tool_choice.name) == (mode, name)
    start = "toolConfig.functionCallingConfig."
    assert {key: value_of(raw) for key, raw in own(request.extras, "gemini").items()} == {
        start + key: value for key, value in left.items()
    }


def test_configuration():
    request = core(
        generationConfig={
            "maxOutputTokens": 9,
            "temperature": 0,
            "topP": 0.5,
            "topK": 40.0,
            "presencePenalty": 1,
            "frequencyPenalty": -1.5,
            "seed": 0,
            "stopSequences": ["a", "b"],
            "candidateCount": 2,
            "responseLogprobs": True,
            "logprobs": 3,
            "thinkingConfig": {"thinkingBudget": 0, "include_thoughts": True, "thinkingLevel": "LOW"},
            "responseModalities": ["TEXT"],
            "speechConfig": {"a": 1},
            "mediaResolution": None,
        },
        safetySettings=[{"category": "X"}],
        labels={"a": "b"},
        cachedContent="cachedContents/x",
    )
    assert (request.max_output, request.temperature, request.top_p, request.top_k) == (9, 0.0, 0.5, 40)
    assert (request.presence_penalty, request.frequency_penalty, request.seed) == (1.0, -1.5, 0)
    assert (request.stop, request.choices, request.logprobs) == (("a", "b"), 2, 3)
    assert (request.reasoning_budget, request.shows_reasoning, request.reasoning_effort) == (0, True, "low")
    assert request.stream_usage
    assert set(own(request.extras, "gemini")) == {"generationConfig.speechConfig", "safetySettings", "cachedContent"}


@pytest.mark.parametrize(
    ("config", "asked_for"),
    [
        ({"includeThoughts": True}, (-1, True, "")),
        ({"includeThoughts": True, "thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}, (-1, True, "")),
        ({"includeThoughts": True, "thinkingBudget": 0}, (0, True, "")),
        ({"includeThoughts": True, "thinkingLevel": "HIGH"}, (None, True, "high")),
        ({"includeThoughts": False}, (None, False, "")),
        ({}, (None, None, "")),
    ],
)
def test_who_asks_to_see_thoughts_asks_for_some(config, asked_for):
    """A Gemini thinks without being told, others do not."""
    request = core(generationConfig={"thinkingConfig": config})
    assert (request.reasoning_budget, request.shows_reasoning, request.reasoning_effort) == asked_for


def test_no_number_of_answers_is_one():
    assert core(generationConfig={"candidateCount": 0}).choices == 1


@pytest.mark.parametrize(
    ("config", "kind", "schema"),
    [
        ({"responseMimeType": "application/json"}, "json", None),
        ({"responseMimeType": "text/plain"}, None, None),
        (
            {"responseMimeType": "application/json", "responseSchema": {"type": "ARRAY", "items": {"type": "NUMBER"}}},
            "json_schema",
            {"type": "array", "items": {"type": "number"}},
        ),
        ({"response_mime_type": "application/json", "response_json_schema": {"a": 1}}, "json_schema", {"a": 1}),
        ({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}}, None, None),
    ],
)
def test_response_formats(config, kind, schema):
    request = core(generationConfig=config)
    wanted = request.response_format
    assert (wanted.kind if wanted else None) == kind
    assert (value_of(wanted.schema) if wanted and wanted.schema else None) == schema
    held = set(own(request.extras, "gemini"))
    enum = {"generationConfig.responseMimeType", "generationConfig.responseSchema"}
    assert held == (enum if "x.enum" in str(config) else set())


def test_thinking_of_other_makers_comes_out_of_its_envelope():
    seal = base64.b64encode(b'pm1.{"maker":"anthropic-messages/claude","signature":"a?b>"}').decode()
    hidden = base64.b64encode(b'pm1.{"maker":"anthropic-messages/claude","encrypted":"xyz"}').decode().rstrip("=")
    for one in (seal, seal.replace("+", "-").replace("/", "_").rstrip("=")):
        blocks = (
            core(
                [
                    *HELLO,
                    said({"text": "I ", "thought": True}),
                    said({"text": "see", "thought": True}),
                    said({"text": "", "thought": True, "thoughtSignature": one}),
                    said({"text": "", "thought": True, "thoughtSignature": hidden}, {"text": "ok"}),
                ]
            )
            .messages[1]
            .blocks
        )
        maker = "anthropic-messages/claude"
        assert blocks == (
            Reasoning(text="I see", signature="a?b>", maker=maker),
            Reasoning(encrypted="xyz", maker=maker),
            Text(text="ok"),
        )
    damaged = core([*HELLO, said({"text": "x", "thought": True, "thoughtSignature": seal[:-9]})]).messages[1].blocks
    assert [block.text for block in damaged] == ["x"]


def test_fields_of_parts_that_only_gemini_knows_are_kept():
    part = {"fileData": {"fileUri": "gs://b/v.mp4"}, "videoMetadata": {"fps": 1}, "thought": False}
    media = core([user(part)]).messages[0].blocks[0]
    assert value_of(own(media.extras, "gemini")["videoMetadata"]) == {"fps": 1}
    assert len(own(media.extras, "gemini")) == 1
