"""Whole chat answers as core answers, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Answer, Block, Choice, Encoded, Extras, Finish, Reasoning, Refusal, Text, ToolCall
from pointsman.core.errors import UpstreamGarbage
from pointsman.core.usage import Usage
from pointsman.wire.extras import (
    hints_of,
    keep,
    own,
    remembered,
    remembering,
    shape_hints,
    shaped,
    tuck,
    untuck,
)
from pointsman.wire.finishes import Finishes
from pointsman.wire.openai_chat import carry
from pointsman.wire.openai_chat.answer import read_answer
from pointsman.wire.openai_chat.core_messages import read_blocks
from pointsman.wire.openai_chat.core_parts import write_call
from pointsman.wire.openai_chat.request import DIALECT
from pointsman.wire.openai_chat.usage import usage_of
from pointsman.wire.parse import as_count
from pointsman.wire.raw import Fields, dump, list_of, object_of, rest, text_in, text_of, value_of, whole_object

ORIGIN = "pointsman_origin"

_KNOWN = frozenset({"id", "model", "created", "choices", "usage", "object", ORIGIN})
_KNOWN_CHOICE = frozenset({"index", "message", "finish_reason", "logprobs", "text"})
_KNOWN_MESSAGE = frozenset(
    {"role", "content", "refusal", "tool_calls", "reasoning_content", carry.THINKING, carry.BLOCKS}
)
_FINISHES = Finishes(
    meanings={
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "function_call": "tool_calls",
        "content_filter": "content_filter",
        "error": "error",
        "eos": "stop",
        "": "stop",
    },
    words={
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "content_filter": "content_filter",
        "refusal": "content_filter",
        "pause": "stop",
        "error": "error",
    },
)


class _ChoiceOrigin(msgspec.Struct, frozen=True, kw_only=True):
    finish: Finish | None
    finish_raw: str
    extras: tuple[Extras, ...]


class _Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer of another dialect says beside its blocks, so that the way back restores it."""

    usage: Usage | None
    extras: tuple[Extras, ...]
    choices: tuple[_ChoiceOrigin, ...]
    created: int


_ORIGIN = msgspec.json.Decoder(_Origin)


def answer_fields(body: bytes) -> Fields:
    """The fields of an answer, raw. Raises as `port.Dialect.read_answer`."""
    read_answer(body)  # raises for errors and for what is no answer
    fields = whole_object(body)
    if fields is None:
        raise UpstreamGarbage("The provider's answer holds numbers that JSON does not know.")
    return fields


def decode_answer(body: bytes) -> Answer:
    """An answer in no dialect. Raises as `port.Dialect.decode_answer`."""
    fields = answer_fields(body)
    answer = _read(fields)
    if ORIGIN in fields:
        return _restored(answer, fields[ORIGIN])
    written = {name: dump(value) for name, value in _write(answer).items()}
    hints = shape_hints(fields, written, _KNOWN - {"choices", ORIGIN})
    return msgspec.structs.replace(answer, extras=keep(DIALECT, rest(fields, _KNOWN), hints=hints))


def _read(fields: Fields) -> Answer:
    usage = value_of(fields.get("usage"))
    return Answer(
        id=text_in(fields, "id"),
        model=text_in(fields, "model"),
        created=as_count(value_of(fields.get("created"))),
        choices=tuple(_read_choice(raw) for raw in list_of(fields.get("choices"))),
        usage=usage_of(usage) if isinstance(usage, dict) and usage else None,
    )


def _restored(answer: Answer, raw: msgspec.Raw) -> Answer:
    """An answer of another dialect that went out as chat; where the carried part is odd, the visible one counts."""
    try:
        origin = _ORIGIN.decode(raw)
    except (ValueError, RecursionError):
        return answer
    if len(origin.choices) != len(answer.choices):
        return answer
    choices = tuple(
        msgspec.structs.replace(choice, finish=old.finish, finish_raw=old.finish_raw, extras=old.extras)
        for choice, old in zip(answer.choices, origin.choices, strict=True)
    )
    return msgspec.structs.replace(
        answer, usage=origin.usage, extras=origin.extras, choices=choices, created=origin.created
    )


