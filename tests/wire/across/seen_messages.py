"""Anthropic's Messages as a strict client reads them: https://docs.anthropic.com/en/api/messages-streaming."""

from __future__ import annotations

import re
from typing import Any

from wire.across.breaches import Breaches
from wire.across.frames import Sse, fields, items, json_of, text

_REASONS = frozenset(
    {"end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded"}
)
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_EVENTS = frozenset(
    {
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
    }
)
_DELTAS = {
    "text_delta": ("text", "text"),
    "input_json_delta": ("tool_use", "partial_json"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
}


def whole(body: dict[str, Any], breaches: Breaches) -> None:
    """Check a whole message."""
    breaches.types(
        body, id=str, type=str, role=str, model=str, content=list, stop_reason=str, stop_sequence=(str, None)
    )
    breaches.check(body.get("type") == "message" and body.get("role") == "assistant", "no message of the assistant")
    breaches.check(body.get("id"), "the answer has no id")
    breaches.check(body.get("stop_reason") in _REASONS, f"stop_reason {body.get('stop_reason')!r}")
    stopped = body.get("stop_reason") == "stop_sequence"
    breaches.check(bool(body.get("stop_sequence")) == stopped, "stop_sequence and stop_reason disagree")
    for block in items(body.get("content")):
        _block(fields(block), breaches)
    ids = [fields(block).get("id") for block in items(body.get("content")) if fields(block).get("type") == "tool_use"]
    breaches.check(len(set(ids)) == len(ids), "two calls with one id")
    waits = body.get("stop_reason") != "end_turn" or not ids
    breaches.check(waits, "stop_reason end_turn, and calls that wait for their results")
    breaches.types(fields(body.get("usage")), input_tokens=int, output_tokens=int)


def _block(block: dict[str, Any], breaches: Breaches) -> None:
    match block.get("type"):
        case "text":
            breaches.types(block, text=str)
            breaches.check(block.get("text"), "an empty text block")
        case "tool_use":
            # A stream's arguments may be cut off by the limit; the text of them is what its client has.
            breaches.types(block, id=str, name=str, input=str if "cut" in block else dict)
            breaches.check(_ID.fullmatch(text(block.get("id"))), "an id that Anthropic does not take")
        case "thinking":
            breaches.types(block, thinking=str, signature=str)
        case "redacted_thinking":
            breaches.types(block, data=str)
        case kind:
            breaches.check(isinstance(kind, str), "a block without a type")


def gathered(events: list[Sse], breaches: Breaches, cut: bool) -> dict[str, Any]:
    """A stream as the message that it stands for."""
    message: dict[str, Any] = {}
    for event in events:
        value = fields(event.value)
        kind = text(value.get("type"))
        breaches.check(event.name == kind, f"event `{event.name}` with data of type `{kind}`")
        breaches.check(kind in _EVENTS, f"an event `{kind}`")
        breaches.check(not message.get("stopped"), "an event after message_stop")
        if kind == "message_start":
            breaches.check(not message, "message_start is not first")
            message = _begun(fields(value.get("message")), breaches)
        elif kind != "ping":
            breaches.check(message, "message_start is not first")
            _take(message, kind, value, breaches)
    breaches.check(cut or message.get("stopped"), "no message_stop")
    for name in ("stopped", "open", "told"):
        message.pop(name, None)
    return message


def _begun(message: dict[str, Any], breaches: Breaches) -> dict[str, Any]:
    breaches.types(message, id=str, type=str, role=str, model=str, content=list, usage=dict)
    breaches.types(fields(message.get("usage")), input_tokens=int, output_tokens=int)
    empty = message.get("content") == [] and message.get("stop_reason") is None
    breaches.check(empty, "message_start is not empty")
    return {"stop_sequence": None, **message, "content": [], "open": None, "told": False}


def _take(message: dict[str, Any], kind: str, value: dict[str, Any], breaches: Breaches) -> None:
    blocks = message.setdefault("content", [])
    if kind == "content_block_start":
        breaches.check(message.get("open") is None, "a block begins inside another")
        breaches.check(value.get("index") == len(blocks), "blocks are not counted from 0")
        breaches.check(not message.get("told"), "a block after message_delta")
        blocks.append({**fields(value.get("content_block"))})
        message["open"] = value.get("index")
        _fresh(blocks[-1], breaches)
    elif kind == "content_block_delta":
        breaches.check(value.get("index") == message.get("open"), "a delta for a block that is not open")
        if blocks:
            _grow(blocks[-1], fields(value.get("delta")), breaches)
    elif kind == "content_block_stop":
        breaches.check(value.get("index") == message.get("open"), "a block ends that is not open")
        message["open"] = None
        if blocks:
            _ended(blocks[-1])
    elif kind == "message_delta":
        breaches.check(message.get("open") is None, "message_delta inside a block")
        breaches.check(not message.get("told"), "two message_delta")
        breaches.types(fields(value.get("usage")), output_tokens=int)
        message |= {"told": True, **fields(value.get("delta"))}
        message["usage"] = {**fields(message.get("usage")), **fields(value.get("usage"))}
    elif kind == "message_stop":
        breaches.check(message.get("told"), "message_stop without message_delta")
        message["stopped"] = True


def _fresh(block: dict[str, Any], breaches: Breaches) -> None:
    """What has to be empty when a block begins."""
    match block.get("type"):
        case "tool_use":
            breaches.check(block.get("input") == {}, "a call that begins with input")
            breaches.check(block.get("id") and block.get("name"), "a call that begins without id or name")
        case "text":
            breaches.types(block, text=str)
        case "thinking":
            breaches.types(block, thinking=str)
            block.setdefault("signature", "")


def _grow(block: dict[str, Any], delta: dict[str, Any], breaches: Breaches) -> None:
    kind = text(delta.get("type"))
    if kind == "citations_delta":
        breaches.check(block.get("type") == "text", "a citation outside a text")
        block["citations"] = [*items(block.get("citations")), delta.get("citation")]
        return
    if kind not in _DELTAS:
        breaches.check(False, f"a delta `{kind}`")
        return
    wanted, name = _DELTAS[kind]
    breaches.check(block.get("type") == wanted, f"a delta `{kind}` in a block `{block.get('type')}`")
    breaches.types(delta, **{name: str})
    block[name] = text(block.get(name)) + text(delta.get(name))


def _ended(block: dict[str, Any]) -> None:
    """The input as the client's library reads it; a text that was cut off stays one."""
    written = block.pop("partial_json", None)
    if written:
        value = json_of(written)
        block |= {"input": value} if isinstance(value, dict) else {"input": written, "cut": True}
