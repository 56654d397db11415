"""The embedded model's supervisor: one child process, started in the background, started again after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import socket
import sys
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from pointsman.core.errors import MissingExtra
from pointsman.core.model import Ability, Model, Price, Provider, TimeLimits
from pointsman.upstream.local import gguf, weights
from pointsman.upstream.local.child import Child
from pointsman.upstream.local.serve import READY, EngineSettings

State = Literal["stopped", "starting", "ready", "waiting", "failing"]

_COMMAND = (sys.executable, "-m", "pointsman.upstream.local.serve")
_MAX_CONTEXT = 8192
_LOG_LINES = 200
_ABILITIES = Ability.TOOLS | Ability.JSON_SCHEMA | Ability.JSON_MODE | Ability.LOGPROBS | Ability.COMPLETIONS
# On a processor a long prompt takes half a minute before the first token, and a second caller waits for the first.
_LIMITS = TimeLimits(connect=5.0, first_byte=180.0, between_bytes=60.0, total=900.0)


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long the supervisor waits, in seconds.

    Attributes:
        start: for the engine to say that it is ready; then it is killed and the start has failed.
        first_pause: after the second start in a row that failed; after the first there is none. Doubles each time.
        longest_pause: between starts.
        failing_after: starts in a row that never came to be ready, from which on nobody waits for the engine.
    """

    start: float = 60.0
    first_pause: float = 0.2
    longest_pause: float = 30.0
    failing_after: int = 3

    def pause(self, failures: int) -> float:
        """Seconds to wait before the next start after so many failures in a row."""
        if failures <= 1:
            return 0.0
        return float(min(self.first_pause * 2.0 ** min(failures - 2, 30), self.longest_pause))


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """For `doctor` and the page: `pid` 0 where none runs, `last_exit` negative for a signal, `log` the last lines."""

    state: State
    pid: int = 0
    starts: int = 0
    last_exit: int | None = None
    log: tuple[str, ...] = ()


class LocalModel(msgspec.Struct, frozen=True, kw_only=True):
    """What to run: the weights' file, the name callers use, window in tokens, chat template (empty: the file's own).

    `threads` 0: all processors but one.
    """

    path: Path
    name: str
    context: int
    template: str = ""
    small: bool = False
    threads: int = 0

    @classmethod
    def known(cls, known: weights.Weights, path: Path) -> LocalModel:
        """One of ours, which lies at `path`."""
        template = Path(__file__).with_name("template.jinja").read_text(encoding="utf-8") if known.own_template else ""
        context = min(known.context, _MAX_CONTEXT)
        return cls(path=path, name=known.name, context=context, template=template, small=known.own_template)

    @classmethod
    def of_file(cls, path: Path) -> LocalModel:
        """Any GGUF file, with its own chat template. Raises ConfigError as `gguf.read_head`."""
        head = gguf.read_head(path)
        return cls(path=path, name=path.stem.lower(), context=min(head.context or _MAX_CONTEXT, _MAX_CONTEXT))


