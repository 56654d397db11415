"""Contents of a request as core messages."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from pointsman.core.chat import Block, Message, Reasoning, Role, Text, ToolCall, ToolResult
from pointsman.core.errors import InvalidRequest
from pointsman.wire.asked import refuse
from pointsman.wire.gemini.checks import check_part
from pointsman.wire.gemini.core_parts import read_part, sealing
from pointsman.wire.gemini.names import DIALECT, fields_of, null, objects_of
from pointsman.wire.gemini.seals import SEAL, opened, stands_in
from pointsman.wire.raw import Fields, items_of, rest, text_in, text_of
from pointsman.wire.tool_names import made_id

_ROLES: dict[str, Role] = {"": "user", "user": "user", "model": "assistant", "function": "user", "tool": "user"}


class _Call(NamedTuple):
    """A call that waits for its result: under which id it stands in core, and which it had."""

    id: str
    given: str
    name: str


class _Part(NamedTuple):
    """A part: its fields, named in camelCase, and as it came."""

    fields: Fields
    raw: msgspec.Raw


class Contents:
    """Reads contents in order; calls get the ids that results are found by. `left` is what no other dialect knows."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._role: Role | None = None
        self._blocks: list[Block] = []
        self._waiting: list[_Call] = []
        self._count = 0
        self.left: Fields = {}

    def add(self, raw: msgspec.Raw, path: str) -> None:
        """Read one content.

        Raises:
            InvalidRequest: no object, of no known role, or with parts that are none or cannot be read.
        """
        fields = fields_of(raw)
        if fields is None:
            raise InvalidRequest(f"`{path}` has to be an object with `role` and `parts`.", param=path)
        said = fields.get("role")
        role = _ROLES.get("" if said is None or null(said) else text_of(said) or "?")
        if role is None:
            raise InvalidRequest(f"`{path}.role` has to be `user` or `model`.", param=f"{path}.role")
        self.left |= unread(fields, path)
        self._turn(role, _parts(fields, f"{path}.parts"))

    def end(self) -> tuple[Message, ...]:
        """All messages."""
        self._close()
        return tuple(self.messages)

    def _turn(self, role: Role, parts: list[_Part]) -> None:
        if role == "user" or self._role != role:  # a streamed answer comes back as many contents of the model
            self._close()
            self._role = role
            if role == "assistant":
                self._waiting = []
        for fields, raw in parts:
            self._part(fields, raw)

    def _close(self) -> None:
        role, blocks = self._role, tuple(self._blocks)
        self._role, self._blocks = None, []
        if role is None:
            return
        if role == "user" and blocks and all(isinstance(block, ToolResult) for block in blocks):
            last = self.messages[-1] if self.messages else None
            if last is not None and last.role == "tool":
                self.messages[-1] = msgspec.structs.replace(last, blocks=(*last.blocks, *blocks))
                return
            role = "tool"
        self.messages.append(Message(role=role, blocks=blocks))

    def _part(self, fields: Fields, raw: msgspec.Raw) -> None:
        text = text_of(fields.get("text"))
        if text is not None and len(fields) == 1:
            self._text(text, "")
            return
        seal = text_in(fields, SEAL) if SEAL in fields else ""
        if (inner := opened(seal)) is not None:
            self._envelope(inner, fields, raw, text)
            return
        if text is None and not fields.keys() - {"thought", SEAL}:
            text = ""
        if text is None:
            self._block(read_part(fields, raw))
        elif bytes(fields.get("thought", b"")) == b"true":
            self._thought(text, "" if stands_in(seal) else seal)
        else:
            self._text(text, "" if stands_in(seal) else seal)

    def _envelope(self, inner: Reasoning, fields: Fields, raw: msgspec.Raw, text: str | None) -> None:
        """Thinking of another maker, which may have been streamed before its seal; and what else is in the part."""
        thinks = bytes(fields.get("thought", b"")) == b"true"
        last = self._blocks[-1] if self._blocks else None
        before = ""
        if isinstance(last, Reasoning) and not last.signature and not last.encrypted:
            before = last.text
            self._blocks.pop()
        self._blocks.append(msgspec.structs.replace(inner, text=before + ((text or "") if thinks else "")))
        if thinks:
            return
        if text is not None:
            self._text(text, "")
        elif left := {name: one for name, one in fields.items() if name != SEAL}:
            self._block(read_part(left, raw))

    def _text(self, text: str, seal: str) -> None:
        if not text:
            if seal:
                self._blocks.append(Reasoning(signature=seal, maker=DIALECT))
            return
        last = self._blocks[-1] if self._blocks else None
        extras = sealing(seal)
        if self._role == "assistant" and isinstance(last, Text) and not last.extras:
            self._blocks[-1] = Text(text=last.text + text, extras=extras)
        else:
            self._blocks.append(Text(text=text, extras=extras))

    def _thought(self, text: str, seal: str) -> None:
        if not text and not seal:
            return
        last = self._blocks[-1] if self._blocks else None
        if isinstance(last, Reasoning) and not last.signature and not last.encrypted:
            self._blocks[-1] = Reasoning(text=last.text + text, signature=seal, summary=True, maker=DIALECT)
        else:
            self._blocks.append(Reasoning(text=text, signature=seal, summary=True, maker=DIALECT))

    def _block(self, block: Block) -> None:
        if isinstance(block, ToolCall):
            given = block.id
            if not given:
                block = msgspec.structs.replace(block, id=made_id(block.name + block.arguments, self._count))
            self._count += 1
            self._waiting.append(_Call(block.id, given, block.name))
        elif isinstance(block, ToolResult):
            block = self._answered(block)
        self._blocks.append(block)

    def _answered(self, result: ToolResult) -> ToolResult:
        """A result with its call's id: by the id that it names, else the first call of its name, else the first."""
        waiting = self._waiting
        found = next((call for call in waiting if call.given and call.given == result.call_id), None)
        if found is None:
            found = next((call for call in waiting if call.name == result.name), None)
        if found is None and waiting and not result.name:
            found = waiting[0]
        if found is None:
            return msgspec.structs.replace(result, call_id=result.call_id or made_id(result.name, self._count))
        waiting.remove(found)
        return msgspec.structs.replace(result, call_id=found.id, name=found.name)


