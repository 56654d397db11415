"""A house that runs on an event loop of its own, in a thread of its own: started, asked from anywhere, closed."""

from __future__ import annotations

import asyncio
import atexit
import selectors
import sys
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from pointsman.compose import House, build
from pointsman.core.call import Arrival
from pointsman.core.errors import CallerGone, PointsmanError, StoreUnavailable
from pointsman.core.ports import Reply
from pointsman.library.forking import watch_forks

T = TypeVar("T")
_START_SECONDS = 30.0
_EXIT_SECONDS = 2.0
_FORK_SECONDS = 10.0


class Running:
    """Starts when it is first asked, and never again after it was closed. Any thread may call.

    A forked child has neither the loop's thread nor the writer's, and its parent's connections are not its own. So in
    the child this starts with a new house, of the configuration in force at the fork, and what it inherited is kept
    untouched: even to take it down would write to the parent's sockets. The ledger lets go of its file before the
    fork, because SQLite counts locks by process and believes in the child that it still holds the parent's.

    Args:
        config: as `build` takes it.

    Attributes:
        house: what runs; another one after a fork.

    Raises:
        ConfigError: the configuration is refused.
    """

    def __init__(self, config: str | Path | Mapping[str, Any] | None) -> None:
        self.house: House = build(config)
        self._config = config
        self._forked = self._torn = self._closed = False
        self._inherited: tuple[object, ...] = ()
        self._begin()
        watch_forks(self)

    def _begin(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._selector: selectors.BaseSelector | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.RLock()
        self._calls: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Start, unless it runs.

        Raises:
            CallerGone: it was closed.
            StoreUnavailable: the process forked in the middle of a write to the ledger.
        """
        with self._lock:
            if self._loop is not None:
                return
            self._demand_fit()
            if self._forked:
                self.house, self._forked = build(self._config, read=self.house.loaded), False
            # A selector of our own, so that a forked child can let go of it.
            self._selector = selectors.DefaultSelector()
            self._loop = loop = asyncio.SelectorEventLoop(self._selector)
            self._thread = threading.Thread(target=_run, args=(loop,), name="pointsman", daemon=True)
            self._thread.start()
            atexit.register(self._at_exit)
            _at_childs_exit(self._at_exit)
            try:
                asyncio.run_coroutine_threadsafe(self.house.start(keys=False), loop).result(_START_SECONDS)
            except BaseException:
                self.close()
                raise

    def _demand_fit(self) -> None:
        if self._closed:
            raise CallerGone("This gateway is closed", hint="make another one, or close it later")
        if self._torn:
            raise StoreUnavailable(
                "the process forked in the middle of a write to the ledger, so nothing can be recorded here",
                hint="fork before the gateway is used, or start processes with multiprocessing's `spawn`",
            )

    def close(self) -> None:
        """Cancel the calls on their way, write rows, close connections; for good."""
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
            if loop is None:
                return
            atexit.unregister(self._at_exit)
            try:
                asyncio.run_coroutine_threadsafe(self._end(), loop).result(_START_SECONDS)
            finally:
                loop.call_soon_threadsafe(loop.stop)
                if self._thread is not None:
                    self._thread.join(_START_SECONDS)
                loop.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run something on the loop, from any thread. Raises what `start` raises."""
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
            if not self._closed:
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

    # Forks

    def before_fork(self) -> None:
        """The ledger's writer pauses between two rounds, without an open database."""
        if not self._forked:
            self.house.pieces.ledger.hold(_FORK_SECONDS)

    def after_fork(self) -> None:
        """In the parent the writer goes on."""
        self.house.pieces.ledger.release()

    def after_fork_in_child(self) -> None:
        """Forget the parent's loop, without a word to it; `start` makes a new one."""
        if not self._forked:  # else the parent is such a child itself, and has started nothing since
            ledger = self.house.pieces.ledger
            self._torn = not ledger.release()
            ledger.disown()
            if self._selector is not None:
                self._selector.close()  # nothing that is taken down here can now change what the parent's loop watches
            atexit.unregister(self._at_exit)
            self._inherited = (self._inherited, self.house, self._loop, self._thread, self._calls)
            self._forked = True
        self._begin()


def _at_childs_exit(call: Any) -> None:
    """Processes of `multiprocessing` end without `atexit`."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # noqa: PLC0415 - only where it is loaded already

        Finalize(None, call, exitpriority=0)


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
