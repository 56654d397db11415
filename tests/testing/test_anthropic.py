"""The simulator as Anthropic's own client meets it."""

from __future__ import annotations

import json

import anthropic
import msgspec
import pytest
from jsonschema import validate

from pointsman.core.model import Price
from pointsman.core.money import picos_per_token
from pointsman.core.usage import Usage
from pointsman.testing import Script, SimModel, SimProvider, Simulator

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
}
WEATHER = {"name": "get_weather", "input_schema": SCHEMA}
CLOCK = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}


def script(**model) -> Script:
    models = (msgspec.convert({"name": "sim-1", **model}, SimModel),)
    return Script(providers=(SimProvider(name="sim", dialect="anthropic-messages", models=models),))


@pytest.fixture
async def client_of():
    made = []

    def make(sim: Simulator, **more) -> anthropic.AsyncAnthropic:
        base_url = sim.url_of("sim").removesuffix("/v1")
        made.append(anthropic.AsyncAnthropic(base_url=base_url, max_retries=0, timeout=5, **{"api_key": "any"} | more))
        return made[-1]

    yield make
    for client in made:
        await client.close()


def ask(client, text="hello", **more):
    messages = [{"role": "user", "content": text}]
    return client.messages.create(**{"model": "sim-1", "max_tokens": 4096, "messages": messages} | more)


async def streamed(client, text="hello", **more):
    """The message that the SDK puts together of a stream, and the events' types."""
    messages = [{"role": "user", "content": text}]
    options = {"model": "sim-1", "max_tokens": 4096, "messages": messages} | more
    async with client.messages.stream(**options) as stream:
        kinds = [event.type async for event in stream]
        return await stream.get_final_message(), kinds


async def test_whole_and_streamed_answers_are_one_and_the_same(client_of):
    async with Simulator(script()) as sim:
        whole = await ask(client_of(sim))
        message, kinds = await streamed(client_of(sim))
    assert whole.content[0].text == message.content[0].text
    assert len(whole.content[0].text.split()) == 24
    assert whole.stop_reason == message.stop_reason == "end_turn"
    assert whole.usage.output_tokens == message.usage.output_tokens == 24
    assert kinds.count("content_block_delta") == 24


async def test_tools_are_called_with_results_sent_back(client_of):
    async with Simulator(script()) as sim:
        client = client_of(sim)
        whole = await ask(client, "use get_weather and get_time", tools=[WEATHER, CLOCK])
        message, _ = await streamed(client, "use get_weather and get_time", tools=[WEATHER, CLOCK])
        assert [call.input for call in message.content] == [call.input for call in whole.content]
        assert whole.stop_reason == "tool_use"
        first, second = whole.content
        validate(first.input, SCHEMA)
        assert second.input == {}
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": word}
            for call, word in zip(whole.content, ("rain", "noon"), strict=True)
        ]
        history = [
            {"role": "user", "content": "use get_weather and get_time"},
            {"role": "assistant", "content": whole.content},
            {"role": "user", "content": results},
        ]
        answer = await ask(client, messages=history, tools=[WEATHER, CLOCK])
        forced = await ask(client, tools=[CLOCK, WEATHER], tool_choice={"type": "tool", "name": "get_weather"})
        alone = {"type": "auto", "disable_parallel_tool_use": True}
        single = await ask(client, "get_weather, get_time", tools=[WEATHER, CLOCK], tool_choice=alone)
    assert answer.content[0].text == "The tool says: noon"
    assert forced.stop_reason == "tool_use"
    assert forced.content[0].name == "get_weather"
    assert len(single.content) == 1


async def test_thoughts_come_when_asked_for_and_only_whole_back(client_of):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    async with Simulator(script(thinking={"tokens": 5})) as sim:
        client = client_of(sim)
        assert [block.type for block in (await ask(client)).content] == ["text"]
        message, kinds = await streamed(client, "get_weather", tools=[WEATHER], thinking=thinking)
        thought, call = message.content
        assert len(thought.thinking.split()) == 5
        assert "signature" in kinds
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain"}
        history = [
            {"role": "user", "content": "get_weather"},
            {"role": "assistant", "content": [thought, call]},
            {"role": "user", "content": [result]},
        ]
        await ask(client, messages=history, tools=[WEATHER], thinking=thinking)
        touched = {"type": "thinking", "thinking": f"{thought.thinking} not", "signature": thought.signature}
        for turn, words in (([touched, call], "Invalid `signature`"), ([call], "must start with a thinking block")):
            history[1] = {"role": "assistant", "content": turn}
            with pytest.raises(anthropic.BadRequestError, match=words):
                await ask(client, messages=history, tools=[WEATHER], thinking=thinking)
        with pytest.raises(anthropic.BadRequestError, match="forces tool use"):
            await ask(client, tools=[WEATHER], tool_choice={"type": "any"}, thinking=thinking)
    async with Simulator(script(thinking={"tokens": 5, "field": "hidden"})) as sim:
        hidden = await ask(client_of(sim), thinking=thinking)
    assert hidden.content[0].thinking == ""
    assert hidden.content[0].signature
    assert hidden.usage.output_tokens_details.thinking_tokens == 5


