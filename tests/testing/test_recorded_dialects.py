"""What the simulator says in Anthropic's, Google's and OpenAI's newer words is shaped as the recordings show it.

Of the JSON the keys and types, of streams also which event follows which.
"""

from __future__ import annotations

import http.client
import json
from typing import Any

import msgspec
import pytest

from pointsman.testing import Script, SimModel, SimProvider, Simulator, running
from shapes import compare, events_of, records, steps

ALL = ("wire", "reserialised", "sdk-captured", "response-only")
TOO_MUCH = {"server_tools", "web_search", "citations", "code_execution", "image_output", "audio", "logprobs", "error"}
"""Features that the simulator has not."""
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
NAMED = {"name": "f", "description": "", "parameters": TOOL}
SAID = "use f"


def script(dialect: str, **model) -> Script:
    models = (msgspec.convert({"name": "sim-1", "output_tokens": 4, **model}, SimModel),)
    return Script(providers=(SimProvider(name="sim", dialect=dialect, models=models),))


def post(sim: Simulator, path: str, body: object) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=5)
    connection.request("POST", path, json.dumps(body), {"anthropic-version": "2023-06-01"})
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def played(dialect: str, path: str, bodies: list[dict[str, Any]]) -> list[str]:
    """Every body answered by a model that thinks and by one that does not."""
    made = []
    for model in ({}, {"thinking": {"tokens": 3}}):
        with running(script(dialect, **model)) as sim:
            made += [post(sim, path, body) for body in bodies]
    return made


def known(folder, name: str, *, stream: bool, fidelity=("wire",)) -> list[dict[str, Any]]:
    found = records(folder, name, fidelity)
    plain = [r["response"] for r in found if r["stream"] == stream and not TOO_MUCH & set(r["features"])]
    return [response for response in plain if response["status"] in {200, None}]


def error_bodies(folder, name: str) -> list[Any]:
    found = [r["response"] for r in records(folder, name, ALL) if "error" in r["features"]]
    return [r["body"] for r in found if isinstance(r.get("body"), dict)]


# Anthropic

MESSAGES = "anthropic__anthropic-messages.jsonl.gz"
MESSAGE = {"model": "sim-1", "max_tokens": 2048, "messages": [{"role": "user", "content": SAID}]}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
ANTHROPIC = [
    MESSAGE,
    {**MESSAGE, "max_tokens": 2},
    {**MESSAGE, **THINKING},
    {**MESSAGE, **THINKING, "tools": [{"name": "f", "input_schema": TOOL}]},
]
INPUTS = frozenset({".content[].input"})


def test_messages(recordings):
    whole = [response["body"] for response in known(recordings, MESSAGES, stream=False)]
    made = [json.loads(text) for text in played("anthropic-messages", "/v1/messages", ANTHROPIC)]
    assert {body["stop_reason"] for body in made} == {"end_turn", "max_tokens", "tool_use"}
    compare(made, whole, opaque=INPUTS)


def anthropic_step(event: tuple[str, Any]) -> str:
    name, data = event
    kind = data.get("content_block", data.get("delta", {})).get("type", "")
    assert name == data["type"]
    return f"{name}:{kind}"


def test_streams_of_messages(recordings):
    streams = [events_of(r["sse"]) for r in known(recordings, MESSAGES, stream=True, fidelity=ALL) if "sse" in r]
    bodies = [{**body, "stream": True} for body in ANTHROPIC]
    made = [events_of(text) for text in played("anthropic-messages", "/v1/messages", bodies)]
    for kind in {name for stream in made for name, _ in stream}:
        of_kind = [[data for stream in each for name, data in stream if name == kind] for each in (made, streams)]
        compare(*of_kind, steady=kind != "message_start", opaque=INPUTS)  # older heads know no cache
    allowed = set().union(*(steps(stream, anthropic_step) for stream in streams))
    assert set().union(*(steps(stream, anthropic_step) for stream in made)) - allowed == set()


