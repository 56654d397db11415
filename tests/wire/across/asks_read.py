"""Requests of each dialect, read by the providers' documentation."""

from __future__ import annotations

import base64
import json
from typing import Any

from wire.across.asks import Ask, Said, media_mark, system_of, texts_of, turns_of
from wire.across.frames import fields, items, text


class _Notes:
    """What a conversation holds, while it is read."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.media: list[str] = []
        self.foreign: list[str] = []

    def add(self, kind: str, value: Any, name: str = "", call: str = "") -> None:
        self.said.append(Said(kind, value, name, call))

    def ask(self, **more: Any) -> Ask:
        return Ask(
            system=system_of(self.said),
            turns=turns_of(self.said),
            media=tuple(self.media),
            foreign=tuple(self.foreign),
            **more,
        )


def _url(value: str) -> str:
    """A data URL by its data, any other by itself."""
    head, found, data = value.partition(";base64,")
    return media_mark(data=data) if found and head.startswith("data:") else media_mark(url=value)


# Chat


def chat(body: dict[str, Any]) -> Ask:
    """A chat completion's request."""
    notes = _Notes()
    for message in map(fields, items(body.get("messages"))):
        _chat_message(message, notes)
    functions = [fields(fields(tool).get("function")) for tool in items(body.get("tools"))]
    functions = [*filter(None, functions), *map(fields, items(body.get("functions")))]
    effort = text(body.get("reasoning_effort")) or text(fields(body.get("reasoning")).get("effort"))
    wanted, shape = fields(body.get("response_format")), None
    form = {"json_object": "json", "json_schema": "schema"}.get(text(wanted.get("type")), "")
    if form == "schema":
        shape = fields(wanted.get("json_schema")).get("schema")
    stop = body.get("stop")
    limit = body.get("max_completion_tokens")
    numbers = {name: body.get(name) for name in ("temperature", "top_p", "seed", "top_k")}
    numbers |= {name: body.get(name) for name in ("presence_penalty", "frequency_penalty", "n")}
    numbers["max_tokens"] = body.get("max_tokens") if limit is None else limit
    numbers["user"] = body.get("user")
    numbers["stop"] = (stop,) if isinstance(stop, str) else tuple(items(stop)) or None
    return notes.ask(
        tools={text(one.get("name")): (text(one.get("description")), one.get("parameters")) for one in functions},
        strict={text(one.get("name")): one.get("strict") for one in functions},
        other_tools=_others(body, "function"),
        choice=_chat_choice(body.get("tool_choice", body.get("function_call"))),
        alone=body.get("parallel_tool_calls") is False,
        thinking=_thinks(effort, fields(body.get("thinking"))),
        effort="" if effort == "default" else effort,
        form=(form, shape),
        numbers={name: value for name, value in numbers.items() if value is not None},
    )


def _chat_message(message: dict[str, Any], notes: _Notes) -> None:
    role = text(message.get("role"))
    content = message.get("content")
    if role in ("system", "developer"):
        notes.add("system", texts_of(content, "text"))
        return
    if role in ("tool", "function"):
        call = text(message.get("tool_call_id")) or text(message.get("name"))
        notes.add("result", texts_of(content, "text"), call=call)
        for part in map(fields, items(content)):
            _chat_media(part, notes)
        return
    notes.add("assistant" if role == "assistant" else "user", texts_of(content, "text", "refusal"))
    if message.get("refusal") and role == "assistant":
        notes.add("assistant", message["refusal"])
    for part in map(fields, items(content)):
        _chat_media(part, notes)
    for call in map(fields, items(message.get("tool_calls"))):
        if "function" in call:
            function = fields(call["function"])
            notes.add("call", text(function.get("arguments")), text(function.get("name")), text(call.get("id")))
        else:
            notes.foreign.append("custom")
    if old := fields(message.get("function_call")):
        notes.add("call", text(old.get("arguments")), text(old.get("name")), text(old.get("name")))


