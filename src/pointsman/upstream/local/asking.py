"""What a request needs changed before a model of 135 million parameters can serve it.

Such a model writes good arguments for a tool but cannot judge whether to call one, or which. So that judgement is a
rule here, stated in docs/guides/local-model.md: `required` calls, a named tool is called, and `auto` calls a tool when
the last word is the user's and shares a word with that tool's name or description; otherwise it answers in words. The
arguments are always the model's own, held to the tool's schema by the engine's grammar.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_WORD = re.compile(r"[^\W\d_]{3,}")
_ENDING = re.compile(r"(?<=.{3})(ing|ed|es|s)$")
# Words of many questions and many descriptions; sharing one of them says nothing.
_COMMON = frozenset(
    # One text, split, so that the list stays readable.
    re.split(
        r"\s+",
        "the and for from with that this what which who how are was will can you your get set use used any all one two "
        "given when where into does about number name tool function return returns please not has have its",
    )
)
_STEM = 6  # "translate" and "translation" meet; "raining" has met "rain" by its ending already


def adapt(body: bytes) -> bytes:
    """The body of a chat request as the embedded model should get it; anything without tools passes untouched."""
    if b'"tools"' not in body:
        return body
    try:
        request = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body  # the engine says what is wrong with it
    if not isinstance(request, dict) or not _well_formed(request.get("tools")):
        return body
    chosen = _called(request["tools"], request.get("tool_choice", "auto"), _last_question(request.get("messages")))
    return msgspec.json.encode(request | _choice(request, chosen))


def _choice(request: dict[str, Any], chosen: list[Any]) -> dict[str, Any]:
    if not chosen:
        return {"tool_choice": "none"}
    extra = request.get("chat_template_kwargs")
    return {
        "tools": chosen,
        "tool_choice": "required",
        # One call unless the caller asks for several: this model would repeat the first for ever.
        "parallel_tool_calls": request.get("parallel_tool_calls") is True,
        "chat_template_kwargs": (extra if isinstance(extra, dict) else {}) | {"must_call": True},
    }


def _called(tools: list[Any], choice: Any, question: str) -> list[Any]:
    """The tools of which one has to be called; empty for an answer in words."""
    if choice == "none":
        return []
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        return [tool for tool in tools if tool["function"]["name"] == name] or tools
    scores = [len(_stems(question) & _stems(_about(tool))) for tool in tools]
    best = max(scores)
    if best:
        return [tool for tool, score in zip(tools, scores, strict=True) if score == best]
    return tools if choice == "required" else []


def _about(tool: Any) -> str:
    function = tool["function"]
    return f"{function['name'].replace('_', ' ')} {function.get('description') or ''}"


def _stems(text: str) -> set[str]:
    words = (word.lower() for word in _WORD.findall(re.sub(r"([a-z])([A-Z])", r"\1 \2", text)))
    return {_ENDING.sub("", word)[:_STEM] for word in words if word not in _COMMON}


def _last_question(messages: Any) -> str:
    """The last message's text if it is the user's, else empty."""
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        return ""
    content = messages[-1].get("content")
    if messages[-1].get("role") != "user":
        return ""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return " ".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _well_formed(tools: Any) -> bool:
    def named(tool: Any) -> bool:
        function = tool.get("function") if isinstance(tool, dict) else None
        return isinstance(function, dict) and isinstance(function.get("name"), str)

    return isinstance(tools, list) and bool(tools) and all(named(tool) for tool in tools)
