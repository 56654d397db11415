"""Calls through the whole line over real sockets: the vendor's SDK on one side, simulated providers on the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any

import openai
import pytest
import pytest_asyncio

from pointsman.core.outcome import Outcome
from pointsman.testing import FAULTS, Script, SimModel, SimProvider, Simulator, recital
from pointsman.testing.script import FaultRule, Pace

Serving = Callable[..., AbstractAsyncContextManager[Any]]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
RECITED = "Tell me of the line."
SHORT = "Tell me of the rail."  # for what comes slowly
LAID_DOWN = {RECITED: recital(RECITED, 14), SHORT: recital(SHORT, 3)}
ASK = [{"role": "user", "content": "What is the capital of France?"}]


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    fast = Pace(events_per_second=400)
    slow = SimModel(name="slow-1", pace=Pace(events_per_second=2))
    script = Script(
        providers=(
            SimProvider(
                name="one", own_port=True, models=(SimModel(name="small-1", pace=fast, answers=LAID_DOWN), slow)
            ),
            SimProvider(
                name="two",
                models=(SimModel(name="large-1", pace=fast, answers=LAID_DOWN), SimModel(name="free-1", pace=fast)),
            ),
        )
    )
    async with Simulator(script) as simulator:
        yield simulator


def config(sim: Simulator, **more: Any) -> dict[str, Any]:
    limits = {"connect": 1, "first_byte": 1.0, "between_bytes": 0.6, "total": 20}
    return {
        "providers": {
            "one": {"dialect": "openai-chat", "base_url": sim.url_of("one"), "timeouts": limits},
            "two": {"dialect": "openai-chat", "base_url": sim.url_of("two"), "timeouts": limits},
        },
        "models": {
            "small": {"provider": "one", "model": "small-1", "price": {"input": 0.15, "output": 0.6}},
            "large": {"provider": "two", "model": "large-1", "price": {"input": 5, "output": 25}},
            "unpriced": {"provider": "two", "model": "free-1"},
        },
        "routes": {"auto": {"pool": ["small", "large"]}, "alone": {"try": ["small"]}},
        **more,
    }


def client(served: Any, **more: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0, **more)


async def outcome(served: Any) -> Any:
    """The newest call, as the ledger has it."""
    assert await asyncio.to_thread(served.house.pieces.ledger.flush)
    questions = await asyncio.to_thread(served.house.questions)
    rows = await asyncio.to_thread(questions.calls, 1)
    return await asyncio.to_thread(questions.call, rows[0].id)


async def test_a_whole_answer_is_routed_priced_and_recorded(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        raw = await sdk.chat.completions.with_raw_response.create(model="auto", messages=ASK)
        answer = raw.parse()
        assert "Paris" in answer.choices[0].message.content
        headers = raw.headers
        assert headers["x-pointsman-model"] == "small"
        assert headers["x-pointsman-provider"] == "one"
        assert headers["x-pointsman-route"] == "auto"
        assert headers["x-pointsman-attempts"] == "1"
        assert headers["x-pointsman-decision"].startswith("cheapest; small")
        assert "pointsman;dur=" in headers["server-timing"]
        usage = answer.usage
        expected = (usage.prompt_tokens * Decimal("0.15") + usage.completion_tokens * Decimal("0.60")) / 1_000_000
        assert Decimal(headers["x-pointsman-cost-usd"]) == expected
        assert Decimal(str(usage.cost)) == expected
        kept = await outcome(served)
        assert kept.call.id == headers["x-request-id"]
        assert kept.call.cost == int(expected * 1_000_000_000)
        assert (kept.call.status, kept.call.route, kept.call.model) == ("ok", "auto", "small")
        assert [step.model for step in kept.decision.steps] == ["small", "large"]
        assert kept.request is None, "content is not stored unless it is switched on"


async def test_a_stream_arrives_event_by_event_with_its_cost_in_the_last_usage(
    sim: Simulator, serving: Serving
) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        stream = await sdk.chat.completions.create(
            model="auto", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert "Paris" in text
        assert chunks[-1].usage.cost > 0
        plain = await sdk.chat.completions.create(model="auto", messages=ASK, stream=True)
        hidden = [chunk async for chunk in plain]
        assert all(chunk.usage is None for chunk in hidden), "usage is asked for upstream, hidden if not asked for"
        kept = await outcome(served)
        assert kept.call.usage.output > 0
        assert kept.call.cost > 0
        assert kept.call.first_byte is not None


async def test_tools_schema_and_several_choices_pass(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        forced = await sdk.chat.completions.create(model="auto", messages=ASK, tools=[TOOL], tool_choice="required")
        call = forced.choices[0].message.tool_calls[0]
        assert call.function.name == "weather"
        assert "city" in json.loads(call.function.arguments)
        stream = await sdk.chat.completions.create(
            model="auto", messages=ASK, tools=[TOOL], tool_choice="required", stream=True
        )
        fragments = ""
        async for chunk in stream:
            for part in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
                fragments += part.function.arguments or ""
        assert "city" in json.loads(fragments)
        several = await sdk.chat.completions.create(model="auto", messages=ASK, n=3)
        assert len(several.choices) == 3


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", sorted(FAULTS.keys() - {"huge"}))  # megabytes: test_through_gateway.py
async def test_every_named_fault_of_a_provider_meets_what_a_caller_is_owed(
    sim: Simulator, serving: Serving, name: str, *, stream: bool
) -> None:
    fault = FAULTS[name]
    owed = fault.stream if stream else fault.whole
    if fault.kind in {"slow_first", "slow_token"}:  # five seconds, where this configuration waits for one
        owed = "next"
    asked = SHORT if name == "slow_drip" else RECITED
    sim.inject(name, provider="one", times=1)
    async with serving(config(sim)) as served, client(served) as sdk:
        error: openai.APIError | None = None
        text = ""
        try:
            raw = await sdk.chat.completions.with_raw_response.create(
                model="auto", messages=[{"role": "user", "content": asked}], stream=stream, timeout=15
            )
            if stream:
                async for chunk in raw.parse():
                    text += "".join(choice.delta.content or "" for choice in chunk.choices)
        except openai.APIError as raised:
            error = raised
        if error is not None:
            assert owed in ("refuse", "error"), f"{name}: the caller got {error}"
            if owed == "refuse":
                assert error.status_code == fault.status
        else:
            assert owed in ("next", "deliver", "error"), f"{name}: the caller should have got an error"
            first = owed == "deliver" or (owed == "error" and stream)  # who began a stream is named, who went on is not
            assert raw.headers["x-pointsman-model"] == ("small" if first else "large")
            assert int(raw.headers["x-pointsman-attempts"]) == (1 if first else 2)
            if stream and fault.kind not in {"empty", "huge"}:
                assert text == LAID_DOWN[asked], f"{name}: the text is whole, and nothing is in it twice"
        kept = await outcome(served)
        if owed == "next":
            assert [a.error != "" for a in kept.attempts] == [True, False]
            assert not kept.attempts[0].cost, "a failed attempt is not billed as an answer"
            said_no = kept.attempts[0].status >= 400 or kept.attempts[0].error == "upstream_refused"
            assert (kept.attempts[0].cost == 0) == said_no, "what broke on its way may have been made, and billed"
            assert kept.call.status == "ok"
        elif owed == "error":
            assert error is None, f"{name}: a stream of text is gone on with"
            assert [a.error != "" for a in kept.attempts] == [True, False]
            assert kept.attempts[0].usage.estimated, "what the caller had of it is counted, and marked as an estimate"
            assert kept.call.cost == sum(a.cost for a in kept.attempts)
            assert kept.call.status == "ok"
        elif owed == "refuse":
            assert kept.call.status == "refused"
            assert len(kept.attempts) == 1, "what cannot succeed is not tried elsewhere"
        still = await sdk.chat.completions.create(model="large", messages=ASK)
        assert still.choices, "the gateway lives"


@pytest.mark.parametrize(
    ("fault", "model", "status", "booked"),
    [
        ("bad_key", "small", 502, "failed"),
        ("forbidden", "small", 403, "failed"),
        ("model_gone", "small", 404, "failed"),
        ("model_gone", "one/small-9", 404, "refused"),
    ],
)
async def test_a_no_to_the_gateway_itself_is_not_the_callers_fault(
    sim: Simulator, serving: Serving, fault: str, model: str, status: int, booked: str
) -> None:
    sim.inject(fault, provider="one", times=9)
    async with serving(config(sim)) as served, client(served) as sdk:
        with pytest.raises(openai.APIStatusError) as caught:
            await sdk.chat.completions.create(model=model, messages=ASK)
        assert caught.value.status_code == status
        kept = await outcome(served)
        assert kept.call.status == booked
        assert kept.attempts[-1].status == FAULTS[fault].status
        if status == 502:
            assert "one turned down this gateway's key (401)" in str(caught.value)
            assert kept.call.error == "provider_account"
        raw = await sdk.chat.completions.with_raw_response.create(model="auto", messages=ASK)
        assert raw.headers["x-pointsman-model"] == "large", "another provider may have a better account"


async def test_a_closed_port_fails_over_and_all_dead_is_one_clear_error(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        sim.refuse("one")
        await sim.tick()
        raw = await sdk.chat.completions.with_raw_response.create(model="auto", messages=ASK)
        assert raw.headers["x-pointsman-model"] == "large"
        assert raw.headers["x-pointsman-decision"] == "cheapest; large; after small failed"
        sim.inject("server_error", provider="two", times=5)
        with pytest.raises(openai.InternalServerError) as caught:
            await sdk.chat.completions.create(model="auto", messages=ASK)
        text = str(caught.value)
        assert "small at one: connect_failed" in text
        assert "large at two: upstream_refused (500)" in text
        with pytest.raises(openai.InternalServerError) as alone:
            await sdk.chat.completions.create(model="alone", messages=ASK)
        assert alone.value.status_code in (502, 503), "503 once its breaker is open"


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, "invalid_json", None),
        (b"[]", 400, "invalid_request", None),
        (b'{"model": 5, "messages": []}', 400, "invalid_request", "model"),
        (b'{"model": "auto"}', 400, "invalid_request", "messages"),
        (b'{"model": "auto", "messages": "hi"}', 400, "invalid_request", "messages"),
        (b'{"model": "smal", "messages": [{"role":"user","content":"x"}]}', 404, "model_not_found", "model"),
        (b'{"model": "auto", "messages": [{"role":"user","content":"x"}], "stream": "yes"}', 400, "invalid_request",
         "stream"),
        (b'{"a":' * 100_000, 400, "invalid_json", None),
        (b'\xff\xfe{"model"', 400, "invalid_json", None),
    ],
)  # fmt: skip
async def test_a_wrong_request_is_a_clear_error_in_openais_shape(
    sim: Simulator, serving: Serving, body: bytes, status: int, code: str, param: str | None
) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        answer = await sdk._client.post(f"{served.url}/v1/chat/completions", content=body)
        assert answer.status_code == status
        error = answer.json()["error"]
        assert error["code"] == code
        assert error["param"] == param
        assert error["message"]
        assert error["pointsman"]["fault"] == "caller"
        assert answer.headers["x-request-id"]
        kept = await outcome(served)
        assert (kept.call.status, kept.call.error) == ("refused", code)


@pytest.mark.parametrize(
    ("header", "value", "words"),
    [
        ("x-pointsman-timeout", "0", "above 0 up to 3600"),
        ("x-pointsman-timeout", "soon", "above 0 up to 3600"),
        ("x-pointsman-retries", "-1", "from 0 up to 9"),
    ],
)
async def test_a_header_out_of_bounds_is_told_its_bounds(
    header: str, value: str, words: str, sim: Simulator, serving: Serving
) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        with pytest.raises(openai.BadRequestError, match=words):
            await sdk.chat.completions.create(model="auto", messages=ASK, extra_headers={header: value})


async def test_timeout_and_retries_can_be_set_by_header(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        sim.inject("silent", times=9)
        with pytest.raises(openai.APIStatusError) as caught:
            await sdk.chat.completions.create(model="auto", messages=ASK, extra_headers={"x-pointsman-timeout": "0.3"})
        assert caught.value.status_code == 504
        sim.reset()
        sim.inject("server_error", provider="one", times=1)
        with pytest.raises(openai.InternalServerError):
            await sdk.chat.completions.create(model="auto", messages=ASK, extra_headers={"x-pointsman-retries": "0"})
        sim.reset()
        await sdk.chat.completions.create(model="small", messages=ASK)
        sim.inject("server_error", provider="one", times=2)
        raw = await sdk.chat.completions.with_raw_response.create(
            model="alone", messages=ASK, extra_headers={"x-pointsman-retries": "2"}
        )
        assert raw.headers["x-pointsman-attempts"] == "3"
        with pytest.raises(openai.BadRequestError):
            await sdk.chat.completions.create(model="auto", messages=ASK, extra_headers={"x-pointsman-retries": "x"})


async def test_a_caller_that_leaves_is_settled_and_its_upstream_request_closed(
    sim: Simulator, serving: Serving
) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        stream = await sdk.chat.completions.create(model="one/slow-1", messages=ASK, stream=True)
        async for _ in stream:
            break
        await stream.close()
        for _ in range(100):
            await asyncio.sleep(0.02)
            if any(entry.hung_up for entry in sim.journal.of("one", "slow-1")):
                break
        assert any(entry.hung_up for entry in sim.journal.of("one", "slow-1")), "the provider saw us leave"
        kept = await outcome(served)
        assert kept.call.status == "cancelled"
        assert kept.call.usage.estimated


async def test_models_by_every_name(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        listed = [model.id async for model in await sdk.models.list()]
        assert listed == ["auto", "alone", "small", "large", "unpriced"]
        assert (await sdk.models.retrieve("small")).owned_by == "one"
        with pytest.raises(openai.NotFoundError):
            await sdk.models.retrieve("nix")
        for name in ("large", "two/large-1"):
            raw = await sdk.chat.completions.with_raw_response.create(model=name, messages=ASK)
            assert raw.headers["x-pointsman-provider"] == "two"
        for name in ("unpriced", "two/free-1"):
            raw = await sdk.chat.completions.with_raw_response.create(model=name, messages=ASK)
            assert "x-pointsman-cost-usd" not in raw.headers, "unknown is not free"
            assert "unpriced" in raw.headers["x-pointsman-warning"]


async def test_the_old_completions_endpoint(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        answer = await sdk.completions.create(model="auto", prompt="What is the capital of France?")
        assert answer.choices[0].text
        stream = await sdk.completions.create(model="auto", prompt="What is the capital of France?", stream=True)
        assert "".join([chunk.choices[0].text async for chunk in stream if chunk.choices])


async def test_paths_answer_with_and_without_v1(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim)) as served, client(served) as sdk:
        body = {"model": "auto", "messages": ASK}
        for path in ("/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions", "/v1/chat/completions/"):
            assert (await sdk._client.post(served.url + path, json=body)).status_code == 200, path


async def test_content_is_kept_where_it_is_switched_on(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim, store_content=True)) as served, client(served) as sdk:
        await sdk.chat.completions.create(model="auto", messages=ASK)
        kept = await outcome(served)
        assert b"capital of France" in kept.request
        assert b"Paris" in kept.answer


async def test_secrets_never_leave(sim: Simulator, serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    secret = "sk-planted-0123456789abcdef"
    said = config(sim)
    said["providers"]["one"]["api_key_env"] = "ONE_KEY"
    async with serving(said, {"ONE_KEY": secret}) as served, client(served) as sdk:
        for fault in ("", "reset", "html_502", "bad_key"):  # after the last one the key rests
            if fault:
                sim.inject(fault, provider="one", times=2)
            body = {"model": "alone", "messages": ASK}
            answer = await sdk._client.post(f"{served.url}/v1/chat/completions", json=body)
            assert secret not in str(answer.headers) + answer.text
        for path in ("/api/status", "/metrics", "/v1/models", "/api/calls", "/"):
            answer = await sdk._client.get(served.url + path)
            assert secret not in answer.text, path
        assert any(secret in str(entry.headers) for entry in sim.journal.of("one")), "the provider did get it"
    assert secret not in caplog.text


def test_an_outcome_names_who_served() -> None:
    assert (
        Outcome(
            id="1", started=0, duration=0, surface="x", dialect="y", asked="z", status="failed", http_status=502
        ).served_by
        is None
    )


async def test_nobody_is_told_to_come_back_at_once(serving: Serving) -> None:
    rule = FaultRule(fault="rate_limit_ms", seconds=0.0)
    script = Script(providers=(SimProvider(name="one", models=(SimModel(name="small-1", faults=(rule,)),)),))
    async with Simulator(script) as sim:
        said = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
            "models": {"small": {"provider": "one", "model": "small-1"}},
        }
        async with serving(said) as served, client(served) as sdk:
            with pytest.raises(openai.RateLimitError) as caught:
                await sdk.chat.completions.create(model="small", messages=ASK)
    assert int(caught.value.response.headers["retry-after"]) >= 1
