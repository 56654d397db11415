"""One run of the engine's process: start it, hear what it says, end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")
_MAX_LINE = 500
_TERM_SECONDS = 3.0


class Child:
    """A process that is told its settings on standard input and says on standard output when it is ready.

    Everything it prints goes into `log`; so an engine that talks much neither fills a disk nor blocks on a full pipe.
    """

    def __init__(self, process: asyncio.subprocess.Process, log: deque[str]) -> None:
        self._process = process
        self._log = log

    @classmethod
    async def start(
        cls, command: Sequence[str], environ: Mapping[str, str], first_line: bytes, log: deque[str]
    ) -> Child:
        """Start it. It gets none of our secrets: only the variables that a program needs to run.

        Raises:
            OSError: there is no such program, or no process left.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={name: environ[name] for name in _KEPT_VARIABLES if name in environ},
            # A Ctrl-C at the terminal is for the gateway: it first finishes the answers that are on their way.
            start_new_session=True,
        )
        child = cls(process, log)
        with contextlib.suppress(ConnectionError):  # it has died already; `listen` will see that
            child._stdin.write(first_line + b"\n")
            await child._stdin.drain()
        return child

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None  # noqa: S101 - asked for by PIPE
        return self._process.stdin

    async def listen(self, on_line: Callable[[str], Awaitable[None]]) -> int:
        """Hear it until it ends; returns its exit code, negative for a signal."""
        assert self._process.stdout is not None  # noqa: S101 - asked for by PIPE
        rest = b""
        while chunk := await self._process.stdout.read(4096):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[:_MAX_LINE]
            for line in lines:
                text = line[:_MAX_LINE].decode("utf-8", "replace").rstrip()
                self._log.append(text)
                await on_line(text)
        return await self._process.wait()

    async def end(self) -> None:
        """End it: asked first, killed after three seconds. Safe to call at any time, also twice."""
        self._stdin.close()
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(_TERM_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._signal(signal.SIGKILL)
        await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)
