"""Recorded requests, translated into every other dialect: what is asked for there is what was asked for here.

Two questions. Of every recorded request: does its translation ask for the same, field by field, or say by name what it
had to drop? And where the recordings hold the same request in two dialects, written by somebody else (`case`): is the
translation of the one the same as the other?
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pointsman.core.errors import CallerError
from pointsman.core.model import Model, Provider
from pointsman.wire.passage import Crossing
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Incoming, Surface
from wire.across import record as recorded
from wire.across.asks import Ask, plain_schema, squashed
from wire.across.asks_read import READ
from wire.across.frames import fields
from wire.across.record import DIALECTS

_SURFACES: dict[str, Surface] = {
    "openai-chat": "chat.completions",
    "openai-responses": "responses",
    "anthropic-messages": "messages",
    "gemini": "gemini.generate",
}
_UPSTREAM = {
    "openai-chat": "gpt-5",
    "openai-responses": "gpt-5",
    "anthropic-messages": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-pro",
}
FIELDS = (
    "system",
    "turns",
    "media",
    "tools",
    "tool choice",
    "parallel",
    "output form",
    "thinking",
    "effort",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "user",
)


REFUSED = "refused by name"
"""Stands for the field where a request is refused: it asks for what only its own dialect's providers keep."""


class Compared(NamedTuple):
    """One field of one request in one other dialect; `reason` is empty where it is the same, or dropped by name."""

    record: str
    caller: str
    provider: str
    field: str
    reason: str
    case: str = ""


def model(dialect: str, name: str = "") -> Model:
    """An everyday model that speaks a dialect, or one of a name."""
    provider = Provider(name="lab", dialect=dialect, base_url="http://127.0.0.1:9/v1")
    return Model(name="lab/m", provider=provider, upstream=name or _UPSTREAM[dialect])


def incoming(dialect: Dialect, record: dict[str, Any]) -> Incoming:
    """A recorded request as its caller sends it to us."""
    request = record["request"]
    body, path = request["body"], text_path(request.get("path"))
    if dialect.name != "gemini":
        body = {**body, "model": body.get("model") or record.get("model") or "m"}
    else:
        verb = path.rpartition(":")[2] or "generateContent"
        path = f"/v1beta/models/m:{verb}"
    if dialect.name == "anthropic-messages":
        body = {"max_tokens": 1024, **body}
    query = "alt=sse" if record["stream"] else ""
    return dialect.read_request(json.dumps(body).encode(), _SURFACES[dialect.name], path, query)


def text_path(path: Any) -> str:
    """A path, if there is one."""
    return path if isinstance(path, str) else ""


def asks(record: dict[str, Any]) -> bool:
    """Whether a record holds a request that its own dialect reads and that its provider took."""
    request = record["request"]
    if not request or recorded.failed(record) or request.get("method") not in (None, "POST"):
        return False
    body = request.get("body")
    return isinstance(body, dict) and any(name in body for name in ("messages", "input", "contents"))


class AskJudge:
    """Translates requests and compares.

    Args:
        dialects: those that there are.
    """

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._dialects = {dialect.name: dialect for dialect in dialects}

    def judge(self, record: dict[str, Any]) -> Iterator[Compared]:
        """One recorded request in every other dialect."""
        caller = self._dialects[DIALECTS[record["dialect"]]]
        for provider in self._dialects.values():
            if provider is not caller:
                yield from self.between(record, caller, provider)

    def translated(self, record: dict[str, Any], provider: str, name: str = "") -> tuple[Ask, str]:
        """A record's request in another dialect, for a model of a name, and what was dropped."""
        return self._translated(record, self._dialects[DIALECTS[record["dialect"]]], self._dialects[provider], name)

    def _translated(
        self, record: dict[str, Any], caller: Dialect, provider: Dialect, name: str = ""
    ) -> tuple[Ask, str]:
        way = Crossing(caller, provider)
        outgoing = way.write_request(incoming(caller, record), model(provider.name, name))
        dropped = " ".join(f"{one.path} {one.reason}" for one in outgoing.dropped)
        ask = READ[provider.name](json.loads(outgoing.body))
        if outgoing.answer_tool:  # structured output by way of a tool of ours
            shape = ask.tools.pop(outgoing.answer_tool, ("", None))[1]
            ask = Ask(**{**vars(ask), "form": ("schema", shape), "choice": ("auto", "")})
        renamed = outgoing.tool_names
        if renamed:
            ask = Ask(**{**vars(ask), "tools": {renamed.get(name, name): tool for name, tool in ask.tools.items()}})
        return ask, dropped

    def between(self, record: dict[str, Any], caller: Dialect, provider: Dialect) -> Iterator[Compared]:
        """One recorded request in one other dialect."""
        wanted = READ[caller.name](record["request"]["body"])
        head = (record["id"], caller.name, provider.name)
        try:
            got, dropped = self._translated(record, caller, provider)
        except CallerError as error:
            yield Compared(*head, REFUSED, "", error.message)
            return
        except Exception as error:  # noqa: BLE001 - whatever else is raised is what is looked for
            yield Compared(*head, "turns", f"raises {type(error).__name__}: {str(error)[:80]}")
            return
        for name, reason in compared(wanted, got, dropped, {caller.name, provider.name}):
            yield Compared(*head, name, reason)


