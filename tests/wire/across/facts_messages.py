"""Facts of Anthropic's Messages: https://docs.anthropic.com/en/api/messages, …/messages-streaming."""

from __future__ import annotations

from typing import Any

from wire.across.facts import (
    CALLS,
    LENGTH,
    PAUSE,
    REFUSAL,
    STOP,
    Choice,
    Facts,
    Failure,
    Usage,
    call_of,
    finish_of,
)
from wire.across.facts_errors import failure_in
from wire.across.frames import Sse, fields, items, number, text

_WORDS = {
    "end_turn": STOP,
    "stop_sequence": STOP,
    "max_tokens": LENGTH,
    "model_context_window_exceeded": LENGTH,
    "tool_use": CALLS,
    "refusal": REFUSAL,
    "pause_turn": PAUSE,
}


def of_body(body: dict[str, Any]) -> Facts:
    """Facts of a whole answer."""
    if body.get("type") == "error" or body.get("error"):
        return Facts(failure=failure_in(body, "error"))
    if not isinstance(body.get("content"), list):
        return Facts(unfit="no message")
    blocks = [fields(block) for block in body["content"]]
    calls = tuple(
        call_of(text(block.get("name")), block.get("input")) for block in blocks if block.get("type") == "tool_use"
    )
    texts = [block for block in blocks if block.get("type") == "text"]
    thoughts = [block for block in blocks if block.get("type") == "thinking"]
    notes = [fields(note) for block in texts for note in items(block.get("citations"))]
    choice = Choice(
        text="".join(text(block.get("text")) for block in texts),
        reasoning=("".join(text(block.get("thinking")) for block in thoughts),),
        sealed=any(block.get("signature") for block in thoughts)
        or any(block.get("type") == "redacted_thinking" for block in blocks),
        calls=calls,
        may_say=text(fields(body.get("stop_details")).get("explanation")),
        finish=finish_of(_WORDS.get(text(body.get("stop_reason")), STOP), calls),
        cited=frozenset(url for note in notes if (url := text(note.get("url")))),
        spans=frozenset(
            (url, text(block.get("text")))
            for block in texts
            for note in items(block.get("citations"))
            if (url := text(fields(note).get("url")))
        ),
    )
    return Facts(choices=(choice,), usage=usage_of(fields(body.get("usage"))))


def usage_of(raw: dict[str, Any]) -> Usage | None:
    """Cached tokens stand beside `input_tokens` (gotcha 18)."""
    if "input_tokens" not in raw and "output_tokens" not in raw:
        return None
    read, write = number(raw.get("cache_read_input_tokens")), number(raw.get("cache_creation_input_tokens"))
    thought = number(fields(raw.get("output_tokens_details")).get("thinking_tokens"))
    # What a compaction took stands beside the sums and is billed; what an advisor took is another model's.
    # https://docs.anthropic.com/en/docs/build-with-claude/compaction#usage
    for step in map(fields, items(raw.get("iterations"))):
        if step.get("type") == "compaction" and (more := usage_of(step)):
            return Usage(
                input=number(raw.get("input_tokens")) + read + write + (more.input or 0),
                cache_read=read + (more.cache_read or 0),
                cache_write=write + (more.cache_write or 0),
                output=number(raw.get("output_tokens")) + (more.output or 0),
                reasoning=thought,
            )
    return Usage(
        input=number(raw.get("input_tokens")) + read + write,
        cache_read=read,
        cache_write=write,
        output=number(raw.get("output_tokens")),
        reasoning=thought,
    )


def of_stream(events: list[Sse]) -> Facts:
    """Facts of a stream: put together to the message that it would have been."""
    starts = sum(fields(event.value).get("type") == "message_start" for event in events)
    if starts > 1:
        return Facts(unfit="several answers spliced into one stream")
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    failure, ended = None, False
    for event in events:
        value = fields(event.value)
        kind = value.get("type")
        if kind == "error":
            failure = failure_in(value, "error")
        elif kind == "message_start":
            message = {**fields(value.get("message"))}
        elif kind == "content_block_start":
            blocks[number(value.get("index"))] = {**fields(value.get("content_block"))}
        elif kind == "content_block_delta":
            _grow(blocks[number(value.get("index"))], fields(value.get("delta")))
        elif kind == "message_delta":
            message |= {name: said for name, said in fields(value.get("delta")).items() if said is not None}
            # Cumulative, and it may correct the start (gotcha 23).
            counts = {name: count for name, count in fields(value.get("usage")).items() if count is not None}
            message["usage"] = {**fields(message.get("usage")), **counts}
        elif kind == "message_stop":
            ended = True
    message["content"] = [_whole(blocks[index]) for index in sorted(blocks)]
    facts = of_body(message)
    if not ended and not failure:
        failure = Failure(cut=True)
    return Facts(choices=facts.choices, usage=facts.usage, failure=failure)


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    for name in ("text", "thinking", "signature"):
        if isinstance(piece := delta.get(name), str):
            block[name] = text(block.get(name)) + piece
    if isinstance(piece := delta.get("partial_json"), str):
        block["written"] = block.get("written", "") + piece
    if delta.get("type") == "citations_delta":
        block["citations"] = [*items(block.get("citations")), delta.get("citation")]


def _whole(block: dict[str, Any]) -> dict[str, Any]:
    """A block with the input that was written for it, where any was (gotcha 4)."""
    return {**block, "input": block["written"]} if block.get("written") else block
