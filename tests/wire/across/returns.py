"""An answer comes back as history: what only its maker understands (signatures, sealed thoughts) has to come along.

A provider's recorded answer goes to a caller of another dialect, who sends it back with the next turn, as clients do;
translated again, the provider has to find its own words, calls and seals (gotchas 13, 14 and 17).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pointsman.wire.passage import Crossing
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Outgoing, Trip
from wire.across import record as recorded
from wire.across.asks import squashed
from wire.across.asks_judge import Compared, incoming, model
from wire.across.asks_read import READ
from wire.across.breaches import Breaches
from wire.across.facts import Choice
from wire.across.frames import events, fields, items, objects, text
from wire.across.judge import NOW
from wire.across.judge import incoming as asking
from wire.across.record import DIALECTS
from wire.across.seen import GATHER

_DONE = "Done."


def returned(dialects: Iterable[Dialect], folder: Path, share: tuple[int, int] = (0, 1)) -> Iterator[Compared]:
    """Every answer, by way of every other dialect, and what comes back of it."""
    known = {dialect.name: dialect for dialect in dialects}
    for record in recorded.records(folder, share):
        name = DIALECTS[record["dialect"]]
        if name not in known or recorded.failed(record) or isinstance(record["response"].get("body"), list):
            continue
        facts = recorded.facts_of(record)
        if facts.unfit or facts.failure or len(facts.choices) != 1:
            continue
        for caller in known.values():
            if caller.name != name:
                for heard in _heard(record, caller, known[name]):
                    yield from _one(record, facts.choices[0], heard, (caller, known[name]))


def _heard(record: dict[str, Any], caller: Dialect, provider: Dialect) -> Iterator[dict[str, Any]]:
    """A record's answer as a caller has it in the end: the body, or what its client puts together of a stream."""
    way, sent = Crossing(caller, provider), recorded.sent(record)
    whole, stream = (
        Trip(incoming=asking(caller, stream=stream), outgoing=Outgoing(path="/", body=b""), now=NOW)
        for stream in (False, True)
    )
    if recorded.streamed(record):
        relay = way.relay(stream)
        out = relay.feed(sent) + relay.close()
    else:
        yield json.loads(way.read_answer(sent, whole).body)
        out = way.relay_whole(sent, stream)[1]
    yield GATHER[caller.name](events(out.decode()), Breaches(), False)


def _one(
    record: dict[str, Any], choice: Choice, heard: dict[str, Any], way: tuple[Dialect, Dialect]
) -> Iterator[Compared]:
    caller, provider = way
    head = (record["id"], caller.name, provider.name)
    asked = {"request": {"body": FOLLOW[caller.name](heard), "path": ""}, "stream": False, "model": "m"}
    named = model(provider.name, record.get("model") or "")
    body = json.loads(Crossing(caller, provider).write_request(incoming(caller, asked), named).body)
    said = READ[provider.name](body).turns
    found = next((turn for turn in said if turn[0] == "assistant"), ("assistant", "", ()))
    wanted = squashed(choice.text), squashed(choice.text + choice.may_say)
    yield Compared(*head, "text", "" if found[1] in wanted else "it is another one")
    calls = [(call.name, call.arguments) for call in choice.calls if call.whole and not call.space]
    if calls and len(calls) == len(choice.calls):
        back = [(name, json.loads(arguments)) for name, arguments in found[2]]
        yield Compared(*head, "calls", "" if back == calls else "other calls")
    for seal in seals(provider.name, record["response"]):
        yield Compared(*head, "seals", "" if _held(body, seal) else "a seal is missing")


def _held(value: Any, seal: str) -> bool:
    """Whether a text stands anywhere in a JSON value."""
    if isinstance(value, dict):
        return any(_held(inner, seal) for inner in value.values())
    if isinstance(value, list):
        return any(_held(inner, seal) for inner in value)
    return bool(value == seal)