def compared(wanted: Ask, got: Ask, dropped: str, pair: set[str]) -> Iterator[tuple[str, str]]:
    """Each field that was asked for, and how it differs."""
    for name in FIELDS:
        one, other = value_of(wanted, name, pair), value_of(got, name, pair)
        if nothing(one) and name not in ("turns", "system"):
            extra = not nothing(other) and not (name == "max_tokens" and "anthropic-messages" in pair)
            loose = name in ("thinking", "effort", "user")
            loose = loose or bool(wanted.other_tools and name in ("tools", "tool choice", "parallel"))
            if extra and not loose:
                yield name, "nobody asked for it"
            continue
        if one == other or _excused(name, one, other, dropped, wanted, got):
            yield name, ""
        else:
            yield name, _reason(one, other)


_NOTHING: tuple[Any, ...] = (None, "", (), {}, ("auto", ""), ("", {}))


def nothing(value: Any) -> bool:
    """Whether a field says nothing; a temperature of 0 does."""
    return value is False or any(value is none or (value == none and value != 0) for none in _NOTHING)


_WORDS = {
    "tool choice": "tool_choice",
    "parallel": "parallel",
    "output form": "response_format",
    "thinking": "reasoning",
    "effort": "reasoning",
    "media": "content",
}


def value_of(ask: Ask, name: str, pair: set[str]) -> Any:
    """One field, in a form that can be compared between two dialects."""
    values: dict[str, Any] = {
        "system": ask.system,
        "turns": ask.turns,
        "media": tuple(sorted(ask.media)),  # those of results move behind them in some dialects
        "tool choice": ask.choice if ask.tools else ("auto", ""),
        "parallel": ask.alone and bool(ask.tools),
        "output form": (ask.form[0], plain_schema(fields(ask.form[1]))),
        "thinking": ask.thinking,
        "effort": "" if "gemini" in pair else ask.effort,
    }
    if name == "tools":
        return {tool: (squashed(said), plain_schema(fields(shape))) for tool, (said, shape) in ask.tools.items()}
    return values[name] if name in values else ask.numbers.get(name)


def _excused(name: str, one: Any, other: Any, dropped: str, wanted: Ask, got: Ask) -> bool:
    """Whether a difference is said by name, or none at all."""
    if _WORDS.get(name, name) in dropped or name in dropped:
        return True
    rule = _EXCUSES.get(name)
    if rule is not None and rule(one, other, dropped, wanted, got):
        return True
    numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
    return numbers and float(one) == float(other)


def _tools(one: Any, other: Any, dropped: str, wanted: Ask, got: Ask) -> bool:
    """Some tools of other kinds have become functions."""
    return bool(wanted.other_tools) and all(other.get(tool) == said for tool, said in one.items())


def _thinking(one: Any, other: Any, dropped: str, wanted: Ask, got: Ask) -> bool:
    """What does not think by itself needs no word."""
    return one is False and other is None


def _effort(one: Any, other: Any, dropped: str, wanted: Ask, got: Ask) -> bool:
    """Older models of Anthropic's have a budget and no word for the effort."""
    return not other and got.thinking == wanted.thinking


def _media(one: Any, other: Any, dropped: str, wanted: Ask, got: Ask) -> bool:
    """A file that the other dialect cannot point at, said by name."""
    named = any(word in dropped for word in ("image", "document", "audio", "video", "file"))
    return named and set(other) <= set(one)


def _turns(one: Any, other: Any, dropped: str, wanted: Ask, got: Ask) -> bool:
    if wanted.foreign or "no result" in dropped:  # items that only that dialect has; a result that is not there
        return bool(dropped)
    if squashed(str(other)) == squashed(str((*one, ("user", wanted.system)))):  # instructions and nothing else
        return True
    return _unnamed(one) == _unnamed(other)


