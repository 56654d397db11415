"""LangChain's `ChatOpenAI`, over chat completions and over responses."""

from __future__ import annotations

import openai
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from seen import ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, TOWN, error_of, play

TOOLS = [{"type": "function", "function": {"name": NAME, "description": ABOUT, "parameters": SCHEMA}}]
SAID = [SystemMessage(SYSTEM), HumanMessage(HELLO)]


def model_of(name, **more):
    return ChatOpenAI(model=name, base_url=f"{ROOT}/v1", api_key=KEY, max_retries=0, stream_usage=True, **more)


def seen(message):
    usage = message.usage_metadata
    return {"text": message.text, "input": usage["input_tokens"], "output": usage["output_tokens"]}


def joined(chunks):
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


def streamed(model):
    chunks = list(model.stream(SAID))
    return {**seen(joined(chunks)), "pieces": len([chunk for chunk in chunks if chunk.text])}


def answered(model, message):
    call = message.tool_calls[0]
    history = [HumanMessage(ASK), message, ToolMessage(RESULT, tool_call_id=call["id"])]
    return {"name": call["name"], "arguments": call["args"], "final": model.invoke(history).text}


def whole(name):
    return seen(model_of(name).invoke(SAID))


def stream(name):
    return streamed(model_of(name))


def tool(name):
    model = model_of(name).bind_tools(TOOLS)
    return answered(model, model.invoke(ASK))


def tool_stream(name):
    model = model_of(name).bind_tools(TOOLS)
    return answered(model, joined(list(model.stream(ASK))))


def responses(name):
    return seen(model_of(name, use_responses_api=True).invoke(SAID))


def responses_stream(name):
    return streamed(model_of(name, use_responses_api=True))


def responses_tool(name):
    model = model_of(name, use_responses_api=True).bind_tools(TOOLS)
    return answered(model, model.invoke(ASK))


def responses_tool_stream(name):
    model = model_of(name, use_responses_api=True).bind_tools(TOOLS)
    return answered(model, joined(list(model.stream(ASK))))


def structured(name):
    return model_of(name).with_structured_output({"title": "Weather", **SCHEMA}, method="json_schema").invoke(TOWN)


def unknown():
    return error_of(lambda: model_of("nobody").invoke(HELLO), openai.APIStatusError)


def embedded():
    name = next(name for name in MODELS if "chat" in name)
    vectors = OpenAIEmbeddings(
        model=name, base_url=f"{ROOT}/v1", api_key=KEY, check_embedding_ctx_length=False
    ).embed_documents(["one", "two"])
    return {"sizes": [len(vector) for vector in vectors]}


play(
    whole, stream, tool, tool_stream, responses, responses_stream, responses_tool, responses_tool_stream, structured,
    once=(unknown, embedded),
)  # fmt: skip
