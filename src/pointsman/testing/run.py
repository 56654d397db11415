"""The simulator as a process."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from pathlib import Path

from pointsman.testing.script import load_script
from pointsman.testing.simulator import Simulator


def run(config_path: Path | None, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Says where on stdout, once it listens.

    Args:
        config_path: script in YAML or JSON; one model `sim-1` that answers at once if None.
        host: to listen on.
        port: to listen on; 0 takes any.

    Raises:
        ConfigError: the script cannot be read or is refused.
        OSError: the port is taken.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(Simulator(load_script(config_path), host=host, port=port)))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - not there on Windows

    return uvloop.Loop


async def _serve(simulator: Simulator) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with simulator:
        lines = [f"simulator listening on {simulator.base_url}"]
        for provider in simulator.script.providers:
            models = ", ".join(model.name for model in provider.models)
            lines.append(f"  {provider.name}: {simulator.url_of(provider.name)} ({models})")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        # The collector would stop every stream for some milliseconds to look again at what was loaded at the start.
        gc.collect()
        gc.freeze()
        await stop.wait()
