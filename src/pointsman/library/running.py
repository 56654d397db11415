"""A house that runs on an event loop of its own, in a thread of its own: started, asked from anywhere, closed."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from pointsman.compose import House, build
from pointsman.core.call import Arrival
from pointsman.core.errors import CallerGone, PointsmanError
from pointsman.core.ports import Reply

T = TypeVar("T")
_START_SECONDS = 30.0
_EXIT_SECONDS = 2.0


class Running:
    """Starts when it is first asked, and again after it was closed. Any thread may call.

    Args:
        config: as `build` takes it.

    Attributes:
        house: what runs; another one after each closing.

    Raises:
        ConfigError: the configuration is refused.
    """

    def __init__(self, config: str | Path | Mapping[str, Any] | None) -> None:
        self.house: House = build(config)
        self._config = config
        self._used = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._calls: set[asyncio.Task[Any]] = set()
        self._closing = False

    def start(self) -> None:
        """Start, unless it runs."""
        with self._lock:
            if self._loop is not None:
                return
            if self._used:  # a house is started once
                self.house = build(self._config)
            self._used, self._closing = True, False
            self._loop = loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=_run, args=(loop,), name="pointsman", daemon=True)
            self._thread.start()
            atexit.register(self._at_exit)
            try:
                asyncio.run_coroutine_threadsafe(self.house.start(keys=False), loop).result(_START_SECONDS)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Cancel the calls on their way, write rows, close connections."""
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

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run something on the loop, from any thread."""
        with self._lock:  # or the loop could end between the look and the call
            if self._loop is None:
                try:
                    self.start()
                except BaseException:
                    work.close()
                    raise
            assert self._loop is not None  # noqa: S101 - start has set it
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def walk(self, arrival: Arrival, reply: Reply) -> PointsmanError | None:
        """A call that `close` knows of and can end; on the loop."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it runs on the loop
        self._calls.add(task)
        try:
            return await self.house.walk(arrival, reply)
        except asyncio.CancelledError:
            if not self._closing:
                raise
            return CallerGone("The gateway was closed before the answer was complete")
        finally:
            self._calls.discard(task)

    async def _end(self) -> None:
        for task in self._calls:
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self.house.aclose()

    def _at_exit(self) -> None:
        """The program ends without `close`: what was recorded is kept; the rest ends with the process."""
        self.house.pieces.ledger.close(_EXIT_SECONDS)


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