def threads() -> int:
    """All processors that we may use but one, which stays free for the gateway."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, count - 1)


def reserve_port() -> socket.socket:
    """A socket bound to a free port of 127.0.0.1 that never listens.

    While it is open nobody else is given the port, and the engine can bind it beside us (SO_REUSEPORT). That gives the
    engine one address for its whole life, known before it starts; connections are refused while it is down.
    """
    held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


class LocalEngine:
    """Runs one local model.

    `start` returns at once; the model loads beside everything else. Use from one event loop.

    Args:
        model: what to run.
        environ: the process's environment, from which the child gets the few variables a program needs.
        patience: pauses and limits.
        command: the child's program; another one in tests.
    """

    def __init__(
        self,
        model: LocalModel,
        *,
        environ: Mapping[str, str] = os.environ,
        patience: Patience | None = None,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        if tuple(command) == _COMMAND and importlib.util.find_spec("xllamacpp") is None:
            raise MissingExtra("The embedded model needs the engine.", hint="pip install 'pointsman[local]'")
        self.model_file = model
        self._environ = environ
        self._patience = patience or Patience()
        self._command = tuple(command)
        self._held = reserve_port()
        # Whoever only wants to know what runs here, such as `pointsman models`, never starts nor closes us.
        weakref.finalize(self, self._held.close)
        self._port: int = self._held.getsockname()[1]
        self._key = secrets.token_hex(16)
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._state: State = "stopped"
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._pid = self._starts = self._failures = 0
        self._last_exit: int | None = None

    # What it is

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:port`, the same for the engine's whole life."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """Where requests go; `/chat/completions` is appended."""
        return f"{self.origin}/v1"

    @property
    def authorization(self) -> bytes:
        """Value of the header that the engine demands. Only `gate` asks for it."""
        return b"Bearer " + self._key.encode()

    @property
    def running(self) -> bool:
        """Whether it answers now."""
        return self._state == "ready"

    @property
    def starts(self) -> int:
        """How often it was started; the number of the present run."""
        return self._starts

    @property
    def status(self) -> EngineStatus:
        """How it is."""
        return EngineStatus(
            state=self._state,
            pid=self._pid,
            starts=self._starts,
            last_exit=self._last_exit,
            log=tuple(self._log),
        )

    def provider(self) -> Provider:
        """The provider `local`. It carries no key; requests have to go through `gate.LocalGate`."""
        return Provider(
            name="local",
            dialect="openai-chat",
            base_url=self.base_url,
            private=True,
            local=True,
            limits=_LIMITS,
        )

    def models(self) -> tuple[Model, ...]:
        """The one model that runs here."""
        file = self.model_file
        return (
            Model(
                name=f"local/{file.name}",
                provider=self.provider(),
                upstream=file.name,
                tier="economy",
                context=file.context,
                abilities=_ABILITIES,
                price=Price(input=0, output=0, source="runs on this machine"),
            ),
        )

    # Its life

    async def start(self) -> None:
        """Begin to load, without waiting. Does nothing if it was started already."""
        if self._task is None:
            await self._become("starting")
            self._task = asyncio.create_task(self._supervise(), name="local engine")

    async def ready(self, seconds: float | None = None) -> bool:
        """Wait until it answers; False if it keeps failing, was stopped, or `seconds` have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._state not in ("starting", "waiting"))
        return self.running

    async def ended(self, run: int, seconds: float) -> bool:
        """Wait until the run of that number (`status.starts`) is over; False if it is not after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._state != "ready" or self._starts != run)
                return True
        return False

    async def aclose(self) -> None:
        """End the child and give the port back; it cannot be started again."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._held.close()
        await self._become("stopped")

    async def _supervise(self) -> None:
        while True:
            await self._run_once()
            self._failures = 1 if self.running else self._failures + 1
            await self._become("failing" if self._failures >= self._patience.failing_after else "waiting")
            await asyncio.sleep(self._patience.pause(self._failures))
            if self._state == "waiting":
                await self._become("starting")

    async def _run_once(self) -> None:
        """One run, from start to end. The child is gone when this returns or is cancelled."""
        self._starts += 1
        try:
            child = await Child.start(self._command, self._environ, self._settings(), self._log)
        except OSError as error:
            self._log.append(f"the engine cannot be started: {error}")
            return
        self._pid = child.pid
        try:
            async with asyncio.timeout(self._patience.start) as limit:

                async def heard(line: str) -> None:
                    if READY in line:  # perhaps after half a line of the engine's own threads
                        limit.reschedule(None)
                        await self._become("ready")

                self._last_exit = await child.listen(heard)
        except TimeoutError:
            self._log.append(f"the engine was not ready after {self._patience.start:g} s and is ended")
        finally:
            await child.end()
            self._pid = 0

    def _settings(self) -> bytes:
        file = self.model_file
        return msgspec.json.encode(
            EngineSettings(
                weights=str(file.path),
                alias=file.name,
                port=self._port,
                api_key=self._key,
                context=file.context,
                threads=file.threads or threads(),
                template=file.template,
            )
        )

    async def _become(self, state: State) -> None:
        async with self._changed:
            self._state = state
            self._changed.notify_all()