def unread(content: Fields, path: str) -> Fields:
    """What is in a content besides its role and parts, by its path."""
    more = rest(content, ("role", "parts"))
    return {f"{path}.{name}": raw for name, raw in more.items() if not null(raw)}


def _parts(content: Fields, path: str) -> list[_Part]:
    """The parts of a content. A text in the place of one, which Google refuses, must not disappear here.

    Raises:
        InvalidRequest: they are no objects.
    """
    raw = content.get("parts")
    if raw is None or null(raw):
        return []
    items = objects_of(raw)
    if not items and items_of(raw) is None:
        refuse(path, "a list of parts", raw)
    parts: list[_Part] = []
    for at, one in enumerate(items):
        fields = fields_of(one)
        if fields is None:
            refuse(f"{path}[{at}]", 'an object such as `{"text": …}`', one)
        check_part(fields, f"{path}[{at}]")
        parts.append(_Part(fields, one))
    return parts


def read_system(raw: msgspec.Raw | None) -> tuple[Message, ...]:
    """`systemInstruction` as a message; none where it says nothing.

    Raises:
        InvalidRequest: it is neither a content nor a text.
    """
    text = text_of(raw)
    if text is not None:
        return (Message(role="system", blocks=(Text(text=text),)),) if text else ()
    if raw is None or null(raw):
        return ()
    content = fields_of(raw)
    if content is None:
        refuse("systemInstruction", "an object with `parts`", raw)
    blocks: list[Block] = []
    for fields, part in _parts(content, "systemInstruction.parts"):
        text = text_of(fields.get("text"))
        if text is None:
            blocks.append(read_part(fields, part))
        elif text:
            blocks.append(Text(text=text))
    return (Message(role="system", blocks=tuple(blocks)),) if blocks else ()
