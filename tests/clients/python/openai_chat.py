"""OpenAI's library, chat completions."""

from __future__ import annotations

import json

import openai
from seen import ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, TOWN, error_of, play

client = openai.OpenAI(base_url=f"{ROOT}/v1", api_key=KEY, max_retries=0)
TOOLS = [{"type": "function", "function": {"name": NAME, "description": ABOUT, "parameters": SCHEMA}}]


def said(text):
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def whole(model):
    answer = client.chat.completions.create(model=model, messages=said(HELLO))
    usage = answer.usage
    return {
        "text": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "input": usage.prompt_tokens,
        "output": usage.completion_tokens,
    }


def stream(model):
    options = {"include_usage": True}
    pieces, usage, finish = [], None, None
    for chunk in client.chat.completions.create(model=model, messages=said(HELLO), stream=True, stream_options=options):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            finish = choice.finish_reason or finish
    text = "".join(pieces)
    pieces = len([piece for piece in pieces if piece])
    return {
        "text": text,
        "pieces": pieces,
        "finish": finish,
        "input": usage.prompt_tokens,
        "output": usage.completion_tokens,
    }


def answered(model, message):
    """The call in a message, and what is said once its result has been sent back."""
    call = message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "content": RESULT}
    history = [*said(ASK), message.model_dump(exclude_none=True), result]
    last = client.chat.completions.create(model=model, messages=history, tools=TOOLS)
    return {
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "final": last.choices[0].message.content,
    }


def tool(model):
    answer = client.chat.completions.create(model=model, messages=said(ASK), tools=TOOLS)
    return {**answered(model, answer.choices[0].message), "finish": answer.choices[0].finish_reason}


def tool_stream(model):
    with client.chat.completions.stream(model=model, messages=said(ASK), tools=TOOLS) as streamed:
        answer = streamed.get_final_completion()
    return {**answered(model, answer.choices[0].message), "finish": answer.choices[0].finish_reason}


def bare_tool_stream(model):
    """As clients do it that keep nothing but id, name and arguments of a call."""
    call = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
    for chunk in client.chat.completions.create(model=model, messages=said(ASK), tools=TOOLS, stream=True):
        for choice in chunk.choices:
            for delta in choice.delta.tool_calls or ():
                assert delta.index == 0
                call["id"] = delta.id or call["id"]
                call["function"]["name"] += delta.function.name or ""
                call["function"]["arguments"] += delta.function.arguments or ""
    result = {"role": "tool", "tool_call_id": call["id"], "content": RESULT}
    history = [*said(ASK), {"role": "assistant", "content": None, "tool_calls": [call]}, result]
    last = client.chat.completions.create(model=model, messages=history, tools=TOOLS)
    return {
        "name": call["function"]["name"],
        "arguments": json.loads(call["function"]["arguments"]),
        "final": last.choices[0].message.content,
    }


def thought(model):
    """Reasoning, which comes back as it was sent."""
    answer = client.chat.completions.create(model=model, messages=said(ASK), tools=TOOLS, reasoning_effort="low")
    return answered(model, answer.choices[0].message)


def structured(model):
    form = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA, "strict": True}}
    answer = client.chat.completions.create(model=model, messages=said(TOWN), response_format=form)
    return json.loads(answer.choices[0].message.content)


def unknown():
    return error_of(lambda: client.chat.completions.create(model="nobody", messages=said(HELLO)), openai.APIStatusError)


def other_spelling():
    with openai.OpenAI(base_url=ROOT, api_key=KEY, max_retries=0) as other:
        return {"text": other.chat.completions.create(model=MODELS[0], messages=said(HELLO)).choices[0].message.content}


def models():
    return {"models": [model.id for model in client.models.list()]}


play(whole, stream, tool, tool_stream, bare_tool_stream, thought, structured, once=(unknown, other_spelling, models))
