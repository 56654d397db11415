"""The simulator as OpenAI's own client meets it at `/responses`."""

from __future__ import annotations

import json

import msgspec
import openai
import pytest
from jsonschema import validate

from pointsman.testing import Script, SimModel, SimProvider, Simulator

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}
CLOCK = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}, "strict": False}


def script(**model) -> Script:
    models = (msgspec.convert({"name": "sim-1", **model}, SimModel),)
    return Script(providers=(SimProvider(name="sim", dialect="openai-responses", models=models),))


def ask(client, said="hello", **more):
    return client.responses.create(**{"model": "sim-1", "input": said} | more)


async def streamed(client, said="hello", **more):
    """The events, and the response that the last one holds."""
    events = [event async for event in await ask(client, said, stream=True, **more)]
    return events, events[-1].response


async def test_whole_and_streamed_answers_are_one_and_the_same(client_of):
    async with Simulator(script()) as sim:
        client = client_of(sim.url_of("sim"))
        whole = await ask(client)
        events, response = await streamed(client)
        async with client.responses.stream(model="sim-1", input="hello") as stream:
            put_together = await stream.get_final_response()
    assert whole.output_text == response.output_text == put_together.output_text
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
    assert whole.usage.output_tokens == response.usage.output_tokens == 24
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"


async def test_tools_are_called_with_results_sent_back(client_of):
    async with Simulator(script()) as sim:
        client = client_of(sim.url_of("sim"))
        whole = await ask(client, "use get_weather and get_time", tools=[WEATHER, CLOCK])
        events, response = await streamed(client, "use get_weather and get_time", tools=[WEATHER, CLOCK])
        calls = [item for item in whole.output if item.type == "function_call"]
        assert [item.arguments for item in response.output] == [call.arguments for call in calls]
        validate(json.loads(calls[0].arguments), SCHEMA)
        results = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in calls]
        answer = await ask(
            client, [{"role": "user", "content": "get_weather"}, *whole.output, *results], tools=[WEATHER]
        )
        forced = await ask(client, tools=[CLOCK, WEATHER], tool_choice={"type": "function", "name": "get_weather"})
        single = await ask(client, "get_weather get_time", tools=[WEATHER, CLOCK], parallel_tool_calls=False)
        with pytest.raises(openai.BadRequestError, match="No tool call found"):
            await ask(client, results)
        reference = {"type": "item_reference", "id": calls[0].id}
        assert (await ask(client, [reference, results[0]], tools=[WEATHER])).output_text == "The tool says: rain"
        with pytest.raises(openai.NotFoundError, match="not persisted"):
            await ask(client, [reference, results[0]], store=False)
    assert {event.output_index for event in events if event.type == "response.output_item.added"} == {0, 1}
    assert answer.output_text == "The tool says: rain"
    assert forced.output[0].name == "get_weather"
    assert len(single.output) == 1


async def test_thoughts_are_summed_up_or_sealed_as_asked(client_of):
    async with Simulator(script(thinking={"tokens": 5})) as sim:
        client = client_of(sim.url_of("sim"))
        bare = await ask(client)
        events, response = await streamed(client, reasoning={"effort": "low", "summary": "auto"})
        sealed = await ask(client, include=["reasoning.encrypted_content"], store=False)
        history = [{"role": "user", "content": "hello"}, *sealed.output, {"role": "user", "content": "and?"}]
        await ask(client, history, store=False)
        for change, error in (
            ({"encrypted_content": "gAAAAAsomeoneelses"}, openai.BadRequestError),
            ({"encrypted_content": None}, openai.NotFoundError),
        ):
            history[1] = {**sealed.output[0].model_dump(), **change}
            with pytest.raises(error):
                await ask(client, history, store=False)
    assert [item.type for item in bare.output] == ["reasoning", "message"]
    assert bare.output[0].summary == []
    assert bare.output[0].encrypted_content is None
    assert bare.usage.output_tokens_details.reasoning_tokens == 5
    assert len(response.output[0].summary[0].text.split()) == 5
    assert sum(event.type == "response.reasoning_summary_text.delta" for event in events) == 5


async def test_structured_output_limits_and_counts(client_of):
    form = {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA, "strict": True}}
    async with Simulator(script()) as sim:
        client = client_of(sim.url_of("sim"))
        validate(json.loads((await ask(client, text=form)).output_text), SCHEMA)
        short = await ask(client, max_output_tokens=16)
        events, response = await streamed(client, max_output_tokens=16)
        counted = await client.responses.input_tokens.count(model="sim-1", input="hello")
        assert [model.id async for model in client.models.list()] == ["sim-1"]
    assert short.status == response.status == "incomplete"
    assert short.incomplete_details.reason == "max_output_tokens"
    assert events[-1].type == "response.incomplete"
    assert counted.input_tokens == short.usage.input_tokens


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"model": "nobody"}, "model_not_found"),
        ({"previous_response_id": "resp_1"}, "previous_response_not_found"),
        ({"max_output_tokens": 5}, "invalid_value"),
        ({"input": [{"type": "function_call", "call_id": "x" * 65}]}, "string_above_max_length"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "invalid_value"),
        ({"input": [3]}, "invalid_type"),
    ],
)
async def test_wrong_requests_are_refused(client_of, body, code):
    async with Simulator(script()) as sim:
        with pytest.raises(openai.BadRequestError) as refused:
            await ask(client_of(sim.url_of("sim")), **body)
    assert refused.value.code == code


async def test_a_stream_can_fail_and_can_lack_its_end(client_of):
    async with Simulator(script()) as sim:
        client = client_of(sim.url_of("sim"))
        sim.inject("error_in_stream")
        events, response = await streamed(client)
        sim.inject("no_end")
        cut = [event.type async for event in await ask(client, stream=True)]
    assert events[-1].type == "response.failed"
    assert response.error.code == "server_error"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert cut[-1] == "response.output_item.done"


async def test_one_provider_speaks_two_dialects_on_their_paths(client_of):
    provider = SimProvider(name="sim", also=("openai-responses",), models=(SimModel(name="sim-1"),))
    async with Simulator(Script(providers=(provider,))) as sim:
        client = client_of(sim.base_url)
        chat = await client.chat.completions.create(model="sim-1", messages=[{"role": "user", "content": "hello"}])
        response = await ask(client)
        assert [entry.surface for entry in sim.journal] == ["chat", "responses"]
    assert chat.choices[0].message.content == response.output_text
