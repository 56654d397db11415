"""Conversations in no dialect, in our own words: what `check_dialect` carries through a dialect and back.

Each stands for something that recordings of real providers hold and that translations are known to lose.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from pointsman.core.chat import (
    Answer,
    Block,
    Choice,
    Citation,
    Finish,
    Media,
    Message,
    Reasoning,
    Refusal,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from pointsman.core.usage import Usage

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_TIDE = Tool(
    name="tide_table",
    description="High and low water at a harbour.",
    schema=msgspec.Raw(
        b'{"type":"object","properties":{"harbour":{"type":"string"},"days":{"type":"integer"}},'
        b'"required":["harbour"],"additionalProperties":false}'
    ),
)
_BELL = Tool(name="ring_bell", description="Ring the bell.", schema=msgspec.Raw(b'{"type":"object","properties":{}}'))
_LOG = msgspec.Raw(
    b'{"type":"object","properties":{"ship":{"type":"string"},"crew":{"type":"integer"}},'
    b'"required":["ship","crew"],"additionalProperties":false}'
)


def _says(text: str) -> Message:
    return Message(role="user", blocks=(Text(text=text),))


_HISTORY = (
    Message(role="system", blocks=(Text(text="You keep a harbour's log."),)),
    _says("When is high water at Cuxhaven and at Husum?"),
    Message(
        role="assistant",
        blocks=(
            Text(text="I look both up."),
            ToolCall(id="call_1", name="tide_table", arguments='{"harbour":"Cuxhaven"}'),
            ToolCall(id="call_2", name="tide_table", arguments='{"harbour":"Husum","days":2}'),
        ),
    ),
    Message(role="tool", blocks=(ToolResult(call_id="call_1", content=(Text(text="04:10, 16:35"),)),)),
    Message(role="tool", blocks=(ToolResult(call_id="call_2", content=(Text(text="no gauge"),), is_error=True),)),
    _says("And the day after?"),
)

REQUESTS: Mapping[str, Request] = MappingProxyType(
    {
        "plain": Request(
            model="golden-1",
            messages=(Message(role="system", blocks=(Text(text="Be brief."),)), _says("Name a lighthouse.")),
            max_output=256,
            temperature=0.25,
        ),
        "stops": Request(model="golden-1", messages=(_says("Count."),), max_output=64, stop=("END", "\n\n"), top_p=0.5),
        "tools": Request(
            model="golden-1",
            messages=(_says("Ring twice."),),
            max_output=64,
            tools=(_TIDE, _BELL),
            tool_choice=ToolChoice(mode="named", name="ring_bell"),
        ),
        "one tool at a time": Request(
            model="golden-1",
            messages=(_says("Ring."),),
            max_output=64,
            tools=(_BELL,),
            tool_choice=ToolChoice(mode="required", parallel=False),
        ),
        "history": Request(model="golden-1", messages=_HISTORY, tools=(_TIDE,), max_output=512),
        "schema": Request(
            model="golden-1",
            messages=(_says("A ship for the log."),),
            max_output=512,
            response_format=ResponseFormat(kind="json_schema", name="ship", schema=_LOG, strict=True),
        ),
        "image": Request(
            model="golden-1",
            messages=(
                Message(
                    role="user",
                    blocks=(
                        Text(text="What is this flag?"),
                        Media(kind="image", media_type="image/png", data=_PIXEL),
                    ),
                ),
            ),
            max_output=64,
        ),
        "thinking": Request(
            model="golden-1", messages=(_says("Which tide?"),), max_output=16_000, reasoning_effort="high"
        ),
    }
)
"""Requests by name."""

_USAGE = Usage(input=120, cache_read=40, output=30)
_LINES = 'Ebbe und Flut - "täglich" 潮 🌊\n\tzweimal\\'


def _answer(*choices: Choice, usage: Usage | None = _USAGE) -> Answer:
    return Answer(id="golden_1", model="golden-1", created=1_700_000_000, choices=choices, usage=usage)


def _lone(*blocks: Block, finish: Finish = "stop") -> Answer:
    return _answer(Choice(blocks=blocks, finish=finish))


def _call(call_id: str, name: str, arguments: str = "{}") -> ToolCall:
    return ToolCall(id=call_id, name=name, arguments=arguments)


_PAGE = Citation(url="https://tides.example/husum", title="Tides", start=0, end=4)
ANSWERS: Mapping[str, Answer] = MappingProxyType(
    {
        "text": _lone(Text(text="Roter Sand.")),
        "other scripts": _lone(Text(text=_LINES)),
        "nothing": _lone(),
        "cut by the limit": _lone(Text(text="One, two, th"), finish="length"),
        "withheld": _lone(Text(text="The harbour"), finish="content_filter"),
        "refused": _lone(Refusal(text="I would rather not."), finish="refusal"),
        "one call": _lone(_call("call_1", "tide_table", '{"harbour":"Husum","days":2}'), finish="tool_calls"),
        "a call without arguments": _lone(_call("call_1", "ring_bell"), finish="tool_calls"),
        "calls side by side": _lone(
            Text(text="Both at once."),
            _call("call_1", "tide_table", '{"harbour":"Büsum","more":{"list":[1,2.5,null,true,"\\"x\\""]}}'),
            _call("call_2", "ring_bell"),
            finish="tool_calls",
        ),
        "thinking": _answer(
            Choice(blocks=(Reasoning(text="Spring tide or neap?"), Text(text="Neap.")), finish="stop"),
            usage=Usage(input=9, output=25, reasoning=20),
        ),
        "thinking and a call": _lone(
            Reasoning(text="The bell first."), _call("call_1", "ring_bell"), finish="tool_calls"
        ),
        "sources": _lone(Text(text="High at four.", citations=(_PAGE,))),
        "many words": _lone(Text(text="wave " * 2_000)),
        "several": _answer(
            Choice(index=0, blocks=(Text(text="Ahoy."),), finish="stop"),
            Choice(index=1, blocks=(Text(text="Moin."),), finish="length"),
        ),
    }
)
"""Answers by name."""
