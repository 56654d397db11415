"""What a request or an answer means, whichever dialect it went through: the part that has to come back."""

from __future__ import annotations

import json
from typing import Any

from pointsman.core.chat import (
    Answer,
    Choice,
    Citation,
    Media,
    Message,
    Reasoning,
    Refusal,
    Request,
    Text,
    ToolCall,
    ToolResult,
)

_REFUSED = frozenset({"refusal", "content_filter"})
Meaning = dict[str, Any]


def of_answer(answer: Answer) -> Meaning:
    """An answer's meaning: each choice's, and its tokens."""
    usage = answer.usage
    return {
        "choices": [_choice(choice) for choice in answer.choices],
        "usage": usage and {"input": usage.input, "cache_read": usage.cache_read, "output": usage.output},
    }


def _choice(choice: Choice) -> Meaning:
    blocks = choice.blocks
    return {
        "text": "".join(block.text for block in blocks if isinstance(block, Text | Refusal)),
        "thinking": "".join(block.text for block in blocks if isinstance(block, Reasoning)),
        "calls": [(block.id, block.name, json_of(block.arguments)) for block in blocks if isinstance(block, ToolCall)],
        "sources": sorted({note.url for block in blocks if isinstance(block, Text) for note in _noted(block)}),
        "finish": _finish(choice),
    }


def _finish(choice: Choice) -> str | None:
    """Not every dialect tells the model's own no from the provider's, or an answer that is one from any other."""
    refused = choice.finish in _REFUSED or any(isinstance(block, Refusal) for block in choice.blocks)
    return "refusal" if refused else choice.finish


def _noted(block: Text) -> tuple[Citation, ...]:
    return tuple(note for note in block.citations if note.url)


def json_of(text: str) -> Any:
    """The value of a JSON text; the text itself where it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def of_request(request: Request) -> Meaning:
    """A request's meaning: what has to come back from any dialect that does not say that it drops it."""
    choice, form = request.tool_choice, request.response_format
    return {
        "system": "".join(_words(message) for message in request.messages if message.role in ("system", "developer")),
        "turns": _turns(request.messages),
        "media": [
            (block.kind, block.data or block.url or block.file_id)
            for message in request.messages
            for block in message.blocks
            if isinstance(block, Media)
        ],
        "tools": {tool.name: (tool.description, json_of(bytes(tool.schema).decode())) for tool in request.tools},
        "tool_choice": (choice.mode, choice.name) if choice and choice.mode != "auto" else None,
        "parallel": False if choice and choice.parallel is False else None,
        "response_format": form and form.kind != "text" and json_of(bytes(form.schema or b"null").decode()),
        "max_output": request.max_output,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": request.stop,
        "thinks": bool(request.reasoning_effort or request.reasoning_budget),
        "stream": request.stream,
    }


def _words(message: Message) -> str:
    return "".join(block.text for block in message.blocks if isinstance(block, Text))


def _turns(messages: tuple[Message, ...]) -> list[tuple[Any, ...]]:
    """Who said and did what, in order; neighbours of one side are one, and a result names its call."""
    turns: list[list[Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        for block in message.blocks:
            side, said = _said(message, block)
            if side and turns and turns[-1][0] == side:
                turns[-1].append(said)
            elif side:
                turns.append([side, said])
    return [tuple(turn) for turn in turns]


def _said(message: Message, block: Any) -> tuple[str, Any]:
    match block:
        case Text(text=text) | Refusal(text=text):
            return message.role, text
        case ToolCall(id=call_id, name=name, arguments=arguments):
            return "assistant", (call_id, name, json_of(arguments))
        case ToolResult(call_id=call_id, content=content):
            words = "".join(part.text for part in content if isinstance(part, Text))
            return "tool", (call_id, words.removeprefix("Error: "))
    return "", None


def differences(wanted: Meaning, found: Meaning) -> list[str]:
    """Names of what is not the same."""
    return [name for name in wanted if wanted[name] != found.get(name)]
