"""`pointsman serve`: bind first, say what is ready and what is missing, then serve until told to stop."""

from __future__ import annotations

from pathlib import Path

import click

from pointsman.cli.terminal import config_option, paint, say, say_warning
from pointsman.compose import Settings, build, serve
from pointsman.compose.house import House


@click.command("serve", help="Serve on the configured address.")
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
    settings = Settings(host=host, port=port, workers=workers)
    house = build(config, settings)
    serve(house, None if quiet else lambda url: banner(house, url))


def banner(house: House, url: str) -> None:
    """What serves, what is ready, what is missing and the one command that helps."""
    from pointsman import __version__

    say(f"{paint('pointsman', 'bold', err=True)} {__version__} — {url}  (page at /, OpenAI at /v1)")
    directory = house.directory
    ready = [m for m in directory.models.values() if m.provider.name not in directory.unavailable]
    on = [name for name in directory.providers if name not in directory.unavailable]
    say(f"  providers  {_some(on) or 'none yet'}")
    if directory.models:
        say(f"  models     {len(ready)} ready of {len(directory.models)} configured: {_some([m.name for m in ready])}")
    if directory.routes:
        say(f"  routes     {_some(list(directory.routes))}")
    say(f"  config     {house.loaded.origin or 'none: defaults'} ({house.loaded.version})")
    say(f"  ledger     {house.pieces.place}")
    if house.pieces.keys.demanded:
        say("  keys       demanded")
    for name, lack in directory.unavailable.items():
        say_warning(f"{name} is off: {lack}")
    for text in house.pieces.warnings:
        say_warning(text)
    if not on and house.pieces.machine.embedded is None:
        say_warning(
            "no model is ready",
            "set a key such as OPENAI_API_KEY, start Ollama, or `pip install 'pointsman[local]'` and `pointsman pull`",
        )
    else:
        say(f'{paint("hint:", "cyan", err=True)} try `pointsman ask "Why is the sky blue?"`')


def _some(names: list[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
