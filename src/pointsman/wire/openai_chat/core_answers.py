"""Whole chat answers as core answers, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import (
    Answer,
    Block,
    Choice,
    Citation,
    Dropped,
    Encoded,
    Extras,
    Finish,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.errors import UpstreamGarbage
from pointsman.core.usage import Usage
from pointsman.wire.finishes import Finishes
from pointsman.wire.losses import dropped, name_of
from pointsman.wire.openai_chat import custom, reasoning
from pointsman.wire.openai_chat.answer import NAME, read_answer
from pointsman.wire.openai_chat.core_messages import read_blocks
from pointsman.wire.openai_chat.core_parts import (
    SEAL,
    data_url,
    list_citations,
    read_citations,
    read_part,
    with_listed,
    write_call,
    write_citations,
)
from pointsman.wire.openai_chat.request import DIALECT
from pointsman.wire.openai_chat.usage import usage_of
from pointsman.wire.parse import as_count
from pointsman.wire.raw import Fields, dump, list_of, object_of, text_in, text_of, value_of, whole_object
from pointsman.wire.services import served, service_of
from pointsman.wire.tool_names import made_id
from pointsman.wire.trip import Incoming, Outgoing

ONE_CALL = "who offers `functions` is told one call"
FINISHES = Finishes(
    meanings={
        "stop": "stop",
        "length": "length",
        "model_length": "length",  # Mistral
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


def answer_fields(body: bytes) -> Fields:
    """The fields of an answer, raw. Raises as `port.BothSides.read_answer`."""
    read_answer(body)  # raises for errors and for what is no answer
    fields = whole_object(body)
    if fields is None:
        raise UpstreamGarbage("The provider's answer holds numbers that JSON does not know.")
    return fields


def read_whole(body: bytes, outgoing: Outgoing) -> Answer:
    """An answer in no dialect. Raises as `port.ProviderSide.read_whole`."""
    fields = answer_fields(body)
    usage = value_of(fields.get("usage"))
    listed = list_citations(value_of(fields["citations"])) if "citations" in fields else ()
    return Answer(
        id=text_in(fields, "id"),
        model=text_in(fields, "model"),
        created=as_count(value_of(fields.get("created"))),
        choices=tuple([_read_choice(raw, outgoing, listed) for raw in list_of(fields.get("choices"))]),
        usage=served(usage_of(usage), service_of(value_of(fields.get("service_tier"))))
        if isinstance(usage, dict) and usage
        else None,
    )


def _read_choice(raw: msgspec.Raw, outgoing: Outgoing, listed: tuple[Citation, ...]) -> Choice:
    fields = object_of(raw)
    if fields is None:
        raise UpstreamGarbage("The provider's answer has a choice that is not an object.")
    message = object_of(fields.get("message"))
    text = text_of(fields.get("text"))
    blocks: tuple[Block, ...] = (Text(text=text),) if text else ()
    if message is not None:
        blocks = _with_more(read_blocks(with_text(message)), message, listed)
    word = text_of(fields.get("finish_reason"))
    logprobs = fields.get("logprobs")
    return Choice(
        index=as_count(value_of(fields.get("index"))),
        blocks=_in_callers_names(blocks, outgoing),
        finish=meaning(word, calls=any(isinstance(block, ToolCall) for block in blocks)),
        finish_raw=word or "",
        stop_sequence=stopped_by(fields),
        logprobs=logprobs if object_of(logprobs) else None,
    )


def meaning(word: str | None, *, calls: bool) -> Finish:
    """What the end of an answer means. OpenAI says `stop` where a named function was forced, Google always."""
    found = FINISHES.meaning(word) or "stop"
    return "tool_calls" if calls and found == "stop" else found


def stopped_by(fields: Fields) -> str:
    """The stop string that ended an answer, where the server says so: vLLM's `stop_reason`, SGLang's `matched_stop`."""
    return text_in(fields, "stop_reason") or text_in(fields, "matched_stop")


def with_text(message: Fields) -> Fields:
    """A message whose content is a text where it is none: Cloudflare sends the JSON that was asked for as an object."""
    content = message.get("content")
    if content is not None and object_of(content) is not None:
        return {**message, "content": dump(bytes(content).decode())}
    return message


def _with_more(blocks: tuple[Block, ...], message: Fields, listed: tuple[Citation, ...]) -> tuple[Block, ...]:
    """With what stands beside a message's content: its text where it is spoken, citations of its text, images."""
    if "audio" in message and (audio := object_of(message["audio"])):
        blocks = _spoken(blocks, audio, message["audio"])
    citations = read_citations(list_of(message.get("annotations"))) if "annotations" in message else ()
    citations = with_listed(citations, listed) if listed else citations
    if citations:
        at = next((at for at, block in enumerate(blocks) if isinstance(block, Text)), None)
        if at is not None:
            cited = msgspec.structs.replace(blocks[at], citations=citations)
            blocks = (*blocks[:at], cited, *blocks[at + 1 :])
    if "images" in message:
        images = (read_part(raw) for raw in list_of(message["images"]))
        blocks = (*blocks, *(image for image in images if isinstance(image, Media)))
    return blocks