def _chat_media(part: dict[str, Any], notes: _Notes) -> None:
    inner = fields(part.get(text(part.get("type"))))
    match part.get("type"):
        case "image_url" | "video_url":
            plain = part.get(text(part.get("type")))  # Mistral's callers write the address alone
            notes.media.append(_url(plain if isinstance(plain, str) else text(inner.get("url"))))
        case "input_audio":
            notes.media.append(media_mark(data=text(inner.get("data"))))
        case "file":
            data = text(inner.get("file_data"))
            raw = media_mark(data=data) if data and not data.startswith(("data:", "http")) else _url(data)
            notes.media.append(raw if data else media_mark(file_id=text(inner.get("file_id"))))


def _chat_choice(choice: Any) -> tuple[str, str]:
    if isinstance(choice, dict):
        if choice.get("type") == "allowed_tools":
            choice = fields(choice.get("allowed_tools")) or choice
            named = [text(_function(tool).get("name")) for tool in map(fields, items(choice.get("tools")))]
            one = len(named) == 1 and choice.get("mode") == "required"
            return ("named", named[0]) if one else (text(choice.get("mode")), "")
        name = text(_function(choice).get("name"))
        return ("named", name) if name else ("auto", "")
    return ({"any": "required"}.get(text(choice), text(choice)) or "auto", "")


def _allowed(body: dict[str, Any], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tools that may be called; where others may not, they need not be offered to a model that cannot be told."""
    choice = fields(body.get("tool_choice"))
    if choice.get("type") != "allowed_tools":
        return tools
    names = {fields(tool).get("name") for tool in items(choice.get("tools"))}
    return [tool for tool in tools if tool.get("name") in names]


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    """A function's fields: chat keeps them one level down."""
    return fields(tool.get("function")) or tool


def _thinks(effort: str, thinking: dict[str, Any]) -> bool | None:
    if thinking.get("type") in ("enabled", "adaptive"):
        return True
    if effort == "default":  # Groq: as if it had not been said
        return None
    if thinking.get("type") == "disabled" or effort == "none":
        return False
    return True if effort else None


def _others(body: dict[str, Any], *functions: str | None) -> tuple[str, ...]:
    """Kinds of tools that are no functions."""
    return tuple(
        text(tool.get("type")) for tool in map(fields, items(body.get("tools"))) if tool.get("type") not in functions
    )


# Responses


def responses(body: dict[str, Any]) -> Ask:
    """A Responses request."""
    notes = _Notes()
    notes.add("system", text(body.get("instructions")))
    if isinstance(body.get("input"), str):
        notes.add("user", body["input"])
    for item in map(fields, items(body.get("input"))):
        _responses_item(item, notes)
    added = [item for item in map(fields, items(body.get("input"))) if item.get("type") == "additional_tools"]
    later = [tool for item in added for tool in items(item.get("tools"))]
    tools = [tool for tool in map(fields, [*items(body.get("tools")), *later]) if tool.get("type") == "function"]
    tools = _allowed(body, tools)
    wanted = fields(fields(body.get("text")).get("format"))
    form = {"json_object": "json", "json_schema": "schema"}.get(text(wanted.get("type")), "")
    choice = body.get("tool_choice")
    effort = text(fields(body.get("reasoning")).get("effort"))
    numbers = {name: body.get(name) for name in ("temperature", "top_p")}
    numbers["max_tokens"] = body.get("max_output_tokens")
    numbers["user"] = body.get("user")
    return notes.ask(
        tools={text(one.get("name")): (text(one.get("description")), one.get("parameters")) for one in tools},
        strict={text(one.get("name")): one.get("strict") for one in tools},
        other_tools=_others(body, "function"),
        choice=_chat_choice(choice),
        alone=body.get("parallel_tool_calls") is False,
        thinking=_thinks(effort, {}),
        effort=effort,
        form=(form, wanted.get("schema") if form == "schema" else None),
        numbers={name: value for name, value in numbers.items() if value is not None},
    )


def _responses_item(item: dict[str, Any], notes: _Notes) -> None:
    kind = text(item.get("type")) or "message"
    content = item.get("content")
    if kind == "message":
        role = text(item.get("role"))
        side = {"assistant": "assistant", "system": "system", "developer": "system"}.get(role, "user")
        notes.add(side, texts_of(content, "text", "refusal"))
        for part in map(fields, items(content)):
            _responses_media(part, notes)
    elif kind == "function_call":
        notes.add("call", text(item.get("arguments")), text(item.get("name")), text(item.get("call_id")))
    elif kind == "function_call_output":
        output = item.get("output")
        notes.add("result", texts_of(output, "text"), call=text(item.get("call_id")))
        for part in map(fields, items(output)):
            _responses_media(part, notes)
    elif kind != "reasoning":
        notes.foreign.append(kind)


def _responses_media(part: dict[str, Any], notes: _Notes) -> None:
    match part.get("type"):
        case "input_image":
            url = part.get("image_url")
            notes.media.append(_url(text(url)) if url else media_mark(file_id=text(part.get("file_id"))))
        case "input_file":
            data = text(part.get("file_data"))
            known = media_mark(url=text(part.get("file_url")), file_id=text(part.get("file_id")))
            notes.media.append(_url(data) if data.startswith("data:") else media_mark(data=data) if data else known)
        case "input_audio":
            notes.media.append(media_mark(data=text(fields(part.get("input_audio")).get("data"))))


# Messages


def messages(body: dict[str, Any]) -> Ask:
    """A Messages request."""
    notes = _Notes()
    notes.add("system", texts_of(body.get("system"), "text"))
    for message in map(fields, items(body.get("messages"))):
        side = {"assistant": "assistant", "system": "system"}.get(text(message.get("role")), "user")
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else items(content)
        for block in map(fields, blocks):
            _block(block, side, notes)
    tools = [tool for tool in map(fields, items(body.get("tools"))) if tool.get("type") in (None, "custom")]
    choice = fields(body.get("tool_choice"))
    mode = {"any": "required", "tool": "named"}.get(text(choice.get("type")), text(choice.get("type")) or "auto")
    wanted = fields(body.get("output_config"))
    shape = fields(wanted.get("format")) or fields(body.get("output_format"))
    effort = text(wanted.get("effort"))
    names = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "max_tokens": "max_tokens"}
    numbers = {name: body.get(own) for name, own in names.items()}
    numbers["stop"] = tuple(items(body.get("stop_sequences"))) or None
    numbers["user"] = fields(body.get("metadata")).get("user_id")
    return notes.ask(
        tools={text(one.get("name")): (text(one.get("description")), one.get("input_schema")) for one in tools},
        strict={text(one.get("name")): one.get("strict") for one in tools},
        other_tools=_others(body, None, "custom"),
        choice=(mode, text(choice.get("name")) if mode == "named" else ""),
        alone=choice.get("disable_parallel_tool_use") is True,
        thinking=_thinks(effort, fields(body.get("thinking"))),
        effort=effort,
        form=("schema", shape.get("schema")) if shape.get("type") == "json_schema" else ("", None),
        numbers={name: value for name, value in numbers.items() if value is not None},
    )


