"""The simulator's JSON is shaped as OpenAI's: no key of its own, none of the steady ones missing, the same types."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from pointsman.testing import Simulator, one_model
from shapes import compare, events_of, records


def chunks_of(text: str) -> list[Any]:
    return [chunk for _, chunk in events_of(text)]


ASKED = [
    {},
    {"n": 2},
    {"logprobs": True, "top_logprobs": 2},
    {"max_tokens": 2},
    {
        "tool_choice": "required",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    },
]


async def gather(client_of, *, stream: bool) -> list[Any]:
    made: list[Any] = []
    async with Simulator() as sim:
        client = client_of(sim.base_url)
        for more in ASKED:
            options = {"stream_options": {"include_usage": True}} if stream else {}
            if stream:  # no stream with alternatives is among the recordings
                more = {key: value for key, value in more.items() if key != "top_logprobs"}  # noqa: PLW2901
            raw = await client.chat.completions.with_raw_response.create(
                model="sim-1", messages=[{"role": "user", "content": "hi"}], stream=stream, **more, **options
            )
            text = (await raw.http_response.aread()).decode()
            made += chunks_of(text) if stream else [json.loads(text)]
    return made


async def test_whole_answers(recordings, client_of):
    found = records(recordings, "openai__openai-chat.jsonl.gz")
    answers = [r["response"]["body"] for r in found if not r["stream"] and "error" not in r["features"]]
    compare(await gather(client_of, stream=False), [a for a in answers if a.get("object") == "chat.completion"])


async def test_chunks(recordings, client_of):
    found = records(recordings, "openai__openai-chat.jsonl.gz")
    streams = [r["response"]["sse"] for r in found if r["stream"] and "sse" in r["response"]]
    known = [chunk for text in streams for chunk in chunks_of(text) if "error" not in chunk]
    compare(await gather(client_of, stream=True), known)


async def test_old_completions(recordings, client_of):
    found = list(records(recordings, "openai__openai-completions.jsonl.gz"))
    whole = [r["response"]["body"] for r in found if not r["stream"] and "error" not in r["features"]]
    streams = [r["response"]["sse"] for r in found if r["stream"] and "sse" in r["response"]]
    async with Simulator() as sim:
        client = client_of(sim.base_url)
        raw = client.completions.with_raw_response
        answer = json.loads((await (await raw.create(model="sim-1", prompt="x")).http_response.aread()).decode())
        response = await raw.create(model="sim-1", prompt="x", stream=True)
        streamed = chunks_of((await response.http_response.aread()).decode())
    extra = {
        "service_tier": "default",
        "system_fingerprint": "fp",
        "usage": answer["usage"],
    }  # newer than the recordings
    compare([answer], [{**body, **extra} for body in whole], steady=False)
    compare(streamed, [chunk for text in streams for chunk in chunks_of(text)])


async def test_errors(recordings, client_of):
    found = records(recordings, "openai__openai-chat.jsonl.gz")
    errors = [r["response"]["body"] for r in found if "error" in r["features"] and r["response"].get("body")]
    made = []
    for fault in ("model_gone", "bad_key", "bad_request"):
        async with Simulator(one_model(faults=[{"fault": fault}])) as sim:
            with pytest.raises(openai.APIStatusError) as refused:
                await client_of(sim.base_url).chat.completions.create(model="sim-1", messages=[{"role": "user"}])
            made.append(refused.value.response.json())
    compare(made, [body for body in errors if isinstance(body.get("error"), dict)])


async def test_the_list_of_models(recordings, client_of):
    found = records(recordings, "openai__models-list.jsonl.gz")
    lists = [r["response"]["body"] for r in found if r["response"]["status"] == 200]
    if not lists:
        pytest.skip("no list of models among the recordings")
    async with Simulator() as sim:
        raw = await client_of(sim.base_url).models.with_raw_response.list()
        compare([json.loads((await raw.http_response.aread()).decode())], lists)
