"""The real engine and the real weights, where both are there: `pip install 'pointsman[local]'`, `pointsman pull`."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
from pathlib import Path

import pytest

from pointsman.core.ports import UpstreamRequest
from pointsman.upstream.http1 import Http1Carrier
from pointsman.upstream.local import weights
from pointsman.upstream.local.engine import LocalEngine, LocalModel
from pointsman.upstream.local.gate import LocalGate

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two whole numbers",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
PLACE = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}


@pytest.fixture
def file():
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("no engine here: pip install 'pointsman[local]'")
    home = os.environ.get("POINTSMAN_HOME") or Path.home() / ".local" / "share" / "pointsman"
    found = weights.find("smollm2-135m", [Path(home) / "models"])
    if found is None:
        pytest.skip("no weights here: `pointsman pull` brings them")
    return found


async def ask(gate, engine, question, **fields):
    body = json.dumps({"max_tokens": 60, "messages": [{"role": "user", "content": question}], **fields}).encode()
    response = await gate.send(UpstreamRequest(url=engine.base_url + "/chat/completions", body=body))
    try:
        data = await response.read()
        assert response.status == 200, data
        return data
    finally:
        await response.aclose()


def message(data):
    return json.loads(data)["choices"][0]["message"]


def call(data):
    (only,) = message(data)["tool_calls"]
    return only["function"]["name"], json.loads(only["function"]["arguments"])


async def test_the_embedded_model_answers_whole_streamed_with_tools_and_schema(file):
    engine = LocalEngine(LocalModel.known(weights.SMOLLM2, file))
    carrier = Http1Carrier()
    gate = LocalGate(carrier, engine)
    try:
        assert "Paris" in message(await ask(gate, engine, "What is the capital of France?"))["content"]
        stream = await ask(
            gate,
            engine,
            "What is the capital of France?",
            stream=True,
            stream_options={"include_usage": True},
        )
        assert stream.rstrip().endswith(b"data: [DONE]")
        assert b'"completion_tokens"' in stream
        both = {"tools": [WEATHER, ADD]}
        tokyo = await ask(gate, engine, "What is the weather in Tokyo?", **both)
        assert call(tokyo) == ("get_weather", {"city": "Tokyo"})
        assert call(await ask(gate, engine, "Add 17 and 25.", tool_choice="required", **both))[1] == {"a": 17, "b": 25}
        named = {"type": "function", "function": {"name": "add"}}
        assert call(await ask(gate, engine, "Hello", tool_choice=named, **both))[0] == "add"
        assert message(await ask(gate, engine, "Hello!", **both))["content"]
        schema = {"type": "json_schema", "json_schema": {"name": "place", "schema": PLACE}}
        place = message(await ask(gate, engine, "Paris is the capital of France.", response_format=schema))
        assert set(json.loads(place["content"])) == {"city", "country"}
        os.kill(engine.status.pid, signal.SIGKILL)
        assert "Paris" in message(await ask(gate, engine, "What is the capital of France?"))["content"]
        assert engine.starts == 2
    finally:
        await gate.aclose()
        await asyncio.wait_for(engine.aclose(), 10)
