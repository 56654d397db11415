"""Five models that each answer in a form of their own: with templates, the same prompt passes the same check.

The check is what an application does with an answer: read it as JSON and take a field out of it. Each caller speaks its
own dialect with its vendor's own client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest
import pytest_asyncio
from google import genai

import harness
from pointsman.testing import Script, SimModel, SimProvider, Simulator

Serving = Callable[..., AbstractAsyncContextManager[Any]]
Ask = Callable[[Any, str], Awaitable[str]]
PROMPT = "Which city is the capital of France? Answer as JSON."
JSON = '{"city": "Paris", "note": "as in ```code```"}'
ANSWERS = {
    "bare": JSON,
    "fenced": f"```json\n{JSON}\n```",
    "introduced": f"Here is the JSON that you asked for:\n\n```json\n{JSON}\n```\n",
    "chatty": f"{JSON}\nLet me know if there is anything else!",
    "prose": "The capital of France is Paris, of course.",
}
PROVIDERS = {"one": "openai-chat", "two": "anthropic-messages", "three": "openai-responses", "four": "gemini"}
ENDS = {"one": "", "two": "@two", "three": "@three", "four": "@four"}
GOOD = ("bare", "fenced", "introduced")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMATS = [
    {"type": "json_object"},
    {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
]
TEMPLATE = {"before": "You are terse.", "after": "Speak French.", "json": "Answer with bare JSON.", "unfence": True}


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    providers = [
        SimProvider(
            name=name,
            dialect=dialect,
            models=tuple(
                SimModel(name=upstream(name, form), answers={PROMPT: text, "Hi": text})
                for form, text in ANSWERS.items()
            ),
        )
        for name, dialect in PROVIDERS.items()
    ]
    async with Simulator(Script(providers=tuple(providers))) as simulator:
        yield simulator


def upstream(provider: str, form: str) -> str:
    """Anthropic's models are known by their names: of another one a schema would be asked as a tool."""
    return f"claude-sonnet-4-5-{form}" if provider == "two" else form


def config(sim: Simulator, template: Any = TEMPLATE) -> dict[str, Any]:
    """Every model at a provider of every dialect: `fenced`, `fenced@two`, `fenced@three`."""
    more = {"template": template} if template is not None else {}
    return {
        "providers": {
            name: {"dialect": dialect, "base_url": sim.url_of(name), "api_key_env": ""}
            for name, dialect in PROVIDERS.items()
        },
        "models": {
            name + end: {"provider": provider, "model": upstream(provider, name), **more}
            for name in ANSWERS
            for provider, end in ENDS.items()
        },
        "routes": {"five": {"try": [*ANSWERS]}, "across": {"try": ["bare@two", "fenced@three", "introduced"]}},
    }


def city_of(text: str) -> str:
    """What an application makes of an answer; a ValueError where it is not the JSON that it asked for."""
    return str(json.loads(text)["city"])


def chat(*, stream: bool, form: Any) -> Ask:
    async def ask(served: Any, model: str) -> str:
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client:
            said: Any = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "response_format": form}
            if not stream:
                answer = await client.chat.completions.create(**said)
                return answer.choices[0].message.content or ""
            chunks = await client.chat.completions.create(**said, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in chunks if c.choices])

    return ask


def messages(*, stream: bool) -> Ask:
    form = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}

    async def ask(served: Any, model: str) -> str:
        async with anthropic.AsyncAnthropic(base_url=served.url, api_key="any", max_retries=0) as client:
            said: Any = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 500}
            if not stream:
                answer = await client.messages.create(**said, extra_body=form)
                return "".join(block.text for block in answer.content if block.type == "text")
            events = await client.messages.create(**said, extra_body=form, stream=True)
            return "".join(
                [e.delta.text async for e in events if e.type == "content_block_delta" and e.delta.type == "text_delta"]
            )

    return ask


def responses(*, stream: bool) -> Ask:
    form = {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA}}

    async def ask(served: Any, model: str) -> str:
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client:
            said: Any = {"model": model, "input": PROMPT, "text": form}
            if not stream:
                return str((await client.responses.create(**said)).output_text)
            events = await client.responses.create(**said, stream=True)
            return "".join([e.delta async for e in events if e.type == "response.output_text.delta"])

    return ask


def gemini(*, stream: bool) -> Ask:
    form = {"response_mime_type": "application/json", "response_schema": {"type": "OBJECT", "required": ["city"]}}
    form["response_schema"]["properties"] = {"city": {"type": "STRING"}}  # type: ignore[index]  # it is a mapping

    async def ask(served: Any, model: str) -> str:
        options = genai.types.HttpOptions(base_url=served.url)
        async with genai.Client(api_key="any", http_options=options).aio as client:
            said: Any = {"model": model, "contents": PROMPT, "config": form}
            if not stream:
                return str((await client.models.generate_content(**said)).text)
            chunks = await client.models.generate_content_stream(**said)
            return "".join([chunk.text or "" async for chunk in chunks])

    return ask


CALLERS = {
    "chat whole": chat(stream=False, form=FORMATS[0]),
    "chat streamed": chat(stream=True, form=FORMATS[0]),
    "chat whole, of a schema": chat(stream=False, form=FORMATS[1]),
    "chat streamed, of a schema": chat(stream=True, form=FORMATS[1]),
    "messages whole": messages(stream=False),
    "messages streamed": messages(stream=True),
    "responses whole": responses(stream=False),
    "responses streamed": responses(stream=True),
    "gemini whole": gemini(stream=False),
    "gemini streamed": gemini(stream=True),
}
by_caller = pytest.mark.parametrize("ask", CALLERS.values(), ids=CALLERS)


