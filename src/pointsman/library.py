"""Pointsman as a library: the same line, configuration and ledger in the caller's own process, without HTTP.

    from pointsman import Gateway

    with Gateway() as gateway:
        answer = gateway.chat("What is the capital of France?")
        print(answer.text, answer.model, answer.cost)

Every method has an async twin (`achat`, `astream`). The line runs on an event loop of its own in a thread of its own,
so one gateway serves any number of threads and loops; cancelling the caller's await cancels the call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from pointsman.compose import House, build
from pointsman.core.call import Arrival
from pointsman.core.errors import InvalidRequest, PointsmanError
from pointsman.core.plan import Plan
from pointsman.core.ports import Headers

T = TypeVar("T")
Messages = str | Sequence[Mapping[str, Any]]
_QUEUED = 64
_START_SECONDS = 30.0


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer: the provider's body, unchanged but for `usage.cost`, and what the gateway says of it."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """The first choice's text; empty if it has none."""
        choices = self.body.get("choices") or [{}]
        message = choices[0].get("message") or {}
        content = message.get("content")
        return content if isinstance(content, str) else ""

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The first choice's tool calls."""
        choices = self.body.get("choices") or [{}]
        calls = (choices[0].get("message") or {}).get("tool_calls")
        return list(calls or [])

    @property
    def id(self) -> str:
        """The call's id, as in the ledger."""
        return self.headers.get("x-request-id", "")

    @property
    def model(self) -> str:
        """Our name for the model that answered."""
        return self.headers.get("x-pointsman-model", "")

    @property
    def provider(self) -> str:
        """Who answered."""
        return self.headers.get("x-pointsman-provider", "")

    @property
    def route(self) -> str:
        """The route that decided."""
        return self.headers.get("x-pointsman-route", "")

    @property
    def decision(self) -> str:
        """Why this model, in one line."""
        return self.headers.get("x-pointsman-decision", "")

    @property
    def cost(self) -> Decimal | None:
        """US dollars; None if the model is unpriced."""
        text = self.headers.get("x-pointsman-cost-usd")
        return None if text is None else Decimal(text)

    @property
    def usage(self) -> dict[str, Any]:
        """Tokens as the provider counts them."""
        return dict(self.body.get("usage") or {})


