"""The way to the embedded model: waits while it loads, shows it the key, and asks so that it can answer."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import msgspec

from pointsman.core.errors import ConnectFailed, UpstreamCut
from pointsman.core.ports import Carrier, UpstreamRequest, UpstreamResponse
from pointsman.upstream.local.asking import adapt
from pointsman.upstream.local.engine import LocalEngine

_NEWS = 1.0  # seconds; the system needs a moment to end a large process
_HINT = "`pointsman doctor` shows what the engine said last"


class LocalGate:
    """A carrier in front of the carrier: requests to the engine get what it needs, all others pass untouched.

    Satisfies `core.ports.Carrier`.

    Args:
        inner: carries.
        engine: runs the model.
        wait: seconds that a request waits for an engine that is loading or starting again.
    """

    def __init__(self, inner: Carrier, engine: LocalEngine, *, wait: float = 30.0) -> None:
        self._inner = inner
        self._engine = engine
        self._prefix = f"{engine.origin}/"
        self._wait = wait

    def send(self, request: UpstreamRequest) -> Coroutine[Any, Any, UpstreamResponse]:
        """Send; the engine is started by the first request if nobody did before.

        Raises:
            ConnectFailed: the engine keeps failing, was stopped, or was not ready in time.
            UpstreamCut: it died twice over this request, before the answer began.
            UpstreamError: as the carrier behind it.
        """
        if not request.url.startswith(self._prefix):
            return self._inner.send(request)
        return self._ask(request)

    async def _ask(self, request: UpstreamRequest) -> UpstreamResponse:
        if not self._engine.running:
            await self._started()
        fitted, run = self._fitted(request), self._engine.starts
        try:
            return await self._inner.send(fitted)
        except (ConnectFailed, UpstreamCut):
            if not await self._engine.ended(run, _NEWS):
                raise
        # The engine died under us. An answer has no effect outside of it, so asking its successor once is safe.
        await self._started()
        return await self._inner.send(fitted)

    async def aclose(self) -> None:
        """Close every connection. The engine is not this class's to end."""
        await self._inner.aclose()

    async def _started(self) -> None:
        await self._engine.start()
        if not await self._engine.ready(self._wait):
            status = self._engine.status
            said = f": {status.log[-1]}" if status.log else ""
            raise ConnectFailed(f"The embedded model is {status.state}{said}", hint=_HINT)

    def _fitted(self, request: UpstreamRequest) -> UpstreamRequest:
        headers = tuple(pair for pair in request.headers if pair[0] != b"authorization")
        body = adapt(request.body) if self._engine.model_file.small else request.body
        return msgspec.structs.replace(
            request, headers=(*headers, (b"authorization", self._engine.authorization)), body=body
        )
