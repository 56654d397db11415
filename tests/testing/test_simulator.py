"""The simulator as a client meets it: the openai SDK over a real socket."""

from __future__ import annotations

import asyncio
import json
import time

import openai
import pytest
import uvloop
from jsonschema import validate

from pointsman.core.errors import ConfigError
from pointsman.core.model import Price
from pointsman.core.money import picos_per_token
from pointsman.core.usage import Usage
from pointsman.testing import (
    FaultRule,
    Outage,
    Quota,
    Script,
    SimModel,
    SimProvider,
    Simulator,
    builtin_bank,
    one_model,
    running,
)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2, "maximum": 5}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


def say(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def ask(client, text="hello", **more):
    return await client.chat.completions.create(**({"model": "sim-1", "messages": say(text)} | more))


async def chunks(client, text="hello", **more):
    stream = await ask(client, text, stream=True, **more)
    return [chunk async for chunk in stream]


def text_of(stream) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


async def test_the_same_prompt_gets_the_same_answer_whole_and_streamed_from_every_simulator(client_of):
    seen = set()
    for _ in range(2):
        async with Simulator() as sim:
            client = client_of(sim.base_url)
            await ask(client, "something else first")
            seen.add((await ask(client, "tell me")).choices[0].message.content)
            seen.add(text_of(await chunks(client, "tell me")))
    assert len(seen) == 1
    assert len(seen.pop().split()) == 24


async def test_another_seed_or_model_or_prompt_gives_another_answer(client_of):
    seen = []
    for seed in (1, 2):
        models = (SimModel(name="a"), SimModel(name="b"))
        async with Simulator(Script(seed=seed, providers=(SimProvider(name="p", models=models),))) as sim:
            client = client_of(sim.base_url)
            seen += [
                (await ask(client, text, model=model)).choices[0].message.content
                for model in "ab"
                for text in ("x", "y")
            ]
    assert len(set(seen)) == 8


async def test_a_known_question_is_answered_by_quality_and_always_alike(client_of):
    model = {"quality": {"facts": 1.0, "math": 0.5}}
    async with Simulator(one_model(**model)) as sim:
        client = client_of(sim.base_url)
        answer = await ask(client, "Think well.\nWhat is the capital of France?")
        assert answer.choices[0].message.content == "The capital is Paris."
        sums = [question for question in builtin_bank() if question.task == "math"]
        first = [(await ask(client, question.prompt)).choices[0].message.content for question in sums]
        again = [(await ask(client, question.prompt)).choices[0].message.content for question in sums]
    assert first == again
    right = sum(question.answer == given for question, given in zip(sums, first, strict=True))
    assert 15 <= right <= 45


async def test_max_tokens_cuts_with_length_and_is_billed_so(client_of):
    async with Simulator() as sim:
        answer = await ask(client_of(sim.base_url), max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 5


async def test_a_forced_tool_is_called_with_arguments_of_its_schema(client_of):
    async with Simulator() as sim:
        client = client_of(sim.base_url)
        required = await ask(client, tools=[WEATHER], tool_choice="required")
        named = await ask(
            client, tools=[CLOCK, WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}}
        )
    assert required.choices[0].finish_reason == "tool_calls"
    assert required.choices[0].message.content is None
    assert named.choices[0].finish_reason == "stop"  # as OpenAI does
    for answer in (required, named):
        call = answer.choices[0].message.tool_calls[0]
        assert call.function.name == "get_weather"
        validate(json.loads(call.function.arguments), WEATHER["function"]["parameters"])


async def test_a_prompt_that_names_two_tools_gets_two_calls_streamed_as_fragments(client_of):
    async with Simulator() as sim:
        client = client_of(sim.base_url)
        stream = await chunks(client, "use get_weather and get_time", tools=[WEATHER, CLOCK])
        single = await ask(client, "use get_weather, get_time", tools=[WEATHER, CLOCK], parallel_tool_calls=False)
        none = await ask(client, "use get_weather", tools=[WEATHER], tool_choice="none")
    pieces: dict[int, str] = {}
    for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or ():
            pieces[call.index] = pieces.get(call.index, "") + call.function.arguments
    assert set(pieces) == {0, 1}
    validate(json.loads(pieces[0]), WEATHER["function"]["parameters"])
    assert json.loads(pieces[1]) == {}
    assert stream[-1].choices[0].finish_reason == "tool_calls"
    assert len(single.choices[0].message.tool_calls) == 1
    assert none.choices[0].message.tool_calls is None


async def test_after_a_tool_result_the_model_answers_with_it(client_of):
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    history = [
        *say("use get_weather"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    async with Simulator() as sim:
        answer = await ask(client_of(sim.base_url), messages=history, tools=[WEATHER])
    assert answer.choices[0].message.content == "The tool says: sunny"


async def test_a_json_schema_is_answered_with_valid_json(client_of):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
        "required": ["name", "tags"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    async with Simulator() as sim:
        client = client_of(sim.base_url)
        whole = (await ask(client, response_format=form)).choices[0].message.content
        assert whole == text_of(await chunks(client, response_format=form))
        assert json.loads((await ask(client, response_format={"type": "json_object"})).choices[0].message.content) == {}
    validate(json.loads(whole), schema)


async def test_several_choices_logprobs_and_reasoning(client_of):
    async with Simulator(one_model(thinking={"tokens": 4, "field": "reasoning"})) as sim:
        client = client_of(sim.base_url)
        answer = await ask(client, n=3, logprobs=True, top_logprobs=2)
        stream = await chunks(client)
    assert len({choice.message.content for choice in answer.choices}) == 3
    for choice in answer.choices:
        assert "".join(item.token for item in choice.logprobs.content) == choice.message.content
        assert all(len(item.top_logprobs) == 2 for item in choice.logprobs.content)
        assert len(choice.message.reasoning.split()) == 4
    assert answer.usage.completion_tokens_details.reasoning_tokens == 12
    thought = [chunk.choices[0].delta.model_extra.get("reasoning") for chunk in stream]
    assert len([piece for piece in thought if piece]) == 4


async def test_usage_in_streams_comes_when_asked_and_as_the_model_is_set(client_of):
    options = {"include_usage": True}
    for mode, asked, unasked in (("asked", 1, 0), ("always", 1, 1), ("never", 0, 0)):
        async with Simulator(one_model(stream_usage=mode)) as sim:
            client = client_of(sim.base_url)
            assert sum(chunk.usage is not None for chunk in await chunks(client, stream_options=options)) == asked
            assert sum(chunk.usage is not None for chunk in await chunks(client)) == unasked
    async with Simulator(one_model(stream_usage="refused")) as sim:
        with pytest.raises(openai.BadRequestError) as refused:
            await chunks(client_of(sim.base_url), stream_options=options)
    assert refused.value.param == "stream_options"


async def test_a_repeated_beginning_is_cached_until_its_time_is_up(client_of, clock):
    long = "All trains stop here. " * 400
    async with Simulator(one_model(price={"input": 2, "output": 8, "cached_input": 0.5}), clock=clock) as sim:
        client = client_of(sim.base_url)
        cached = []
        for text in ("one", "two"):
            answer = await ask(client, long + text)
            cached.append(answer.usage.prompt_tokens_details.cached_tokens)
        usage = Usage(input=answer.usage.prompt_tokens, output=answer.usage.completion_tokens, cache_read=cached[1])
        price = Price(input=picos_per_token(2), output=picos_per_token(8), cache_read=picos_per_token(0.5))
        assert sim.journal[-1].cost == price.cost(usage)
        clock.forward(301)
        late = await ask(client, long + "three")
    assert cached[0] == 0
    assert 2048 <= cached[1] <= answer.usage.prompt_tokens
    assert late.usage.prompt_tokens_details.cached_tokens == 0


async def test_old_completions_whole_and_streamed(client_of):
    async with Simulator() as sim:
        client = client_of(sim.base_url)
        whole = await client.completions.create(model="sim-1", prompt="hello", max_tokens=6)
        stream = await client.completions.create(model="sim-1", prompt="hello", max_tokens=6, stream=True)
        streamed = [chunk async for chunk in stream]
    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in streamed)
    assert whole.choices[0].finish_reason == streamed[-1].choices[0].finish_reason == "length"


async def test_providers_are_found_by_path_by_port_and_by_model(client_of):
    providers = (
        SimProvider(name="one", models=(SimModel(name="a"),)),
        SimProvider(name="two", models=(SimModel(name="b"),), own_port=True, api_key="secret"),
    )
    async with Simulator(Script(providers=providers)) as sim:
        assert [m.id async for m in client_of(sim.base_url).models.list()] == ["a", "b"]
        assert [m.id async for m in client_of(sim.url_of("one")).models.list()] == ["a"]
        own = client_of(sim.url_of("two"), key="secret")
        assert (await own.models.retrieve("b")).id == "b"
        await ask(own, model="b")
        await ask(client_of(sim.base_url, key="secret"), model="b")
        await ask(client_of(sim.base_url), model="a")
        assert [entry.provider for entry in sim.journal if entry.model] == ["two", "two", "one"]
        with pytest.raises(openai.AuthenticationError):
            await ask(client_of(sim.url_of("two"), key="wrong"), model="b")
        with pytest.raises(openai.NotFoundError) as unknown:
            await ask(client_of(sim.url_of("one")), model="b")
    assert unknown.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("model", "body", "code"),
    [
        ({"context": 10}, {"messages": say("x" * 100)}, "context_length_exceeded"),
        ({"refuses": ["temperature"]}, {"temperature": 0.5}, "unsupported_parameter"),
        ({"tools": False}, {"tools": [WEATHER]}, "unsupported_parameter"),
        ({}, {"messages": []}, "missing_required_parameter"),
        ({}, {"messages": [3]}, "invalid_type"),
        ({}, {"stream_options": {"include_usage": True}}, "invalid_value"),
        (
            {"vision": False},
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
            "invalid_value",
        ),
    ],
)
async def test_wrong_requests_are_refused_as_a_provider_refuses_them(client_of, model, body, code):
    async with Simulator(one_model(**model)) as sim:
        with pytest.raises(openai.BadRequestError) as refused:
            await ask(client_of(sim.base_url), **body)
    assert refused.value.code == code


async def test_a_quota_answers_429_with_the_true_wait(client_of, clock):
    async with Simulator(one_model(quota={"rpm": 2, "tpm": 1000}), clock=clock) as sim:
        client = client_of(sim.base_url)
        await ask(client)
        second = await client.chat.completions.with_raw_response.create(model="sim-1", messages=say("hello"))
        assert second.headers["x-ratelimit-remaining-requests"] == "0"
        with pytest.raises(openai.RateLimitError) as limited:
            await ask(client)
        wait = int(limited.value.response.headers["retry-after-ms"]) / 1000
        assert wait == pytest.approx(30, abs=0.1)
        assert limited.value.response.headers["retry-after"] == "30"
        clock.forward(wait + 0.01)
        await ask(client)


async def test_latency_and_pace_are_kept(client_of):
    script = one_model(first_token=0.15, pace={"events_per_second": 50}, output_tokens=11)
    async with Simulator(script) as sim:
        client = client_of(sim.base_url)
        began = time.perf_counter()
        stream = await ask(client, stream=True)
        at = [time.perf_counter() - began async for chunk in stream if chunk.choices and chunk.choices[0].delta.content]
        began = time.perf_counter()
        await ask(client)
        whole = time.perf_counter() - began
    assert len(at) == 11
    assert 0.14 < at[0] < 0.5
    assert 0.34 < at[-1] < 1.1, "from the start: a busy machine may see the first one late"
    assert at[-1] - at[0] > 0.1
    assert 0.36 < whole < 0.9


async def test_an_outage_follows_the_clock_that_was_handed_in(client_of, clock):
    outages = (Outage(start=60, end=120), Outage(start=200, end=300, fault="overloaded"))
    provider = SimProvider(name="p", models=(SimModel(name="sim-1"),), outages=outages)
    async with Simulator(Script(providers=(provider,)), clock=clock) as sim:
        client = client_of(sim.base_url)
        seen = []
        for _ in range(6):
            try:
                await ask(client)
                seen.append(200)
            except openai.APIStatusError as error:
                seen.append(error.status_code)
            clock.forward(50)
    assert seen == [200, 200, 503, 200, 529, 529]


async def test_an_own_port_refuses_connections_and_comes_back(client_of, clock):
    provider = SimProvider(
        name="p", models=(SimModel(name="sim-1"),), own_port=True, outages=(Outage(start=10, end=20, fault="refused"),)
    )
    async with Simulator(Script(providers=(provider,)), clock=clock) as sim:
        client = client_of(sim.url_of("p"))
        await ask(client)
        url = sim.url_of("p")
        clock.forward(15)
        await sim.tick()
        with pytest.raises(openai.APIConnectionError):
            await ask(client)
        clock.forward(15)
        await sim.tick()
        await ask(client)
        sim.refuse("p")
        await sim.tick()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].split("/")[0]))
        sim.accept("p")
        await sim.tick()
        await ask(client)
        assert sim.url_of("p") == url