class Stream:
    """An answer as it comes: an iterator of chunks, with the answer's headers. Close it to leave early."""

    def __init__(self, feed: _Feed, submit: Callable[[Coroutine[Any, Any, Any]], Future[Any]]) -> None:
        self._feed = feed
        self._submit = submit

    @property
    def headers(self) -> dict[str, str]:
        """What the gateway says of the answer; complete once the first chunk has come."""
        return {k.decode(): v.decode() for k, v in self._feed.headers}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            while (chunk := self._submit(self._feed.next()).result()) is not None:
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Leave; an unfinished call is cancelled as if the caller had hung up."""
        self._submit(self._feed.close()).result()


class Gateway:
    """One gateway in this process.

    Args:
        config: path of a `pointsman.yaml`, the same as a mapping, or None for the usual search and defaults.

    Raises:
        ConfigError: the configuration is refused.
    """

    def __init__(self, config: str | Path | Mapping[str, Any] | None = None) -> None:
        self._house: House = build(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    # Calls

    def chat(self, messages: Messages, model: str = "auto", **params: Any) -> Answer:
        """Ask for a whole answer. `params` are the fields of a chat completion (`temperature`, `tools` …).

        Raises:
            PointsmanError: from the one tree, e.g. `UnknownModel`, `AllAttemptsFailed`.
        """
        return self._submit(self._chat(messages, model, params)).result()

    async def achat(self, messages: Messages, model: str = "auto", **params: Any) -> Answer:
        """As `chat`, awaited."""
        return await asyncio.wrap_future(self._submit(self._chat(messages, model, params)))

    def stream(self, messages: Messages, model: str = "auto", **params: Any) -> Stream:
        """Ask for a stream; iterate over it for each chunk as the provider's JSON.

        Raises:
            PointsmanError: before the first chunk, or after it when the stream could not be finished.
        """
        feed = self._submit(self._open(messages, model, params)).result()
        return Stream(feed, self._submit)

    async def astream(self, messages: Messages, model: str = "auto", **params: Any) -> AsyncIterator[dict[str, Any]]:
        """As `stream`, awaited."""
        feed = await asyncio.wrap_future(self._submit(self._open(messages, model, params)))
        try:
            while (chunk := await asyncio.wrap_future(self._submit(feed.next()))) is not None:
                yield chunk
        finally:
            await asyncio.wrap_future(self._submit(feed.close()))

    def explain(self, messages: Messages, model: str = "auto", **params: Any) -> Plan:
        """The plan for a request, without sending anything."""
        self.start()
        return self._house.explain(_body(messages, model, params))

    def explain_body(self, body: bytes) -> Plan:
        """The plan for a whole request as JSON."""
        self.start()
        return self._house.explain(body)

    def wait_for_models(self, seconds: float = 20.0) -> None:
        """Wait until the machine's own models are known: the embedded one ready, local servers looked for."""
        self._submit(self._house.pieces.machine.settled(seconds)).result()

    def models(self) -> list[str]:
        """Every route and model that can be named, providers' catalogues aside."""
        self.start()
        return self._house.names()

    # Life

    def start(self) -> Self:
        """Start what works in the background; calls do this by themselves."""
        with self._lock:
            if self._loop is not None:
                return self
            ready = threading.Event()
            loop = asyncio.new_event_loop()

            def run() -> None:
                asyncio.set_event_loop(loop)
                loop.call_soon(ready.set)
                loop.run_forever()

            self._thread = threading.Thread(target=run, name="pointsman", daemon=True)
            self._thread.start()
            ready.wait(_START_SECONDS)
            self._loop = loop
            asyncio.run_coroutine_threadsafe(self._house.start(), loop).result(_START_SECONDS)
        return self

    def close(self) -> None:
        """Finish: rows written, connections closed. The gateway can be started again."""
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is None:
                return
            asyncio.run_coroutine_threadsafe(self._house.aclose(), loop).result(_START_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            if self._thread is not None:
                self._thread.join(_START_SECONDS)
            loop.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_exc: object) -> None:
        await asyncio.to_thread(self.close)

    # The line

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if self._loop is None:
            self.start()
        assert self._loop is not None  # noqa: S101 - start has set it
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _chat(self, messages: Messages, model: str, params: Mapping[str, Any]) -> Answer:
        reply = _Whole()
        error = await self._house.walk(self._arrival(messages, model, {**params, "stream": False}), reply)
        if error is not None:
            raise error
        body = msgspec.json.decode(reply.body, type=dict[str, Any])
        return Answer(body=body, headers={k.decode(): v.decode() for k, v in reply.headers})

    async def _open(self, messages: Messages, model: str, params: Mapping[str, Any]) -> _Feed:
        feed = _Feed()
        arrival = self._arrival(messages, model, {**params, "stream": True})
        feed.task = asyncio.create_task(feed.run(self._house.walk(arrival, feed)))
        return feed

    def _arrival(self, messages: Messages, model: str, params: Mapping[str, Any]) -> Arrival:
        received = self._house.pieces.clock.monotonic()
        body = _body(messages, model, params)
        return Arrival(method="POST", path="/v1/chat/completions", lookup={}, body=body, received=received)


def _body(messages: Messages, model: str, params: Mapping[str, Any]) -> bytes:
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    try:
        return msgspec.json.encode({"model": model, "messages": turns, **params})
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"The request cannot be written as JSON: {error}") from None


class _Whole:
    """A reply that keeps the answer."""

    def __init__(self) -> None:
        self.started = False
        self.headers: Headers = ()
        self.body = b""

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        del status
        self.started, self.headers, self.body = True, headers, body

    async def start(self, status: int, headers: Headers) -> None:
        await self.whole(status, headers, b"")

    async def write(self, data: bytes) -> None:
        self.body += data

    async def end(self) -> None:
        """Nothing to do: the body is whole."""


class _Feed:
    """A reply that hands a stream's chunks to an iterator, a bounded number ahead."""

    def __init__(self) -> None:
        self.started = False
        self.headers: Headers = ()
        self.task: asyncio.Task[None] | None = None
        self._queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(_QUEUED)
        self._rest = b""
        self._error: PointsmanError | None = None

    async def run(self, walk: Coroutine[Any, Any, PointsmanError | None]) -> None:
        """Walk the line; the end of the queue is its end."""
        self._error = await walk
        await self._queue.put(None)

    async def next(self) -> dict[str, Any] | None:
        """The next chunk, or None at the proper end."""
        chunk = await self._queue.get()
        if chunk is None and self._error is not None:
            raise self._error
        return chunk

    async def close(self) -> None:
        """Leave: an unfinished call is cancelled as if the caller had hung up."""
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        del status, headers, body  # an error: `run` raises it
        self.started = True

    async def start(self, status: int, headers: Headers) -> None:
        del status
        self.started, self.headers = True, headers

    async def write(self, data: bytes) -> None:
        *frames, self._rest = (self._rest + data).split(b"\n")
        for line in frames:
            if not line.startswith(b"data:"):
                continue
            payload = line[5:].strip()
            if payload and payload != b"[DONE]":
                chunk = msgspec.json.decode(payload, type=dict[str, Any])
                if "error" not in chunk:
                    await self._queue.put(chunk)

    async def end(self) -> None:
        """Nothing to do: `run` marks the end."""
