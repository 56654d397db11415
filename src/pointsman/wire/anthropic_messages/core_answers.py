"""Whole answers of this dialect as core answers, and back."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pointsman.core.chat import (
    Answer,
    Block,
    Choice,
    Citation,
    Dropped,
    Encoded,
    Finish,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.dialects import MESSAGES
from pointsman.core.usage import Usage
from pointsman.wire.anthropic_messages.answer import NAME
from pointsman.wire.anthropic_messages.core_parts import read_block
from pointsman.wire.anthropic_messages.core_turns import input_of
from pointsman.wire.anthropic_messages.schemas import answer_in
from pointsman.wire.anthropic_messages.seals import NO_INDEX, data_of, seals_of_call, signature_of
from pointsman.wire.anthropic_messages.unstreamed import answer_fields
from pointsman.wire.anthropic_messages.usage import Fields as UsageFields
from pointsman.wire.anthropic_messages.usage import normal_form, write_usage
from pointsman.wire.finishes import Finishes, declined
from pointsman.wire.losses import dropped, name_of, only_choice
from pointsman.wire.parse import BAD_JSON, as_dict, as_text
from pointsman.wire.raw import list_of, text_in, value_of
from pointsman.wire.tool_names import ANTHROPIC_ID, fitted_id, made_id
from pointsman.wire.trip import Outgoing

UNREAD = "content.thinking"
"""The name of thoughts without a word that an answer would end in."""
FINISHES = Finishes(
    meanings={
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "refusal": "refusal",
        "pause_turn": "pause",
    },
    words={
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "refusal",
        "refusal": "refusal",
        "pause": "pause_turn",
        "error": "refusal",  # there is no word for it, and the end of a whole answer it is not
    },
)


class _PlainText(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="text"):
    text: str
    citations: None = None


class _Plain(msgspec.Struct):
    """An answer that is texts alone, as most are: read by compiled code, all of it at once."""

    type: Literal["message"]
    content: list[_PlainText]
    usage: UsageFields
    id: str = ""
    model: str = ""
    stop_reason: str = ""
    stop_sequence: str | None = None
    stop_details: None = None
    error: None = None


_PLAIN = msgspec.json.Decoder(_Plain)


def read_whole(body: bytes, outgoing: Outgoing) -> Answer:
    """An answer in no dialect. Raises as `port.ProviderSide.read_whole`."""
    try:
        plain = _PLAIN.decode(body)
    except BAD_JSON:
        return _read_any(body, outgoing)
    usage = normal_form(plain.usage)
    if usage is None:
        return _read_any(body, outgoing)
    choice = Choice(
        blocks=tuple([Text(text=one.text) for one in plain.content]),
        finish=meaning(plain.stop_reason or None, calls=False),
        finish_raw=plain.stop_reason,
        stop_sequence=plain.stop_sequence or "",
    )
    return Answer(id=plain.id, model=plain.model, choices=(choice,), usage=usage)


def _read_any(body: bytes, outgoing: Outgoing) -> Answer:
    """An answer of any blocks, and of odd types."""
    facts, fields = answer_fields(body)
    maker = maker_of(facts.model)
    blocks: list[Block] = [read_block(raw, maker) for raw in list_of(fields.get("content"))]
    refusal = refusal_text(value_of(fields.get("stop_details")))
    if refusal:
        blocks.append(Refusal(text=refusal))
    blocks = _in_callers_terms(blocks, outgoing)
    choice = Choice(
        blocks=tuple(blocks),
        finish=meaning(facts.finish or None, calls=any(isinstance(block, ToolCall) for block in blocks)),
        finish_raw=facts.finish,
        stop_sequence=text_in(fields, "stop_sequence"),
    )
    return Answer(id=facts.id, model=facts.model, choices=(choice,), usage=facts.usage)


def maker_of(model: str) -> str:
    """Whose seals thinking in an answer bears."""
    return f"{MESSAGES}/{model}" if model else MESSAGES


def meaning(word: str | None, *, calls: bool) -> Finish:
    """What the end of an answer means. Where no call is left, since it was the structured answer, it is an end."""
    found = FINISHES.meaning(word) or ("tool_calls" if calls else "stop")
    return "stop" if found == "tool_calls" and not calls else found


def refusal_text(details: Any) -> str:
    """Why the model declined, in the words that `stop_details` have for people."""
    fields = as_dict(details)
    return as_text(fields.get("explanation")) if fields.get("type") == "refusal" else ""


def _in_callers_terms(blocks: list[Block], outgoing: Outgoing) -> list[Block]:
    """Calls under the tools' names at the caller; the call that is the answer as the text that it is."""
    names, tool = outgoing.tool_names, outgoing.answer_tool
    if not names and not tool:
        return blocks
    answered = bool(tool) and any(isinstance(block, ToolCall) and block.name == tool for block in blocks)
    out: list[Block] = []
    for block in blocks:
        if isinstance(block, ToolCall):
            if tool and block.name == tool:
                field = outgoing.answer_field
                out.append(Text(text=answer_in(block.arguments, field) if field else block.arguments))
            else:
                out.append(msgspec.structs.replace(block, name=names.get(block.name, block.name)))
        elif not (answered and isinstance(block, Text)):  # words around the answer would spoil it
            out.append(block)
    return out


