"""Requests of the dialect in one form, whatever liberty there is in writing them."""

from __future__ import annotations

import json
from typing import Any


def plain_blocks(content: Any) -> list[dict[str, Any]]:
    """Content as a list of blocks without what says nothing."""
    found = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
    return [_block(dict(block)) for block in found if block.get("type") != "text" or block["text"].strip()]


def _block(block: dict[str, Any]) -> dict[str, Any]:
    if block.get("caller") == {"type": "direct"}:
        del block["caller"]
    if block.get("type") == "tool_result":
        block["content"] = plain_blocks(block.get("content"))
        block["is_error"] = bool(block.get("is_error"))
    block["cache_control"] = _mark(block.get("cache_control"))
    return {name: value for name, value in block.items() if value not in (None, [], {})}


def _mark(mark: Any) -> Any:
    return {"ttl": mark.get("ttl", "5m")} if mark else None


def plain_request(body: dict[str, Any]) -> dict[str, Any]:
    """A request in one form: turns merged, results first, defaults left out."""
    body = json.loads(json.dumps(body))
    turns: list[dict[str, Any]] = []
    for message in body["messages"]:
        content = plain_blocks(message["content"])
        if content and turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": message["role"], "content": content})
    for turn in turns:
        if turn["role"] == "user":
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
    if mark := _mark(body.pop("cache_control", None)):
        turns[-1]["content"][-1].setdefault("cache_control", mark)
    tools = [_tool(tool) for tool in body.get("tools") or ()]
    choice = body.get("tool_choice") if tools else None
    if choice and not choice.get("disable_parallel_tool_use"):
        choice = None if choice["type"] == "auto" else {**choice, "disable_parallel_tool_use": None}
    if "output_format" in body:
        body["output_config"] = {**body.get("output_config", {}), "format": body.pop("output_format")}
    whole = {
        **body,
        "system": plain_blocks(body.get("system")),
        "messages": turns,
        "tools": tools,
        "tool_choice": {name: value for name, value in (choice or {}).items() if value is not None},
    }
    return {name: value for name, value in whole.items() if value not in (None, [], {}, False)}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") == "custom":
        del tool["type"]
    tool["cache_control"] = _mark(tool.get("cache_control"))
    return {name: value for name, value in tool.items() if value not in (None, False, "")}
