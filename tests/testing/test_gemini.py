"""The simulator as Google's own client meets it."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager

import msgspec
import pytest
from google import genai
from google.genai import errors, types
from jsonschema import validate

from pointsman.testing import Script, SimModel, SimProvider, Simulator, running

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
}
WEATHER = types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
CLOCK = types.FunctionDeclaration(name="get_time")
ASK_TOOLS = "use get_weather and get_time"


def script(**model) -> Script:
    models = (msgspec.convert({"name": "sim-1", **model}, SimModel),)
    return Script(providers=(SimProvider(name="sim", dialect="gemini", models=models),))


@contextmanager
def played(version="v1beta", key="any", script=None, **model):
    """A simulator and Google's client for it."""
    with running(script or globals()["script"](**model)) as sim:
        root = sim.url_of("sim").removesuffix("/v1beta")
        options = types.HttpOptions(base_url=root, api_version=version, timeout=5000)
        with genai.Client(api_key=key, vertexai=False, http_options=options) as client:
            yield sim, client


def ask(client, contents="hello", **config):
    return client.models.generate_content(model="sim-1", contents=contents, config=config)


def streamed(client, contents="hello", **config):
    return list(client.models.generate_content_stream(model="sim-1", contents=contents, config=config))


def tools(*functions):
    off = types.AutomaticFunctionCallingConfig(disable=True)
    return {"tools": [types.Tool(function_declarations=list(functions))], "automatic_function_calling": off}


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_whole_and_streamed_answers_are_one_and_the_same(version):
    with played(version) as (_, client):
        whole, chunks = ask(client), streamed(client)
    assert whole.text == "".join(chunk.text or "" for chunk in chunks)
    assert len(whole.text.split()) == 24
    assert whole.usage_metadata.candidates_token_count == chunks[-1].usage_metadata.candidates_token_count == 24
    assert [chunk.candidates[0].finish_reason for chunk in chunks][-2:] == [None, "STOP"]


def test_tools_are_called_with_results_sent_back():
    with played() as (_, client):
        offered = tools(WEATHER, CLOCK)
        whole = ask(client, ASK_TOOLS, **offered)
        calls = [call for chunk in streamed(client, ASK_TOOLS, **offered) for call in chunk.function_calls or ()]
        assert [call.args for call in calls] == [call.args for call in whole.function_calls]
        validate(calls[0].args, SCHEMA)
        assert whole.candidates[0].finish_reason == "STOP"
        results = [types.Part.from_function_response(name=call.name, response={"result": "rain"}) for call in calls]
        asked = types.UserContent(ASK_TOOLS)
        answer = ask(client, [asked, whole.candidates[0].content, types.UserContent(results)], **offered)
        forced = {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_weather"]}}
        named = ask(client, **offered, tool_config=forced)
        with pytest.raises(errors.ClientError, match="number of function response parts"):
            ask(client, [asked, whole.candidates[0].content, types.UserContent(results[:1])], **offered)
    assert answer.text == "The tool says: rain"
    assert [call.name for call in named.function_calls] == ["get_weather"]
    assert named.function_calls[0].id is None


def test_thoughts_are_shown_when_asked_and_calls_have_to_come_back_signed():
    with played(thinking={"tokens": 5}) as (_, client):
        bare = ask(client)
        chunks = streamed(client, thinking_config={"include_thoughts": True})
        called = ask(client, "get_weather", **tools(WEATHER))
        turn = called.candidates[0].content
        reply = types.Part.from_function_response(name="get_weather", response={"result": "rain"})
        history = [types.UserContent("get_weather"), turn, types.UserContent([reply])]
        assert ask(client, history, **tools(WEATHER)).text == "The tool says: rain"
        turn.parts[0].thought_signature = None
        with pytest.raises(errors.ClientError, match="missing a thought_signature"):
            ask(client, history, **tools(WEATHER))
        ask(client, [*history, types.ModelContent("fine"), types.UserContent("and now?")], **tools(WEATHER))
    assert [part.thought for part in bare.candidates[0].content.parts] == [None]
    assert bare.usage_metadata.thoughts_token_count == 5
    assert len(chunks[0].candidates[0].content.parts[0].text.split()) == 5
    assert chunks[0].candidates[0].content.parts[0].thought
    assert chunks[-1].candidates[0].content.parts[0].thought_signature
    assert called.function_calls[0].id


def test_structured_output_candidates_limits_models_and_counts():
    with played() as (_, client):
        as_json = {"response_mime_type": "application/json"}
        for form in ({"response_json_schema": SCHEMA}, {"response_schema": types.Schema.model_validate(SCHEMA)}):
            validate(json.loads(ask(client, **as_json, **form).text), SCHEMA)
        several = ask(client, candidate_count=3)
        short = ask(client, max_output_tokens=5)
        counted = client.models.count_tokens(model="sim-1", contents="hello")
        assert [model.name for model in client.models.list()] == ["models/sim-1"]
        assert client.models.get(model="sim-1").input_token_limit == 128_000
    assert len({candidate.content.parts[0].text for candidate in several.candidates}) == 3
    assert (short.candidates[0].finish_reason, short.usage_metadata.candidates_token_count) == ("MAX_TOKENS", 5)
    assert counted.total_tokens == short.usage_metadata.prompt_token_count


def post(sim: Simulator, path: str, body: object, headers: dict[str, str] | None = None) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=5)
    data = body if isinstance(body, bytes) else json.dumps(body)
    connection.request("POST", path, data, headers or {})
    response = connection.getresponse()
    found = response.status, response.headers["content-type"], response.read().decode()
    connection.close()
    return found


