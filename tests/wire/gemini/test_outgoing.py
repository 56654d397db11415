from __future__ import annotations

import base64
import json

import msgspec
import pytest

from pointsman.core.errors import UnsupportedParameter
from wire.gemini.made import GEMINI, HELLO, VERTEX, asked, model, sent, streaming


def raw(value) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def test_unknown_fields_and_both_spellings_pass_untouched():
    body = {
        "contents": [{"role": "user", "parts": [{"text": "hi", "new_field": 1}]}],
        "generation_config": {"max_output_tokens": 3, "newKnob": {"a": None}},
        "somethingNew": [1.5, "x"],
        "safetySettings": None,
    }
    out = GEMINI.write_request(asked(body), model())
    assert sent(out) == body
    assert (out.dialect, out.dropped) == ("gemini", ())


def test_the_path_is_the_chosen_models():
    assert (
        GEMINI.write_request(asked(name="auto"), model("gemini-3-pro")).path == "/models/gemini-3-pro:generateContent"
    )
    tuned = GEMINI.write_request(asked(), model("tunedModels/mine"))
    assert tuned.path == "/tunedModels/mine:generateContent"
    spaced = GEMINI.write_request(asked(), model("a b/c?d"))
    assert spaced.path == "/models/a%20b/c%3Fd:generateContent"


def test_streams_are_always_asked_for_as_events():
    """Gotcha 26: without `alt=sse` Google sends one JSON array."""
    for query in ("", "alt=sse", "alt=json", "$alt=json%3Benum-encoding%3Dint", "key=secret"):
        out = GEMINI.write_request(streaming(query), model("g"))
        assert out.path == "/models/g:streamGenerateContent?alt=sse"
    out = GEMINI.write_request(asked(query="key=secret&prettyPrint=false&alt=json"), model("g"))
    assert out.path == "/models/g:generateContent?prettyPrint=false"


@pytest.mark.parametrize(
    ("named", "becomes"),
    [
        ("models/auto", "models/gemini-3"),
        ("auto", "gemini-3"),
        ("publishers/google/models/auto", "publishers/google/models/gemini-3"),
        ("something else", "models/gemini-3"),
    ],
)
def test_a_model_in_the_body_is_renamed_too(named, becomes):
    out = GEMINI.write_request(asked({"model": named, "contents": HELLO}, name="auto"), model("gemini-3"))
    assert sent(out)["model"] == becomes
    kept = GEMINI.write_request(asked({"model": "models/auto", "contents": HELLO}, name="auto"), model("auto"))
    assert sent(kept)["model"] == "models/auto"


def test_no_model_is_added_to_the_body():
    assert sent(GEMINI.write_request(asked(name="auto"), model("gemini-3"))) == {"contents": HELLO}


def test_defaults_fill_what_is_not_said():
    params = (
        ("temperature", raw(0.3)),
        ("max_tokens", raw(100)),
        ("generationConfig", raw({"topK": 5, "temperature": 0.9})),
        ("safetySettings", raw([])),
    )
    body = {"contents": HELLO, "generation_config": {"max_output_tokens": 7}}
    out = sent(GEMINI.write_request(asked(body), model(params=params)))
    config = {"max_output_tokens": 7, "temperature": 0.3, "topK": 5}
    assert out == {"contents": HELLO, "generation_config": config, "safetySettings": []}


def test_refused_parameters_are_dropped_by_name_or_refused():
    body = {"contents": HELLO, "generationConfig": {"temperature": 1, "topP": 0.5, "maxOutputTokens": 9}, "labels": {}}
    refused = frozenset({"temperature", "top_p", "labels"})
    out = GEMINI.write_request(asked(body), model(refused_params=refused))
    assert sent(out) == {"contents": HELLO, "generationConfig": {"maxOutputTokens": 9}}
    assert {one.path for one in out.dropped} == {"generationConfig.temperature", "generationConfig.topP", "labels"}
    with pytest.raises(UnsupportedParameter) as caught:
        GEMINI.write_request(asked(body), model(refused_params=refused, param_policy="refuse"))
    assert caught.value.param in {"generationConfig.temperature", "labels"}