def test_counts_and_errors_of_messages(recordings):
    counts = [r["response"]["body"] for r in records(recordings, "anthropic__anthropic-countTokens.jsonl.gz", ALL)]
    body = {name: MESSAGE[name] for name in ("model", "messages")}
    with running(script("anthropic-messages")) as sim:
        compare([json.loads(post(sim, "/v1/messages/count_tokens", body))], counts)
        errors = [json.loads(post(sim, "/v1/messages", wrong)) for wrong in ({}, {**MESSAGE, "model": "nobody"})]
    compare(errors, error_bodies(recordings, MESSAGES), steady=False)


# OpenAI's responses

RESPONSES = "openai__openai-responses.jsonl.gz"
RESPONSE = {"model": "sim-1", "input": SAID}
FUNCTION = {"type": "function", "strict": True, **NAMED}
SUMMED = {"reasoning": {"effort": "low", "summary": "auto"}}
OPENAI = [
    RESPONSE,
    {**RESPONSE, **SUMMED},
    {**RESPONSE, "include": ["reasoning.encrypted_content"], "tools": [FUNCTION]},
    {**RESPONSE, "input": f"say: {'word ' * 30}", "max_output_tokens": 16},
]
OWN = frozenset(
    f"{at}.{field}"
    for at in ("", ".response")
    for field in ("tools", "text", "metadata", "instructions", "tool_choice", "prompt")
)


def test_responses(recordings):
    whole = [r["body"] for r in known(recordings, RESPONSES, stream=False) if isinstance(r.get("body"), dict)]
    made = [json.loads(text) for text in played("openai-responses", "/v1/responses", OPENAI)]
    assert {body["status"] for body in made} == {"completed", "incomplete"}
    compare(made, [body for body in whole if body.get("object") == "response"], opaque=OWN)


def responses_step(event: tuple[str, Any]) -> str:
    name, data = event
    assert name == data["type"]
    return ":".join([name, data.get("item", data.get("part", {})).get("type", "")])


def test_streams_of_responses(recordings):
    streams = [events_of(r["sse"]) for r in known(recordings, RESPONSES, stream=True) if "sse" in r]
    bodies = [{**body, "stream": True} for body in OPENAI]
    made = [events_of(text) for text in played("openai-responses", "/v1/responses", bodies)]
    for kind in {name for stream in made for name, _ in stream}:
        of_kind = [[data for stream in each for name, data in stream if name == kind] for each in (made, streams)]
        compare(*of_kind, opaque=OWN, steady=kind != "response.incomplete")  # there are but a handful
    allowed = set().union(*(steps(stream, responses_step) for stream in streams))
    assert set().union(*(steps(stream, responses_step) for stream in made)) - allowed == set()


def test_counts_and_errors_of_responses(recordings):
    found = records(recordings, "openai__openai-responses-input_tokens.jsonl.gz", ALL)
    with running(script("openai-responses")) as sim:
        compare([json.loads(post(sim, "/v1/responses/input_tokens", RESPONSE))], [r["response"]["body"] for r in found])
        errors = [json.loads(post(sim, "/v1/responses", wrong)) for wrong in ({}, {**RESPONSE, "model": "nobody"})]
    assert errors[1]["error"]["message"] == "The requested model 'nobody' does not exist."  # as recorded
    recorded = [{"error": body["error"]} for body in error_bodies(recordings, RESPONSES)]
    compare(errors, recorded)


# Gemini

