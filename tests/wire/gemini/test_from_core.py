from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.core.chat import (
    Extras,
    Media,
    Message,
    Reasoning,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from pointsman.core.model import Ability
from pointsman.wire.gemini import needs_data
from pointsman.wire.raw import dump
from wire.gemini.made import GEMINI, HELLO, SIGNED, model, sent, thinker

USER = Message(role="user", blocks=(Text(text="Hello"),))
DUMMY = "skip_thought_signature_validator"
PNG = "iVBORw0KGgoAAAANSUhEUg"


def asking(*messages: Message, upstream: str = "gemini-2.5-flash", **more: Any) -> tuple[Any, set[str]]:
    """What a provider gets, and what was dropped."""
    chosen = more.pop("model", None) or model(upstream)
    out = GEMINI.from_core(Request(model="m", messages=messages or (USER,), **more), chosen)
    return sent(out), {one.path for one in out.dropped}


def turns(*messages: Message, upstream: str = "gemini-2.5-flash", **more: Any) -> list[Any]:
    return [(one["role"], one["parts"]) for one in asking(*messages, upstream=upstream, **more)[0]["contents"]]


def said(*blocks: Any) -> Message:
    return Message(role="assistant", blocks=blocks)


def told(*blocks: Any, role: Any = "user") -> Message:
    return Message(role=role, blocks=blocks)


def result(call_id: str, text: str = "ok", **more: Any) -> ToolResult:
    return ToolResult(call_id=call_id, content=(Text(text=text),), **more)


def call(call_id: str, name: str = "f", arguments: str = "{}", **more: Any) -> ToolCall:
    return ToolCall(id=call_id, name=name, arguments=arguments, **more)


def gave(call_id: str, name: str, response: Any) -> dict[str, Any]:
    return {"functionResponse": {"id": call_id, "name": name, "response": response}}


def called(call_id: str, name: str = "f", args: Any = None) -> dict[str, Any]:
    return {"functionCall": {"id": call_id, "name": name, "args": args or {}}}


# Turns


def test_a_plain_conversation():
    body, dropped = asking(told(Text(text="s"), role="system"), USER, said(Text(text="Hi")), told(Text(text="Bye")))
    assert body == {
        "contents": [
            *HELLO,
            {"role": "model", "parts": [{"text": "Hi"}]},
            {"role": "user", "parts": [{"text": "Bye"}]},
        ],
        "systemInstruction": {"parts": [{"text": "s"}]},
    }
    assert not dropped


def test_the_path_says_how():
    for stream, path in ((False, "/models/g:generateContent"), (True, "/models/g:streamGenerateContent?alt=sse")):
        out = GEMINI.from_core(Request(model="m", messages=(USER,), stream=stream), model("g"))
        assert (out.path, out.dialect) == (path, "gemini")


def test_system_texts_are_joined_wherever_they_stand():
    """Gotcha 35."""
    body, _ = asking(
        told(Text(text="a"), Text(text=""), role="system"),
        USER,
        told(Text(text="b"), role="developer"),
        told(Text(text="c")),
    )
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hello"}, {"text": "c"}]}]


def test_a_conversation_begins_with_the_user():
    assert [role for role, _ in turns(said(Text(text="Hi")), USER)] == ["user", "model", "user"]
    assert turns(told(Text(text="only this"), role="system")) == [("user", [{"text": "only this"}])]
    assert turns(told())[0][0] == "user"


def test_neighbours_of_one_role_become_one_turn():
    assert turns(USER, told(Text(text="b")), said(Text(text="c")), said(Text(text="d"))) == [
        ("user", [{"text": "Hello"}, {"text": "b"}]),
        ("model", [{"text": "c"}, {"text": "d"}]),
    ]


def test_empty_texts_are_left_out():
    """Gotcha 36: Gemini refuses them; clients send content "" beside calls."""
    assert turns(USER, said(Text(text=""), call("1")), told(result("1"), role="tool"))[1] == ("model", [called("1")])
    assert turns(USER, said(Text(text="")), told(Text(text="b"))) == [("user", [{"text": "Hello"}, {"text": "b"}])]


def test_results_of_one_turn_stand_alone_in_the_order_of_its_calls():
    """Gotcha 6."""
    got = turns(
        USER,
        said(Text(text="Let me see."), call("1"), call("2", "g"), call("3", "h")),
        told(result("3", "three"), role="tool"),
        told(Text(text="Hurry"), result("1", '{"a": [1]}'), result("2", "bad", is_error=True), Text(text="up!")),
    )
    assert got[2:] == [
        ("user", [gave("1", "f", {"a": [1]}), gave("2", "g", {"error": "bad"}), gave("3", "h", {"result": "three"})]),
        ("user", [{"text": "Hurry"}, {"text": "up!"}]),
    ]


def test_results_of_calls_with_one_id_keep_their_order():
    """Some models give all calls of a turn the same id, or none."""
    body, dropped = asking(
        USER,
        said(call("c"), call("c", "g")),
        told(result("c", "one"), result("c", "two"), result("c", "three", name="h"), role="tool"),
    )
    assert [part["functionResponse"]["response"] for part in body["contents"][2]["parts"]] == [
        {"result": "one"},
        {"result": "two"},
    ]
    assert body["contents"][3]["parts"] == [{"text": "(Result of h: three)"}]
    assert dropped == {"messages[2]"}


def test_a_missing_result_is_named_so():
    body, dropped = asking(USER, said(call("1"), call("2", "g")), told(result("2"), role="tool"))
    parts = body["contents"][2]["parts"]
    assert [part["functionResponse"]["name"] for part in parts] == ["f", "g"]
    assert "no result" in parts[0]["functionResponse"]["response"]["result"]
    assert dropped == {"tool_calls[1]"}


def test_a_result_without_its_call_becomes_text():
    body, dropped = asking(USER, told(result("9", "42", name="sum"), role="tool"), told(Text(text="?")))
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Hello"}, {"text": "(Result of sum: 42)"}, {"text": "?"}]}
    ]
    assert dropped == {"messages[1]"}


