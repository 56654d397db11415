"""What a model reads of a request and writes in an answer, as texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pointsman.core.chat import (
    Answer,
    Block,
    BlockStart,
    Delta,
    Event,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)


def texts_of(blocks: Iterable[Block], media: list[Media]) -> list[str]:
    """Every text in some blocks, in order; what is no text is put into `media`."""
    found: list[str] = []
    for block in blocks:
        match block:
            case Text(text=text) | Refusal(text=text) | Reasoning(text=text):
                found.append(text)
            case ToolCall(name=name, arguments=arguments):
                found += (name, arguments)
            case ToolResult(content=content):
                found += texts_of(content, media)
            case Opaque(raw=raw):
                found.append(bytes(raw).decode("utf-8", "replace"))
            case Media():
                media.append(block)
    return found


def of_tool(tool: Tool) -> list[str]:
    """What a model reads of a tool that it is offered."""
    raw = bytes(tool.raw or tool.schema).decode("utf-8", "replace")
    return [tool.name, tool.description, raw]


class Asked(NamedTuple):
    """The texts of a request: of its messages, its tools and the schema of the answer; and what is no text."""

    said: list[str]
    tools: list[str]
    schema: list[str]
    media: list[Media]


def of_request(request: Request) -> Asked:
    """What a model reads of a request."""
    media: list[Media] = []
    said = [text for message in request.messages for text in texts_of(message.blocks, media)]
    said += [message.name for message in request.messages if message.name]
    tools = [text for tool in request.tools for text in of_tool(tool)]
    wanted, schema = request.response_format, list[str]()
    if wanted is not None and wanted.schema is not None:
        schema = [wanted.name, wanted.description, bytes(wanted.schema).decode("utf-8", "replace")]
    return Asked(said, tools, schema, media)


class Written(NamedTuple):
    """What a model has written: texts, and how many calls of tools are among them."""

    texts: list[str]
    calls: int = 0


def of_answer(answer: Answer) -> Written:
    """What stands in a whole answer."""
    blocks = [block for choice in answer.choices for block in choice.blocks]
    return Written(texts_of(blocks, []), sum(isinstance(block, ToolCall) for block in blocks))


def of_events(events: Iterable[Event]) -> Written:
    """What stands in a stream, each block's text in one piece."""
    texts: dict[tuple[int, int], list[str]] = {}
    calls = 0
    for event in events:
        match event:
            case Delta(field="text" | "arguments"):
                texts.setdefault((event.choice, event.index), []).append(event.text)
            case BlockStart(block=block):
                calls += isinstance(block, ToolCall)
                begun = "".join(texts_of([block], []))
                texts.setdefault((event.choice, event.index), []).append(begun)
    return Written([text for parts in texts.values() if (text := "".join(parts))], calls)
