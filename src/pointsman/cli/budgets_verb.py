"""`pointsman budgets`: what is used and left of every budget. Reads the store; needs no running server."""

from __future__ import annotations

import datetime as dt
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pointsman.cli.table import print_table
from pointsman.cli.terminal import config_option, described, json_option, plain, print_json, say, say_hint

if TYPE_CHECKING:
    from pointsman.insight.budgets import BudgetUse

_NANO = 1_000_000_000
_HEAD = ("BUDGET", "OF", "LIMIT", "SPENT", "IN DOUBT", "HELD", "LEFT", "RESETS")


@click.group(
    "budgets",
    invoke_without_command=True,
    help=described(
        "Show what is used and left of every budget. IN DOUBT is the part of SPENT that stands in no bill: the most "
        "that attempts may have cost which ended without a word on it. HELD is taken for calls under way or soon to "
        "come, or was by a process that was killed. Running servers tell what they spent within a second. Times are in "
        "UTC.",
        "pointsman budgets --json",
    ),
    short_help="Show what is used and left of budgets.",
)
@config_option
@json_option
@click.pass_context
def command(context: click.Context, config: Path | None, as_json: bool) -> None:
    """Show budgets."""
    if context.invoked_subcommand is not None:
        return
    from pointsman.compose import build

    house = build(config)
    with closing(house.pieces.key_store):
        house.pieces.keys.refresh()
    with closing(house.questions()) as questions:
        found = questions.budgets(house.budgets(), time.time_ns())
    if as_json:
        print_json({"budgets": found})  # as GET /api/budgets answers
    elif not found:
        say("no budgets")
        say_hint("`budgets: [{limit: 5usd/day}]` in the configuration limits what all may spend together")
    else:
        print_table(_HEAD, [_row(one) for one in found], right=frozenset({2, 3, 4, 5, 6}), keep=frozenset({0, 1}))


def _row(one: BudgetUse) -> tuple[str, ...]:
    from pointsman.core.budget import every
    from pointsman.core.money import usd_text

    def amount(value: int) -> str:
        return f"${usd_text(value)}" if one.unit == "usd" else f"{value:,}"

    of = plain(one.whose) or ("everybody" if one.scope == "organisation" else "nobody yet")
    limit = f"{amount(one.limit)} {one.unit if one.unit != 'usd' else ''}".strip()
    name = one.scope if not one.each else f"each {one.scope}"
    resets = "never" if one.resets is None else dt.datetime.fromtimestamp(one.resets / _NANO, tz=dt.UTC)
    shown = resets if isinstance(resets, str) else resets.strftime("%Y-%m-%d %H:%M")
    soft = "" if one.hard else " (soft)"
    doubt = amount(one.doubt) if one.doubt else ""
    amounts = (amount(one.spent), doubt, amount(one.held), amount(one.left))
    return name, of, f"{limit} {every(one.period)}{soft}", *amounts, shown


@command.command(
    "release",
    help=described(
        "Give back what budgets have booked IN DOUBT: once the provider's bill is known (`pointsman reconcile`), what "
        "it does not name was not spent. With --leases also what is HELD though no server runs: a process that was "
        "killed cannot give it back. Servers that run keep theirs, so stop all of them first.",
        "pointsman budgets release",
        "pointsman budgets release --leases",
    ),
    short_help="Give back what is booked in doubt.",
)
@config_option
@click.pass_context
@click.option("--leases", is_flag=True, help="Also what is held; no server may run.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def release(context: click.Context, config: Path | None, leases: bool, yes: bool) -> None:
    """Give back what is in doubt."""
    from pointsman.compose import build

    house = build(config or (context.parent.params["config"] if context.parent is not None else None))
    with closing(house.pieces.key_store), closing(house.pieces.allowances) as allowances:
        if leases:
            _demand_stopped(house.loaded.config.server.port)
        if not allowances.releasable(leases=leases):
            say(f"nothing is in doubt{' or held' if leases else ''}")
            return
        if not yes:
            if leases:
                say("No server may run at this store. Calls that were under way when one was killed may be in no bill.")
            click.confirm("Has the provider not billed what is given back?", abort=True, err=True)
        allowances.release(leases=leases)
    say("given back" if leases else "given back; running servers see it when they next ask the store")


def _demand_stopped(port: int) -> None:
    """Refuse while a server runs here: it would go on spending what others are granted meanwhile."""
    from pointsman.cli.ports import holder
    from pointsman.core.errors import InvalidRequest

    running = holder(port)
    if running is not None and running.ours:
        raise InvalidRequest(
            f"a gateway listens on port {port}: {running}", hint="stop it first, and any other at this store"
        )
