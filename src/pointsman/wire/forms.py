"""Whether an answer has the form that was asked for: JSON, and of a schema its top-level `type` and `required`.

That is less than a validator says, but it is the same for every model, which is what comparing them takes. Nothing here
changes an answer or fails one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from pointsman.core.chat import Answer, BlockStart, ChoiceEnd, Delta, Event, Refusal, Text, ToolCall
from pointsman.core.errors import PointsmanError
from pointsman.core.model import Ability
from pointsman.core.outcome import Form
from pointsman.wire.parse import BAD_JSON, as_list
from pointsman.wire.port import CallerSide
from pointsman.wire.trip import COUNTING, Incoming

_JSON = int(Ability.JSON_SCHEMA | Ability.JSON_MODE)
_SCHEMA = int(Ability.JSON_SCHEMA)
_MOST = 1 << 20
"""Characters of text, beyond which an answer is not judged."""
_FORMATS = frozenset(
    {"response_format", "text", "output_config", "output_format", "generationConfig", "generation_config"}
)
"""The fields of requests in which dialects say what form they want; without the others, reading one costs little."""
_NOT_JUDGED = frozenset({"tool_calls", "content_filter", "refusal", "pause", "error"})
"""Ends of answers that were to have another form, or none."""
_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for in an answer.

    Attributes:
        types: JSON Schema's names of the kinds that it may be; empty is any.
        required: fields that it has to have if it is an object.
    """

    types: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()


ANY = Wanted()


class _Schema(msgspec.Struct):
    type: Any = None
    required: Any = None


_SCHEMAS = msgspec.json.Decoder(_Schema)
_ANY = msgspec.json.Decoder()


def asks_json(incoming: Incoming) -> bool:
    """Whether a request asks for JSON."""
    return bool(int(incoming.needs.abilities) & _JSON)


def judged(incoming: Incoming) -> bool:
    """Whether the answer to a request is to be JSON."""
    return asks_json(incoming) and incoming.surface not in COUNTING


def wanted_of(caller: CallerSide, incoming: Incoming) -> Wanted:
    """What a request for JSON wants; of a schema that cannot be read, any JSON."""
    if not int(incoming.needs.abilities) & _SCHEMA:
        return ANY
    fields = {name: raw for name, raw in incoming.fields.items() if name in _FORMATS}
    try:
        asked = caller.to_core(msgspec.structs.replace(incoming, fields=fields)).response_format
        schema = _SCHEMAS.decode(asked.schema) if asked is not None and asked.schema is not None else _Schema()
    except (PointsmanError, *BAD_JSON):
        return ANY
    types = schema.type if isinstance(schema.type, list) else [schema.type]
    return Wanted(
        types=frozenset(kind for kind in types if isinstance(kind, str) and kind in _KINDS),
        required=frozenset(name for name in as_list(schema.required) if isinstance(name, str)),
    )


def is_json(text: str) -> bool:
    """Whether a text is JSON and nothing else."""
    try:
        _loads(text)
    except BAD_JSON:
        return False
    return True


def _loads(text: str) -> Any:
    """As every parser reads it: half a surrogate pair is let through, `NaN` is not. Raises as `parse.BAD_JSON` says."""
    try:
        return _ANY.decode(text)
    except ValueError:
        return json.loads(text, parse_constant=_refuse)


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def fits(text: str, wanted: Wanted) -> bool:
    """Whether a text is JSON of the wanted kind."""
    try:
        value = _loads(text)
    except BAD_JSON:
        return False
    if wanted.types and not any(_is(value, kind) for kind in wanted.types):
        return False
    return not isinstance(value, dict) or wanted.required.issubset(value)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS[kind])


class Judge:
    """Listens to an answer and says in the end what form it has."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._texts: dict[int, list[str]] = {}
        self._open: set[tuple[int, int]] = set()
        self._size = 0
        self.over = False  # nothing can be said any more

    def add(self, events: Iterable[Event]) -> None:
        """Take more of a stream."""
        for event in events:
            match event:
                case Delta(field="text"):
                    if (event.choice, event.index) in self._open:
                        self._say(event.choice, event.text)
                case BlockStart(block=Text(text=text)):
                    self._open.add((event.choice, event.index))
                    self._say(event.choice, text)
                case BlockStart(block=ToolCall() | Refusal()):
                    self.over = True
                case ChoiceEnd(finish=finish):
                    self._texts.setdefault(event.choice, [])
                    self.over = self.over or finish in _NOT_JUDGED

    def hear(self, answer: Answer) -> Form:
        """The form of a whole answer."""
        for choice in answer.choices:
            self._texts.setdefault(choice.index, [])
            self.over = self.over or choice.finish in _NOT_JUDGED
            for block in choice.blocks:
                if isinstance(block, Text):
                    self._say(choice.index, block.text)
                elif isinstance(block, ToolCall | Refusal):
                    self.over = True
        return self.form()

    def _say(self, choice: int, text: str) -> None:
        self._size += len(text)
        if self._size > _MOST:
            self.over = True
            self._texts.clear()
        elif not self.over:
            self._texts.setdefault(choice, []).append(text)

    def form(self) -> Form:
        """What can be said; every one of several answers has to fit."""
        if self.over or not self._texts:
            return ""
        return "ok" if all(fits("".join(texts), self._wanted) for texts in self._texts.values()) else "broken"
