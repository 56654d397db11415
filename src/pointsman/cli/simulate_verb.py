"""`pointsman simulate`: a server that plays providers; answers, pauses, prices and failures on demand."""

from __future__ import annotations

from pathlib import Path

import click

from pointsman.cli.terminal import described, say

_HELP = described(
    "Run a server that plays providers: answers, pauses, prices and faults by a script, always the same for the same "
    "seed. Without a script it has one model, `sim-1`, that answers at once. See docs/guides for the script.",
    "pointsman simulate --config sim.yaml --port 9000",
)


@click.command("simulate", help=_HELP, short_help="Run a server that plays providers.")
@click.option(
    "--config", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Script, in YAML or JSON."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="0 takes a free one.")
def command(config: Path | None, host: str, port: int) -> None:
    """Play providers."""
    from pointsman.cli.ports import cannot_bind
    from pointsman.testing.run import run

    try:
        run(config, host, port)
    except OSError as error:
        raise cannot_bind(error, host, port, "pointsman simulate") from None
    say("stopped")