def seals(dialect: str, response: dict[str, Any]) -> list[str]:
    """What an answer holds that only its maker reads, and has to be sent back."""
    body, stream = fields(response.get("body")), objects(response.get("sse") or "")
    if dialect == "anthropic-messages":
        blocks = [fields(block) for block in items(body.get("content"))]
        blocks += [fields(value.get("content_block")) for value in stream]
        found = [text(block.get("signature")) or text(block.get("data")) for block in blocks]
        signed: dict[int, str] = {}
        for value in stream:
            if piece := text(fields(value.get("delta")).get("signature")):
                signed[value["index"]] = signed.get(value["index"], "") + piece
        found += signed.values()
    elif dialect == "openai-responses":
        output = [*items(body.get("output")), *(value.get("item") for value in stream if _is_done(value))]
        # A thought behind the last words leads to nothing; OpenAI refuses it without what it led to.
        output = output[: next((at for at in range(len(output), 0, -1) if not _thinks(output[at - 1])), 0)]
        found = [text(fields(item).get("encrypted_content")) for item in output if _thinks(item)]
    elif dialect == "gemini":
        found = [
            text(fields(part).get("thoughtSignature"))
            for chunk in (body, *stream)
            for one in items(chunk.get("candidates"))
            for part in items(fields(fields(one).get("content")).get("parts"))
            if "functionCall" in fields(part)  # the others Google recommends to send back and does not demand
        ]
    else:
        found = []
    return [seal for seal in found if seal]


def _is_done(value: dict[str, Any]) -> bool:
    return value.get("type") == "response.output_item.done"


def _thinks(item: Any) -> bool:
    return fields(item).get("type") == "reasoning"


def _chat(answer: dict[str, Any]) -> dict[str, Any]:
    message = answer["choices"][0]["message"]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": _DONE} for call in items(message.get("tool_calls"))
    ]
    turns = results or [{"role": "user", "content": _DONE}]
    return {"messages": [{"role": "user", "content": "Go."}, message, *turns], "reasoning_effort": "medium"}


def _responses(answer: dict[str, Any]) -> dict[str, Any]:
    calls = [item for item in answer["output"] if item.get("type") in ("function_call", "custom_tool_call")]
    results = [
        {"type": f"{call['type']}_output", "call_id": call["call_id"], "output": _DONE}
        for call in calls
        if call["type"] == "function_call"
    ]
    turns = results or [{"role": "user", "content": _DONE}]
    return {"input": [{"role": "user", "content": "Go."}, *answer["output"], *turns], "reasoning": {"effort": "medium"}}


def _messages(answer: dict[str, Any]) -> dict[str, Any]:
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": _DONE}
        for block in answer["content"]
        if block["type"] == "tool_use"
    ]
    turn = {"role": "user", "content": results or _DONE}
    messages = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": answer["content"]}, turn]
    thinking = {"type": "enabled", "budget_tokens": 2048}
    return {"max_tokens": 8192, "messages": messages, "thinking": thinking}


def _gemini(answer: dict[str, Any]) -> dict[str, Any]:
    content = fields(answer["candidates"][0].get("content"))
    calls = [part["functionCall"] for part in items(content.get("parts")) if "functionCall" in part]
    results = [
        {
            "functionResponse": {
                **{name: call[name] for name in ("id", "name") if name in call},
                "response": {"result": _DONE},
            }
        }
        for call in calls
    ]
    turn = {"role": "user", "parts": results or [{"text": _DONE}]}
    contents = [{"role": "user", "parts": [{"text": "Go."}]}, {"role": "model", "parts": [], **content}, turn]
    return {"contents": contents, "generationConfig": {"thinkingConfig": {"thinkingBudget": 2048}}}


FOLLOW = {
    "openai-chat": _chat,
    "openai-responses": _responses,
    "anthropic-messages": _messages,
    "gemini": _gemini,
}
