"""`pointsman prices`: what a model costs and since when; refresh the price list, look at its versions, go back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.table import print_table
from pointsman.cli.terminal import (
    config_option,
    described,
    json_option,
    paint,
    plain,
    print_json,
    say,
    say_hint,
    say_warning,
)

if TYPE_CHECKING:
    from pointsman.catalog.document import Document
    from pointsman.catalog.update import Report
    from pointsman.cli.pricing import Priced
    from pointsman.compose import House


@click.group(
    "prices",
    help=described(
        "Show what models cost, refresh the price list or roll it back. Nothing is fetched unless asked for.",
        "pointsman prices show openai/gpt-5-mini",
    ),
    short_help="Show, refresh or roll back prices.",
)
def command() -> None:
    """Prices."""


@command.command(
    "show",
    help=described(
        "Show the prices of MODEL: what is charged now, by kind of token and by the piece; each service (flex, batch, "
        "priority …), length of input and hour, with source and date; and what is announced. Of a rented machine also "
        "what it has cost this month, and what calls were booked at. MODEL is a configured name, `provider/model` of "
        "any provider in the catalogue, or a bare name, for which every provider that has a price is listed.",
        "pointsman prices show anthropic/claude-sonnet-4-5",
    ),
)
@click.argument("model")
@config_option
@json_option
def show(model: str, config: Path | None, as_json: bool) -> None:
    """Show a model's prices."""
    from pointsman.cli import pricing, renting
    from pointsman.compose import build
    from pointsman.core.errors import NotFound

    house = build(config)
    rented = renting.measured(house, model)
    found = pricing.find(house, model)
    if not found:
        near = house.pieces.catalog.nearest(model)
        hint = f"did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else "write `provider/model`"
        raise NotFound(f"no model `{model}` in the configuration or the catalogue; it would be unpriced", hint=hint)
    now = house.pieces.clock.now()
    if as_json:
        rent = {} if rented is None else {"rent": renting.view(rented)}
        print_json([{**pricing.view(one, now), **rent} for one in found])
        return
    if len(found) > 1:
        print_table(pricing.HEAD, [pricing.row(one) for one in found], right=frozenset({1, 2, 3}), keep=frozenset({0}))
        say_hint(f"`pointsman prices show {found[0].name}` shows one of them in full")
        return
    for line in (*pricing.whole(found[0], now), *(() if rented is None else renting.lines(rented))):
        print(line)
    _all_prices(found[0], now)


def _all_prices(found: Priced, now: int) -> None:
    """Every service, length and hour, where there is more than one price."""
    from pointsman.cli import pricing

    every = pricing.all_prices(found, now)
    if every is None:
        return
    head, rows, right = every
    print()
    print(paint("all prices, US dollars per million tokens", "dim"))
    print_table(head, rows, right=right, keep=frozenset(range(len(head) - 1)))
    say_hint(pricing.others(found))


@command.command(
    "update",
    help=described(
        "Fetch the price list, judge it, say what it changes, and use it if it is sound. A price that changed more "
        "than tenfold is held back unless --accept-jumps says otherwise. Exit code 1: it was refused.",
        "pointsman prices update --dry-run",
    ),
)
@click.option("--from", "source", metavar="FILE|URL", help="Instead of the configured or the usual list.")
@click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
@click.option("--accept-jumps", is_flag=True, help="Take prices that changed more than tenfold, or to nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before it is put in use.")
@config_option
@json_option
def update(
    source: str | None, dry_run: bool, accept_jumps: bool, yes: bool, config: Path | None, as_json: bool
) -> None:
    """Refresh prices."""
    from pointsman.catalog.update import FEED_URL, install, prepare
    from pointsman.cli import fetching
    from pointsman.compose import build

    house = build(config)
    where = source or house.loaded.config.prices.url or FEED_URL
    say(f"reading {where}")
    data = fetching.read(where)
    proposal = prepare(
        data,
        _current(house),
        house.pieces.catalog.providers(),
        today=_today(house),
        accept_jumps=accept_jumps,
    )
    report = proposal.report
    if not as_json:
        print(plain(report.text()))
    installed = ""
    if report.ok and not dry_run and (yes or as_json or _agreed(report)):
        installed = str(install(proposal, _folder(house)))
    if as_json:
        print_json({**_view(report), "source": where, "installed": installed})
    elif not report.ok:
        say_warning("these prices are refused; those in use stay")
    elif installed:
        say(f"in use from the next start on: {installed}")
        say_hint("`pointsman prices rollback` goes back")
    else:
        say("nothing was changed")
    if not report.ok:
        sys.exit(1)


@command.command("versions", help=described("List the price lists kept here.", "pointsman prices versions"))
@config_option
@json_option
def versions(config: Path | None, as_json: bool) -> None:
    """List versions."""
    from pointsman.catalog.shipped import shipped_providers
    from pointsman.catalog.versions import Versions
    from pointsman.compose import build

    house = build(config)
    used = house.pieces.catalog.origin
    rows: list[tuple[str, str, bool]] = [("shipped", shipped_providers().date, used == "shipped")]
    rows += [(name, name.split("-", 1)[1][:10], used.endswith(name)) for name in Versions(_folder(house)).names()]
    if as_json:
        print_json([{"name": name, "date": date, "in_use": current} for name, date, current in rows])
        return
    print_table(("NAME", "DATE", ""), [(name, date, "in use" if current else "") for name, date, current in rows])
    say(paint(f"kept in {_folder(house)}", "dim", err=True))
    for warning in house.pieces.warnings:
        say_warning(warning)


@command.command("rollback", help=described("Use the price list before the one in use.", "pointsman prices rollback"))
@config_option
@json_option
def rollback(config: Path | None, as_json: bool) -> None:
    """Go back one version."""
    from pointsman.catalog.versions import Versions
    from pointsman.compose import build
    from pointsman.core.errors import ConfigError, NotFound

    house = build(config)
    try:
        name = Versions(_folder(house)).roll_back()
    except ConfigError as error:
        raise NotFound(error.message, hint="the prices that ship with this version are in use") from None
    if as_json:
        print_json({"in_use": name or "shipped"})
    else:
        say(f"in use from the next start on: {name or 'the prices that ship with this version'}")


def _folder(house: House) -> Path:
    return house.pieces.folder / "prices"


def _current(house: House) -> Document:
    """The document in use."""
    from pointsman.catalog.document import decode
    from pointsman.catalog.shipped import shipped_models

    origin = house.pieces.catalog.origin
    return shipped_models() if origin == "shipped" else decode(Path(origin).read_bytes())


def _today(house: House) -> str:
    from pointsman.routing.planner import iso_date

    return iso_date(house.pieces.clock.now())


def _agreed(report: Report) -> bool:
    """Whether a person at a terminal agrees; without a terminal, asking for it was enough."""
    if not report.changes:
        return False
    if not sys.stdin.isatty():
        return True
    return click.confirm("use these prices?", default=True, err=True)


def _view(report: Report) -> dict[str, Any]:
    import msgspec

    plain_data: dict[str, Any] = msgspec.to_builtins(report)
    return {"ok": report.ok, **plain_data}
