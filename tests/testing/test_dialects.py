"""One model in four dialects: the same conversation gets the same answer, tokens and calls in each."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from pointsman.testing import Script, SimModel, SimProvider, Thinking, running

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OTHERS = ("openai-responses", "anthropic-messages", "gemini")


def spoken(system: str, texts: list[str], *, tool: bool = False) -> dict[str, tuple[str, dict[str, Any]]]:
    """Path and body of one request in each dialect."""
    plain = [{"type": "text", "text": text} for text in texts]
    chat = {"model": "m", "messages": [{"role": "system", "content": system}, {"role": "user", "content": plain}]}
    responses = {"model": "m", "instructions": system, "reasoning": {"summary": "auto"}}
    responses["input"] = [{"role": "user", "content": [{"type": "input_text", "text": text} for text in texts]}]
    messages = {"model": "m", "max_tokens": 4096, "system": system, "messages": [{"role": "user", "content": plain}]}
    messages["thinking"] = {"type": "adaptive"}
    gemini: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text} for text in texts]}]}
    gemini["systemInstruction"] = {"parts": [{"text": system}]}
    if tool:
        chat["tools"] = [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}]
        responses["tools"] = [{"type": "function", "name": "f", "parameters": SCHEMA}]
        messages["tools"] = [{"name": "f", "input_schema": SCHEMA}]
        gemini["tools"] = [{"functionDeclarations": [{"name": "f", "parameters": SCHEMA}]}]
    return {
        "openai-chat": ("/v1/chat/completions", chat),
        "openai-responses": ("/v1/responses", responses),
        "anthropic-messages": ("/v1/messages", messages),
        "gemini": ("/v1beta/models/m:generateContent", gemini),
    }


def found(dialect: str, body: dict[str, Any]) -> tuple[str, Any, int]:
    """Text, arguments of the call and tokens of an answer."""
    if dialect == "openai-chat":
        message = body["choices"][0]["message"]
        calls = [json.loads(call["function"]["arguments"]) for call in message.get("tool_calls", ())]
        return message["content"] or "", calls, body["usage"]["completion_tokens"]
    if dialect == "openai-responses":
        texts = [item["content"][0]["text"] for item in body["output"] if item["type"] == "message"]
        calls = [json.loads(item["arguments"]) for item in body["output"] if item["type"] == "function_call"]
        return "".join(texts), calls, body["usage"]["output_tokens"]
    if dialect == "anthropic-messages":
        texts = [block["text"] for block in body["content"] if block["type"] == "text"]
        calls = [block["input"] for block in body["content"] if block["type"] == "tool_use"]
        return "".join(texts), calls, body["usage"]["output_tokens"]
    parts, usage = body["candidates"][0]["content"]["parts"], body["usageMetadata"]
    texts = [part["text"] for part in parts if "text" in part]
    calls = [part["functionCall"]["args"] for part in parts if "functionCall" in part]
    return "".join(texts), calls, usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]


@pytest.mark.parametrize("tool", [False, True])
@pytest.mark.parametrize("texts", [["tell me"], ["some context", "and a question for f"]])
def test_the_same_conversation_gets_the_same_answer(tool, texts):
    model = SimModel(name="m", thinking=Thinking(tokens=3))
    with running(Script(providers=(SimProvider(name="p", also=OTHERS, models=(model,)),))) as sim:
        seen = []
        for dialect, (path, body) in spoken("be brief", texts, tool=tool).items():
            connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=5)
            connection.request("POST", path, json.dumps(body), {"anthropic-version": "2023-06-01"})
            seen.append(found(dialect, json.loads(connection.getresponse().read())))
            connection.close()
        billed = {(entry.input, entry.output) for entry in sim.journal}
    assert seen == [seen[0]] * 4
    assert bool(seen[0][1]) == (tool and "f" in texts[-1])
    assert len(billed) == 1
