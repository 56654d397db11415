"""The gateway in the caller's own process."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from pointsman.compose import House, build
from pointsman.core.call import Arrival
from pointsman.core.errors import CallerGone, ConfigError, InvalidRequest, PointsmanError
from pointsman.core.plan import Plan
from pointsman.core.ports import Headers, Reply
from pointsman.library.answer import Answer
from pointsman.library.stream import Feed, Stream

T = TypeVar("T")
Messages = str | Sequence[Mapping[str, Any]]
_START_SECONDS = 30.0
_EXIT_SECONDS = 2.0


class Gateway:
    """One gateway in this process.

    Args:
        config: path of a `pointsman.yaml`, the same as a mapping, or None for the usual search and defaults.

    Raises:
        ConfigError: the configuration is refused, or `config` is none of these.
    """

    def __init__(self, config: str | Path | Mapping[str, Any] | None = None) -> None:
        if not isinstance(config, str | Path | Mapping | None):
            raise ConfigError(f"config is the path of a file, a mapping or None, not {type(config).__name__}")
        self._config = config
        self._house: House = build(config)
        self._used = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._calls: set[asyncio.Task[Any]] = set()
        self._closing = False

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
        return Stream(self._submit(self._open(messages, model, params)).result())

    async def astream(self, messages: Messages, model: str = "auto", **params: Any) -> AsyncIterator[dict[str, Any]]:
        """As `stream`, awaited."""
        feed = await asyncio.wrap_future(self._submit(self._open(messages, model, params)))
        try:
            while (chunk := await asyncio.wrap_future(feed.ask(feed.next()))) is not None:
                yield chunk
        finally:
            await asyncio.wrap_future(feed.ask(feed.close()))

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
            if self._used:  # a house is started once
                self._house = build(self._config)
            self._used, self._closing = True, False
            self._loop = loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(loop,), name="pointsman", daemon=True)
            self._thread.start()
            atexit.register(self._at_exit)
            try:
                asyncio.run_coroutine_threadsafe(self._house.start(keys=False), loop).result(_START_SECONDS)
            except BaseException:
                self.close()
                raise
        return self

    def close(self) -> None:
        """Finish: calls on their way are cancelled, rows written, connections closed. It can be started again."""
        with self._lock:
            loop, self._loop = self._loop, None
            if loop is None:
                return
            self._closing = True
            atexit.unregister(self._at_exit)
            try:
                asyncio.run_coroutine_threadsafe(self._end(), loop).result(_START_SECONDS)
            finally:
                loop.call_soon_threadsafe(loop.stop)
                if self._thread is not None:
                    self._thread.join(_START_SECONDS)
                loop.close()

    async def _end(self) -> None:
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._house.aclose()

    def _at_exit(self) -> None:
        """The program ends without `close`: what was recorded is kept; the rest ends with the process."""
        self._house.pieces.ledger.close(_EXIT_SECONDS)

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
        with self._lock:  # or the loop could end between the look and the call
            if self._loop is None:
                try:
                    self.start()
                except BaseException:
                    work.close()
                    raise
            assert self._loop is not None  # noqa: S101 - start has set it
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _walk(self, arrival: Arrival, reply: Reply) -> PointsmanError | None:
        """A call that `close` knows of and can end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it runs on the loop
        self._calls.add(task)
        try:
            return await self._house.walk(arrival, reply)
        except asyncio.CancelledError:
            if not self._closing:
                raise
            return CallerGone("The gateway was closed before the answer was complete")
        finally:
            self._calls.discard(task)

    async def _chat(self, messages: Messages, model: str, params: Mapping[str, Any]) -> Answer:
        reply = _Whole()
        error = await self._walk(self._arrival(messages, model, {**params, "stream": False}), reply)
        if error is not None:
            raise error
        body = msgspec.json.decode(reply.body, type=dict[str, Any])
        return Answer(body=body, headers={k.decode(): v.decode() for k, v in reply.headers})

    async def _open(self, messages: Messages, model: str, params: Mapping[str, Any]) -> Feed:
        feed = Feed()
        arrival = self._arrival(messages, model, {**params, "stream": True})
        feed.begin(lambda: self._walk(arrival, feed))
        return feed

    def _arrival(self, messages: Messages, model: str, params: Mapping[str, Any]) -> Arrival:
        received = self._house.pieces.clock.monotonic()
        body = _body(messages, model, params)
        return Arrival(method="POST", path="/v1/chat/completions", lookup={}, body=body, received=received)


def _body(messages: Messages, model: str, params: Mapping[str, Any]) -> bytes:
    try:
        turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
        return msgspec.json.encode({"model": model, "messages": turns, **params})
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"The request cannot be written as JSON: {error}") from None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
    loop.run_until_complete(_rest())
    loop.run_until_complete(loop.shutdown_default_executor())


async def _rest() -> None:
    """Whoever asked in the last moment must not wait for ever."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


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
