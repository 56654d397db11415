"""Pydantic AI's agents over each of its ways to talk to a model."""

from __future__ import annotations

import asyncio
import json

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from seen import ASK, HELLO, KEY, RESULT, ROOT, SYSTEM, TOWN, error_of, play


def chat(name):
    return OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{ROOT}/v1", api_key=KEY))


def responses(name):
    return OpenAIResponsesModel(name, provider=OpenAIProvider(base_url=f"{ROOT}/v1", api_key=KEY))


def messages(name):
    return AnthropicModel(name, provider=AnthropicProvider(base_url=ROOT, api_key=KEY))


def gemini(name):
    return GoogleModel(name, provider=GoogleProvider(base_url=ROOT, api_key=KEY))


class Town(BaseModel):
    city: str


def agent_of(model, **more):
    agent = Agent(model, instructions=SYSTEM, **more)

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather in a city."""
        return RESULT

    return agent


def whole_and_tool(model):
    """A plain answer, then one for which the agent calls the tool by itself and sends back what it said."""
    plain = agent_of(model).run_sync(HELLO)
    called = agent_of(model).run_sync(ASK)
    turns = [part for turn in called.all_messages() if isinstance(turn, ModelResponse) for part in turn.parts]
    call = next(part for part in turns if isinstance(part, ToolCallPart))
    usage = plain.usage if not callable(plain.usage) else plain.usage()
    return {
        "text": plain.output,
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "name": call.tool_name,
        "arguments": call.args_as_dict(),
        "final": called.output,
    }


async def _streamed(model):
    async with agent_of(model).run_stream(HELLO) as result:
        pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
    async with agent_of(model).run_stream(ASK) as result:
        final = await result.get_output()
    return {"text": "".join(pieces), "pieces": len(pieces), "final": final}


def over_chat(name):
    return whole_and_tool(chat(name))


def over_chat_stream(name):
    return asyncio.run(_streamed(chat(name)))


def over_responses(name):
    return whole_and_tool(responses(name))


def over_responses_stream(name):
    return asyncio.run(_streamed(responses(name)))


def over_messages(name):
    return whole_and_tool(messages(name))


def over_messages_stream(name):
    return asyncio.run(_streamed(messages(name)))


def over_gemini(name):
    return whole_and_tool(gemini(name))


def over_gemini_stream(name):
    return asyncio.run(_streamed(gemini(name)))


def structured(name):
    """Pydantic AI asks for structured output by a tool that has to be called."""
    return json.loads(Agent(chat(name), output_type=Town).run_sync(TOWN).output.model_dump_json())


def unknown():
    return error_of(lambda: agent_of(chat("nobody")).run_sync(HELLO), ModelHTTPError)


play(
    over_chat, over_chat_stream, over_responses, over_responses_stream, over_messages, over_messages_stream,
    over_gemini, over_gemini_stream, structured, once=(unknown,),
)  # fmt: skip
