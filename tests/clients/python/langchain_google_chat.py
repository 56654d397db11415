"""LangChain's `ChatGoogleGenerativeAI`."""

from __future__ import annotations

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from seen import ABOUT, ASK, HELLO, KEY, NAME, RESULT, ROOT, SCHEMA, SYSTEM, error_of, play

TOOLS = [{"type": "function", "function": {"name": NAME, "description": ABOUT, "parameters": SCHEMA}}]
SAID = [SystemMessage(SYSTEM), HumanMessage(HELLO)]


def model_of(name):
    return ChatGoogleGenerativeAI(model=name, base_url=ROOT, google_api_key=KEY, max_retries=1)


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


def unknown():
    return error_of(lambda: model_of("nobody").invoke(HELLO), Exception)


play(whole, stream, tool, tool_stream, once=(unknown,))
