"""`pointsman alerts`: try the channels that alerts go to."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pointsman.cli.table import print_table
from pointsman.cli.terminal import config_option, described, json_option, plain, print_json, say, say_hint

if TYPE_CHECKING:
    from pointsman.compose import House


@click.group(
    "alerts",
    help=described(
        "Try the channels that alerts go to: webhooks, chats, PagerDuty, e-mail.",
        "pointsman alerts test",
    ),
    short_help="Try the channels that alerts go to.",
)
def command() -> None:
    """Alerts."""


@command.command(
    "test",
    help=described(
        "Send a test alert to every channel, or to CHANNEL alone, and say what happened. Each is tried once. Exit code "
        "1: one of them did not take it. Needs no running server.",
        "pointsman alerts test",
        "pointsman alerts test chat --json",
    ),
)
@click.argument("channel", required=False, default="")
@config_option
@json_option
def test(channel: str, config: Path | None, as_json: bool) -> None:
    """Send a test alert."""
    from pointsman.compose import build

    house = build(config)
    said = asyncio.run(_test(house, channel))
    types = {name: one.type for name, one in house.loaded.config.alerts.channels.items()}
    if as_json:
        print_json([{"channel": name, "type": types[name], "ok": not why, "error": why} for name, why in said.items()])
    elif said:
        rows = [(plain(name), types[name], plain(why) or "delivered") for name, why in said.items()]
        print_table(("CHANNEL", "TYPE", "RESULT"), rows, keep=frozenset({0}))
    else:
        say("there are no channels")
        say_hint("name one under `alerts.channels` in the configuration: docs/reference/alerts.md")
    sys.exit(1 if any(said.values()) else 0)


async def _test(house: House, channel: str) -> dict[str, str]:
    try:
        return await house.alerting.test(channel)
    finally:
        await house.pieces.carrier.aclose()