def envelope(**fields: str) -> str:
    return base64.b64encode(b"pm1." + json.dumps(fields, separators=(",", ":")).encode()).decode()


@pytest.mark.parametrize("verb", ["generateContent", "countTokens"])
def test_thinking_of_other_makers_does_not_reach_a_gemini(verb):
    """Google refuses signatures that it did not make; calls and texts stay."""
    seal = envelope(maker="anthropic-messages/claude", signature="abc")
    contents = [
        *HELLO,
        {
            "role": "model",
            "parts": [
                {"text": "hm", "thought": True, "thoughtSignature": seal},
                {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"},
                {"text": "ok", "thought_signature": seal.replace("+", "-").replace("/", "_")},
            ],
        },
        {"role": "model", "parts": [{"text": "", "thought": True, "thoughtSignature": seal}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
    ]
    body = {"contents": contents} if verb == "generateContent" else {"generateContentRequest": {"contents": contents}}
    out = GEMINI.write_request(asked(body, verb), model())
    got = sent(out)
    got = got if verb == "generateContent" else got["generateContentRequest"]
    assert got["contents"] == [
        contents[0],
        {"role": "model", "parts": [contents[1]["parts"][1], {"text": "ok"}]},
        contents[3],
    ]
    assert {one.path for one in out.dropped} == {"contents[1].thinking", "contents[2].thinking"}


def test_counting_is_asked_in_the_providers_form():
    """The Gemini API takes contents or a whole request with its model, Vertex AI a request's fields."""
    request = {"contents": HELLO, "systemInstruction": {"parts": [{"text": "s"}]}}
    plain = GEMINI.write_request(asked({"contents": HELLO}, "countTokens"), model("g"))
    assert (plain.path, sent(plain)) == ("/models/g:countTokens", {"contents": HELLO})
    wrapped = GEMINI.write_request(asked(request, "countTokens", name="auto"), model("g"))
    assert sent(wrapped) == {"generateContentRequest": {"model": "models/g", **request}}
    body = {"generateContentRequest": {"model": "models/auto", **request}}
    renamed = GEMINI.write_request(asked(body, "countTokens", name="auto"), model("g"))
    assert sent(renamed) == {"generateContentRequest": {"model": "models/g", **request}}
    assert sent(GEMINI.write_request(asked(body, "countTokens"), model("g", VERTEX))) == request
    assert sent(GEMINI.write_request(asked(request, "countTokens"), model("g", VERTEX))) == request


def test_counting_across_dialects():
    core = GEMINI.to_core(asked({"contents": HELLO, "systemInstruction": {"parts": [{"text": "s"}]}}))
    out = GEMINI.count_from_core(core, model("g"))
    assert out.path == "/models/g:countTokens"
    assert sent(out)["generateContentRequest"]["model"] == "models/g"
    assert sent(out)["generateContentRequest"]["contents"] == HELLO
    assert "generateContentRequest" not in sent(GEMINI.count_from_core(core, model("g", VERTEX)))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, {"parts": [{"text": "A\n\nB"}]}),
        ({"parts": [{"text": "x"}]}, {"parts": [{"text": "A\n\n"}, {"text": "x"}, {"text": "\n\nB"}]}),
        ({"parts": {"text": "x"}}, {"parts": [{"text": "A\n\n"}, {"text": "x"}, {"text": "\n\nB"}]}),
        ("x", "A\n\nx\n\nB"),
    ],
)
def test_more_can_be_said_around_the_system_text(said, expected):
    body = {"contents": HELLO} | ({"system_instruction": said} if said is not None else {})
    more = GEMINI.with_system(asked(body), "A", "B")
    name = "system_instruction" if said is not None else "systemInstruction"
    assert sent(GEMINI.write_request(more, model())) == {"contents": HELLO, name: expected}
    inner = GEMINI.with_system(asked({"generateContentRequest": body}, "countTokens"), "A", "B")
    assert json.loads(bytes(inner.fields["generateContentRequest"]))[name] == expected