SAY = {"contents": [{"parts": [{"text": "hello"}]}]}


def test_a_stream_without_alt_is_one_json_array_also_when_it_fails():
    with running(script()) as sim:
        _, kind, text = post(sim, "/v1beta/models/sim-1:streamGenerateContent", SAY)
        sim.inject("error_in_stream", after=2)
        _, _, broken = post(sim, "/v1beta/models/sim-1:streamGenerateContent", SAY)
        _, _, refused = post(sim, "/v1beta/models/nobody:streamGenerateContent", SAY)
        status, _, plain = post(sim, "/v1beta/models/nobody%3AstreamGenerateContent?alt=sse", SAY)
    assert kind.startswith("application/json")
    assert len(json.loads(text)) == 25
    assert json.loads(broken)[2]["error"]["status"] == "INTERNAL"
    assert json.loads(refused)[0]["error"]["status"] == "NOT_FOUND"
    assert (status, json.loads(plain)["error"]["code"]) == (404, 404)


def test_a_wrong_key_is_a_wrong_argument_and_a_key_may_stand_in_the_query():
    provider = SimProvider(name="sim", dialect="gemini", models=(SimModel(name="sim-1"),), api_key="secret")
    with running(Script(providers=(provider,))) as sim:
        path = "/v1/models/sim-1:generateContent"
        assert post(sim, f"{path}?key=secret", SAY)[0] == 200
        assert post(sim, path, SAY, {"x-goog-api-key": "secret"})[0] == 200
        status, _, text = post(sim, path, SAY, {"x-goog-api-key": "wrong"})
        none, _, words = post(sim, path, SAY)
    assert (status, json.loads(text)["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")
    assert (none, json.loads(words)["error"]["status"]) == (403, "PERMISSION_DENIED")


def test_a_quota_tells_the_wait_in_the_body(clock):
    provider = SimProvider(
        name="sim", dialect="gemini", models=(msgspec.convert({"name": "sim-1", "quota": {"rpm": 1}}, SimModel),)
    )
    with running(Script(providers=(provider,)), clock=clock) as sim:
        path = "/v1beta/models/sim-1:generateContent"
        post(sim, path, SAY)
        status, _, text = post(sim, path, SAY)
    error = json.loads(text)["error"]
    assert (status, error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["details"][0]["retryDelay"] == "60s"


def declared(schema: object) -> dict[str, object]:
    return {**SAY, "tools": [{"functionDeclarations": [{"name": "f", "parameters": schema}]}]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "Invalid JSON payload"),
        ({}, "contents is not specified"),
        ({**SAY, "messages": []}, 'Unknown name "messages"'),
        (declared({"type": "OBJECT", "additionalProperties": False}), 'Unknown name "additionalProperties"'),
        (declared({"type": ["string", "null"]}), 'Unknown name "type"'),
        ({**SAY, "tools": [{"functionDeclarations": [{"name": "0f"}]}]}, "Invalid function name"),
        ({**SAY, "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["f"]}}}, "only for the mode ANY"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role: user, model"),
        ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
        ({**SAY, "generationConfig": {"responseSchema": {"type": "STRING"}}}, "response_mime_type"),
        ({**SAY, "generation_config": {"max_output_tokens": 0}}, "generation_config.max_output_tokens"),
        ({"contents": [3]}, "Invalid value"),
    ],
)
def test_wrong_requests_are_refused_in_googles_words(body, words):
    with running(script()) as sim:
        status, _, text = post(sim, "/v1beta/models/sim-1:generateContent", body)
    assert status == 400
    assert words in json.loads(text)["error"]["message"]


def test_broken_arguments_are_a_malformed_call_and_an_empty_answer_has_no_parts():
    with played() as (sim, client):
        sim.inject("broken_arguments", times=3)
        for answer in (ask(client, **tools(WEATHER)), streamed(client, **tools(WEATHER))[-1]):
            assert answer.candidates[0].finish_reason == "MALFORMED_FUNCTION_CALL"
        _, _, text = post(sim, "/v1/models/sim-1:generateContent", declared({"type": "OBJECT"}))
        assert json.loads(text)["candidates"][0]["finishMessage"].startswith("Malformed function call: f(")
        sim.inject("empty")
        assert ask(client).candidates[0].content.parts is None