async def kept(served: Any) -> Any:
    """The newest call, as anybody can read it."""
    assert await asyncio.to_thread(served.house.pieces.ledger.flush)
    questions = await asyncio.to_thread(served.house.questions)
    rows = await asyncio.to_thread(questions.calls, 1)
    return await asyncio.to_thread(questions.call, rows[0].id)


@by_caller
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
async def test_the_same_prompt_through_five_models_passes_the_same_check(
    sim: Simulator, serving: Serving, ask: Ask, end: str
) -> None:
    async with serving(config(sim)) as served:
        for name, said in ANSWERS.items():
            text = await ask(served, name + end)
            detail = await kept(served)
            if name in GOOD:
                assert city_of(text) == "Paris", name
            else:
                assert text == said, "what is no fenced JSON stays as it is"
                with pytest.raises(ValueError, match=r"Extra data|Expecting value"):
                    city_of(text)
            assert [attempt.form for attempt in detail.attempts] == ["ok" if name in GOOD else "broken"]
            assert detail.call.status == "ok"


@by_caller
async def test_after_a_failover_the_next_models_answer_passes_it_too(
    sim: Simulator, serving: Serving, ask: Ask
) -> None:
    async with serving(config(sim)) as served:
        for route, asked in (("five", GOOD), ("across", (upstream("two", "bare"), "fenced", "introduced"))):
            for failing in range(3):
                for number, name in enumerate(asked[:failing]):
                    sim.inject(("overloaded", "html_502")[number], model=name)
                assert city_of(await ask(served, route)) == "Paris"
                detail = await kept(served)
                assert len(detail.attempts) == failing + 1
                assert [attempt.form for attempt in detail.attempts] == [*[""] * failing, "ok"]


@by_caller
async def test_without_a_template_an_answer_is_what_the_model_said_and_is_judged(
    sim: Simulator, serving: Serving, ask: Ask
) -> None:
    async with serving(config(sim, None)) as served:
        for end in ENDS.values():
            for name, said in ANSWERS.items():
                assert await ask(served, name + end) == said
                assert [attempt.form for attempt in (await kept(served)).attempts] == [
                    "ok" if name == "bare" else "broken"
                ]


async def test_what_was_counted_can_be_asked_for(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim)) as served:
        for name in ANSWERS:
            await CALLERS["chat whole"](served, name)
            await CALLERS["messages streamed"](served, name)
        sim.inject("overloaded", model="bare")
        await CALLERS["chat streamed"](served, "five")
        port = urlsplit(served.url).port or 0
        metrics = (await asyncio.to_thread(harness.request, port, "GET", "/metrics"))[2].decode()
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        for path in ("/api/conformance", "/api/conformance?seconds=60"):
            status, _, body = await asyncio.to_thread(harness.request, port, "GET", path)
            assert status == 200
            models = {one.pop("model"): one for one in json.loads(body)["models"]}
            assert {name: (one["asked"], one["ok"], one["share"]) for name, one in models.items()} == {
                "bare": (2, 2, 1.0),
                "fenced": (3, 3, 1.0),
                "introduced": (2, 2, 1.0),
                "chatty": (2, 0, 0.0),
                "prose": (2, 0, 0.0),
            }
            assert all(0 < one["since"] < 1 << 63 for one in models.values())
        wrong = await asyncio.to_thread(harness.request, port, "GET", "/api/conformance?seconds=soon")
        assert wrong[0] == 400
        assert 'gw_json_answers_total{model="fenced",form="ok"} 3' in metrics
        assert 'gw_json_answers_total{model="prose",form="broken"} 2' in metrics


async def test_each_model_is_told_its_own_words_and_the_caller_keeps_its_own(sim: Simulator, serving: Serving) -> None:
    settings = config(sim)
    settings["models"]["fenced"]["template"] = {"before": "You are verbose.", "unfence": True}
    said = {
        "model": "five",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": PROMPT}],
        "response_format": FORMATS[0],
        "metadata": {"mine": "1"},
    }
    async with serving(settings) as served:
        sim.inject("overloaded", model="bare")
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client:
            answer = await client.chat.completions.create(**said)  # type: ignore[call-overload]
            assert city_of(answer.choices[0].message.content) == "Paris"
            first, second = (json.loads(entry.body) for entry in sim.journal)
            assert first["messages"][0]["content"] == (
                "You are terse.\n\nBe kind.\n\nSpeak French.\n\nAnswer with bare JSON."
            )
            assert second["messages"][0]["content"] == "You are verbose.\n\nBe kind."
            assert first["messages"][1:] == second["messages"][1:] == said["messages"][1:]
            assert first["metadata"] == second["metadata"] == said["metadata"]
            plain = await client.chat.completions.create(model="fenced", messages=[{"role": "user", "content": "Hi"}])
            assert plain.choices[0].message.content == ANSWERS["fenced"], "nobody asked for JSON"
            await client.chat.completions.create(model="bare", messages=[{"role": "user", "content": "Hi"}])
            told = json.loads(sim.journal[-1].body)["messages"][0]["content"]
            assert told == "You are terse.\n\nSpeak French."
        assert [attempt.form for attempt in (await kept(served)).attempts] == [""]
