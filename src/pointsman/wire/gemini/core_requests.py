"""Gemini requests as core requests, and back. Used only where caller and provider speak different dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pointsman.core.chat import Dropped, Request, ToolCall
from pointsman.core.model import Model
from pointsman.wire.extras import keep, own
from pointsman.wire.gemini.checks import check_request
from pointsman.wire.gemini.core_config import read_config, write_config
from pointsman.wire.gemini.core_contents import Contents, read_system, unread
from pointsman.wire.gemini.core_parts import Style
from pointsman.wire.gemini.core_tools import read_choice, read_tools, write_choice, write_tools
from pointsman.wire.gemini.core_turns import Turns
from pointsman.wire.gemini.models import of_3, on_vertex
from pointsman.wire.gemini.names import DIALECT, fields_of, null, objects_of, spelled
from pointsman.wire.gemini.outgoing import counting, fit, path_of
from pointsman.wire.losses import dropped, untiered
from pointsman.wire.raw import Fields
from pointsman.wire.tool_names import GEMINI_NAME, fitted_names
from pointsman.wire.trip import Incoming, Outgoing

_encode = msgspec.json.Encoder().encode
ASKED_ABOUT = "generateContentRequest"
_KNOWN = frozenset({"model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig"})
# Hints about how to serve, which change no answer: nothing is lost where they are not understood.
_HINTS = frozenset({"labels", "serviceTier", "store"})


def to_core(incoming: Incoming) -> Request:
    """A Gemini request in no dialect. Raises as `port.CallerSide.to_core`."""
    fields = asked(outer := spelled(incoming.fields))
    check_request(fields, "" if fields is outer else f"{ASKED_ABOUT}.")
    contents = Contents()
    for at, raw in enumerate(objects_of(fields.get("contents"))):
        contents.add(raw, f"contents[{at}]")
    choice, left = read_choice(fields.get("toolConfig"))
    config, more = read_config(fields.get("generationConfig"))
    left |= more | contents.left | unread(fields_of(fields.get("systemInstruction")) or {}, "systemInstruction")
    left |= {name: raw for name, raw in fields.items() if name not in _KNOWN and name not in _HINTS and not null(raw)}
    return Request(
        model=incoming.model,
        messages=(*read_system(fields.get("systemInstruction")), *contents.end()),
        tools=read_tools(fields["tools"]) if "tools" in fields else (),
        tool_choice=choice,
        stream=incoming.stream,
        stream_usage=True,
        extras=keep(DIALECT, left),
        **config,
    )


def asked(fields: Fields) -> Fields:
    """A request's fields; of a question for a number of tokens those of the request that it asks about."""
    inner = fields_of(fields.get(ASKED_ABOUT))
    return fields if inner is None else inner


def from_core(request: Request, model: Model) -> Outgoing:
    """A request for `model`. Raises as `port.ProviderSide.from_core`."""
    fields, names, lost = _fitted(request, model)
    return Outgoing(
        path=path_of(model, "streamGenerateContent" if request.stream else "generateContent"),
        body=_encode(fields),
        dropped=tuple(lost),
        dialect=DIALECT,
        tool_names={sent: name for name, sent in names.items()},
    )


def count_from_core(request: Request, model: Model) -> Outgoing:
    """The question how many tokens a request has."""
    fields, _, lost = _fitted(request, model)
    return Outgoing(
        path=path_of(model, "countTokens"),
        body=_encode(counting(fields, model, vertex=on_vertex(model))),
        dropped=tuple(lost),
        dialect=DIALECT,
    )


def _fitted(request: Request, model: Model) -> tuple[dict[str, Any], Mapping[str, str], list[Dropped]]:
    lost = [*dropped(request.extras, DIALECT, ""), *untiered(request)]
    names = fitted_names(_names(request), GEMINI_NAME)
    style = Style(names=names, files_in_results=of_3(model))
    fields, refused = fit(_write(request, model, style, lost), model)
    return fields, names, [*lost, *refused]


def _names(request: Request) -> list[str]:
    """Every name of a function, also of those that were called and are no longer offered."""
    called = [block.name for message in request.messages for block in message.blocks if isinstance(block, ToolCall)]
    return [*(tool.name for tool in request.tools if not tool.dialect), *called]


def _write(request: Request, model: Model, style: Style, lost: list[Dropped]) -> dict[str, Any]:
    instruction, contents = Turns(style, lost).write(request.messages, signs=of_3(model))
    fields: dict[str, Any] = {"contents": contents}
    if instruction:
        fields["systemInstruction"] = {"parts": instruction}
    tools = write_tools(request, model, style, lost)
    if tools:
        fields["tools"] = tools
    calling = write_choice(request.tool_choice, style, lost) if tools else {}
    config = write_config(request, model, lost)
    own_fields = own(request.extras, DIALECT)
    for name, raw in own_fields.items():
        _restore(name, raw, fields, calling, config)
    if calling:
        fields.setdefault("toolConfig", {})["functionCallingConfig"] = calling
    if config:
        fields["generationConfig"] = config
    return fields


def _restore(
    name: str, raw: msgspec.Raw, fields: dict[str, Any], calling: dict[str, Any], config: dict[str, Any]
) -> None:
    """Put back what only this dialect knows, to where it stood."""
    outer, _, inner = name.partition(".")
    if not inner:
        fields[name] = raw
    elif outer == "generationConfig":
        config[inner] = raw
    elif inner.startswith("functionCallingConfig."):
        calling[inner.partition(".")[2]] = raw
    else:
        fields.setdefault(outer, {})[inner] = raw