async def test_the_journal_knows_who_hung_up_and_is_bounded(client_of):
    script = Script(journal=3, providers=one_model(pace={"events_per_second": 50}, output_tokens=500).providers)
    async with Simulator(script) as sim:
        client = client_of(sim.base_url)
        stream = await ask(client, "please hang up", stream=True)
        async for _ in stream:
            break
        await stream.close()
        async with asyncio.timeout(3):
            while not sim.journal[-1].hung_up:  # noqa: ASYNC110 - nothing to wait on but the far end of a socket
                await asyncio.sleep(0.01)
        entry = sim.journal[-1]
        assert entry.json()["messages"][0]["content"] == "please hang up"
        assert entry.received <= entry.answered < entry.hung_up
        assert entry.finished == 0
        assert 0 < entry.sent < 500
        for _ in range(4):
            await client.models.list()
        assert len(sim.journal) == 3
        assert sim.journal.requests == 5


async def test_probabilities_are_drawn_the_same_in_every_run(client_of):
    runs = []
    for _ in range(2):
        async with Simulator(one_model(faults=[{"fault": "server_error", "probability": 0.3}])) as sim:
            client = client_of(sim.base_url)
            for _ in range(40):
                try:
                    await ask(client)
                except openai.InternalServerError:
                    continue
            runs.append([entry.fault for entry in sim.journal])
    assert runs[0] == runs[1]
    assert 4 <= runs[0].count("server_error") <= 22


