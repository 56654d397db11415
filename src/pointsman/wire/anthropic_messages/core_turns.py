"""Core messages as the turns of this dialect: user and assistant by turns, tools' results first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pointsman.core.chat import (
    Block,
    CacheMark,
    Dropped,
    Media,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from pointsman.core.dialects import MESSAGES
from pointsman.wire.anthropic_messages.claude import Takes, same_model
from pointsman.wire.anthropic_messages.core_parts import SEARCH_RESULT
from pointsman.wire.anthropic_messages.media import uses_files, write_media
from pointsman.wire.anthropic_messages.seals import own_make
from pointsman.wire.cache_marks import NAME as MARK
from pointsman.wire.cache_marks import write_mark
from pointsman.wire.extras import own
from pointsman.wire.losses import dropped, name_of, undetailed, unnamed
from pointsman.wire.raw import object_of
from pointsman.wire.tool_names import ANTHROPIC_ID, fitted_id

NOTHING = "(no message)"
"""What stands where a turn of the user has to be and the caller has none."""
CONTINUE = "Continue."
_SYSTEM = ("system", "developer")
Turn = dict[str, Any]
_HEADS = ("thinking", "redacted_thinking")


class Conversation:
    """A conversation on its way into turns.

    Attributes:
        system: blocks of the system prompt.
        turns: each with `role` and a list `content`.
        marks: everything that carries a cache mark, in the order of the prompt.
        lost: what could not be said.
        files: something is written by the id of a file.
    """

    def __init__(self, model: str, takes: Takes, names: Mapping[str, str], lost: list[Dropped]) -> None:
        self._model = model
        self._takes = takes
        self._names = names
        self.lost = lost
        self.system: list[Any] = []
        self.turns: list[Turn] = []
        self.marks: list[dict[str, Any]] = []
        self.files = False

    def add(self, messages: Sequence[Message]) -> None:
        """Write messages; called once."""
        following = _following(messages) if self._takes.late_system else ()
        for at, message in enumerate(messages):
            path = f"messages[{at}]"
            if message.extras:
                self.lost += dropped(message.extras, MESSAGES, path)
            if message.name:
                self.lost += unnamed(message, path)
            if message.role in _SYSTEM:
                self._add_system(message, path, bool(following) and self._may_stay(following[at]))
                continue
            role = "assistant" if message.role == "assistant" else "user"
            content = self._turn(role)
            self._write(message.blocks, content, path, mine=role == "assistant")
        self.turns = [_ordered(turn) for turn in _merged(self.turns)]
        if not self.turns or self.turns[0]["role"] != "user":
            self.turns.insert(0, {"role": "user", "content": [{"type": "text", "text": NOTHING}]})

    def _turn(self, role: str) -> list[Any]:
        """The content of the last turn, if it is of this role, else of a new one."""
        if not self.turns or self.turns[-1]["role"] != role:
            self.turns.append({"role": role, "content": []})
        content: list[Any] = self.turns[-1]["content"]
        return content

    def _may_stay(self, following: str) -> bool:
        """Whether a system message may stay where it is: behind a turn of the user, before none or the assistant's."""
        if not self.turns or self.turns[-1]["role"] == "assistant":
            return False
        return bool(self.turns[-1]["content"]) and following == "assistant"

    def _add_system(self, message: Message, path: str, stays: bool) -> None:
        content = self._turn("system") if stays else self.system
        for block in message.blocks:
            if isinstance(block, Text | Refusal):
                self._text(block, content, path)
            elif stays and isinstance(block, Opaque) and block.dialect == MESSAGES:
                content.append(block.raw)
            else:
                self.lost.append(Dropped(path=path, reason=f"a system prompt has no place for `{name_of(block)}`"))

    def _write(self, blocks: Sequence[Block], out: list[Any], path: str, *, mine: bool) -> None:
        for block in blocks:
            match block:
                case Text() | Refusal():
                    self._text(block, out, path)
                case ToolCall():
                    out.append(self._call(block, path))
                case ToolResult():
                    out.append(self._result(block, path))
                case Media():
                    self._media(block, out, path)
                case Reasoning():
                    self._reasoning(block, out, path, mine=mine)
                case Opaque(dialect=dialect, raw=raw) if dialect == MESSAGES:
                    fields = object_of(raw) if block.cache else None
                    out.append(raw if fields is None else self._marked({**fields}, block.cache))
                case _:
                    self.lost.append(Dropped(path=path, reason=f"messages have no place for `{name_of(block)}`"))

    def _text(self, block: Text | Refusal, out: list[Any], path: str) -> None:
        if not block.text or block.text.isspace():
            return  # refused where it stands, and says nothing
        value: dict[str, Any] = {"type": "text", "text": block.text}
        if block.extras:
            self.lost += dropped(block.extras, MESSAGES, path)
            mine = own(block.extras, MESSAGES)
            result = object_of(mine.get(SEARCH_RESULT))
            value = dict(result) if result is not None else value | mine
        out.append(self._marked(value, block.cache))

    def _marked(self, value: dict[str, Any], mark: CacheMark) -> dict[str, Any]:
        if mark:
            value |= write_mark(mark)
            self.marks.append(value)
        return value

    def _call(self, call: ToolCall, path: str) -> dict[str, Any]:
        value: dict[str, Any] = {
            "type": "tool_use",
            "id": fitted_id(call.id, ANTHROPIC_ID),
            "name": self._names.get(call.name, call.name),
            "input": input_of(call.arguments),
        }
        if call.extras:
            self.lost += dropped(call.extras, MESSAGES, path)
            value |= own(call.extras, MESSAGES)
        return self._marked(value, call.cache) if call.cache else value

    def _result(self, result: ToolResult, path: str) -> dict[str, Any]:
        content: list[Any] = []
        self._write(result.content, content, path, mine=False)
        value: dict[str, Any] = {"type": "tool_result", "tool_use_id": fitted_id(result.call_id, ANTHROPIC_ID)}
        if content:
            value["content"] = flat(content)
        if result.is_error:
            value["is_error"] = True
        if result.extras:
            self.lost += dropped(result.extras, MESSAGES, path)
            value |= own(result.extras, MESSAGES)
        return self._marked(value, result.cache) if result.cache else value

    def _media(self, block: Media, out: list[Any], path: str) -> None:
        value = write_media(block)
        if isinstance(value, str):
            self.lost.append(Dropped(path=path, reason=value))
            return
        if block.extras:
            self.lost += dropped(block.extras, MESSAGES, path)
        self.lost += undetailed(block, path)
        self.files = self.files or uses_files(block)
        out.append(self._marked(value, block.cache))

    def _reasoning(self, block: Reasoning, out: list[Any], path: str, *, mine: bool) -> None:
        """Thinking goes back to the model that made it, unchanged and sealed; to any other it is of no use."""
        _, _, maker = block.maker.partition("/")
        if not mine or not own_make(block.maker) or (maker and not same_model(maker, self._model)):
            self.lost.append(Dropped(path=path, reason="thinking is of use only to the model that made it"))
        elif block.encrypted:
            out.append({"type": "redacted_thinking", "data": block.encrypted})
        elif block.signature:
            out.append({"type": "thinking", "thinking": block.text, "signature": block.signature})
        else:
            self.lost.append(Dropped(path=path, reason="thinking without its signature is refused"))

    @property
    def broken(self) -> bool:
        """Whether the turn whose tools' results come last has lost its thinking, or had none (gotcha 13)."""
        if len(self.turns) == 1:
            return False  # the usual question: nobody has called anything
        last = next((at for at in range(len(self.turns) - 1, -1, -1) if self.turns[at]["role"] == "user"), 0)
        if not last or not any(_kind(block) == "tool_result" for block in self.turns[last]["content"]):
            return False
        before = self.turns[last - 1]
        return before["role"] == "assistant" and _kind(before["content"][0]) not in _HEADS

    def end(self, *, prefill: bool) -> None:
        """See to the last turn. One of the assistant's is the beginning of the answer, where the model takes that."""
        if self.turns[-1]["role"] != "assistant":
            return
        if not prefill:
            self.turns.append({"role": "user", "content": [{"type": "text", "text": CONTINUE}]})
            reason = f"the answer cannot begin with given words; `{CONTINUE}` follows them"
            self.lost.append(Dropped(path="messages", reason=reason))
            return
        block = self.turns[-1]["content"][-1]
        if _kind(block) == "text" and isinstance(block["text"], str):
            block["text"] = block["text"].rstrip()


