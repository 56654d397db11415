"""Parts that are neither text nor thinking as blocks, and blocks as parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pointsman.core.chat import Block, Dropped, Extras, Media, Opaque, Reasoning, Refusal, Text, ToolCall, ToolResult
from pointsman.wire.extras import keep, own
from pointsman.wire.gemini.framing import one_line
from pointsman.wire.gemini.media import read_media, write_media
from pointsman.wire.gemini.names import DIALECT, fields_of, null, objects_of
from pointsman.wire.gemini.seals import SEAL, opened, own_make, seal_of, stands_in
from pointsman.wire.losses import dropped, name_of, undetailed
from pointsman.wire.raw import Fields, dump, object_of, rest, text_in, text_of, value_of

_MEDIA = ("inlineData", "fileData")
_KNOWN = frozenset({"functionCall", "functionResponse", "thought", SEAL, *_MEDIA})


def read_part(fields: Fields, raw: msgspec.Raw, model: str = "") -> Block:
    """A part without text; what this module does not know stays opaque.

    Args:
        fields: the part's, named in camelCase.
        raw: the part as it came.
        model: who made it, where that is known.
    """
    thought = bytes(fields.get("thought", b"")) == b"true"
    block: Block | None = None
    if "functionCall" in fields:
        block = read_call(fields["functionCall"])
    elif "functionResponse" in fields:
        block = read_result(fields["functionResponse"])
    elif not thought:  # pictures that were only thought of are no answer
        name = next((name for name in _MEDIA if name in fields), "")
        block = read_media(name, fields[name]) if name else None
    if block is None:
        return Opaque(dialect=DIALECT, kind=_kind(fields), raw=raw)
    extras = (*block.extras, *_seal(fields, model))
    if len(fields) > 1 and (left := _said(rest(fields, _KNOWN))):
        extras = (*extras, *keep(DIALECT, left))
    return msgspec.structs.replace(block, extras=extras) if extras else block


def _kind(fields: Fields) -> str:
    return next((name for name in fields if name not in ("thought", SEAL)), "part")


def _said(fields: Fields) -> Fields:
    return {name: raw for name, raw in fields.items() if not null(raw)}


def _seal(fields: Fields, model: str) -> tuple[Extras, ...]:
    seal = text_in(fields, SEAL) if SEAL in fields else ""
    return sealing(seal, model)


def sealing(seal: str, model: str = "") -> tuple[Extras, ...]:
    """A Gemini's signature as extras of the block that it signs; none where there is none, or one of ours."""
    if not seal or stands_in(seal) or opened(seal) is not None:
        return ()
    return (Extras(dialect=DIALECT, model=model, fields={SEAL: dump(seal)}),)


def read_call(raw: msgspec.Raw) -> ToolCall | None:
    """A function call; its id is empty where it has none. None where there is no name."""
    fields = fields_of(raw)
    name = text_of(fields.get("name")) if fields else None
    if fields is None or name is None:
        return None
    args = fields.get("args")
    left = _said(rest(fields, ("id", "name", "args")))
    return ToolCall(
        id=text_in(fields, "id"),
        name=name,
        arguments="{}" if args is None or object_of(args) is None else bytes(args).decode("utf-8", "replace"),
        extras=keep(DIALECT, {f"functionCall.{name}": one for name, one in left.items()}),
    )


_RESULT = ("id", "name", "response", "parts")


def read_result(raw: msgspec.Raw) -> ToolResult | None:
    """What a function gave back; `call_id` is empty where it names none."""
    fields = fields_of(raw)
    if fields is None:
        return None
    content, is_error = _read_response(fields.get("response"))
    for part in objects_of(fields.get("parts")):
        inner = fields_of(part) or {}
        name = next((name for name in _MEDIA if name in inner), "")
        media = read_media(name, inner[name]) if name else None
        content.append(media or Opaque(dialect=DIALECT, kind=_kind(inner), raw=part))
    left = _said(rest(fields, _RESULT))
    return ToolResult(
        call_id=text_in(fields, "id"),
        name=text_in(fields, "name"),
        content=tuple(content),
        is_error=is_error,
        extras=keep(DIALECT, {f"functionResponse.{name}": one for name, one in left.items()}),
    )


def _read_response(raw: msgspec.Raw | None) -> tuple[list[Block], bool]:
    """The text of a response: a text alone under one of the two names that Google documents, else its JSON."""
    if raw is None or null(raw):
        return [], False
    response = object_of(raw)
    if response is None:  # no object, as it should be, and still what the function gave back
        text = text_of(raw)
        return [Text(text=bytes(raw).decode("utf-8", "replace") if text is None else text)], False
    if not response:
        return [], False
    if len(response) == 1:
        for name in ("result", "error"):
            text = text_of(response.get(name))
            if text is not None and (name == "error" or object_of(text.encode("utf-8", "replace")) is None):
                return ([Text(text=text)] if text else []), name == "error"
    return [Text(text=bytes(raw).decode("utf-8", "replace"))], False


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How parts are to be written for one model: tools' other names, and whether results may hold files."""

    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    files_in_results: bool = True