def _block(block: dict[str, Any], side: str, notes: _Notes) -> None:
    match block.get("type"):
        case "text":
            notes.add(side, text(block.get("text")))
        case "tool_use":
            notes.add("call", json.dumps(block.get("input")), text(block.get("name")), text(block.get("id")))
        case "tool_result":
            content = block.get("content")
            notes.add("result", texts_of(content, "text"), call=text(block.get("tool_use_id")))
            for inner in map(fields, items(content)):
                if inner.get("type") in ("image", "document"):
                    _block(inner, side, notes)
        case "image" | "document":
            source = fields(block.get("source"))
            data = text(source.get("data"))
            data = _base64(data) if source.get("type") == "text" else data
            mark = media_mark(data=data, url=text(source.get("url")), file_id=text(source.get("file_id")))
            if source.get("type") == "content":  # text in blocks, to be cited
                mark = media_mark(data=_base64(texts_of(source.get("content"), "text")))
            notes.media.append(mark)
        case "thinking" | "redacted_thinking":
            pass
        case kind:
            notes.foreign.append(text(kind))


def _base64(plain: str) -> str:
    return base64.b64encode(plain.encode()).decode()


# Gemini


def gemini(body: dict[str, Any]) -> Ask:
    """A generateContent request; Google takes both spellings of a name."""
    body = _camel(body)
    if isinstance(body.get("tools"), dict):  # Google takes one for a list of one
        body["tools"] = [body["tools"]]
    notes = _Notes()
    instruction = body.get("systemInstruction")
    parts = instruction if isinstance(instruction, str) else fields(instruction).get("parts")
    notes.add("system", texts_of(parts if isinstance(parts, (list, str)) else [parts], "text"))
    for content in map(fields, items(body.get("contents"))):
        side = "assistant" if content.get("role") == "model" else "user"
        for part in map(fields, items(content.get("parts"))):
            _part(part, side, notes)
    declared = [
        fields(one) for tool in items(body.get("tools")) for one in items(fields(tool).get("functionDeclarations"))
    ]
    calling = fields(fields(body.get("toolConfig")).get("functionCallingConfig"))
    config = fields(body.get("generationConfig"))
    thinking = fields(config.get("thinkingConfig"))
    names = {"temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed", "n": "candidateCount"}
    names |= {"max_tokens": "maxOutputTokens", "presence_penalty": "presencePenalty"}
    names |= {"frequency_penalty": "frequencyPenalty"}
    numbers = {name: config.get(own) for name, own in names.items()}
    numbers["stop"] = tuple(items(config.get("stopSequences"))) or None
    shape = config.get("responseJsonSchema") or config.get("responseSchema")
    as_json = config.get("responseMimeType") == "application/json"
    budget, level = thinking.get("thinkingBudget"), text(thinking.get("thinkingLevel"))
    return notes.ask(
        tools={
            text(one.get("name")): (
                text(one.get("description")),
                one.get("parametersJsonSchema") or one.get("parameters"),
            )
            for one in declared
        },
        other_tools=tuple(name for tool in items(body.get("tools")) for name in tool if name != "functionDeclarations"),
        choice=_calling(calling),
        thinking=False if budget == 0 else True if budget or level else None,
        effort=level.lower(),
        form=("schema", shape) if shape else ("json", None) if as_json else ("", None),
        numbers={name: value for name, value in numbers.items() if value is not None},
    )