def _spoken(blocks: tuple[Block, ...], audio: Fields, raw: msgspec.Raw) -> tuple[Block, ...]:
    """With the words of a spoken answer, and the sound, which no other dialect has a place for, to be lost by name."""
    words = text_in(audio, "transcript")
    if words and not any(isinstance(block, Text) for block in blocks):
        blocks = (*blocks, Text(text=words))
    return (*blocks, Opaque(dialect=DIALECT, kind="audio", raw=raw)) if text_in(audio, "data") else blocks


def _in_callers_names(blocks: tuple[Block, ...], outgoing: Outgoing) -> tuple[Block, ...]:
    """Calls under the tools' names at the caller, each with an id of its own."""
    calls = [block for block in blocks if isinstance(block, ToolCall)]
    if not calls or (not outgoing.tool_names and len({call.id for call in calls} - {""}) == len(calls)):
        return blocks
    seen: set[str] = set()
    renamed: list[Block] = []
    for at, block in enumerate(blocks):
        if isinstance(block, ToolCall):
            call_id = block.id if block.id and block.id not in seen else made_id(block.name + block.arguments, at)
            seen.add(call_id)
            name = outgoing.tool_names.get(block.name, block.name)
            renamed.append(msgspec.structs.replace(block, id=call_id, name=name))
        else:
            renamed.append(block)
    return tuple(renamed)


def write_answer(answer: Answer, incoming: Incoming) -> Encoded:
    """An answer for a caller, and what chat cannot say of it."""
    lost = dropped(answer.extras, DIALECT, "")
    old, customs = knows_one_call(incoming), custom.names_of(incoming.fields)
    fields: dict[str, Any] = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [_write_choice(choice, lost, customs, old=old) for choice in answer.choices],
    }
    if answer.usage is not None:
        fields["usage"] = write_usage(answer.usage)
    mark = NAME if answer.usage is not None else b""
    return Encoded(body=msgspec.json.encode(fields), dropped=tuple(lost), mark=mark)


def knows_one_call(incoming: Incoming) -> bool:
    """Whether a caller offers `functions`, the old form of tools, and so reads `function_call` alone."""
    return "functions" in incoming.fields and "tools" not in incoming.fields


def write_usage(usage: Usage) -> dict[str, Any]:
    """Usage as chat writes it."""
    read: dict[str, Any] = {"cached_tokens": usage.cache_read, "audio_tokens": usage.input_audio}
    if usage.cache_write or usage.cache_write_1h:
        read["cache_write_tokens"] = usage.cache_write + usage.cache_write_1h
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": read,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.output_audio},
    }


def _write_choice(choice: Choice, lost: list[Dropped], customs: frozenset[str], *, old: bool) -> dict[str, Any]:
    lost += dropped(choice.extras, DIALECT, f"choices[{choice.index}]")
    message = _write_message(choice.blocks, lost, customs)
    word = FINISHES.words[choice.finish or "stop"]
    if old and "tool_calls" in message:
        first, *others = message.pop("tool_calls")
        message["function_call"] = first["function"]
        lost += [Dropped(path="choices.message", reason=ONE_CALL) for _ in others[:1]]
        word = "function_call" if word == "tool_calls" else word
    value = {"index": choice.index, "message": message, "logprobs": choice.logprobs, "finish_reason": word}
    return {**value, "stop_reason": choice.stop_sequence} if choice.stop_sequence else value


def unsaid(block: Block, extras: tuple[Extras, ...]) -> list[Dropped]:
    """What belongs to a block and has no place in chat; Gemini's signature of a call has one."""
    found = dropped(extras, DIALECT, "choices.message")
    return [one for one in found if not (isinstance(block, ToolCall) and one.path.endswith(f".{SEAL}"))]


def _write_message(blocks: tuple[Block, ...], lost: list[Dropped], customs: frozenset[str]) -> dict[str, Any]:
    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[Reasoning] = []
    calls: list[dict[str, Any]] = []
    citations: list[Any] = []
    images: list[Any] = []
    length = 0
    for block in blocks:
        if block.extras:
            lost += unsaid(block, block.extras)
        match block:
            case Text(text=text):
                citations += write_citations(block.citations, length, len(text)) if block.citations else ()
                texts.append(text)
                length += len(text)
            case Reasoning():
                thoughts.append(block)
            case ToolCall():
                calls.append(custom.write_call(block) if block.name in customs else write_call(block))
            case Refusal(text=text):
                refusals.append(text)
            case Media(kind="image") if block.url or block.data:
                images.append({"type": "image_url", "image_url": {"url": data_url(block)}})
            case _:
                lost.append(Dropped(path="choices.message", reason=f"chat has no place for `{name_of(block)}`"))
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None}
    message["refusal"] = "".join(refusals) or None
    if thoughts:
        message["reasoning_content"] = "".join(block.text for block in thoughts)
        held = reasoning.write_thinking(thoughts)
        message |= {reasoning.THINKING: held} if held else {}
    message |= {"annotations": citations} if citations else {}
    message |= {"images": images} if images else {}
    message |= {"tool_calls": calls} if calls else {}
    return message
