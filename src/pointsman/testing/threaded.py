"""The simulator in a thread of its own, for tests and programs without an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pointsman.core.clock import Clock
from pointsman.testing.script import Script
from pointsman.testing.simulator import Simulator

_PATIENCE = 10.0


@contextmanager
def running(script: Script | None = None, *, clock: Clock | None = None) -> Iterator[Simulator]:
    """A simulator that serves while the block runs. `inject`, `reset`, `refuse`, `accept` and `journal` may be used."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulator", daemon=True)
    thread.start()
    simulator = Simulator(script, clock=clock)
    try:
        asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(_PATIENCE)
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.close(), loop).result(_PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()
