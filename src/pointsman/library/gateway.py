"""The gateway in the caller's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from pointsman.core.errors import ConfigError
from pointsman.core.plan import Plan
from pointsman.core.ports import Headers
from pointsman.library.answer import Answer
from pointsman.library.asking import Messages, Question
from pointsman.library.plain import without_decimals
from pointsman.library.running import Running
from pointsman.library.stream import Feed, Stream


class Gateway:
    """One gateway in this process.

    Args:
        config: path of a `pointsman.yaml`, the same as a mapping, or None for the usual search and defaults.
            Amounts in a mapping may be `Decimal`.

    Raises:
        ConfigError: the configuration is refused, or `config` is none of these.
    """

    def __init__(self, config: str | Path | Mapping[str, Any] | None = None) -> None:
        if not isinstance(config, str | Path | Mapping | None):
            raise ConfigError(f"config is the path of a file, a mapping or None, not {type(config).__name__}")
        self._running = Running(without_decimals(config) if isinstance(config, Mapping) else config)

    # Calls

    def chat(
        self,
        messages: Messages,
        model: str = "auto",
        *,
        timeout: float | None = None,
        retries: int | None = None,
        **params: Any,
    ) -> Answer:
        """Ask for a whole answer.

        Args:
            messages: a text, or OpenAI's messages.
            model: a route, a model or `provider/model`.
            timeout: seconds for the whole call, all attempts together; over 0, at most 3600.
            retries: attempts after the first, at most; 0 to 9.
            params: the fields of a chat completion (`temperature`, `tools` …).

        Raises:
            PointsmanError: from the one tree, e.g. `UnknownModel`, `UpstreamTimeout`, `AllAttemptsFailed`.
        """
        asked = Question(messages=messages, model=model, params=params, timeout=timeout, retries=retries)
        return self._running.submit(self._chat(asked)).result()

    async def achat(
        self,
        messages: Messages,
        model: str = "auto",
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the call's own limit, which the line keeps
        retries: int | None = None,
        **params: Any,
    ) -> Answer:
        """As `chat`, awaited."""
        asked = Question(messages=messages, model=model, params=params, timeout=timeout, retries=retries)
        return await asyncio.wrap_future(self._running.submit(self._chat(asked)))

    def stream(
        self,
        messages: Messages,
        model: str = "auto",
        *,
        timeout: float | None = None,
        retries: int | None = None,
        **params: Any,
    ) -> Stream:
        """Ask for a stream; iterate over it for each chunk as the provider's JSON. Arguments are those of `chat`.

        Raises:
            PointsmanError: before the first chunk, or after it when the stream could not be finished.
        """
        asked = Question(messages=messages, model=model, params=params, timeout=timeout, retries=retries)
        return Stream(self._running.submit(self._open(asked)).result())

    async def astream(
        self,
        messages: Messages,
        model: str = "auto",
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the call's own limit, which the line keeps
        retries: int | None = None,
        **params: Any,
    ) -> AsyncIterator[dict[str, Any]]:
        """As `stream`, awaited."""
        asked = Question(messages=messages, model=model, params=params, timeout=timeout, retries=retries)
        feed = await asyncio.wrap_future(self._running.submit(self._open(asked)))
        try:
            while (chunk := await asyncio.wrap_future(feed.ask(feed.next()))) is not None:
                yield chunk
        finally:
            if feed.is_here:
                await asyncio.wrap_future(feed.ask(feed.close()))

    def explain(self, messages: Messages, model: str = "auto", **params: Any) -> Plan:
        """The plan for a request, without sending anything."""
        return self.explain_body(Question(messages=messages, model=model, params=params).body())

    def explain_body(self, body: bytes) -> Plan:
        """The plan for a whole request as JSON."""
        self.start()
        return self._running.house.explain(body)

    def wait_for_models(self, seconds: float = 20.0) -> None:
        """Wait until the machine's own models are known: the embedded one ready, local servers looked for."""
        self.start()
        self._running.submit(self._running.house.pieces.machine.settled(seconds)).result()

    def models(self) -> list[str]:
        """Every route and model that can be named, providers' catalogues aside."""
        self.start()
        return self._running.house.names()

    # Life

    def start(self) -> Self:
        """Start what works in the background; calls do this by themselves."""
        self._running.start()
        return self

    def close(self) -> None:
        """Finish: calls on their way are cancelled, rows written, connections closed; for good."""
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_exc: object) -> None:
        await asyncio.to_thread(self.close)

    # The line

    async def _chat(self, asked: Question) -> Answer:
        reply = _Whole()
        error = await self._running.walk(asked.arrival(self._now(), stream=False), reply)
        if error is not None:
            raise error
        body = msgspec.json.decode(reply.body, type=dict[str, Any])
        return Answer(body=body, headers={k.decode(): v.decode() for k, v in reply.headers})

    async def _open(self, asked: Question) -> Feed:
        feed = Feed()
        arrival = asked.arrival(self._now(), stream=True)
        feed.begin(lambda: self._running.walk(arrival, feed))
        return feed

    def _now(self) -> int:
        return self._running.house.pieces.clock.monotonic()


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