async def test_the_cache_keeps_what_is_marked_and_tells_it_apart(client_of):
    price = {"input": 2, "output": 8, "cached_input": 0.2, "cache_write": 2.5}
    long = [{"type": "text", "text": "All trains stop here. " * 400, "cache_control": {"type": "ephemeral"}}]
    unmarked = [{"type": "text", "text": long[0]["text"]}]
    async with Simulator(script(price=price)) as sim:
        client = client_of(sim)
        plain, first, again = [(await ask(client, system=system)).usage for system in (unmarked, long, long)]
        entry = sim.journal[-1]
    assert plain.cache_read_input_tokens == plain.cache_creation_input_tokens == 0
    assert first.cache_creation_input_tokens == again.cache_read_input_tokens > 1024
    assert first.cache_creation.ephemeral_5m_input_tokens == first.cache_creation_input_tokens
    assert plain.input_tokens == again.input_tokens + again.cache_read_input_tokens
    assert entry.input == plain.input_tokens
    usage = Usage(input=entry.input, cache_read=entry.cached, output=entry.output)
    rate = Price(input=picos_per_token(2), output=picos_per_token(8), cache_read=picos_per_token(0.2))
    assert entry.cost == rate.cost(usage)


async def test_structured_output_limits_models_and_counts(client_of):
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    async with Simulator(script()) as sim:
        client = client_of(sim)
        validate(json.loads((await ask(client, output_config=form)).content[0].text), SCHEMA)
        short = await ask(client, max_tokens=5)
        counted = await client.messages.count_tokens(model="sim-1", messages=[{"role": "user", "content": "hello"}])
        assert [model.id async for model in await client.models.list()] == ["sim-1"]
        assert (await client.models.retrieve("sim-1")).max_input_tokens == 128_000
    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 5)
    assert counted.input_tokens == short.usage.input_tokens


CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_time", "input": {}}]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "text content blocks"),
        ({"messages": [{"role": "system", "content": "x"}]}, "role 'system' is not supported"),
        ({"messages": [{"role": "user", "content": "x"}, CALL, {"role": "user", "content": "y"}]}, "without `tool_res"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t9", "content": "z"}]}]},
            "unexpected `tool_use_id`",
        ),
        ({"extra_body": {"temperature": 1.5}}, "temperature: range"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "should match pattern"),
        ({"tools": [{"name": "a", "input_schema": {}}]}, "input_schema.type: Field required"),
        ({"extra_body": {"parallel_tool_calls": False}}, "parallel_tool_calls: Extra inputs are not permitted"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "must be greater than"),
        ({"messages": 7}, "does not match the expected shape"),
    ],
)
async def test_wrong_requests_are_refused_in_anthropics_words(client_of, body, words):
    async with Simulator(script()) as sim:
        with pytest.raises(anthropic.BadRequestError, match=words):
            await ask(client_of(sim), **body)


async def test_errors_have_anthropics_shape_and_names(client_of):
    async with Simulator(script(context=10)) as sim:
        client = client_of(sim)
        with pytest.raises(anthropic.NotFoundError) as missing:
            await ask(client, model="nobody")
        with pytest.raises(anthropic.BadRequestError, match="prompt is too long: 30 tokens > 10 maximum"):
            await ask(client, "x" * 100)
        sim.inject("overloaded")
        with pytest.raises(anthropic.APIStatusError) as busy:
            await ask(client, "x")
    assert missing.value.body["error"] == {"type": "not_found_error", "message": "model: nobody"}
    assert busy.value.status_code == 529
    assert busy.value.body["error"]["type"] == "overloaded_error"


async def test_a_key_is_demanded_in_either_place(client_of):
    provider = SimProvider(name="sim", dialect="anthropic-messages", models=(SimModel(name="sim-1"),), api_key="secret")
    async with Simulator(Script(providers=(provider,))) as sim:
        await ask(client_of(sim, api_key="secret"))
        await ask(client_of(sim, api_key=None, auth_token="secret"))
        with pytest.raises(anthropic.AuthenticationError):
            await ask(client_of(sim, api_key="wrong"))


async def test_an_error_event_and_a_stream_without_an_end_reach_the_client(client_of):
    async with Simulator(script()) as sim:
        client = client_of(sim)
        sim.inject("error_in_stream")
        with pytest.raises(anthropic.APIStatusError, match="Internal server error"):
            await streamed(client)
        sim.inject("no_end")
        stream = await ask(client, stream=True)
        kinds = [event.type async for event in stream]
        sim.inject("no_done")
        almost = [event.type async for event in await ask(client, stream=True)]
    assert "message_delta" not in kinds
    assert almost[-1] == "message_delta"
