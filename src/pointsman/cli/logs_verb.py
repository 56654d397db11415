"""`pointsman logs`: recent calls, one call in full, or where the ledger is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pointsman.cli.following import Follower
from pointsman.cli.terminal import (
    config_option,
    described,
    json_option,
    print_json,
    print_json_line,
    say,
    say_hint,
    say_warning,
)
from pointsman.cli.wanted import Wanted, wanted_options

if TYPE_CHECKING:
    from pointsman.insight.answers import CallRow
    from pointsman.insight.queries import Questions
    from pointsman.store.location import Location

_HELP = described(
    "Show recent calls, newest last; with the ID of one (or its beginning, or the id inside the answer) that call with "
    "its decision, its attempts and the models left out. `≈` marks tokens and cost that are estimated. `logs path` "
    "prints where the ledger is.",
    "pointsman logs -n 5 --status failed --since 1h",
    "pointsman logs --follow --json",
)


@click.command("logs", help=_HELP, short_help="Show recent calls, or one call with its decision.")
@click.argument("which", required=False, metavar="[ID | path]")
@wanted_options
@click.option("-f", "--follow", is_flag=True, help="Go on printing calls as they end.")
@config_option
@json_option
def command(which: str | None, wanted: Wanted, follow: bool, config: Path | None, as_json: bool) -> None:
    """Show calls."""
    from pointsman.compose import build
    from pointsman.config.load import store_url
    from pointsman.store.location import locate

    house = build(config)
    place = locate(store_url(house.loaded.config, house.pieces.env))
    if which == "path":
        print_json({"path": place.shown}) if as_json else print(place.shown)
        return
    filters = wanted.filters()
    missing = place.engine == "sqlite" and not Path(place.path).exists()
    if missing:
        _demand_nothing_waits(place)
    late = _say_what_waits(place)
    with closing(house.questions()) as questions:
        if which is not None:
            _one(questions, which, missing=missing, as_json=as_json)
            return
        begin = 0 if missing else questions.place()  # before the list: what comes in between is in both, not in neither
        rows = [] if missing else questions.calls(wanted.count, filters=filters)[::-1]
        none = f"no calls {'match' if wanted.narrowed else f'in {place.shown}' if late else f'yet in {place.shown}'}"
        if follow:
            if missing:
                say(f"{none}: waiting for the first one")
            show = _show(rows, as_json=as_json)
            Follower(questions, filters, show, begin, missing=missing).run(rows)
        _list(rows, none, as_json=as_json, late=late)


def _say_what_waits(place: Location) -> bool:
    """Calls that no list can show yet; whether there are any."""
    from pointsman.cli import figures
    from pointsman.store.waiting import spool_folder, waiting

    found = waiting(spool_folder(place))
    if found.calls:
        count = f"{found.calls:,} call{'s wait' if found.calls > 1 else ' waits'}"
        say_warning(
            f"{count} in {found.folder} since {figures.moment(found.since)} and cannot be shown yet",
            "a gateway could not write the store: its log says why; `pointsman doctor` looks at the store",
        )
    return found.calls > 0


def _demand_nothing_waits(place: Location) -> None:
    """A file that was never made holds no calls, unless it could not be made.

    Raises:
        StoreUnavailable: there is no folder for it, or rows of calls wait beside it.
    """
    from pointsman.core.errors import StoreUnavailable
    from pointsman.store.database import demand_folder

    demand_folder(place)
    folder = Path(place.path).parent
    if folder.exists() and not folder.is_dir():
        raise StoreUnavailable(f"store {place.shown}: {folder} is no folder", hint="move it away, or correct `store`")
    if any(Path(f"{place.path}.spool").glob("*.jsonl")):
        raise StoreUnavailable(
            f"store {place.shown}: no such file, but calls wait in {place.path}.spool",
            hint="the gateway could not write the store; its log says why, and once it can they are written",
        )


def _list(rows: list[CallRow], none: str, *, as_json: bool, late: bool) -> None:
    from pointsman.cli import calls

    if as_json:
        print_json(rows)
    elif rows:
        table = calls.table(rows)
        print(table.head)
        for one in rows:
            print(table.line(calls.row(one)))
    else:
        say(none)
        if not late:
            say_hint('the first one: `pointsman ask "Why is the sky blue?"`')


def _one(questions: Questions, which: str, *, missing: bool, as_json: bool) -> None:
    from pointsman.cli import calls
    from pointsman.cli.one_call import one_call

    found = one_call(None if missing else questions, which)
    if as_json:
        print_json(found)
    else:
        for line in calls.whole(found):
            print(line)


def _show(rows: list[CallRow], *, as_json: bool) -> Callable[[Iterable[CallRow]], None]:
    """What prints calls as they come, in a layout that fits these and others."""
    from pointsman.cli import calls

    table = calls.table(rows, more=True)
    if not as_json:
        print(table.head, flush=True)

    def show(found: Iterable[CallRow]) -> None:
        for one in found:
            if as_json:
                print_json_line(one)
            else:
                print(table.line(calls.row(one)), flush=True)

    return show