def _read_choice(raw: msgspec.Raw) -> Choice:
    fields = object_of(raw)
    if fields is None:
        raise UpstreamGarbage("The provider's answer has a choice that is not an object.")
    message = object_of(fields.get("message"))
    text = text_of(fields.get("text"))
    blocks: tuple[Block, ...] = (Text(text=text),) if text else ()
    extras = rest(fields, _KNOWN_CHOICE)
    if message is not None:
        blocks = read_blocks(message)
        tuck(extras, "message", rest(message, _KNOWN_MESSAGE))
    word = text_of(fields.get("finish_reason"))
    logprobs = fields.get("logprobs")
    choice = Choice(
        index=as_count(value_of(fields.get("index"))),
        blocks=blocks,
        finish=_FINISHES.meaning(word),
        finish_raw=word or "",
        logprobs=None if logprobs is None or bytes(logprobs) == b"null" else logprobs,
        extras=keep(DIALECT, extras),
    )
    carried = message is not None and carry.BLOCKS in message
    return choice if carried else remembering(choice, raw, _write_choice(choice), DIALECT)


def encode_answer(answer: Answer) -> Encoded:
    """An answer for a caller. Nothing is dropped: what chat cannot say is carried (see `carry`)."""
    fields = _write(answer)
    as_it_stood = shaped(fields, hints_of(answer.extras, DIALECT))
    for candidate in (as_it_stood, fields) if as_it_stood != fields else (fields,):
        body = msgspec.json.encode(candidate)
        if decode_answer(body) == answer:
            return Encoded(body=body)
    origin = _Origin(
        usage=answer.usage,
        extras=answer.extras,
        created=answer.created,
        choices=tuple(
            _ChoiceOrigin(finish=choice.finish, finish_raw=choice.finish_raw, extras=choice.extras)
            for choice in answer.choices
        ),
    )
    return Encoded(body=msgspec.json.encode({**fields, ORIGIN: origin}))


def _write(answer: Answer) -> dict[str, Any]:
    """The fields of an answer in their usual shape."""
    fields: dict[str, Any] = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [_write_choice(choice) for choice in answer.choices],
    }
    if answer.usage is not None:
        fields["usage"] = write_usage(answer.usage)
    return {**fields, **own(answer.extras, DIALECT)}


def write_usage(usage: Usage) -> dict[str, Any]:
    """Usage as chat writes it."""
    read = {"cached_tokens": usage.cache_read, "audio_tokens": usage.input_audio}
    if usage.cache_write or usage.cache_write_1h:
        read["cache_write_tokens"] = usage.cache_write + usage.cache_write_1h
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": read,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.output_audio},
    }


def _write_choice(choice: Choice) -> Any:
    raw = remembered(choice, _read_choice, DIALECT)
    if raw is not None:
        return raw
    extras = own(choice.extras, DIALECT)
    left = untuck(extras, "message")
    return {
        "index": choice.index,
        "message": {**_write_blocks(choice.blocks), **left},
        "logprobs": choice.logprobs,
        "finish_reason": _FINISHES.word(choice),
        **extras,
    }


def _write_blocks(blocks: tuple[Block, ...]) -> dict[str, Any]:
    """An assistant's message; with slots where the visible fields alone would not give the same blocks back."""
    texts = [block.text for block in blocks if isinstance(block, Text)]
    refusals = [block.text for block in blocks if isinstance(block, Refusal)]
    thoughts = [block for block in blocks if isinstance(block, Reasoning)]
    fields: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(texts) if texts else None,
        "refusal": "".join(refusals) or None,
    }
    reasoning = "".join(block.text for block in thoughts)
    fields |= {"reasoning_content": reasoning} if reasoning else {}
    held = [carry.write_thinking(block) for block in thoughts if carry.fits_thinking(block)]
    fields |= {carry.THINKING: held} if held else {}
    calls = [write_call(block) for block in blocks if isinstance(block, ToolCall)]
    fields |= {"tool_calls": calls} if calls else {}
    if read_blocks({name: dump(value) for name, value in fields.items()}) != blocks:
        fields[carry.BLOCKS] = carry.slots(blocks)
    return fields