def _kind(block: Any) -> str:
    """A written block's type; none for what was written by others."""
    kind = block.get("type") if isinstance(block, dict) else ""
    return kind if isinstance(kind, str) else ""


def _ordered(turn: Turn) -> Turn:
    """Tools' results first, as they have to be."""
    content = turn["content"]
    if turn["role"] == "user" and len(content) > 1 and any(_kind(block) == "tool_result" for block in content):
        content.sort(key=lambda block: _kind(block) != "tool_result")
    return turn


def _merged(turns: list[Turn]) -> list[Turn]:
    """Turns without the empty ones; those between which one has gone are one."""
    out: list[Turn] = []
    for turn in turns:
        if out and out[-1]["role"] == turn["role"]:
            out[-1]["content"] += turn["content"]
        elif turn["content"]:
            out.append(turn)
    return out


def _following(messages: Sequence[Message]) -> list[str]:
    """For each message the role of the next that is no system message; in the end the assistant's turn is to come."""
    roles, role = [], "assistant"
    for message in reversed(messages):
        roles.append(role)
        role = role if message.role in _SYSTEM else message.role
    return roles[::-1]


def flat(content: list[Any]) -> Any:
    """Content as a plain string where it is one plain text."""
    if len(content) == 1 and isinstance(content[0], dict) and len(content[0]) == 2 and _kind(content[0]) == "text":
        return content[0]["text"]
    return content


def input_of(arguments: str) -> Any:
    """Arguments as an object; text that is none (a model's slip, or cut off) stays readable under one name."""
    raw = msgspec.Raw(arguments.encode("utf-8", "replace"))
    if object_of(raw) is not None:
        return raw
    return {"arguments": arguments} if arguments.strip() else {}


def fit_marks(marks: list[dict[str, Any]], lost: list[Dropped]) -> None:
    """At most four cache marks, those with the long lifetime first: more is refused, and so is another order.

    Of too many, the first two stay (tools and system prompt, which never change) and the last two.
    """
    if len(marks) > 4:
        for value in marks[2:-2]:
            del value[MARK]
        lost.append(Dropped(path=MARK, reason=f"4 cache marks are taken, {len(marks) - 4} more are not"))
        marks = [*marks[:2], *marks[-2:]]
    short = False
    for value in marks:
        if "ttl" not in value[MARK]:
            short = True
        elif short:
            value.update(write_mark("5m"))
            lost.append(Dropped(path=f"{MARK}.ttl", reason="a long lifetime has to stand before the short ones"))
