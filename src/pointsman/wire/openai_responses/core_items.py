"""The items of a request as messages of the core.

Here a turn is a row of items: reasoning, text, one item for each call, one for each result. Elsewhere it is a message.
So neighbouring items of the assistant become one message, and the results of its calls the one behind it, even where
something else came between a call and its result (Codex writes what was said meanwhile).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from pointsman.core.chat import Block, Extras, Media, Message, Opaque, Reasoning, Role, Text, Tool, ToolCall, ToolResult
from pointsman.core.dialects import RESPONSES
from pointsman.core.errors import InvalidRequest
from pointsman.wire.extras import keep
from pointsman.wire.openai_responses.checks import check_item, check_message
from pointsman.wire.openai_responses.content import read_content
from pointsman.wire.openai_responses.seals import PREFIX, opened
from pointsman.wire.openai_responses.tools import read_call, read_tools
from pointsman.wire.raw import Fields, list_of, object_of, rest, text_in, text_of

_ROLES: dict[str, Role] = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}
_CALLS = frozenset({"function_call", "custom_tool_call", "local_shell_call"})
_RESULTS = frozenset({f"{name}_output" for name in _CALLS})
_REFERENCE = "item_reference"
_THOUGHTS = "rs_"  # so begin the ids of reasoning items, OpenAI's and ours


class _Turn:
    """A message on its way, the results of its calls, and what belongs to those of its blocks that are calls."""

    __slots__ = ("blocks", "results", "role", "seals")

    def __init__(self, role: Role, blocks: Iterable[Block] = ()) -> None:
        self.role: Role = role
        self.blocks: list[Block] = list(blocks)
        self.results: list[Block] = []
        self.seals: dict[int, list[Extras]] = {}

    def sealed(self) -> list[Block]:
        """The blocks, each call with what belongs to it."""
        for at, extras in self.seals.items():
            self.blocks[at] = msgspec.structs.replace(self.blocks[at], extras=tuple(extras))
        return self.blocks


class Turns:
    """Puts items together to messages.

    Args:
        offered: whether a tool of a name is offered.
    """

    def __init__(self, offered: Callable[[str], bool]) -> None:
        self._turns: list[_Turn] = []
        self._offered = offered
        self._callers: dict[str, tuple[_Turn, int]] = {}  # where the newest call of an id stands
        self._names: dict[str, str] = {}
        self._early: dict[str, list[Extras]] = {}  # what belongs to calls that are still to come

    def say(self, role: Role, blocks: Iterable[Block]) -> None:
        """Add a message."""
        self._turns.append(_Turn(role, blocks))

    def add(self, raw: msgspec.Raw, path: str) -> None:
        """Add an item.

        Raises:
            InvalidRequest: no object, a message of no known role, or an item that stands with somebody else.
        """
        fields = object_of(raw)
        if fields is None:
            raise InvalidRequest(f"`{path}` has to be an object.", param=path)
        check_item(fields, path)
        kind = text_in(fields, "type")
        if kind == "message" or (not kind and "role" in fields):
            self._message(fields, path)
        elif kind == "reasoning":
            self._reasoning(fields)
        elif kind in _CALLS:
            self._call(read_call(fields, kind, self._offered))
        elif kind in _RESULTS:
            self._result(fields)
        elif kind == _REFERENCE or (not kind and "id" in fields):
            self._reference(raw, fields, path)
        elif kind != "additional_tools":
            image = read_image(fields) if kind == "image_generation_call" else None
            self._assistant().append(image or Opaque(dialect=RESPONSES, kind=kind, raw=raw))

    def messages(self) -> tuple[Message, ...]:
        """All of them, in order."""
        found: list[Message] = []
        for turn in self._turns:
            blocks = turn.sealed()
            if blocks or not turn.results:
                found.append(Message(role=turn.role, blocks=tuple(blocks)))
            if turn.results:
                found.append(Message(role="tool", blocks=tuple(turn.results)))
        return tuple(found)

    def _message(self, fields: Fields, path: str) -> None:
        role = text_of(fields.get("role"))
        if role is None or role not in _ROLES:
            known = ", ".join(_ROLES)
            raise InvalidRequest(f"`{path}.role` has to be one of {known}.", param=f"{path}.role")
        check_message(fields, path)
        blocks = read_content(fields.get("content"))
        if role == "assistant":
            self._assistant().extend(blocks)
        else:
            self.say(_ROLES[role], blocks)

    def _reference(self, raw: msgspec.Raw, fields: Fields, path: str) -> None:
        """What is only referred to is missing. Thoughts are no loss: nobody but their maker reads them."""
        if not text_in(fields, "id").startswith(_THOUGHTS):
            raise InvalidRequest(
                f"`{path}` refers to an item that only the provider that made it has.",
                param=path,
                hint="Send the item itself, or name a model of a provider that speaks Responses.",
            )
        self._assistant().append(Opaque(dialect=RESPONSES, kind=_REFERENCE, raw=raw))

    def _assistant(self) -> list[Block]:
        """The blocks of the turn in which the assistant is speaking."""
        last = self._turns[-1] if self._turns else None
        if last is None or last.role != "assistant" or last.results:
            last = _Turn("assistant")
            self._turns.append(last)
        return last.blocks

    def _call(self, call: ToolCall) -> None:
        blocks = self._assistant()
        turn, at = self._turns[-1], len(blocks)
        blocks.append(call)
        self._callers[call.id] = turn, at
        self._names[call.id] = call.name
        if call.id in self._early:
            turn.seals[at] = self._early.pop(call.id)

    def _seal(self, call_id: str, extras: Iterable[Extras]) -> None:
        """What belongs to a call, which mostly stands before it. Calls of other turns may have the same id."""
        if call_id not in self._callers:
            self._early.setdefault(call_id, []).extend(extras)
            return
        turn, at = self._callers[call_id]
        turn.seals.setdefault(at, []).extend(extras)

    def _result(self, fields: Fields) -> None:
        call_id = text_in(fields, "call_id") or text_in(fields, "id")
        output = fields.get("output")
        content = read_content(output)
        if output is not None and _odd(output):
            content = [Text(text=bytes(output).decode())]
        result = ToolResult(call_id=call_id, content=tuple(content), name=self._names.get(call_id, ""))
        turn, _ = self._callers.get(call_id, (None, 0))
        if turn is None:  # the result of a call that is not here
            last = self._turns[-1] if self._turns else None
            if last is None or not last.results:
                last = _Turn("tool")
                self._turns.append(last)
            turn = last
        turn.results.append(result)

    def _reasoning(self, fields: Fields) -> None:
        found = read_reasoning(fields, RESPONSES)
        encrypted = text_in(fields, "encrypted_content")
        seal = opened(encrypted) if encrypted.startswith(PREFIX) else None
        if seal is not None and seal.call:
            self._seal(seal.call, seal.extras)
        elif seal is not None:
            text = "".join(block.text for block in found)
            self._assistant().append(msgspec.structs.replace(seal.reasoning, text=text))
        else:
            self._assistant().extend(found)


def _odd(raw: msgspec.Raw | None) -> bool:
    """Whether content is neither a text nor a list, and not absent either."""
    return raw is not None and bytes(memoryview(raw)[:1]) not in (b'"', b"[", b"n")


def read_reasoning(fields: Fields, maker: str) -> list[Reasoning]:
    """A reasoning item: its summary and its text, of which there is mostly one, and what only the maker can read."""
    encrypted = text_in(fields, "encrypted_content")
    encrypted = "" if encrypted.startswith(PREFIX) else encrypted
    found: list[Reasoning] = []
    for name in ("summary", "content"):
        text = "\n\n".join(filter(None, (text_in(object_of(raw) or {}, "text") for raw in list_of(fields.get(name)))))
        if text:
            found.append(Reasoning(text=text, encrypted=encrypted, summary=name == "summary", maker=maker))
            encrypted = ""
    return found or ([Reasoning(encrypted=encrypted, maker=maker)] if encrypted else [])


def read_image(fields: Fields) -> Media | None:
    """A picture that a tool of the provider's has made; None where there is none (yet)."""
    data = text_in(fields, "result")
    if not data:
        return None
    form = text_in(fields, "output_format") or "png"
    extras = keep(RESPONSES, rest(fields, ("type", "id", "status", "result", "output_format")))
    return Media(kind="image", media_type=f"image/{form}", data=data, extras=extras)


def more_tools(items: Iterable[msgspec.Raw]) -> list[Tool]:
    """Tools that are offered by items of the input."""
    tools: list[Tool] = []
    for raw in items:
        if bytes(raw).find(b'"additional_tools"') >= 0:
            fields = object_of(raw) or {}
            if text_in(fields, "type") == "additional_tools":
                tools += read_tools(list_of(fields.get("tools")))
    return tools
