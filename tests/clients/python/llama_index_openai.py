"""LlamaIndex's `OpenAILike` over chat completions, and its `OpenAIResponses`."""

from __future__ import annotations

import openai
from llama_index.core.base.llms.types import ChatMessage, LLMMetadata, MessageRole
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAIResponses
from llama_index.llms.openai_like import OpenAILike
from seen import ASK, HELLO, KEY, RESULT, ROOT, SYSTEM, error_of, play

SAID = [ChatMessage(role=MessageRole.SYSTEM, content=SYSTEM), ChatMessage(role=MessageRole.USER, content=HELLO)]


class Responses(OpenAIResponses):
    """There is no `…Like` of this one: what a model of this name can do is told by hand."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=self.model, is_chat_model=True, is_function_calling_model=True)


def get_weather(city: str) -> str:
    """The weather in a city."""
    return RESULT


TOOL = FunctionTool.from_defaults(get_weather)


def model_of(name, kind=OpenAILike):
    said = {"is_chat_model": True, "is_function_calling_model": True} if kind is OpenAILike else {}
    return kind(model=name, api_base=f"{ROOT}/v1", api_key=KEY, max_retries=0, **said)


def seen(answer):
    return {"text": answer.message.content}


def streamed(llm):
    pieces, text = 0, ""
    for chunk in llm.stream_chat(SAID):
        pieces += bool(chunk.delta)
        text = chunk.message.content
    return {"text": text, "pieces": pieces}


def called(llm):
    answer = llm.chat_with_tools([TOOL], user_msg=ASK)
    call = llm.get_tool_calls_from_response(answer)[0]
    result = ChatMessage(
        role=MessageRole.TOOL, content=RESULT, additional_kwargs={"tool_call_id": call.tool_id, "call_id": call.tool_id}
    )
    history = [ChatMessage(role=MessageRole.USER, content=ASK), answer.message, result]
    last = llm.chat_with_tools([TOOL], chat_history=history)
    return {"name": call.tool_name, "arguments": call.tool_kwargs, "final": last.message.content}


def whole(name):
    answer = model_of(name).chat(SAID)
    usage = answer.raw.usage
    return {**seen(answer), "input": usage.prompt_tokens, "output": usage.completion_tokens}


def stream(name):
    return streamed(model_of(name))


def tool(name):
    return called(model_of(name))


def responses(name):
    return seen(model_of(name, Responses).chat(SAID))


def responses_stream(name):
    return streamed(model_of(name, Responses))


def responses_tool(name):
    return called(model_of(name, Responses))


def unknown():
    return error_of(lambda: model_of("nobody").chat(SAID), openai.APIStatusError)


play(whole, stream, tool, responses, responses_stream, responses_tool, once=(unknown,))