def write_answer(answer: Answer) -> Encoded:
    """An answer for a caller, and what this dialect cannot say of it."""
    choice, lost = only_choice(answer, MESSAGES)
    if choice.logprobs is not None:
        lost.append(Dropped(path="logprobs", reason="messages have no log probabilities"))
    content: list[Any] = []
    ids: set[str] = set()
    for at, block in enumerate(choice.blocks):
        _write_block(block, content, ids, lost, at)
    _end_in_words(content, lost)
    refused = any(isinstance(block, Refusal) and block.text for block in choice.blocks)
    end = declined(choice.finish, refused=refused)
    word = word_of(end, choice.finish_raw, choice.stop_sequence, calls=bool(ids))
    fields: dict[str, Any] = {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        "stop_reason": word,
        "stop_sequence": choice.stop_sequence if word == "stop_sequence" else None,
        "usage": write_usage(answer.usage or Usage()),
    }
    return Encoded(
        body=msgspec.json.encode(fields), dropped=tuple(lost), mark=NAME if answer.usage is not None else b""
    )


def _end_in_words(content: list[Any], lost: list[Dropped]) -> None:
    """Thoughts that only their maker reads are no end: Claude Code takes the last block for the answer."""
    last = len(content)
    while last and is_thought(content[last - 1]) and not content[last - 1].get("thinking"):
        last -= 1
    if last < len(content) and not all(map(is_thought, content)):
        del content[last:]
        lost.append(Dropped(path=UNREAD, reason="nothing follows these thoughts, which only their maker reads"))


def is_thought(block: Any) -> bool:
    """Whether a written block is thinking of any kind."""
    return isinstance(block, dict) and block["type"] in {"thinking", "redacted_thinking"}


def word_of(finish: Finish | None, raw: str, stop_sequence: str, *, calls: bool) -> str:
    """The word for an end: the provider's own where it is one of this dialect's."""
    meant = "tool_calls" if calls and finish in ("stop", None) else finish or "stop"
    if stop_sequence and meant == "stop":
        return "stop_sequence"
    return raw if raw != "stop_sequence" and FINISHES.meanings.get(raw) == meant else FINISHES.words[meant]


def _write_block(block: Block, content: list[Any], ids: set[str], lost: list[Dropped], at: int) -> None:
    """A block of an answer as blocks of this dialect. `ids` are those of calls so far."""
    match block:
        case Text(text=text) | Refusal(text=text):
            lost += dropped(block.extras, MESSAGES, f"content[{at}]") if block.extras else ()
            if not text:
                return
            value: dict[str, Any] = {"type": "text", "text": text}
            if isinstance(block, Text) and block.citations:
                value["citations"] = write_citations(block.citations, lost, at)
            content.append(value)
        case Reasoning():
            if (thought := write_reasoning(block)) is not None:
                content.append(thought)
        case ToolCall():
            call_id = caller_id(block, ids, at)
            content += sealed_call(block, call_id)
            called = {"type": "tool_use", "id": call_id, "name": block.name, "input": input_of(block.arguments)}
            content.append(called)
        case Opaque(dialect=dialect, raw=raw) if dialect == MESSAGES:
            content.append(raw)
        case _:
            lost.append(Dropped(path=f"content[{at}]", reason=f"messages have no place for `{name_of(block)}`"))


def caller_id(call: ToolCall, ids: set[str], at: int) -> str:
    """An id of the form that clients of this dialect know, and none twice."""
    call_id = fitted_id(call.id, ANTHROPIC_ID)
    if call_id in ids:
        call_id = made_id(call.name, at, ANTHROPIC_ID)
    ids.add(call_id)
    return call_id


def sealed_call(call: ToolCall, call_id: str) -> list[dict[str, Any]]:
    """What belongs to a call and only its maker can read, as redacted thinking before it."""
    return [{"type": "redacted_thinking", "data": data} for data in seals_of_call(call, call_id)] if call.extras else []


def write_reasoning(block: Reasoning) -> dict[str, Any] | None:
    """Thinking as clients get it, with its maker's name where that is of another dialect; None if there is none."""
    if block.encrypted and not block.text:
        return {"type": "redacted_thinking", "data": data_of(block)}
    if not block.text and not block.signature:
        return None
    return {"type": "thinking", "thinking": block.text, "signature": signature_of(block)}


def write_citations(citations: tuple[Citation, ...], lost: list[Dropped], at: int) -> list[dict[str, Any]]:
    """Citations of pages; others have no form that could be told from Anthropic's own."""
    if not all(one.url for one in citations):
        lost.append(Dropped(path=f"content[{at}].citations", reason="citations without an address"))
    return [
        {
            "type": "web_search_result_location",
            "url": one.url,
            "title": one.title,
            "cited_text": one.quote,
            "encrypted_index": NO_INDEX,
        }
        for one in citations
        if one.url
    ]
