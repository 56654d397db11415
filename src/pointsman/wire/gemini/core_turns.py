"""Core messages as contents: what Gemini demands of their order stands here.

A conversation begins with the user. All results of one turn of the model stand in one content, in the order of its
calls, as many as there were calls and nothing else among them; what the caller said beside them follows. Since Gemini 3
the first call of each step of the current turn has to be signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from pointsman.core.chat import Block, Dropped, Media, Message, Refusal, Text, ToolCall, ToolResult
from pointsman.wire.gemini.core_parts import Style, write_part, write_result
from pointsman.wire.gemini.media import write_media
from pointsman.wire.gemini.names import DIALECT
from pointsman.wire.gemini.seals import RAW_UNSIGNED, SEAL
from pointsman.wire.losses import dropped, name_of, unnamed

_MISSING = "There is no result of this call."
_BEGIN = "(The conversation begins here.)"


_Results = dict[str, list[tuple[str, ToolResult]]]
"""By the id of their call, which several calls of one turn may have; in order, each with its place in the request."""


class _Content(NamedTuple):
    """One content, and whether it is nothing but results."""

    role: str
    parts: list[Any]
    results: bool = False


class Turns:
    """Writes the messages of one request.

    Args:
        style: how parts are to be written for the model.
        lost: gets what cannot be said.
    """

    def __init__(self, style: Style, lost: list[Dropped]) -> None:
        self._style = style
        self._lost = lost
        self._contents: list[_Content] = []
        self._calls: list[ToolCall] = []

    def write(self, messages: tuple[Message, ...], *, signs: bool) -> tuple[list[Any], list[Any]]:
        """Parts of the system instruction, and contents. `signs`: calls need signatures."""
        system = [(at, one) for at, one in enumerate(messages) if one.role in ("system", "developer")]
        spoken = [(at, one) for at, one in enumerate(messages) if one.role not in ("system", "developer")]
        for at, message in system:
            self._lost += [*dropped(message.extras, DIALECT, f"messages[{at}]"), *unnamed(message, f"messages[{at}]")]
        instruction = [part for at, message in system for part in self._system(message, f"messages[{at}]")]
        for model, group in groupby(spoken, lambda pair: pair[1].role == "assistant"):
            turns = [(f"messages[{at}]", message) for at, message in group]
            for path, message in turns:
                self._lost += dropped(message.extras, DIALECT, path)
                self._lost += unnamed(message, path)
            if model:
                self._model(turns)
            else:
                self._user(turns)
        if not self._contents:
            self._contents.append(_Content("user", instruction or [{"text": _BEGIN}]))
            instruction = []
        elif self._contents[0].role == "model":
            self._contents.insert(0, _Content("user", [{"text": _BEGIN}]))
        if signs:
            self._sign()
        return instruction, [{"role": content.role, "parts": content.parts} for content in self._contents]

    def _system(self, message: Message, path: str) -> Iterator[Any]:
        for block in message.blocks:
            if not isinstance(block, Text | Refusal):
                self._lost.append(Dropped(path=path, reason=f"no `{name_of(block)}` in a system instruction"))
            elif block.text:
                yield {"text": block.text}

    def _model(self, turns: list[tuple[str, Message]]) -> None:
        parts: list[Any] = []
        self._calls = []
        for path, message in turns:
            for block in message.blocks:
                part = write_part(block, self._style, self._lost, path)
                if part is None:
                    continue
                parts.append(part)
                if isinstance(block, ToolCall):
                    self._calls.append(block)
        if parts:
            self._contents.append(_Content("model", parts))

    def _user(self, turns: list[tuple[str, Message]]) -> None:
        results: _Results = {}
        for path, message in turns:
            for block in message.blocks:
                if isinstance(block, ToolResult):
                    results.setdefault(block.call_id, []).append((path, block))
        parts: list[Any] = []
        if self._calls:
            parts += self._results(results)
        for path, message in turns:
            for block in message.blocks:
                parts += self._said(block, path, results)
        self._calls = []
        if not parts:
            return
        last = self._contents[-1] if self._contents else None
        if last is not None and last.role == "user" and not last.results:
            last.parts.extend(parts)
        else:
            self._contents.append(_Content("user", parts))

    def _results(self, results: _Results) -> list[Any]:
        """Write the results of the model's calls; returns files of theirs that have to follow."""
        written: list[Any] = []
        later: list[Any] = []
        for call in self._calls:
            found = results.get(call.id)
            path, result = found.pop(0) if found else ("", ToolResult(call_id=call.id, content=(Text(text=_MISSING),)))
            if not path:
                self._lost.append(Dropped(path=f"tool_calls[{call.id}]", reason="no result; Gemini is told so"))
            part, files = write_result(result, call.name, self._style, self._lost, path)
            written.append(part)
            later += self._later(files, call.name, path)
        self._contents.append(_Content("user", written, results=True))
        return later

    def _later(self, files: list[Media], name: str, path: str) -> list[Any]:
        """Files of a result, for models that take none inside of it."""
        parts = [part for file in files if (part := write_media(file, self._lost, f"{path}.content")) is not None]
        return [{"text": f"(From the result of {name}:)"}, *parts] if parts else []

    def _said(self, block: Block, path: str, results: _Results) -> list[Any]:
        if not isinstance(block, ToolResult):
            part = write_part(block, self._style, self._lost, path)
            return [] if part is None else [part]
        if not any(left is block for _, left in results[block.call_id]):
            return []  # it stands with its call
        text = "\n".join(one.text for one in block.content if isinstance(one, Text | Refusal))
        files = [one for one in block.content if isinstance(one, Media)]
        name = block.name or block.call_id
        self._lost.append(Dropped(path=path, reason="a result without its call; sent as text"))
        return [{"text": f"(Result of {name}: {text})"}, *self._later(files, name, path)]

    def _sign(self) -> None:
        """Say of calls of the current turn that are not signed that they need not be."""
        for content in reversed(self._contents):
            if content.role == "user" and not content.results:
                return
            first = next((part for part in content.parts if isinstance(part, dict) and "functionCall" in part), None)
            if first is not None and SEAL not in first:
                first[SEAL] = RAW_UNSIGNED
