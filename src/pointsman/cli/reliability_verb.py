"""`pointsman reliability`: how reliable providers were, and which routes had to do without their first model."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pointsman.cli.table import print_table
from pointsman.cli.terminal import (
    config_option,
    described,
    json_option,
    plain,
    print_json,
    say,
    say_hint,
    say_warning,
)

if TYPE_CHECKING:
    from pointsman.insight.answers import Reliability, Stretch, Uptime

_NANO = 1_000_000_000
_HEAD = ("PROVIDER", "UPTIME", "DOWN", "INCIDENTS", "RECOVERY", "REQUESTS", "FAILED")
_ROUTES = ("ROUTE", "CALLS", "FAILOVERS", "SHARE", "MOST LEFT")
_RIGHT = frozenset({1, 2, 3, 4, 5, 6})
_HELP = described(
    "Show how long each provider answered, its incidents and the mean time until they were over, and how often the "
    "calls of each route had to leave their first model. `*` marks incidents that last. Times are in UTC.",
    "pointsman reliability --since 7d --by day",
)


@click.command("reliability", help=_HELP, short_help="Show uptime of providers and failovers of routes.")
@click.option("--since", metavar="TIME", default="30d", show_default=True, help="The last 1h, 7d, 4w …")
@click.option("--by", type=click.Choice(("day", "month")), help="Show each day or month by itself.")
@click.option("--models", is_flag=True, help="Show each provider's models too.")
@config_option
@json_option
def command(since: str, by: str | None, models: bool, config: Path | None, as_json: bool) -> None:
    """Show reliability."""
    from pointsman.cli.figures import span
    from pointsman.compose import build
    from pointsman.config.load import store_url
    from pointsman.store.location import locate

    now = time.time_ns()
    try:
        begun = now - span(since) * _NANO
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    house = build(config)
    place = locate(store_url(house.loaded.config, house.pieces.env))
    with closing(house.questions()) as questions:
        found = questions.reliability(begun, now, "month" if by == "month" else "day")
    if as_json:
        print_json(found)
    elif not found.providers:
        say(f"no provider was asked in that time, as far as {place.shown} knows")
    else:
        _print(found, by, models=models)


def _print(found: Reliability, by: str | None, *, models: bool) -> None:
    """Both tables, and the advice."""
    rows = [row for one in found.providers for row in _rows(one, by, models=models)]
    head = _HEAD if by is None else (*_HEAD[:1], by.upper(), *_HEAD[1:])
    print_table(head, rows, right=_RIGHT if by is None else frozenset(n + 1 for n in _RIGHT), keep=frozenset({0}))
    if found.routes:
        print()
        routes = [
            (plain(one.route), f"{one.calls:,}", f"{one.failovers:,}", f"{100 * one.share:.1f} %", plain(one.primary))
            for one in found.routes
        ]
        print_table(_ROUTES, routes, right=frozenset({1, 2, 3}), keep=frozenset({0}))
    for one in found.routes:
        if one.advice:
            say_warning(one.advice)
    if any(one.total.lasting for one in found.providers):
        say_hint("`*`: not over yet; it counts up to now")


def _rows(one: Uptime, by: str | None, *, models: bool) -> list[tuple[str, ...]]:
    """A provider's rows: one, or one a period; then its models'."""
    rows = _uptime(plain(one.name), one, by)
    for model in one.models if models else ():
        key = f" (${plain(model.key)})" if model.key else ""
        rows += _uptime(f"  {plain(model.name)}{key}", model, by)
    return rows


def _uptime(name: str, one: Uptime, by: str | None) -> list[tuple[str, ...]]:
    if by is None:
        return [(name, *_figures(one.total))]
    shown = (stretch for stretch in one.periods if stretch.uptime is not None)
    return [(name, _period(stretch.start, by), *_figures(stretch)) for stretch in shown]


def _period(start: int, by: str) -> str:
    from pointsman.cli.figures import moment

    return moment(start)[: 10 if by == "day" else 7]


def _figures(stretch: Stretch) -> tuple[str, ...]:
    from pointsman.observe.alerts.alert import length

    incidents = f"{stretch.incidents}{'*' if stretch.lasting else ''}"
    return (
        "-" if stretch.uptime is None else f"{100 * stretch.uptime:.3f} %",
        length(stretch.downtime),
        incidents,
        "-" if stretch.recovery is None else length(stretch.recovery),
        f"{stretch.requests:,}",
        f"{stretch.failed:,}",
    )