def test_names_of_speakers_are_named():
    _, dropped = asking(Message(role="user", name="Bob", blocks=(Text(text="Hi"),)), USER)
    assert dropped == {"messages[0].name"}


def test_the_name_of_a_result_comes_from_its_call():
    """Gotcha 7: chat's results have an id alone."""
    assert turns(USER, said(call("c-1", "weather")), told(result("c-1"), role="tool"))[2] == (
        "user",
        [gave("c-1", "weather", {"result": "ok"})],
    )


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ("18 degrees", {"result": "18 degrees"}),
        ('{"t": 18}', {"t": 18}),
        ("[1]", {"result": "[1]"}),
        ('{"schema": {"$ref": "#/x"}}', {"result": '{"schema": {"$ref": "#/x"}}'}),  # Google would follow it
        ("", {"result": ""}),
    ],
)
def test_results_are_objects(text, response):
    assert turns(USER, said(call("1")), told(result("1", text), role="tool"))[2][1] == [gave("1", "f", response)]


def test_pictures_in_results():
    """Gemini 3 takes them inside the result, older ones refuse that: there they follow."""
    picture = Media(kind="image", media_type="image/png", data=PNG)
    inline = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    shown = ToolResult(call_id="1", content=(Text(text="see"), picture))
    new = turns(USER, said(call("1")), told(shown, role="tool"), upstream="gemini-3-flash")
    assert new[2][1][0]["functionResponse"]["parts"] == [inline]
    assert len(new) == 3
    old = turns(USER, said(call("1")), told(shown, role="tool"))
    assert old[2:] == [
        ("user", [gave("1", "f", {"result": "see"})]),
        ("user", [{"text": "(From the result of f:)"}, inline]),
    ]


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ('{"a":1}', {"a": 1}),
        ("", {}),
        ("  ", {}),
        ("not json", {"arguments": "not json"}),
        ("[1]", {"arguments": "[1]"}),
    ],
)
def test_arguments_are_objects(text, args):
    """Gotcha 4."""
    got = turns(USER, said(call("1", arguments=text)), told(result("1"), role="tool"))
    assert got[1][1][0]["functionCall"]["args"] == args


# Signatures


