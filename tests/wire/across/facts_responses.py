"""Facts of OpenAI's Responses: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from typing import Any

from wire.across.facts import CALLS, FILTER, LENGTH, REFUSAL, STOP, Choice, Facts, Failure, Usage, call_of
from wire.across.facts_chat import spans_of
from wire.across.facts_errors import failure_in
from wire.across.frames import Sse, fields, items, number, text

# Calls that the caller has to serve and that no other dialect knows.
_FOREIGN = frozenset(
    {"computer_call", "local_shell_call", "shell_call", "apply_patch_call", "mcp_approval_request", "custom_tool_call"}
)
_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


def of_body(body: dict[str, Any]) -> Facts:
    """Facts of a whole answer."""
    if body.get("error") or body.get("status") == "failed":
        return Facts(failure=failure_in(body, "error"))
    if not isinstance(body.get("output"), list):
        return Facts(unfit="no response")
    if body.get("status") in ("queued", "in_progress"):
        return Facts(unfit="a background answer that is not finished")
    output = [fields(item) for item in body["output"]]
    parts = [fields(part) for item in output if item.get("type") == "message" for part in items(item.get("content"))]
    calls = tuple(
        call_of(text(item.get("name")), item.get("arguments"), text(item.get("namespace")))
        for item in output
        # One that a program of the model's makes is answered by the caller like any other.
        if item.get("type") == "function_call"
    )
    foreign = tuple(text(item.get("type")) for item in output if _is_foreign(item))
    thoughts = [item for item in output if item.get("type") == "reasoning"]
    notes = [fields(note) for part in parts for note in items(part.get("annotations"))]
    choice = Choice(
        text="".join(text(part.get("text")) + text(part.get("refusal")) for part in parts),
        # mistral.rs puts the thinking where OpenAI repeats the request's settings.
        reasoning=(text(body["reasoning"]),) if isinstance(body.get("reasoning"), str) else _readings(thoughts),
        sealed=any(item.get("encrypted_content") for item in thoughts),
        calls=calls,
        foreign=foreign,
        finish=_finish(body, bool(calls), bool(foreign)),
        cited=frozenset(url for note in notes if (url := text(note.get("url")))),
        spans=frozenset(span for part in parts for span in _spans(part)),
        images=sum(item.get("type") == "image_generation_call" and bool(item.get("result")) for item in output),
    )
    return Facts(choices=(choice,), usage=usage_of(fields(body.get("usage"))))


def _spans(part: dict[str, Any]) -> frozenset[tuple[str, str]]:
    return spans_of(text(part.get("text")), [fields(note) for note in items(part.get("annotations"))])


def _is_foreign(item: dict[str, Any]) -> bool:
    client = item.get("type") == "tool_search_call" and item.get("execution") == "client"
    return client or item.get("type") in _FOREIGN


def _readings(thoughts: list[dict[str, Any]]) -> tuple[str, ...]:
    """Thinking as it was, its summary, or both: servers of open models send both."""
    said, summed = (
        ["".join(text(fields(part).get("text")) for part in items(item.get(name))) for item in thoughts]
        for name in ("content", "summary")
    )
    best = "".join(one or other for one, other in zip(said, summed, strict=True))
    both = "".join(other + one for one, other in zip(said, summed, strict=True))
    return tuple(dict.fromkeys((best, "".join(summed) or best, both)))


def _finish(body: dict[str, Any], calls: bool, foreign: bool) -> frozenset[str]:
    if body.get("status") == "incomplete":
        # Without its reason (three fixtures): the usage stands at the limit.
        reason = fields(body.get("incomplete_details")).get("reason", "max_output_tokens")
        return frozenset({FILTER if reason == "content_filter" else LENGTH})
    if calls:
        return frozenset({CALLS})
    said = [fields(part) for item in items(body.get("output")) for part in items(fields(item).get("content"))]
    refused = any(text(part.get("refusal")) for part in said)  # it ends as any other answer does
    return frozenset({STOP, *([CALLS] if foreign else []), *([REFUSAL] if refused else [])})


def usage_of(raw: dict[str, Any]) -> Usage | None:
    """Cached tokens are part of the input, reasoning is part of the output; xAI included (gotcha 20)."""
    if "input_tokens" not in raw or "output_tokens" not in raw:
        return None
    heard = fields(raw.get("input_tokens_details"))
    return Usage(
        input=number(raw["input_tokens"]),
        cache_read=number(heard.get("cached_tokens")),
        cache_write=number(heard.get("cache_write_tokens")),
        output=number(raw["output_tokens"]),
        reasoning=number(fields(raw.get("output_tokens_details")).get("reasoning_tokens")),
    )


def of_stream(events: list[Sse]) -> Facts:
    """Facts of a stream: what its last event holds, and the items that came one by one."""
    if sum(fields(event.value).get("type") == "response.created" for event in events) > 1:
        return Facts(unfit="several answers spliced into one stream")
    last: dict[str, Any] = {}
    done: dict[int, dict[str, Any]] = {}
    for event in events:
        value = fields(event.value)
        kind = value.get("type")
        if kind == "error":
            return Facts(failure=failure_in(value, "error"))
        if kind == "response.output_item.done":
            done[number(value.get("output_index"))] = fields(value.get("item"))
        elif kind in _ENDS:
            last = fields(value.get("response"))
    if not last:
        return Facts(failure=Failure(cut=True))
    # Two gateways leave items out of the last event that had come before: what came counts.
    output = [done[index] for index in sorted(done)]
    return of_body({**last, "output": output if len(output) > len(items(last.get("output"))) else last.get("output")})
