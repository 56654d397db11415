"""Responses streams that somebody else goes on with: ids, numbers and items are those that the caller has had."""

from __future__ import annotations

from typing import Any, NamedTuple

from pointsman.wire import sse
from pointsman.wire.event_relay import read_event
from pointsman.wire.openai_responses.frames import frame
from pointsman.wire.openai_responses.relay import DONE, ENDS
from pointsman.wire.openai_responses.response_object import COMPLETED, Ids
from pointsman.wire.openai_responses.stream_writer import ResponsesWriter
from pointsman.wire.openai_responses.writing import Message, Part
from pointsman.wire.parse import as_count, as_dict, as_list, as_text
from pointsman.wire.raw import dump
from pointsman.wire.streams import Stand
from pointsman.wire.trip import Incoming

_CALLS = frozenset({"function_call", "custom_tool_call", "local_shell_call", "computer_call"})


def resume(told: bytes, incoming: Incoming) -> Stand:
    """See `port.CallerSide.resume`."""
    told_so_far = _Told()
    for one in sse.split(told):
        name, data = sse.fields(one)
        if data and (data := data.strip()) and data != DONE:
            told_so_far.take(name, read_event(name, data))
    return told_so_far.stand(incoming)


class _Told:
    """What a caller knows of a response."""

    def __init__(self) -> None:
        self._begun: dict[str, Any] = {}
        self._number = 0
        self._ended = False
        self._output: list[Any] = []
        self._message: Message | None = None
        self._parts: dict[tuple[int, int], Part] = {}
        self._thought: _Thought | None = None
        self._unfinished = ""

    def take(self, name: bytes, value: dict[str, Any]) -> None:
        """One event."""
        kind = as_text(value.get("type")) or name.decode("latin-1")
        if kind.startswith("response."):
            self._number = max(self._number, as_count(value.get("sequence_number"))) + 1
        place = as_count(value.get("output_index"))
        match kind:
            case "response.output_item.added":
                self._add(place, as_dict(value.get("item")))
            case "response.output_item.done":
                self._done(place, as_dict(value.get("item")))
            case _ if isinstance(value.get("response"), dict):
                self._begun = self._begun or value["response"]
                self._ended = self._ended or kind in ENDS
            case _ if self._thought is not None and self._thought.place == place:
                self._thought.take(kind, value)
            case _ if self._message is not None and self._message.index == place:
                self._say(kind, self._message, value)

    def _add(self, place: int, item: dict[str, Any]) -> None:
        if place != len(self._output) or self._thought is not None or self._message is not None:
            self._unfinished = self._unfinished or "its items are out of order"
        self._output.append(item)
        kind = as_text(item.get("type"))
        if kind == "message":
            self._message = Message(as_text(item.get("id")), place)
        elif kind == "reasoning":
            self._thought = _Thought(item, place)
        else:
            self._unfinished = (
                "a tool call has begun" if kind in _CALLS else "it holds what only its own provider can end"
            )

    def _done(self, place: int, item: dict[str, Any]) -> None:
        if place < len(self._output):
            self._output[place] = item
        else:
            self._output.append(item)
        if self._message is not None and self._message.index == place:
            self._message = None
        elif self._thought is not None and self._thought.place == place:
            self._thought = None

    def _say(self, kind: str, message: Message, value: dict[str, Any]) -> None:
        """More of the open message."""
        at = as_count(value.get("content_index"))
        part = self._parts.get((message.index, at))
        if part is None:
            is_text = as_text(as_dict(value.get("part")).get("type")) != "refusal"
            part = self._parts[message.index, at] = Part(message, at, is_text=is_text)
            message.parts.append(part)
        match kind:
            case "response.output_text.delta":
                part.take(as_text(value.get("delta")))
                part.logprobs += [dump(one) for one in as_list(value.get("logprobs"))]
            case "response.output_text.annotation.added":
                part.notes.append(value.get("annotation"))
            case "response.output_text.done":
                part.told = 1
            case "response.content_part.done":
                part.told = 2

    def stand(self, incoming: Incoming) -> Stand:
        """A writer that stands there."""
        writer = ResponsesWriter(incoming)
        if self._ended:
            return Stand(writer, begun=True, owed=b"")
        begun = self._begun
        if not begun:
            unfinished = "its beginning was not told" if self._output or self._number else ""
            return Stand(writer, unfinished=unfinished)
        ending = b"" if self._thought is None else self._end(self._thought)
        part = self._message.parts[-1] if self._message is not None and self._message.parts else None
        goes_on = part is not None and part.is_text and not part.told
        ids = Ids.of(as_text(begun.get("id")), as_count(begun.get("created_at")), as_text(begun.get("model")), incoming)
        ids = ids._replace(answer=as_text(begun.get("id")))
        writer.stand(ids, begun, self._output, self._message, self._number)
        return Stand(
            writer,
            begun=True,
            text=0 if goes_on else -1,
            length=part.length if part is not None and goes_on else 0,
            following=1,
            ending=ending,
            unfinished=self._unfinished,
        )

    def _end(self, thought: _Thought) -> bytes:
        """The end of the open thoughts; they count as told."""
        out: list[bytes] = []
        for kind, fields in thought.rest():
            out.append(frame(kind, self._number, fields))
            self._number += 1
        self._output[thought.place] = thought.item()
        return b"".join(out)


