"""OpenAI's library, responses."""

from __future__ import annotations

import json

import openai
from seen import ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, TOWN, error_of, play

client = openai.OpenAI(base_url=f"{ROOT}/v1", api_key=KEY, max_retries=0)
TOOLS = [{"type": "function", "name": NAME, "description": ABOUT, "parameters": SCHEMA, "strict": True}]
REASONING = {"effort": "low", "summary": "auto"}


def ask(model, said=HELLO, **more):
    return client.responses.create(model=model, instructions=SYSTEM, input=said, **more)


def counted(response):
    return {"input": response.usage.input_tokens, "output": response.usage.output_tokens}


def whole(model):
    response = ask(model)
    return {"text": response.output_text, "finish": response.status, **counted(response)}


def stream(model):
    events = list(ask(model, stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1].response
    assert last.output_text == "".join(deltas)
    return {"text": "".join(deltas), "pieces": len(deltas), "finish": last.status, **counted(last)}


def answered(model, response, **more):
    call = next(item for item in response.output if item.type == "function_call")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
    back = [item.model_dump(exclude_none=True) for item in response.output]
    last = ask(model, [{"role": "user", "content": ASK}, *back, result], tools=TOOLS, **more)
    return {"name": call.name, "arguments": json.loads(call.arguments), "final": last.output_text}


def tool(model):
    return answered(model, ask(model, ASK, tools=TOOLS))


def tool_stream(model):
    with client.responses.stream(model=model, instructions=SYSTEM, input=ASK, tools=TOOLS) as streamed:
        response = streamed.get_final_response()
    return answered(model, response)


def thought(model):
    """As Codex does it: nothing stored, thoughts sealed and sent back."""
    more = {"store": False, "include": ["reasoning.encrypted_content"], "reasoning": REASONING}
    return answered(model, ask(model, ASK, tools=TOOLS, **more), **more)


def thought_stream(model):
    more = {"store": False, "include": ["reasoning.encrypted_content"], "reasoning": REASONING}
    events = list(ask(model, ASK, tools=TOOLS, stream=True, **more))
    summed = "".join(event.delta for event in events if event.type == "response.reasoning_summary_text.delta")
    return {**answered(model, events[-1].response, **more), "thoughts": len(summed.split())}


def structured(model):
    form = {"format": {"type": "json_schema", "name": "weather", "schema": SCHEMA, "strict": True}}
    return json.loads(ask(model, TOWN, text=form).output_text)


def unknown():
    return error_of(lambda: ask("nobody"), openai.APIStatusError)


def other_spelling():
    with openai.OpenAI(base_url=ROOT, api_key=KEY, max_retries=0) as other:
        return {"text": other.responses.create(model=MODELS[0], input=HELLO).output_text}


play(whole, stream, tool, tool_stream, thought, thought_stream, structured, once=(unknown, other_spelling))