def signed(seal: str) -> tuple[Extras, ...]:
    return (Extras(dialect="gemini", fields={"thoughtSignature": dump(seal)}),)


def test_signatures_go_back_where_they_stood():
    """Gotcha 14."""
    got = turns(
        USER,
        said(
            Reasoning(text="hm", signature="dA==", maker="gemini/gemini-3-flash"),
            Text(text="so", extras=signed("dGV4dA==")),
            call("1", extras=signed(SIGNED)),
            call("2"),
            Reasoning(signature="ZQ==", maker="gemini"),
        ),
        told(result("1"), result("2"), role="tool"),
        upstream="gemini-3-flash",
    )
    assert got[1][1] == [
        {"text": "hm", "thought": True, "thoughtSignature": "dA=="},
        {"text": "so", "thoughtSignature": "dGV4dA=="},
        {**called("1"), "thoughtSignature": SIGNED},
        called("2"),
        {"text": "", "thoughtSignature": "ZQ=="},
    ]


@pytest.mark.parametrize(
    ("upstream", "signs"),
    [
        ("gemini-3-flash", True),
        ("models/gemini-3.5-pro", True),
        ("gemini-flash-latest", True),
        ("gemini-2.5-pro", False),
        ("gemma-3-27b", False),
    ],
)
def test_the_first_call_of_each_step_of_the_current_turn_is_signed(upstream, signs):
    """Gotcha 14: Gemini 3 refuses calls of the current turn without; for others' calls Google documents a word."""
    history = (
        USER,
        said(call("0")),
        told(result("0"), role="tool"),
        said(Text(text="done")),
        told(Text(text="Again")),
        said(Text(text="well"), call("1"), call("2")),
        told(result("1"), result("2"), role="tool"),
        said(call("3", extras=signed(SIGNED)), call("4")),
        told(result("3"), result("4"), role="tool"),
        said(call("5")),
        told(result("5"), role="tool"),
    )
    body, _ = asking(*history, upstream=upstream)
    seals = {
        part["functionCall"]["id"]: part.get("thoughtSignature")
        for content in body["contents"]
        for part in content["parts"]
        if "functionCall" in part
    }
    dummy = DUMMY if signs else None
    assert seals == {"0": None, "1": dummy, "2": None, "3": SIGNED, "4": None, "5": dummy}


def test_thinking_of_other_makers_is_dropped_by_name():
    """Gotcha 13."""
    body, dropped = asking(
        USER, said(Reasoning(text="hm", signature="x", maker="anthropic-messages/c"), Text(text="a"))
    )
    assert body["contents"][1]["parts"] == [{"text": "a"}]
    assert dropped == {"messages[1].thinking"}


# Names, tools, schemas