class _Form(NamedTuple):
    """How thoughts are told: as a summary, or as they are."""

    place: str
    part: str
    text: str
    kind: str
    field: str


_SUMMARY = _Form(
    "summary_index",
    "response.reasoning_summary_part",
    "response.reasoning_summary_text",
    "summary_text",
    "summary",
)
_PLAIN = _Form("content_index", "response.content_part", "response.reasoning_text", "reasoning_text", "content")


class _Thought:
    """Thoughts that have begun: their paragraphs, and how much the last one lacks of its end."""

    def __init__(self, item: dict[str, Any], place: int) -> None:
        self._item = item
        self.place = place
        self._texts: dict[_Form, dict[int, list[str]]] = {_SUMMARY: {}, _PLAIN: {}}
        self._last: tuple[_Form, int] | None = None
        self._lacks = 0  # nothing, the part's end (1), the text's too (2)

    def take(self, kind: str, value: dict[str, Any]) -> None:
        """More of them."""
        base, _, what = kind.rpartition(".")
        form = next((one for one in self._texts if base in (one.part, one.text)), None)
        if form is None:
            return
        at = as_count(value.get(form.place))
        texts = self._texts[form].setdefault(at, [])
        self._last = form, at
        if what == "delta":
            texts.append(as_text(value.get("delta")))
        self._lacks = 2 if what != "done" else int(base == form.text)

    def item(self) -> dict[str, Any]:
        """The item at its end."""
        said = {
            form.field: [{"type": form.kind, "text": "".join(texts)} for _, texts in sorted(paragraphs.items())]
            for form, paragraphs in self._texts.items()
            if paragraphs
        }
        return {**self._item, **({"status": COMPLETED} if "status" in self._item else {}), **said}

    def rest(self) -> list[tuple[str, dict[str, Any]]]:
        """The events that are missing to their end."""
        out: list[tuple[str, dict[str, Any]]] = []
        if self._last is not None and self._lacks:
            form, at = self._last
            text = "".join(self._texts[form][at])
            where = {"item_id": as_text(self._item.get("id")), "output_index": self.place, form.place: at}
            if self._lacks > 1:
                out.append((f"{form.text}.done", {**where, "text": text}))
            out.append((f"{form.part}.done", {**where, "part": {"type": form.kind, "text": text}}))
        out.append(("response.output_item.done", {"output_index": self.place, "item": self.item()}))
        return out
