"""`pointsman logs`: recent calls, one call in full, or where the ledger is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

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

if TYPE_CHECKING:
    from pointsman.core.outcome import Status
    from pointsman.insight.answers import CallRow, Filters
    from pointsman.insight.queries import Questions
    from pointsman.store.location import Location

_STATUSES = ("ok", "refused", "failed", "cancelled")
_NANO = 1_000_000_000
_POLL_SECONDS = 0.4
_LOOK_BACK = 900  # seconds: no call takes longer by default, and each is listed by when it began
_AT_ONCE = 500
_REMEMBERED = 20_000
_HELP = described(
    "Show recent calls, newest last; with the ID of one (or its beginning, or the id inside the answer) that call with "
    "its decision, its attempts and the models left out. `logs path` prints where the ledger is.",
    "pointsman logs -n 5 --status failed --since 1h",
    "pointsman logs --follow --json",
)


@click.command("logs", help=_HELP, short_help="Show recent calls, or one call with its decision.")
@click.argument("which", required=False, metavar="[ID | path]")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@click.option("-f", "--follow", is_flag=True, help="Go on printing calls as they end.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only calls that ended so.")
@click.option("--route", default="", help="Only calls of this route.")
@click.option("--model", default="", help="Only calls that this model answered.")
@click.option("--since", metavar="TIME", help="Only calls of the last 90s, 15m, 1h, 7d …")
@config_option
@json_option
def command(
    which: str | None,
    count: int,
    follow: bool,
    status: str | None,
    route: str,
    model: str,
    since: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show calls."""
    from pointsman.compose import build
    from pointsman.config.load import store_url
    from pointsman.insight.answers import Filters
    from pointsman.store.location import locate

    house = build(config)
    place = locate(store_url(house.loaded.config, house.pieces.env))
    if which == "path":
        print_json({"path": place.shown}) if as_json else print(place.shown)
        return
    missing = place.engine == "sqlite" and not Path(place.path).exists()
    if missing:
        _demand_nothing_waits(place)
    with closing(house.questions()) as questions:
        if which is not None:
            _one(questions, which, missing=missing, as_json=as_json)
            return
        after = _moment(since)
        filters = Filters(route=route, model=model, status=cast("Status | None", status), since=after)
        rows = [] if missing else list(reversed(questions.calls(count, filters=filters)))
        if follow:
            _follow(questions, filters, rows, as_json=as_json)
        elif as_json:
            print_json(rows)
        elif rows:
            _print(rows)
        else:
            say("no calls" + (" match" if route or model or status or since else f" yet in {place.shown}"))
            say_hint('the first one: `pointsman ask "Why is the sky blue?"`')


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


def _moment(since: str | None) -> int:
    """Nanoseconds since the epoch, from a length of time up to now; 0 for all."""
    if since is None:
        return 0
    from pointsman.cli.figures import span

    try:
        return time.time_ns() - span(since) * _NANO
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _print(rows: list[CallRow]) -> None:
    from pointsman.cli import calls

    table = calls.table(rows)
    print(table.head)
    for one in rows:
        print(table.line(calls.row(one)))


def _one(questions: Questions, which: str, *, missing: bool, as_json: bool) -> None:
    from pointsman.cli import calls
    from pointsman.core.errors import NotFound
    from pointsman.insight.answers import Filters

    found = None if missing else questions.call(which) or questions.by_answer_id(which)
    if found is None and not missing:
        near = questions.calls(2, filters=Filters(id_prefix=which.lower()))
        if len(near) > 1:
            raise NotFound(f"several calls begin with `{which}`", hint="give more of the id")
        found = questions.call(near[0].id) if near else None
    if found is None:
        raise NotFound(f"there is no call `{which}`", hint="`pointsman logs` lists the recent ones")
    if as_json:
        print_json(found)
    else:
        for line in calls.whole(found):
            print(line)


def _follow(questions: Questions, filters: Filters, shown: list[CallRow], *, as_json: bool) -> None:
    """Print what is there, then what comes, until interrupted."""
    from pointsman.cli import calls

    table = calls.table(shown, more=True)
    if not as_json:
        print(table.head)
    seen: dict[str, None] = {}

    def show(rows: Iterable[CallRow]) -> None:
        for one in rows:
            seen[one.id] = None
            if as_json:
                print_json_line(one)
            else:
                print(table.line(calls.row(one)), flush=True)
        while len(seen) > _REMEMBERED:
            del seen[next(iter(seen))]

    show(shown)
    begun = time.time_ns()
    sys.stdout.flush()
    while True:
        time.sleep(_POLL_SECONDS)
        found = _poll(questions, filters, begun)
        if found is None:
            continue
        fresh = [one for one in found if one.id not in seen]
        if len(fresh) == _AT_ONCE:
            say_warning(
                "more calls than can be shown: some are left out", "narrow it with --status, --route or --model"
            )
        show(reversed(fresh))


def _poll(questions: Questions, filters: Filters, begun: int) -> list[CallRow] | None:
    """Calls that began a while before `begun` or later and ended after it; None while the store cannot be read."""
    import msgspec

    from pointsman.core.errors import StoreUnavailable

    since = max(filters.since, time.time_ns() - _LOOK_BACK * _NANO)
    try:
        found = questions.calls(_AT_ONCE, filters=msgspec.structs.replace(filters, since=since))
    except StoreUnavailable:
        return None  # not made yet, or away for a moment: it is asked again
    return [one for one in found if one.started + one.duration >= begun]
