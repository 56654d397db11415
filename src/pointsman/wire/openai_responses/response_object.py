"""The response object and its items, as answers of other dialects are told in this one."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from pointsman.core.chat import Choice, Media, Reasoning, ToolCall
from pointsman.core.usage import Usage
from pointsman.wire.openai_responses.answer import priced
from pointsman.wire.openai_responses.seals import seal_of
from pointsman.wire.openai_responses.tools import Kind, write_call
from pointsman.wire.openai_responses.usage import write_usage
from pointsman.wire.raw import Fields
from pointsman.wire.trip import Incoming

IN_PROGRESS, COMPLETED, INCOMPLETE = "in_progress", "completed", "incomplete"
# What a response repeats of its request, and what stands there where the request says nothing.
_ECHO: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": False,  # whoever keeps it writes it into the request, see `line.conversations`
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "user": None,
}
_ECHOED = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in _ECHO.items()}
_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}
_PREFIXES = {"custom_tool_call": "ctc", "local_shell_call": "lsh", "function_call": "fc"}
_DIGEST = 14
"""Bytes of which ids are made."""
_encode = msgspec.json.Encoder().encode


class Ids(NamedTuple):
    """The ids of a response and its items. They are ours: providers number their answers, each for itself."""

    answer: str
    base: str

    @classmethod
    def of(cls, answer_id: str, created: int, model: str, incoming: Incoming) -> Ids:
        """Ids for an answer. Of an answer to no call they depend on its own id, or on its time and on what was asked.

        An id that is one of this dialect stays: its provider may know the answer by it.
        """
        if incoming.call:
            ids = cls.of_call(incoming.call)
        else:
            digest = hashlib.blake2b(answer_id.encode("utf-8", "replace"), digest_size=_DIGEST)
            if not answer_id:
                digest.update(f"{created} {model}".encode("utf-8", "replace"))
                for raw in incoming.fields.values():
                    digest.update(memoryview(raw))
            ids = cls._made(digest.hexdigest())
        return ids._replace(answer=answer_id) if answer_id.startswith("resp_") else ids

    @classmethod
    def of_call(cls, call: str) -> Ids:
        """Ids for the answer to a call."""
        return cls._made(hashlib.blake2b(call.encode("utf-8", "replace"), digest_size=_DIGEST).hexdigest())

    @classmethod
    def _made(cls, base: str) -> Ids:
        return cls(f"resp_{base}", base)

    def item(self, prefix: str, index: int) -> str:
        """The id of the item at a place."""
        return f"{prefix}_{self.base}{index:04x}"

    def call(self, kind: Kind | None, index: int) -> str:
        """The id of a call's item."""
        return self.item(_PREFIXES["function_call" if kind is None else kind.item], index)


class End(NamedTuple):
    """How a response ended: its status, and why it is incomplete or failed."""

    status: str
    reason: str = ""

    @classmethod
    def of(cls, choice: Choice, *, refused: bool) -> End:
        """The end of a choice. A refusal in words (`refused`) is an answer; without them it is one that is missing."""
        if choice.finish == "error":
            return cls("failed", choice.finish_raw)
        if choice.finish == "refusal":
            return cls(COMPLETED) if refused else cls(INCOMPLETE, "content_filter")
        reason = _REASONS.get(choice.finish or "")
        return cls(INCOMPLETE, reason) if reason else cls(COMPLETED)

    @property
    def event(self) -> str:
        """The last event's type."""
        return f"response.{self.status}"

    @property
    def of_last(self) -> str:
        """The status of what was being written: the last message, or the last call."""
        return COMPLETED if self.status == COMPLETED else INCOMPLETE


def response(ids: Ids, created: int, model: str, fields: Fields) -> dict[str, Any]:
    """A response that has just begun."""
    return {
        "id": ids.answer,
        "object": "response",
        "created_at": created,
        "status": IN_PROGRESS,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        **{name: _echoed(fields.get(name), missing) for name, missing in _ECHOED.items()},
        "service_tier": None,  # who answered may have served it otherwise than was asked,
        "truncation": "disabled",  # and cuts nothing out of a conversation that is too long
        "usage": None,
    }


def _echoed(raw: msgspec.Raw | None, missing: msgspec.Raw) -> msgspec.Raw:
    return missing if raw is None or bytes(memoryview(raw)[:4]) == b"null" else raw


def ended(begun: dict[str, Any], end: End, output: list[Any], usage: Usage | None, cost: int | None) -> dict[str, Any]:
    """The same response at its end."""
    whole = {**begun, "status": end.status, "output": output}
    if end.status == INCOMPLETE:
        whole["incomplete_details"] = {"reason": end.reason}
    elif end.status != COMPLETED:
        words = (
            f"The model's answer ended with an error ({end.reason})." if end.reason else "The model's answer failed."
        )
        whole["error"] = {"code": "server_error", "message": words}
    if usage is not None:
        whole["usage"] = msgspec.Raw(priced(_encode(write_usage(usage)), cost))
    return whole


def message_item(item_id: str, parts: list[Any], status: str) -> dict[str, Any]:
    """A message."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": parts}


def text_part(text: str, notes: list[Any], logprobs: list[msgspec.Raw]) -> dict[str, Any]:
    """A message's text."""
    return {"type": "output_text", "text": text, "annotations": notes, "logprobs": logprobs}


def refusal_part(text: str) -> dict[str, Any]:
    """A message's refusal."""
    return {"type": "refusal", "refusal": text}


def thought_item(item_id: str, block: Reasoning) -> dict[str, Any]:
    """Thinking: all that can be read of it as its summary, all that its maker wants back as its encrypted content."""
    summary = [{"type": "summary_text", "text": block.text}] if block.text else []
    seal = seal_of(block)
    return {"id": item_id, "type": "reasoning", "summary": summary, **({"encrypted_content": seal} if seal else {})}


def seal_item(item_id: str, seal: str) -> dict[str, Any]:
    """Nothing that can be read, and what belongs to a call."""
    return {"id": item_id, "type": "reasoning", "summary": [], "encrypted_content": seal}


def call_item(item_id: str, call: ToolCall, kind: Kind | None, status: str) -> dict[str, Any]:
    """A call of a tool."""
    return {"id": item_id, **write_call(call, kind), "status": status}


def image_item(item_id: str, block: Media) -> dict[str, Any]:
    """A picture."""
    form = block.media_type.rpartition("/")[2] or "png"
    return {
        "id": item_id,
        "type": "image_generation_call",
        "status": COMPLETED,
        "result": block.data,
        "output_format": form,
    }