def _system(one: Any, other: Any, dropped: str, wanted: Ask, got: Ask) -> bool:
    """Instructions that are alone become the user's words; a wanted form may have to be asked for in words."""
    alone = not other and not wanted.turns and ("user", one) in got.turns
    asked = other.startswith(one) and wanted.form[0] != "" and ("response_format" in dropped or "JSON" in other)
    return bool(alone or asked or (wanted.foreign and dropped))


def _unnamed(turns: Any) -> list[Any]:
    """The conversation with the names left out that Gemini does not take."""
    return [
        [turn[0], turn[1], [(name if _NAME.fullmatch(name) else "", said) for name, said in turn[2]]]
        if turn[0] == "assistant"
        else turn
        for turn in turns
    ]


_NAME = re.compile(r"[a-su-zA-Z][a-zA-Z0-9_.:-]*|t[a-zA-Z0-9.:-][a-zA-Z0-9_.:-]*|_.*")  # ours begin with `t_`
_EXCUSES: dict[str, Callable[[Any, Any, str, Ask, Ask], bool]] = {
    "tools": _tools,
    "thinking": _thinking,
    "effort": _effort,
    "media": _media,
    "turns": _turns,
    "system": _system,
    "n": lambda one, other, *_: one == 1 and other is None,
    "presence_penalty": lambda one, other, *_: one == 0 and other is None,
    "frequency_penalty": lambda one, other, *_: one == 0 and other is None,
    "user": lambda _one, other, *_: other is None,  # a hint, which changes no answer
}


def _reason(one: Any, other: Any) -> str:
    if nothing(other):
        return "it is missing"
    if isinstance(one, dict) and isinstance(other, dict):
        if set(one) != set(other):
            return "other names"
        return "other descriptions or schemas"
    if isinstance(one, tuple) and one and other and one[0] == other[0] and len(one) == 2:
        return "its schema is another one"
    if isinstance(one, (str, int, float)):
        return f"{other!r:.30} for {one!r:.30}"
    return "it is another one"


def everything(dialects: Iterable[Dialect], folder: Path, share: tuple[int, int] = (0, 1)) -> Iterator[Compared]:
    """Every recorded request, or a share of them, in every other dialect."""
    judge = AskJudge(dialects)
    known = {dialect.name for dialect in dialects}
    for record in recorded.records(folder, share):
        if DIALECTS[record["dialect"]] in known and asks(record):
            yield from judge.judge(record)


def twins(dialects: Iterable[Dialect], folder: Path) -> Iterator[Compared]:
    """Requests that somebody wrote in two dialects: the translation of one held to the other.

    Where the two differ themselves, as their own readers read them, the author chose so and the field says nothing.
    """
    dialects = tuple(dialects)
    judge = AskJudge(dialects)
    known = {dialect.name for dialect in dialects}
    cases: dict[str, dict[str, dict[str, Any]]] = {}
    for record in recorded.records(folder):
        if record.get("case") and DIALECTS[record["dialect"]] in known and asks(record) and not record["stream"]:
            cases.setdefault(record["case"], {}).setdefault(DIALECTS[record["dialect"]], record)
    for case, found in sorted(cases.items()):
        for caller, one in found.items():
            for provider, other in found.items():
                if caller != provider:
                    yield from _held(judge, case, (caller, one), (provider, other))


def _held(judge: AskJudge, case: str, one: tuple[str, Any], other: tuple[str, Any]) -> Iterator[Compared]:
    (caller, asked), (provider, twin) = one, other
    pair = {caller, provider}
    here, there = READ[caller](asked["request"]["body"]), READ[provider](twin["request"]["body"])
    head = (asked["id"], caller, provider)
    try:
        got, dropped = judge.translated(asked, provider, twin.get("model") or "")
    except CallerError:
        return
    for name in FIELDS:
        mine, theirs, made = (value_of(ask, name, pair) for ask in (here, there, got))
        if nothing(mine) and nothing(theirs) and nothing(made):
            continue
        if made == theirs or (name == "user" and nothing(mine)) or _excused(name, theirs, made, dropped, here, got):
            yield Compared(*head, name, "", case)
        elif mine != theirs:
            yield Compared(*head, name, "the two records differ themselves", case)
        else:
            yield Compared(*head, name, _reason(theirs, made), case)
