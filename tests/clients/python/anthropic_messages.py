"""Anthropic's library."""

from __future__ import annotations

import anthropic
from seen import ABOUT, ASK, HELLO, KEY, MODELS, NAME, RESULT, ROOT, SCHEMA, SYSTEM, error_of, play

client = anthropic.Anthropic(base_url=ROOT, api_key=KEY, max_retries=0)
TOOLS = [{"name": NAME, "description": ABOUT, "input_schema": SCHEMA}]
THINKING = {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}


def options(model, said=HELLO, **more):
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    return {"model": model, "max_tokens": 4096, "system": SYSTEM, "messages": messages, **more}


def ask(model, said=HELLO, **more):
    return client.messages.create(**options(model, said, **more))


def seen(message):
    text = "".join(block.text for block in message.content if block.type == "text")
    usage = message.usage
    return {"text": text, "finish": message.stop_reason, "input": usage.input_tokens, "output": usage.output_tokens}


def whole(model):
    return seen(ask(model))


def stream(model):
    with client.messages.stream(**options(model)) as streamed:
        pieces = list(streamed.text_stream)
        message = streamed.get_final_message()
    assert "".join(pieces) == seen(message)["text"]
    return {**seen(message), "pieces": len(pieces)}


def answered(model, message, **more):
    call = next(block for block in message.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}
    back = [block.model_dump(exclude_none=True) for block in message.content]
    history = [
        {"role": "user", "content": ASK},
        {"role": "assistant", "content": back},
        {"role": "user", "content": [result]},
    ]
    last = seen(ask(model, history, tools=TOOLS, **more))
    return {"name": call.name, "arguments": call.input, "finish": message.stop_reason, "final": last["text"]}


def tool(model):
    return answered(model, ask(model, ASK, tools=TOOLS))


def tool_stream(model):
    with client.messages.stream(**options(model, ASK, tools=TOOLS)) as streamed:
        message = streamed.get_final_message()
    return answered(model, message)


def thoughts(message):
    return len("".join(block.thinking for block in message.content if block.type == "thinking").split())


def thought(model):
    message = ask(model, ASK, tools=TOOLS, thinking=THINKING)
    return {**answered(model, message, thinking=THINKING), "thoughts": thoughts(message)}


def thought_stream(model):
    with client.messages.stream(**options(model, ASK, tools=TOOLS, thinking=THINKING)) as streamed:
        message = streamed.get_final_message()
    return {**answered(model, message, thinking=THINKING), "thoughts": thoughts(message)}


def count(model):
    return {
        "input": client.messages.count_tokens(model=model, messages=[{"role": "user", "content": HELLO}]).input_tokens
    }


def unknown():
    return error_of(lambda: ask("nobody"), anthropic.APIStatusError)


def other_spelling():
    with anthropic.Anthropic(base_url=f"{ROOT}/v1", api_key=KEY, max_retries=0) as other:
        return seen(other.messages.create(**options(MODELS[0])))


def bearer():
    """As Claude Code does with ANTHROPIC_AUTH_TOKEN."""
    with anthropic.Anthropic(base_url=ROOT, api_key=None, auth_token=KEY, max_retries=0) as other:
        return seen(other.messages.create(**options(MODELS[0])))


def models():
    return {"models": [model.id for model in client.models.list()]}


play(whole, stream, tool, tool_stream, thought, thought_stream, count, once=(unknown, other_spelling, bearer, models))
