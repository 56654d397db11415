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
_HEAD = ("BUDGET", "OF", "LIMIT", "SPENT", "HELD", "LEFT", "RESETS")


@click.command(
    "budgets",
    help=described(
        "Show what is used and left of every budget. HELD is taken for calls under way or soon to come. Running "
        "servers tell what they spent within a second. Times are in UTC.",
        "pointsman budgets --json",
    ),
    short_help="Show what is used and left of budgets.",
)
@config_option
@json_option
def command(config: Path | None, as_json: bool) -> None:
    """Show budgets."""
    from pointsman.compose import build

    house = build(config)
    with closing(house.pieces.key_store):
        house.pieces.keys.refresh()
    with closing(house.questions()) as questions:
        found = questions.budgets(house.budgets(), time.time_ns())
    if as_json:
        print_json(found)
    elif not found:
        say("no budgets")
        say_hint("`budgets: [{limit: 5usd/day}]` in the configuration limits what all may spend together")
    else:
        print_table(_HEAD, [_row(one) for one in found], right=frozenset({2, 3, 4, 5}), keep=frozenset({0, 1}))


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
    return name, of, f"{limit} {every(one.period)}{soft}", amount(one.spent), amount(one.held), amount(one.left), shown