async def test_rules_can_be_limited_to_the_first_requests_and_to_streams(client_of):
    rules = (FaultRule(fault="overloaded", skip=1, first=1), FaultRule(fault="empty", only="stream"))
    provider = SimProvider(name="p", models=(SimModel(name="sim-1"),), faults=rules)
    async with Simulator(Script(providers=(provider,))) as sim:
        client = client_of(sim.base_url)
        await ask(client)
        with pytest.raises(openai.InternalServerError):
            await ask(client)
        assert (await ask(client)).choices[0].message.content
        assert text_of(await chunks(client)) == ""


def test_a_script_with_an_unknown_fault_or_dialect_is_refused():
    with pytest.raises(ConfigError, match="no fault is called 'flood'"):
        Simulator(one_model(faults=[{"fault": "flood"}]))
    with pytest.raises(ConfigError, match="does not speak 'morse'"):
        Simulator(Script(providers=(SimProvider(name="p", dialect="morse"),)))


def test_quota_of_a_provider_counts_over_its_models_and_runs_in_a_thread():
    models = (SimModel(name="a"), SimModel(name="b"))
    with (
        running(Script(providers=(SimProvider(name="p", models=models, quota=Quota(rpm=2)),))) as sim,
        openai.OpenAI(base_url=sim.base_url, api_key="any", max_retries=0) as client,
    ):
        for model in "ab":
            client.chat.completions.create(model=model, messages=say("x"))
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="a", messages=say("x"))


