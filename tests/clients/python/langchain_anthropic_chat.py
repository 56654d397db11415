"""LangChain's `ChatAnthropic`."""

from __future__ import annotations

import anthropic
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from seen import ABOUT, ASK, HELLO, KEY, NAME, RESULT, ROOT, SCHEMA, SYSTEM, error_of, play

TOOLS = [{"name": NAME, "description": ABOUT, "input_schema": SCHEMA}]
SAID = [SystemMessage(SYSTEM), HumanMessage(HELLO)]
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


def model_of(name, **more):
    return ChatAnthropic(model=name, base_url=ROOT, api_key=KEY, max_retries=0, max_tokens=4096, **more)


def seen(message):
    usage = message.usage_metadata
    return {"text": message.text, "input": usage["input_tokens"], "output": usage["output_tokens"]}


def joined(chunks):
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


def answered(model, message):
    call = message.tool_calls[0]
    history = [HumanMessage(ASK), message, ToolMessage(RESULT, tool_call_id=call["id"])]
    return {"name": call["name"], "arguments": call["args"], "final": model.invoke(history).text}


def whole(name):
    return seen(model_of(name).invoke(SAID))


def stream(name):
    chunks = list(model_of(name).stream(SAID))
    return {**seen(joined(chunks)), "pieces": len([chunk for chunk in chunks if chunk.text])}


def tool(name):
    model = model_of(name).bind_tools(TOOLS)
    return answered(model, model.invoke(ASK))


def tool_stream(name):
    model = model_of(name).bind_tools(TOOLS)
    return answered(model, joined(list(model.stream(ASK))))


def thought(name):
    model = model_of(name, **THINKING).bind_tools(TOOLS)
    return answered(model, model.invoke(ASK))


def thought_stream(name):
    model = model_of(name, **THINKING).bind_tools(TOOLS)
    return answered(model, joined(list(model.stream(ASK))))


def unknown():
    return error_of(lambda: model_of("nobody").invoke(HELLO), anthropic.APIStatusError)


play(whole, stream, tool, tool_stream, thought, thought_stream, once=(unknown,))
