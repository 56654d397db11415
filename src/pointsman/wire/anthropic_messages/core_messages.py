"""The system prompt and the messages of a request of this dialect as core messages."""

from __future__ import annotations

import msgspec

from pointsman.core.chat import Block, Message, Reasoning, Role, Text, ToolCall
from pointsman.core.dialects import MESSAGES
from pointsman.core.errors import InvalidRequest
from pointsman.wire.anthropic_messages.checks import check_said
from pointsman.wire.anthropic_messages.core_parts import read_block, read_blocks
from pointsman.wire.anthropic_messages.seals import CallSeal, call_seal
from pointsman.wire.extras import keep
from pointsman.wire.raw import Fields, dump, items_of, list_of, object_of, rest, text_of

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}

_BILLING = "x-anthropic-billing-header"
"""Claude Code writes a header into its system prompt. It is for Anthropic's books alone, and a part of it is another in
every request: at the head of a prompt it keeps other providers from finding the prompt in their cache."""


def read_system(raw: msgspec.Raw | None) -> tuple[Message, ...]:
    """The system prompt, a text or blocks, as the conversation's first message; none where there is none.

    Raises:
        InvalidRequest: neither, or a block that cannot be read.
    """
    if raw is None or bytes(raw) == b"null":
        return ()
    check_said({"system": raw})
    blocks = read_blocks(raw)
    told = tuple([block for block in blocks if not (isinstance(block, Text) and block.text.startswith(_BILLING))])
    extras = keep(MESSAGES, {_BILLING: dump(True)}) if len(told) < len(blocks) else ()
    return (Message(role="system", blocks=told, extras=extras),) if blocks else ()


def read_message(raw: msgspec.Raw, path: str) -> Message:
    """A message of a request.

    Raises:
        InvalidRequest: no object, of no known role, or with content of another kind.
    """
    fields = object_of(raw)
    role = text_of(fields.get("role")) if fields is not None else None
    if fields is None or role not in _ROLES:
        raise InvalidRequest(
            f"`{path}.role` has to be `user` or `assistant`.", param=f"{path}.role" if fields is not None else path
        )
    content = fields.get("content")
    text = text_of(content)
    if text is not None:
        blocks: tuple[Block, ...] = (Text(text=text),) if text else ()
    else:
        items = items_of(content)
        if items is None:
            raise InvalidRequest(f"`{path}.content` has to be a string or a list of blocks.", param=f"{path}.content")
        check_said(fields, f"{path}.")
        blocks = _with_call_seals([read_block(item) for item in items])
    extras = keep(MESSAGES, rest(fields, ("role", "content"))) if len(fields) > 2 else ()
    return Message(role=_ROLES[role], blocks=blocks, extras=extras)


def _with_call_seals(blocks: list[Block]) -> tuple[Block, ...]:
    """Calls with what came sealed for them in redacted thinking of ours (see `seals`)."""
    seals: dict[str, list[CallSeal]] = {}
    kept: list[Block] = []
    for block in blocks:
        seal = call_seal(block.encrypted) if isinstance(block, Reasoning) and block.encrypted else None
        if seal is None:
            kept.append(block)
        else:
            seals.setdefault(seal.call, []).append(seal)
    if not seals:
        return tuple(kept)
    return tuple(
        msgspec.structs.replace(block, extras=(*block.extras, *(seal.extras for seal in seals.pop(block.id))))
        if isinstance(block, ToolCall) and block.id in seals
        else block
        for block in kept
    )


def read_messages(fields: Fields) -> tuple[Message, ...]:
    """The whole conversation, its system prompt first.

    Raises:
        InvalidRequest: see `read_system` and `read_message`.
    """
    messages = [read_message(raw, f"messages[{at}]") for at, raw in enumerate(list_of(fields.get("messages")))]
    return (*read_system(fields.get("system")), *messages)
