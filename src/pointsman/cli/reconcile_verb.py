"""`pointsman reconcile`: what a provider says that it was asked for, compared with the ledger."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pointsman.cli.exports import Against, Reading, against_options, reading_options
from pointsman.cli.progress import Counting
from pointsman.cli.terminal import (
    config_option,
    described,
    json_option,
    paint,
    print_json,
    say,
    say_error,
    say_hint,
    say_warning,
)

if TYPE_CHECKING:
    from pointsman.compose import House
    from pointsman.insight.reconcile.answer import Reconciliation

DRIFTED, UNUSABLE = 1, 2
_HELP = described(
    "Compare usage or invoice exports of one provider (OpenAI, Anthropic, OpenRouter, any CSV by a map of its columns) "
    "with the attempts in the ledger: by generation id where the export has ids, else by day, model and key. Every row "
    "that is missing here or there, doubled, or differs in tokens or money is named. With --alert, drift above the "
    "tolerance is told through the channels of `alerts`, and so is its end. Exit code 0: drift within the tolerance; "
    "1: above it; 2: a file or the command line cannot be used.",
    "pointsman reconcile costs.json usage.json --period 2026-11 --alert",
    "pointsman reconcile invoice.csv --map Date=time --map Model=model --map 'Amount USD'=cost --provider lab",
)


@click.command("reconcile", help=_HELP, short_help="Compare a provider's usage or invoice export with the ledger.")
@reading_options
@against_options
@click.option("--top", type=click.IntRange(0), default=50, show_default=True, help="How many differences to print.")
@click.option("--alert", is_flag=True, help="Tell of drift through the channels of alerts.")
@config_option
@json_option
def command(reading: Reading, against: Against, top: int, alert: bool, config: Path | None, as_json: bool) -> None:
    """Reconcile."""
    from pointsman.cli import reconciled
    from pointsman.compose import build
    from pointsman.core.errors import InvalidRequest
    from pointsman.insight.reconcile.words import verdict

    exports = reading.exports()
    try:
        ask = against.ask(time.time_ns())
        house = build(config)
        with closing(house.questions()) as questions, Counting(quiet=as_json) as counting:
            found = questions.reconcile(exports, ask, counting)
    except InvalidRequest as error:
        say_error(error.message, error.hint)
        raise click.exceptions.Exit(UNUSABLE) from None
    if as_json:
        print_json(found)
    else:
        reconciled.show(found, top)
    if alert:
        _tell(house, found)
    if found.alarm:
        say_error(f"drift is {verdict(found)}, above {100 * found.tolerance:g} %")
        raise click.exceptions.Exit(DRIFTED)
    say(f"{paint('ok:', 'green', err=True)} drift is {verdict(found)}, within {100 * found.tolerance:g} %")


def _tell(house: House, found: Reconciliation) -> None:
    """Send the alert that is due, and say what became of it."""
    from pointsman.compose.drift import tell_drift

    told = asyncio.run(tell_drift(house, found))
    for name, why in told.channels.items():
        if why:
            say_warning(f"the alert did not reach the channel {name}: {why}", "`pointsman alerts test` tries it")
        else:
            say(f"told {name}: {told.summary}")
    if told.summary and not told.channels:
        say_warning("nobody was told: no channel takes `reconciliation_drift`")
        say_hint("name one under `alerts.channels`, or add the kind to `alerts.kinds`: docs/reference/alerts.md")