def test_names_that_gemini_does_not_take_are_changed_and_changed_back():
    """Gotcha 8."""
    long = "x" * 80
    out = GEMINI.from_core(
        Request(
            model="m",
            messages=(USER, said(call("1", "1st")), told(result("1"), role="tool")),
            tools=(Tool(name="1st"), Tool(name=long), Tool(name="a.b:c-d")),
            tool_choice=ToolChoice(mode="named", name="1st"),
        ),
        model(),
    )
    body = sent(out)
    names = [one["name"] for one in body["tools"][0]["functionDeclarations"]]
    assert names[2] == "a.b:c-d"
    assert len(set(names)) == 3
    assert all(len(name) <= 64 and (name[0].isalpha() or name[0] == "_") for name in names)
    assert out.tool_names == {names[0]: "1st", names[1]: long}
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == names[0]
    assert body["contents"][2]["parts"][0]["functionResponse"]["name"] == names[0]
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [names[0]]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        (ToolChoice(), None),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (ToolChoice(mode="named", name="f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choice(choice, config):
    """Gotcha 9."""
    body, dropped = asking(tools=(Tool(name="f"),), tool_choice=choice)
    assert body.get("toolConfig", {}).get("functionCallingConfig") == config
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert not dropped


def test_what_tools_cannot_say_is_named():
    search = Tool(name="web_search", dialect="openai-responses", raw=msgspec.Raw(b"{}"))
    body, dropped = asking(tools=(search, Tool(name="f", strict=True)), tool_choice=ToolChoice(parallel=False))
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert dropped == {"tools[0]", "tools[1].strict", "parallel_tool_calls"}
    assert "toolConfig" not in asking(tools=(search,), tool_choice=ToolChoice(mode="required"))[0]


def test_built_in_tools_beside_functions_are_for_newer_models():
    search = Tool(name="googleSearch", dialect="gemini", raw=msgspec.Raw(b'{"googleSearch":{}}'))
    tools = (Tool(name="f"), search)
    assert asking(tools=tools, upstream="gemini-3-flash")[0]["tools"][1] == {"googleSearch": {}}
    body, dropped = asking(tools=tools)
    assert (len(body["tools"]), dropped) == (1, {"tools[1]"})


def schema_of(schema: Any) -> tuple[Any, set[str]]:
    body, dropped = asking(tools=(Tool(name="f", schema=dump(schema)),))
    return body["tools"][0]["functionDeclarations"][0].get("parametersJsonSchema"), dropped


def test_schemas_that_gemini_takes_pass_as_they_are():
    """Gotcha 40."""
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": ["string", "null"], "default": "x"},
            "default": {"$ref": "#/$defs/node"},
            "const": {"anyOf": [{"type": "string", "format": "uri"}, {"type": "null"}]},
        },
        "additionalProperties": False,
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    }
    assert schema_of(schema) == (schema, set())
    plain = b'{ "type": "object" , "properties": {"n": {"type":"number","minimum":1.0}}}'
    out = GEMINI.from_core(
        Request(model="m", messages=(USER,), tools=(Tool(name="f", schema=msgspec.Raw(plain)),)), model()
    )
    assert plain in out.body


@pytest.mark.parametrize("schema", [{}, None, True])
def test_functions_without_arguments_have_no_schema(schema):
    assert schema_of(schema) == (None, set())