async def test_the_seed_decides_latencies_too(client_of):
    times = []
    for seed in (1, 1, 2):
        latency = {"kind": "normal", "mean": 0.05, "sd": 0.03}
        script = Script(seed=seed, providers=one_model(total=latency).providers)
        async with Simulator(script) as sim:
            for _ in range(4):
                await ask(client_of(sim.base_url))
            times.append([round((entry.finished - entry.received) / 1e9, 2) for entry in sim.journal])
    gaps = [sum(abs(a - b) for a, b in zip(times[0], other, strict=True)) for other in times[1:]]
    assert gaps[0] < gaps[1]


def test_ports_close_and_open_again_under_uvloop():
    async def scenario() -> list[bool]:
        provider = SimProvider(name="p", models=(SimModel(name="sim-1"),), own_port=True)
        seen = []
        async with Simulator(Script(providers=(provider,))) as sim:
            port = int(sim.url_of("p").split(":")[2].split("/")[0])
            for action in (sim.accept, sim.refuse, sim.accept, sim.refuse):
                action("p")
                await sim.tick()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    seen.append(False)
                else:
                    seen.append(True)
                    writer.close()
        return seen

    with asyncio.Runner(loop_factory=uvloop.Loop) as runner:
        assert runner.run(scenario()) == [True, False, True, False]
