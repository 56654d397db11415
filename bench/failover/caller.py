"""A caller over a plain socket that notices everything: bytes, pauses, and how a connection ended."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import httptools

Json = dict[str, Any]


@dataclass
class Heard:
    """What came back.

    Attributes:
        status: HTTP status; 0 if no head came.
        ended: the message came to its proper end.
        ending: how it ended otherwise: `closed`, `reset`, `refused`, or `hang` where patience ended first.
        took: seconds.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | bytearray = field(default_factory=bytearray)
    ended: bool = False
    ending: str = ""
    took: float = 0.0


class _Parser:
    """httptools' callbacks."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.heard.headers[name.decode().lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.heard.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.heard.body += body  # a bytearray, which grows in place

    def on_message_complete(self) -> None:
        self.heard.ended = True


async def exchange(port: int, method: str, path: str, body: bytes = b"", *, patience: float = 15.0) -> Heard:
    """One request over a connection of its own. `patience`: seconds for all of it."""
    heard = Heard()
    began = time.perf_counter()
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"anthropic-version: 2023-06-01\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    try:
        async with asyncio.timeout(patience):
            await _talk(port, head.encode() + body, heard)
    except TimeoutError:
        heard.ending = "hang"
    except ConnectionRefusedError:
        heard.ending = "refused"
    except OSError:
        heard.ending = "reset"
    heard.took = time.perf_counter() - began
    return heard


async def _talk(port: int, sent: bytes, heard: Heard) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        parser = _Parser(heard).parser
        while not heard.ended:
            data = await reader.read(65536)
            if not data:
                heard.ending = "closed"
                return
            parser.feed_data(data)
    finally:
        writer.close()


@dataclass
class Got:
    """What a caller's library would make of it.

    Attributes:
        text: all that arrived.
        last: the text as the last event has it, in dialects that say it again; else None.
        marked: the dialect's end mark came, with a reason that says that the answer is whole.
        finish: why it ended, in the dialect's word.
        error: code or type of the error; empty if none came.
        model: as the answer says.
        output: tokens written, as the answer says.
    """

    text: str = ""
    last: str | None = None
    marked: bool = False
    finish: str = ""
    error: str = ""
    model: str = ""
    output: int | None = None


def request(dialect: str, model: str, turns: list[tuple[str, str]], *, stream: bool) -> tuple[str, bytes]:
    """Path and body of a call."""
    said = [{"role": role, "content": text} for role, text in turns]
    body: Json = {"model": model, "stream": stream}
    match dialect:
        case "openai-chat":
            path, body["messages"] = "/v1/chat/completions", said
            if stream:
                body["stream_options"] = {"include_usage": True}
        case "openai-responses":
            path, body["input"] = "/v1/responses", said
        case _:
            path, body["messages"], body["max_tokens"] = "/v1/messages", said, 1000
    return path, json.dumps(body).encode()


def understood(dialect: str, heard: Heard) -> Got:
    """Read an answer as a caller of this dialect does."""
    got = Got()
    if heard.headers.get("content-type", "").startswith("text/event-stream"):
        for event in _events(heard.body):
            if event is None:
                got.error = got.error or "not JSON"
            else:
                _STREAMED[dialect](got, event)
        return got
    try:
        body = json.loads(heard.body)
    except ValueError:
        got.error = "not JSON" if heard.body else ""
        return got
    if isinstance(body, dict):
        _read_error(got, body)
        if not got.error:
            _WHOLE[dialect](got, body)
    return got


def _events(body: bytes | bytearray) -> list[Json | None]:
    """The data of each event; None for what is no JSON object. `[DONE]` is an object of its own."""
    made: list[Json | None] = []
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = b"".join(line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:"))
        if data == b"[DONE]":
            made.append({"done": True})
        elif data:
            try:
                found = json.loads(data)
            except ValueError:
                found = None
            made.append(found if isinstance(found, dict) else None)
    return made


def _read_error(got: Got, body: Json) -> None:
    error = body.get("error")
    if isinstance(error, dict):
        got.error = str(error.get("code") or error.get("type") or "error")
    elif error:
        got.error = "error"


def _chat_event(got: Got, event: Json) -> None:
    _read_error(got, event)
    got.model = event.get("model") or got.model
    if event.get("done"):
        got.marked = got.finish == "stop"
    for choice in event.get("choices") or ():
        got.text += choice.get("delta", {}).get("content") or ""
        got.finish = choice.get("finish_reason") or got.finish
    if usage := event.get("usage"):
        got.output = usage["completion_tokens"]


def _chat(got: Got, body: Json) -> None:
    choice = body["choices"][0]
    got.text, got.marked = choice["message"]["content"] or "", choice["finish_reason"] == "stop"
    got.model, got.output = body["model"], (body.get("usage") or {}).get("completion_tokens")


def _responses_event(got: Got, event: Json) -> None:
    match event.get("type"):
        case "response.output_text.delta":
            got.text += event["delta"]
        case "response.completed":
            whole = Got()
            _responses(whole, event["response"])
            got.last, got.marked, got.model, got.output = whole.text, whole.marked, whole.model, whole.output
        case "response.failed":
            _read_error(got, event["response"])
        case "response.incomplete":
            got.error = "incomplete"
        case "error":
            got.error = str(event.get("code") or "error")


def _responses(got: Got, body: Json) -> None:
    parts = (part for item in body["output"] if item["type"] == "message" for part in item["content"])
    got.text = "".join(part.get("text", "") for part in parts)
    got.marked, got.model = body["status"] == "completed", body["model"]
    got.output = (body.get("usage") or {}).get("output_tokens")


def _messages_event(got: Got, event: Json) -> None:
    match event.get("type"):
        case "message_start":
            got.model = event["message"]["model"]
        case "content_block_delta":
            got.text += event["delta"].get("text", "")
        case "message_delta":
            got.finish = event["delta"].get("stop_reason") or got.finish
            got.output = (event.get("usage") or {}).get("output_tokens", got.output)
        case "message_stop":
            got.marked = got.finish == "end_turn"
        case "error":
            _read_error(got, event)


def _messages(got: Got, body: Json) -> None:
    got.text = "".join(block.get("text", "") for block in body["content"])
    got.marked, got.model = body["stop_reason"] == "end_turn", body["model"]
    got.output = (body.get("usage") or {}).get("output_tokens")


_STREAMED = {"openai-chat": _chat_event, "openai-responses": _responses_event, "anthropic-messages": _messages_event}
_WHOLE = {"openai-chat": _chat, "openai-responses": _responses, "anthropic-messages": _messages}
