"""An answer as it comes, handed from the gateway's loop to whoever iterates."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, Self, TypeVar

import msgspec

from pointsman.core.errors import CallerGone, PointsmanError
from pointsman.core.ports import Headers

T = TypeVar("T")
_QUEUED = 64
"""Chunks that wait for the iterator before the provider has to."""


class Stream:
    """An answer as it comes: iterate over it for chunks. `close`, or the end of a `with`, leaves early."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    @property
    def headers(self) -> dict[str, str]:
        """What the gateway says of the answer; complete once the first chunk has come."""
        return {k.decode(): v.decode() for k, v in self._feed.headers}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            while (chunk := self._feed.ask(self._feed.next()).result()) is not None:
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Leave; an unfinished call is cancelled as if the caller had hung up."""
        if self._feed.is_here:
            self._feed.ask(self._feed.close()).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class Feed:
    """A reply that hands a stream's chunks to an iterator, a bounded number ahead. Lives on the gateway's loop."""

    def __init__(self) -> None:
        self.started = False
        self.headers: Headers = ()
        self.task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        self._chunks: deque[dict[str, Any]] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._over = False
        self._rest = b""
        self._error: PointsmanError | None = None

    @property
    def is_here(self) -> bool:
        """Whether this process began it, not one that forked."""
        return self._process == os.getpid()

    def ask(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a method of this feed on its loop, from anywhere.

        Once all has come nothing waits any more, so the loop, which may have ended, is not needed.
        """
        if not self.is_here:
            return self._foreign(work)
        if not self._over:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        done: Future[T] = Future()
        try:
            work.send(None)
        except StopIteration as end:
            done.set_result(end.value)
        except PointsmanError as error:
            done.set_exception(error)
        return done

    def _foreign(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """In a forked child: the loop is not here, and the call goes on in the parent, whatever is asked."""
        work.close()
        done: Future[T] = Future()
        done.set_exception(CallerGone("The stream belongs to the process that began it, not to its forked child"))
        return done

    def begin(self, walk: Callable[[], Coroutine[Any, Any, PointsmanError | None]]) -> None:
        """Walk the line in a task of its own."""
        self.task = asyncio.create_task(self._run(walk))
        self.task.add_done_callback(self._ended)

    async def _run(self, walk: Callable[[], Coroutine[Any, Any, PointsmanError | None]]) -> None:
        self._error = await walk()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # a cut stream must not look like a whole one
            self._error = CallerGone("The stream was closed before its end")
        self._over = True
        self._news.set()

    async def next(self) -> dict[str, Any] | None:
        """The next chunk; None at the proper end and, since there is nothing more, ever after."""
        while not self._chunks:
            if self._over:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return None
            self._news.clear()
            await self._news.wait()
        self._room.set()
        return self._chunks.popleft()

    async def close(self) -> None:
        """Leave: an unfinished call is cancelled as if the caller had hung up."""
        if self.task is not None and not self._over:
            self.task.cancel()
            await asyncio.wait([self.task])

    # The reply

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """An error, which `next` raises when the line has returned it."""
        del status, headers, body
        self.started = True

    async def start(self, status: int, headers: Headers) -> None:
        """Status and headers."""
        del status
        self.started, self.headers = True, headers

    async def write(self, data: bytes) -> None:
        """Whole events become chunks; waits while too many wait."""
        *frames, self._rest = (self._rest + data).split(b"\n")
        for line in frames:
            if not line.startswith(b"data:"):
                continue
            payload = line[5:].strip()
            if payload and payload != b"[DONE]":
                chunk = msgspec.json.decode(payload, type=dict[str, Any])
                if "error" not in chunk:  # `next` raises it
                    self._chunks.append(chunk)
                    self._news.set()
        while len(self._chunks) >= _QUEUED:
            self._room.clear()
            await self._room.wait()

    async def end(self) -> None:
        """Nothing to do: the task's end is the end."""
