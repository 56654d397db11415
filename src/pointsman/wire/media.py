"""Files that a request names by URL, where the provider takes them as data alone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping

import msgspec

from pointsman.core.chat import Block, Media, Request, ToolResult
from pointsman.core.ports import Fetched

_KINDS = {"image": "image/", "audio": "audio/", "video": "video/"}


def urls_in(request: Request, needs_data: Callable[[Media], bool]) -> list[str]:
    """The URLs of a request's media that `needs_data` says the provider cannot follow, in order."""
    return [
        media.url for message in request.messages for media in _media(message.blocks) if media.url and needs_data(media)
    ]


def _media(blocks: tuple[Block, ...]) -> Iterator[Media]:
    for block in blocks:
        if isinstance(block, Media):
            yield block
        elif isinstance(block, ToolResult):
            yield from _media(block.content)


def with_data(request: Request, files: Mapping[str, Fetched]) -> Request:
    """A request with the files in the place of their URLs."""
    messages = tuple(
        msgspec.structs.replace(message, blocks=_filled(message.blocks, files)) for message in request.messages
    )
    return msgspec.structs.replace(request, messages=messages)


def _filled(blocks: tuple[Block, ...], files: Mapping[str, Fetched]) -> tuple[Block, ...]:
    filled: list[Block] = []
    for block in blocks:
        if isinstance(block, Media) and (found := files.get(block.url)) is not None:
            data = base64.b64encode(found.data).decode()
            kind = found.media_type
            if not kind.startswith(_KINDS.get(block.kind, "")) and block.media_type:
                kind = block.media_type
            filled.append(msgspec.structs.replace(block, url="", data=data, media_type=kind))
        elif isinstance(block, ToolResult):
            filled.append(msgspec.structs.replace(block, content=_filled(block.content, files)))
        else:
            filled.append(block)
    return tuple(filled)