def _calling(calling: dict[str, Any]) -> tuple[str, str]:
    allowed = items(calling.get("allowedFunctionNames"))
    match text(calling.get("mode")).upper():
        case "ANY" if len(allowed) == 1:
            return "named", text(allowed[0])
        case "ANY":
            return "required", ""
        case "NONE":
            return "none", ""
        case _:
            return "auto", ""


def _part(part: dict[str, Any], side: str, notes: _Notes) -> None:
    if "functionCall" in part:
        call = fields(part["functionCall"])
        name = text(call.get("name"))
        notes.add("call", json.dumps(fields(call.get("args"))), name, _call_id(call, name, notes, "call"))
    elif "functionResponse" in part:
        answer = fields(part["functionResponse"])
        notes.add("result", answer.get("response"), call=_call_id(answer, text(answer.get("name")), notes, "result"))
        for inner in map(fields, items(answer.get("parts"))):
            _part(inner, side, notes)
    elif "text" in part:
        if not part.get("thought"):
            notes.add(side, text(part["text"]))
    elif "inlineData" in part:
        notes.media.append(media_mark(data=text(fields(part["inlineData"]).get("data"))))
    elif "fileData" in part:
        notes.media.append(media_mark(url=text(fields(part["fileData"]).get("fileUri"))))
    else:
        notes.foreign += [name for name in part if name not in ("thoughtSignature", "thought")]


def _call_id(value: dict[str, Any], name: str, notes: _Notes, kind: str) -> str:
    """Calls without an id are told apart by their name and their order."""
    # An id that only the call has is of no use: the record's author left it out of the result.
    count = sum(one.kind == kind and one.call.startswith(f"{name}#") for one in notes.said)
    return f"{name}#{count}"


def _camel(value: Any) -> Any:
    """Keys of Google's own objects in camel case; those of schemas and arguments as they are."""
    kept = {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"}
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, inner in value.items():
        head, *rest = name.split("_")
        own = head + "".join(word.capitalize() for word in rest)
        found[own] = inner if own in kept else _camel(inner)
    return found


READ = {
    "openai-chat": chat,
    "openai-responses": responses,
    "anthropic-messages": messages,
    "gemini": gemini,
}