def write_part(block: Block, style: Style, lost: list[Dropped], path: str) -> dict[str, Any] | msgspec.Raw | None:
    """A block as a part; None if there is nothing to say, or no way to say it (which is noted)."""
    part: dict[str, Any] | None
    match block:
        case Text(text=text) | Refusal(text=text):
            part = {"text": text} if text else None
        case Reasoning():
            return _write_thought(block, lost, path)
        case ToolCall():
            part = write_call(block, style)
        case Media():
            part = write_media(block, lost, path)
            lost += undetailed(block, path) if part is not None else ()
        case Opaque(dialect=dialect, raw=raw) if dialect == DIALECT:
            return raw
        case _:
            lost.append(Dropped(path=path, reason=f"Gemini has no place for `{name_of(block)}`"))
            return None
    if block.extras and part is not None:
        lost += dropped(block.extras, DIALECT, path)
        _restore(part, block.extras)
    return part


def _restore(part: dict[str, Any], extras: tuple[Extras, ...]) -> None:
    """Put back what only this dialect knows; `functionCall.x` stood inside the call."""
    for name, raw in own(extras, DIALECT).items():
        outer, _, inner = name.partition(".")
        if not inner:
            part[name] = raw
        elif isinstance(part.get(outer), dict):
            part[outer][inner] = raw


def _write_thought(block: Reasoning, lost: list[Dropped], path: str) -> dict[str, Any] | None:
    """Thinking that a Gemini made; of others', nothing is of use to it."""
    if not own_make(block.maker):
        if block.text or block.signature or block.encrypted:
            lost.append(Dropped(path=f"{path}.thinking", reason="thinking is of use only to the model that made it"))
        return None
    return thought(block.text, block.signature)


def thought(text: str, seal: str) -> dict[str, Any] | None:
    """A part with thinking; a signature alone stands on an empty text, as Google sends it."""
    if not text:
        return {"text": "", SEAL: seal} if seal else None
    part: dict[str, Any] = {"text": text, "thought": True}
    return {**part, SEAL: seal} if seal else part


def shown_thought(block: Reasoning) -> dict[str, Any] | None:
    """A part with anybody's thinking, for a caller who is to send it back."""
    seal = seal_of(block)
    if not block.text and not own_make(block.maker):
        return {"text": "", "thought": True, SEAL: seal} if seal else None
    return thought(block.text, seal)


def write_call(call: ToolCall, style: Style) -> dict[str, Any]:
    """A function call, without its signature."""
    function: dict[str, Any] = {"id": call.id} if call.id else {}
    function |= {"name": style.names.get(call.name, call.name), "args": arguments(call.arguments)}
    return {"functionCall": function}


def arguments(text: str) -> Any:
    """Arguments as the object that they have to be; what is none stands in one."""
    raw = text.encode("utf-8", "replace")
    if object_of(raw) is not None:
        return msgspec.Raw(one_line(raw))
    return {"arguments": text} if text.strip() else {}


def write_result(
    result: ToolResult, name: str, style: Style, lost: list[Dropped], path: str
) -> tuple[dict[str, Any], list[Media]]:
    """A function's result, and the files that have to follow outside of it."""
    lost += dropped(result.extras, DIALECT, path)
    texts: list[str] = []
    files: list[Media] = []
    parts: list[Any] = []
    for block in result.content:
        match block:
            case Text(text=text) | Refusal(text=text):
                texts.append(text)
            case Media() if style.files_in_results:
                part = write_media(block, lost, f"{path}.content")
                parts += [part] if part is not None else []
            case Media():
                files.append(block)
            case Opaque(dialect=dialect, raw=raw) if dialect == DIALECT:
                parts.append(raw)
            case _:
                lost.append(Dropped(path=f"{path}.content", reason=f"Gemini has no place for `{name_of(block)}`"))
    function: dict[str, Any] = {"id": result.call_id} if result.call_id else {}
    function |= {"name": style.names.get(name, name), "response": _response(texts, is_error=result.is_error)}
    function |= {"parts": parts} if parts else {}
    written: dict[str, Any] = {"functionResponse": function}
    _restore(written, result.extras)
    return written, files


def _response(texts: list[str], *, is_error: bool) -> Any:
    text = "\n".join(text for text in texts if text)
    if is_error:
        return {"error": text}
    raw = text.encode("utf-8", "replace")
    if object_of(raw) is not None and not _refers(raw):
        return msgspec.Raw(one_line(raw))
    return {"result": text}


def _refers(raw: bytes) -> bool:
    """Whether there is a `$ref` in a result: Google reads it as a reference to one of its files, and refuses others."""
    return raw.find(b'"$ref"') >= 0 and _has_reference(value_of(msgspec.Raw(raw)))


def _has_reference(value: Any) -> bool:
    values = [value]
    while values:
        one = values.pop()
        if isinstance(one, dict):
            if "$ref" in one:
                return True
            values += one.values()
        elif isinstance(one, list):
            values += one
    return False