GEMINI = "google__gemini-generateContent.jsonl.gz"
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": SAID}]}]}
GOOGLE = [
    CONTENTS,
    {**CONTENTS, "generationConfig": {"maxOutputTokens": 2}},
    {**CONTENTS, "generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
    {**CONTENTS, "tools": [{"functionDeclarations": [NAMED]}]},
]
ARGS = frozenset({".candidates[].content.parts[].functionCall.args"})


def test_contents(recordings):
    whole = [r["body"] for r in known(recordings, GEMINI, stream=False) if isinstance(r.get("body"), dict)]
    made = [json.loads(text) for text in played("gemini", "/v1beta/models/sim-1:generateContent", GOOGLE)]
    assert {body["candidates"][0]["finishReason"] for body in made} == {"STOP", "MAX_TOKENS"}
    compare(made, whole, opaque=ARGS)


def gemini_step(chunk: Any) -> str:
    candidate = chunk["candidates"][0]
    kinds = set()
    for part in candidate.get("content", {}).get("parts", []):
        kinds.add("call" if "functionCall" in part else "thought" if part.get("thought") else "text")
    return "+".join(sorted(kinds)) + (" end" if "finishReason" in candidate else "")


@pytest.mark.parametrize("framing", ["sse", "array"])
def test_streams_of_contents(recordings, framing):
    path = "/v1beta/models/sim-1:streamGenerateContent"
    if framing == "sse":
        recorded = known(recordings, GEMINI, stream=True, fidelity=ALL)
        streams = [[data for _, data in events_of(r["sse"])] for r in recorded if "sse" in r]
        texts = played("gemini", f"{path}?alt=sse", GOOGLE)
        assert all(text.endswith("\r\n\r\n") and "event:" not in text for text in texts)
        made = [[data for _, data in events_of(text)] for text in texts]
    else:
        streams = [r["body"] for r in known(recordings, GEMINI, stream=True) if isinstance(r.get("body"), list)]
        made = [json.loads(text) for text in played("gemini", path, GOOGLE)]
    streams = [stream for stream in streams if all(chunk.get("candidates") for chunk in stream)]
    chunks = [[chunk for stream in each for chunk in stream] for each in (made, streams)]
    if framing == "sse":  # few arrays were recorded
        compare(*chunks, opaque=ARGS)
        allowed = set().union(*(steps(stream, gemini_step) for stream in streams))
        assert set().union(*(steps(stream, gemini_step) for stream in made)) - allowed == set()
    else:
        assert {type(chunk) for chunk in chunks[0]} == {type(chunk) for chunk in chunks[1]}


def test_counts_and_errors_of_contents(recordings):
    counts = [r["response"]["body"] for r in records(recordings, "google__gemini-countTokens.jsonl.gz", ALL)]
    provider = SimProvider(name="sim", dialect="gemini", models=(SimModel(name="sim-1"),), api_key="secret")
    with running(Script(providers=(provider,))) as sim:
        path = "/v1beta/models/sim-1:countTokens?key=secret"
        compare([json.loads(post(sim, path, CONTENTS))], counts)
        keyless, wrong, missing = "sim-1:generateContent", "sim-1:generateContent?key=x", "x:generateContent?key=secret"
        errors = [json.loads(post(sim, f"/v1/models/{each}", CONTENTS)) for each in (keyless, wrong, missing)]
    assert [body["error"]["code"] for body in errors] == [403, 400, 404]
    compare(errors, error_bodies(recordings, GEMINI))


# Embeddings


def test_embeddings(recordings):
    found = list(records(recordings, "openai__openai-embeddings.jsonl.gz", ALL))
    whole = [r["response"]["body"] for r in found if "error" not in r["features"]]
    with running(script("openai-chat")) as sim:
        body = {"model": "sim-1", "input": ["one", "two"]}
        made = [json.loads(post(sim, "/v1/embeddings", {**body, "encoding_format": f})) for f in ("float", "base64")]
        errors = [json.loads(post(sim, "/v1/embeddings", {**body, "model": "nobody"}))]
    compare(made, whole, steady=False)
    compare(made[:1], [body for body in whole if isinstance(body["data"][0]["embedding"], list)])
    compare(errors, error_bodies(recordings, "openai__openai-embeddings.jsonl.gz"))
