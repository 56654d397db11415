"""`pointsman serve`: bind first, say what is ready and what is missing, then serve until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import types
from collections.abc import Iterator
from pathlib import Path

import click

from pointsman.cli.terminal import config_option, described, say

_HELP = described(
    "Serve on the configured address until Ctrl-C or SIGTERM; answers on their way are finished first. On any other "
    "address than loopback callers need keys (`pointsman keys create NAME`).",
    "pointsman serve --port 8080",
)

_HARMLESS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


@click.command("serve", help=_HELP, short_help="Serve on the configured address (the default verb).")
@config_option
@click.option("--host", help="Address to bind; any other than loopback demands keys.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to bind; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that share the port.")
@click.option("--quiet", is_flag=True, help="Do not print the banner.")
def command(
    config: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    quiet: bool = False,
) -> None:
    """Serve."""
    with _stoppable() as stop:
        from pointsman.cli.banner import banner, local_models
        from pointsman.cli.ports import is_taken, taken
        from pointsman.compose import Settings, build, serve
        from pointsman.core.errors import ConfigError

        settings = Settings(host=host, port=port, workers=workers)
        house = build(config, settings)

        def announce(url: str) -> None:
            stop.serving = True
            if not quiet:
                banner(house, url)
                if house.started:  # a supervisor of workers knows nothing of local models
                    stop.telling = asyncio.get_running_loop().create_task(local_models(house))

        try:
            serve(house, announce, config, settings)
        except ConfigError:
            said = house.loaded.config.server
            if said.port and not stop.serving and is_taken(said.host, said.port):
                raise taken(said.host, said.port, "pointsman serve") from None
            raise
    if not quiet:
        with contextlib.suppress(OSError):  # the terminal was closed meanwhile, which ends nobody's answer
            say("stopped")


class _Stop:
    """Whether signals are the server's business already; and the task that tells the rest of the banner."""

    serving = False
    telling: asyncio.Task[None] | None = None


@contextlib.contextmanager
def _stoppable() -> Iterator[_Stop]:
    """End quietly on SIGTERM and Ctrl-C, and on no signal that a closed terminal or a stray `kill` may send.

    The server takes both signals while it runs, and raises them again after its graceful end; by then there is nothing
    left to interrupt. Before it runs, they end the start. SIGHUP is the server's too, once it runs.
    """
    stop = _Stop()

    def told(number: int, frame: types.FrameType | None) -> None:
        del number, frame
        if not stop.serving:
            raise _StoppedEarly

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    before |= {number: signal.signal(number, signal.SIG_IGN) for number in _HARMLESS}
    try:
        yield stop
    except _StoppedEarly:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _StoppedEarly(BaseException):
    """Told to stop before there was anything to stop; not an error."""
