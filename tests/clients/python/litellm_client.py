"""LiteLLM as a client, in four of its providers' dialects."""

from __future__ import annotations

import json

import litellm
from seen import ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, error_of, play

TOOLS = [{"type": "function", "function": {"name": NAME, "description": ABOUT, "parameters": SCHEMA}}]
SAID = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": HELLO}]
WAYS = {"openai": f"{ROOT}/v1", "anthropic": ROOT, "gemini": ROOT}
litellm.telemetry = False


def ask(way, name, messages=SAID, **more):
    base = WAYS[way] if way != "gemini" else f"{ROOT}/v1beta"
    return litellm.completion(
        model=f"{way}/{name}", api_base=base, api_key=KEY, messages=messages, max_retries=0, max_tokens=4096, **more
    )


def whole_of(way, name):
    answer = ask(way, name)
    usage = answer.usage
    text = answer.choices[0].message.content
    return {"text": text, "input": usage.prompt_tokens, "output": usage.completion_tokens}


def stream_of(way, name):
    chunks = list(ask(way, name, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    pieces = [piece for piece in pieces if piece]
    built = litellm.stream_chunk_builder(chunks)
    return {"text": "".join(pieces), "pieces": len(pieces), "output": built.usage.completion_tokens}


def tool_of(way, name, **more):
    message = ask(way, name, [{"role": "user", "content": ASK}], tools=TOOLS, **more)
    if more:
        message = litellm.stream_chunk_builder(list(message))
    message = message.choices[0].message
    call = message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
    history = [{"role": "user", "content": ASK}, message.model_dump(exclude_none=True), result]
    last = ask(way, name, history, tools=TOOLS).choices[0].message.content
    return {"name": call.function.name, "arguments": json.loads(call.function.arguments), "final": last}


def whole(name):
    return whole_of("openai", name)


def stream(name):
    return stream_of("openai", name)


def tool(name):
    return tool_of("openai", name)


def tool_stream(name):
    return tool_of("openai", name, stream=True)


def messages(name):
    return whole_of("anthropic", name)


def messages_stream(name):
    return stream_of("anthropic", name)


def messages_tool(name):
    return tool_of("anthropic", name)


def messages_tool_stream(name):
    return tool_of("anthropic", name, stream=True)


def gemini(name):
    return whole_of("gemini", name)


def gemini_stream(name):
    return stream_of("gemini", name)


def gemini_tool(name):
    return tool_of("gemini", name)


def responses(name):
    answer = litellm.responses(model=f"openai/{name}", api_base=f"{ROOT}/v1", api_key=KEY, input=HELLO)
    return {"text": "".join(part.text for item in answer.output if item.type == "message" for part in item.content)}


def unknown():
    return error_of(lambda: ask("openai", "nobody"), Exception)


def embedded():
    name = next(name for name in MODELS if "chat" in name)
    found = litellm.embedding(model=f"openai/{name}", api_base=f"{ROOT}/v1", api_key=KEY, input=["one", "two"])
    return {"sizes": [len(item["embedding"]) for item in found.data]}


play(
    whole, stream, tool, tool_stream, messages, messages_stream, messages_tool, messages_tool_stream, gemini,
    gemini_stream, gemini_tool, responses, once=(unknown, embedded),
)  # fmt: skip
