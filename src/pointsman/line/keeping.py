"""Signs of life for callers of streams, while no content comes.

Many clients, proxies and load balancers give up on a connection over which nothing has come for some time, and some
models think for minutes. So after some seconds without content the status and the headers go out, which says that the
call is being worked on and nothing else: content is not committed, and a failure may still move to the next step. From
then on, and also between later events, a long silence is broken by the dialect's own sign of life.
A provider that is dead is not covered up: its time limits end the call all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec

from pointsman.core.ports import Headers, Reply


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of silence: until the headers go out without content, and between signs of life."""

    first: float = 10.0
    every: float = 10.0


class Keeper:
    """Watches one stream. Costs a timer while content flows, and a task only when it falls silent.

    Args:
        reply: where the stream goes.
        head: status and headers, asked for when they have to go out before an answer is known.
        sign: the dialect's sign of life, given whether the answer has begun; empty where it has none.
        patience: how long a silence may be.
    """

    def __init__(
        self, reply: Reply, head: Callable[[], Headers], sign: Callable[[bool], bytes], patience: Patience
    ) -> None:
        self._reply = reply
        self._patience = patience
        self._head = head
        self._sign = sign
        self._begun = False
        self._loop = asyncio.get_running_loop()
        self._spoke = self._loop.time()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        if sign(False):
            self._timer = self._loop.call_later(patience.first, self._due)

    def spoke(self) -> None:
        """Something of the answer went out."""
        self._begun = True
        self._spoke = self._loop.time()

    def _due(self) -> None:
        """Look whether it is silent; when it is not, look again when it could be."""
        silent = self._loop.time() - self._spoke
        patience = self._patience.every if self._reply.started else self._patience.first
        if silent < patience:
            self._timer = self._loop.call_later(patience - silent, self._due)
            return
        self._timer = None
        self._task = self._loop.create_task(self._speak(), name="keeper")

    async def _speak(self) -> None:
        with contextlib.suppress(OSError):
            if not self._reply.started:
                await self._reply.start(200, self._head())
            await self._reply.write(self._sign(self._begun))
        self._spoke = self._loop.time()
        self._timer = self._loop.call_later(self._patience.every, self._due)

    async def stop(self) -> None:
        """No more of it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))  # and not the task itself, whose end would pass for the caller's leaving