def test_what_gemini_refuses_in_schemas_is_put_otherwise():
    """Gotcha 40."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {
            "kind": {"const": "a"},
            "level": {"const": 3, "type": "number"},
            "place": {"$ref": "#/definitions/place", "description": "where"},
            "both": {"allOf": [{"$ref": "#/definitions/place"}, {"properties": {"zip": {}}, "required": ["zip"]}]},
            "$schema": {"type": "string"},
            "const": {"type": "string", "enum": ["const", "$ref"]},
            "pair": {"type": "array", "items": [{"type": "string"}, {"type": "number"}]},
        },
        "definitions": {"place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
    }
    place = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    got, dropped = schema_of(schema)
    assert got == {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": ["a"]},
            "level": {"type": "number", "enum": [3]},
            "place": {**place, "description": "where"},
            "both": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "zip": {}},
                "required": ["city", "zip"],
            },
            "$schema": {"type": "string"},
            "const": {"type": "string", "enum": ["const", "$ref"]},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]},
        },
    }
    assert not dropped


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"const": True}}},
        {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}},
        {"type": "object", "properties": {"a": {"$ref": "#", "description": "again"}}},
        {"definitions": {"n": {"properties": {"n": {"$ref": "#/definitions/n"}}}}, "$ref": "#/definitions/n"},
    ],
)
def test_what_schemas_lose_is_named(schema):
    got, dropped = schema_of(schema)
    assert dropped == {"tools[0].parameters"}
    assert got["type"] == "object"


@pytest.mark.parametrize("place", ["$defs", "definitions"])
def test_an_all_of_that_leads_to_itself_is_told_as_far_as_it_goes(place):
    """Trees as pydantic writes them: a reference that has a description stands in an `allOf` of its own."""
    twig = {"description": "below", "allOf": [{"$ref": f"#/{place}/node"}]}
    node = {"type": "object", "properties": {"left": twig, "right": twig}}
    schema = {"type": "object", "properties": {"root": {"$ref": f"#/{place}/node"}}, place: {"node": node}}
    got, dropped = schema_of(schema)
    if place == "$defs":
        plain = {"$ref": "#/$defs/node", "description": "below"}
        node = {"type": "object", "properties": {"left": plain, "right": plain}}
        assert (got, dropped) == ({**schema, "$defs": {"node": node}}, set())
    else:
        text = json.dumps(got)
        assert dropped == {"tools[0].parameters"}
        assert len(text) < 5_000
        assert not {"$ref", "allOf"} & set(text.split('"'))


def test_an_all_of_within_an_all_of_is_put_together():
    definitions = {
        "animal": {"allOf": [{"$ref": "#/$defs/thing"}, {"properties": {"legs": {"type": "integer"}}}]},
        "thing": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    }
    got, dropped = schema_of(
        {"allOf": [{"$ref": "#/$defs/animal"}], "properties": {"barks": {"type": "boolean"}}, "$defs": definitions}
    )
    assert got == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "legs": {"type": "integer"}, "barks": {"type": "boolean"}},
        "required": ["name"],
    }
    assert not dropped
    got, dropped = schema_of({"allOf": [{"$ref": "#/$defs/thing"}], "$defs": definitions})
    assert (got, dropped) == (definitions["thing"], set()), "arguments are no reference"


def test_an_all_of_that_grows_without_end_is_stopped():
    definitions = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    _, dropped = schema_of({"type": "object", "allOf": [{"$ref": "#/$defs/d0"}] * 2, "$defs": definitions})
    assert dropped == {"tools[0].parameters"}
    itself = {"allOf": [{"$ref": "#/$defs/a"}, {"title": "a"}]}
    got, dropped = schema_of({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": itself}})
    assert (got["type"], dropped) == ("object", {"tools[0].parameters"})


def test_schemas_that_grow_without_end_are_stopped():
    """Each definition holds the next one twice: written out, that is 2^40."""
    definitions = {f"d{n}": {"anyOf": [{"$ref": f"#/definitions/d{n + 1}"}] * 2} for n in range(40)}
    got, dropped = schema_of(
        {"type": "object", "properties": {"a": {"$ref": "#/definitions/d0"}}, "definitions": definitions}
    )
    assert dropped == {"tools[0].parameters"}
    assert len(json.dumps(got)) < 2_000_000


# Configuration


def test_configuration():
    body, dropped = asking(
        max_output=9,
        temperature=0.0,
        top_p=0.5,
        top_k=40,
        presence_penalty=1.0,
        frequency_penalty=-1.0,
        seed=7,
        stop=("a", "", "b"),
        choices=2,
        logprobs=3,
        user="u",
    )
    assert body["generationConfig"] == {
        "maxOutputTokens": 9,
        "temperature": 0.0,
        "topP": 0.5,
        "topK": 40,
        "presencePenalty": 1.0,
        "frequencyPenalty": -1.0,
        "seed": 7,
        "stopSequences": ["a", "b"],
        "candidateCount": 2,
        "responseLogprobs": True,
        "logprobs": 3,
    }
    assert not dropped
    assert asking(logprobs=0)[0]["generationConfig"] == {"responseLogprobs": True}


def test_what_the_configuration_cannot_hold_is_named():
    body, dropped = asking(stop=tuple("abcdef"), seed=1 << 40)
    assert body["generationConfig"] == {"stopSequences": list("abcde")}
    assert dropped == {"stop", "seed"}


@pytest.mark.parametrize(
    ("upstream", "wanted", "config"),
    [
        ("gemini-3-flash", {"reasoning_effort": "low"}, {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "minimal", "includeThoughts": True}),
        ("gemini-3-flash", {"reasoning_effort": "none"}, {"thinkingLevel": "minimal"}),
        ("gemini-3-flash", {"reasoning_budget": 0}, {"thinkingLevel": "minimal"}),
        ("gemini-3-flash", {"reasoning_budget": -1}, {"includeThoughts": True}),
        ("gemini-3-flash", {"reasoning_budget": 600}, {"thinkingBudget": 600, "includeThoughts": True}),
        ("gemini-3.1-pro", {"reasoning_effort": "medium"}, {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-3-pro-preview", {"reasoning_effort": "medium"}, {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3-pro-preview", {"reasoning_effort": "minimal"}, {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3-pro-preview", {"reasoning_effort": "xhigh"}, {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-2.5-flash", {"reasoning_effort": "medium"}, {"thinkingBudget": 8_192, "includeThoughts": True}),
        ("gemini-2.5-flash", {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"reasoning_budget": 0}, {"thinkingBudget": 128}),
        ("gemini-2.5-pro", {"reasoning_budget": -1}, {"thinkingBudget": -1, "includeThoughts": True}),
        ("gemini-2.5-flash", {"shows_reasoning": True}, {"includeThoughts": True}),
        (
            "gemini-2.5-flash",
            {"reasoning_effort": "high", "shows_reasoning": False},
            {"thinkingBudget": 24_576, "includeThoughts": False},
        ),
        ("gemini-2.5-flash", {}, None),
    ],
)
def test_thinking(upstream, wanted, config):
    body, dropped = asking(model=thinker(upstream), **wanted)
    assert body.get("generationConfig", {}).get("thinkingConfig") == config
    assert not dropped


def test_models_that_do_not_think_are_not_asked_to():
    for chosen in (model("gemini-2.0-flash"), model("gemini-3-flash", abilities=Ability.TOOLS)):
        body, dropped = asking(model=chosen, reasoning_effort="high")
        assert "generationConfig" not in body
        assert dropped == {"reasoning_effort"}
        assert asking(model=chosen, reasoning_effort="none")[1] == set()


def test_response_formats():
    assert asking(response_format=ResponseFormat())[0].get("generationConfig") is None
    json_mode = asking(response_format=ResponseFormat(kind="json"))[0]
    assert json_mode["generationConfig"] == {"responseMimeType": "application/json"}
    schema = dump({"$schema": "x", "type": "object", "properties": {"a": {"const": "x"}}})
    wanted = ResponseFormat(kind="json_schema", name="n", schema=schema, strict=True)
    expected = {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}}}
    body, dropped = asking(response_format=wanted)
    assert body["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": expected}
    assert not dropped
    tools = (Tool(name="f"),)
    assert asking(response_format=wanted, tools=tools)[1] == {"response_format"}  # refused together before Gemini 3
    assert asking(response_format=wanted, tools=tools, upstream="gemini-3-flash")[1] == set()


def test_defaults_and_refused_parameters_of_the_model():
    chosen = model(params=(("topK", msgspec.Raw(b"5")),), refused_params=frozenset({"temperature"}))
    body, dropped = asking(model=chosen, temperature=1.0)
    assert body["generationConfig"] == {"topK": 5}
    assert dropped == {"generationConfig.temperature"}


def test_extras_of_others_are_named():
    extras = (Extras(dialect="openai-chat", fields={"logit_bias": msgspec.Raw(b"{}")}),)
    assert asking(extras=extras)[1] == {"logit_bias"}


# Files


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (Media(kind="image", data=PNG), {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        (Media(kind="image", data="/9j/4AA"), {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/4AA"}}),
        (Media(kind="document", data="JVBERi0"), {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0"}}),
        (
            Media(kind="video", url="https://www.youtube.com/watch?v=x"),
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}},
        ),
        (
            Media(kind="document", url="gs://b/f.pdf"),
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/f.pdf"}},
        ),
        (
            Media(kind="image", file_id="files/ab-1", media_type="image/png"),
            {
                "fileData": {
                    "mimeType": "image/png",
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/ab-1",
                }
            },
        ),
    ],
)
def test_files(media, part):
    """Gotcha 41."""
    assert turns(told(Text(text="see"), media)) == [("user", [{"text": "see"}, part])]
    assert not needs_data(media)
    assert not GEMINI.needs_data(media)


@pytest.mark.parametrize(
    ("media", "fetched"),
    [
        (Media(kind="image", url="https://example.org/a.png"), True),
        (Media(kind="image", url="https://evil.example/?https://youtu.be/x"), True),
        (Media(kind="document", file_id="file-abc123"), False),
    ],
)
def test_what_gemini_cannot_get_at_is_named(media, fetched):
    assert needs_data(media) is fetched
    body, dropped = asking(told(Text(text="see"), media))
    assert body["contents"][0]["parts"] == [{"text": "see"}]
    assert dropped == {"messages[0]"}
