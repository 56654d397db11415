"""`pointsman keys`: create, list, show, edit, rotate, revoke. Works on the store; a running server follows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.closed_keys import closed, say_closed, say_dead
from pointsman.cli.table import print_table
from pointsman.cli.terminal import config_option, described, json_option, plain, print_json, say, say_hint

if TYPE_CHECKING:
    from pointsman.access.keys import NewKey
    from pointsman.compose import House
    from pointsman.core.key import KeyRow, Role
    from pointsman.core.key_terms import Amount

_NEVER = "never"
_ALL = "all"
_NONE = "none"
_ROLES = ("caller", "viewer", "metrics", "admin")
"""As `core.key.ROLES`, which would take its time to import only to print a help text."""
_BETWEEN = re.compile(r",(?![0-9]{3}(?![0-9]))|(?<![0-9]),")
"""What stands between two budgets: a comma that stands for no thousands."""


@click.group(
    "keys",
    help=described(
        "Create, list, change, rotate and revoke the keys of callers. Only their hashes are kept. Needs no running "
        "server; a running one follows within a second.",
        "pointsman keys create ci",
        "pointsman keys create app --team search --allow auto --budget 5usd/day --parallel 20",
    ),
    short_help="Create, list, rotate and revoke keys.",
)
def command() -> None:
    """Keys."""


@command.command(
    "create",
    help=described(
        "Make a key called NAME; its secret is shown once. Team and project are fixed then; the rest can be edited.",
        "pointsman keys create ci --expires 90d",
        "pointsman keys create app --team search --allow 'auto,anthropic/*' --budget 5usd/day --budget 60rpm",
        "pointsman keys create prometheus --role metrics",
    ),
)
@click.argument("name")
@click.option("--team", default="", help="Which team pays.")
@click.option("--project", default="", help="For which project.")
@click.option(
    "--allow", "allow", metavar="NAME,…", multiple=True, help="Routes and models it may use; `*` is any text."
)
@click.option(
    "--budget", "budgets", metavar="AMOUNT", multiple=True, help="What it may use: 5usd/day, 60requests/minute."
)
@click.option("--parallel", metavar="N", type=int, default=0, help="Calls at once, over all workers; 0 is no limit.")
@click.option(
    "--expires",
    metavar="TIME",
    help="How long it is good, 90d or 24h; or its last day, 2027-01-31.",
)
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    metavar="ROLE",
    default="caller",
    show_default=True,
    help="`caller`, `viewer` (sees all, does nothing), `metrics` (reads /metrics) or `admin` (sees all, manages keys).",
)
@click.option("--admin", is_flag=True, help="Short for --role admin.")
@config_option
@json_option
def create(
    name: str,
    team: str,
    project: str,
    allow: tuple[str, ...],
    budgets: tuple[str, ...],
    parallel: int,
    expires: str | None,
    role: Role,
    admin: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Make a key."""
    from pointsman.core.clock import SystemClock
    from pointsman.core.expiry import read_end
    from pointsman.core.key_terms import Terms

    if admin and role not in ("caller", "admin"):
        raise click.UsageError(f"--admin is short for --role admin, and --role says {role}")
    terms = Terms(
        team=team,
        project=project,
        allow=_names(allow),
        parallel=parallel,
        role="admin" if admin else role,
        expires=read_end(expires, SystemClock().now()) if expires is not None else None,
        budgets=_amounts(budgets),
    )
    with _house(config) as house:
        ring = house.pieces.keys
        ring.refresh()
        was_open = not ring.demanded
        made = ring.create(name, terms)
        _tell_secret(house, made, as_json=as_json)
        say_dead(house, made.row)
    if was_open:
        say("this is the first key: from now on every caller needs one, on this machine too")


@command.command("list", help=described("List keys; their secrets are not known here.", "pointsman keys list --json"))
@config_option
@json_option
def list_(config: Path | None, as_json: bool) -> None:
    """List keys."""
    from pointsman.core.clock import SystemClock
    from pointsman.core.key_view import key_view

    with _house(config) as house:
        ring = house.pieces.keys
        budgets, rows = ring.every_budget(), ring.list()
        why = closed(house, rows)
        now = SystemClock().now()
        views = [key_view(row, budgets.get(row.id, ()), now, why.get(row.id, "")) for row in rows]
    if as_json:
        print_json(views)
        return
    if not views:
        say("no keys yet")
        say_hint("`pointsman keys create NAME` makes one")
        return
    print_table(
        ("NAME", "BEGINS", "STATE", "ROLE", "TEAM", "CREATED", "ID"),
        [
            (
                plain(one["name"]),
                one["prefix"],
                one["state"],
                one["role"],
                plain(one["team"]),
                one["created"] or "",
                one["id"],
            )
            for one in views
        ],
        keep=frozenset({1, 2, 3, 6}),
        spare=(5, 4, 3, 2),
    )
    say_closed({one["id"]: one["name"] for one in views}, {one["id"]: one["why"] for one in views if one["why"]})


@command.command("show", help=described("Show one key by its name, its beginning or its id.", "pointsman keys show ci"))
@click.argument("which")
@config_option
@json_option
def show(which: str, config: Path | None, as_json: bool) -> None:
    """Show a key."""
    with _house(config) as house:
        ring = house.pieces.keys
        view = _view(house, ring.find(which))
    if as_json:
        print_json(view)
        return
    for name, value in view.items():
        print(f"{name:9} {_said(name, value)}")


@command.command(
    "edit",
    help=described(
        "Change what may change of a key, by its name, its beginning or its id. What is not said stays; --allow and "
        "--budget take the place of those before.",
        "pointsman keys edit app --parallel 50 --allow auto,fast",
        "pointsman keys edit app --budget none --expires never",
    ),
)
@click.argument("which")
@click.option("--allow", metavar="NAME,…", multiple=True, help="Routes and models it may use; `all` for every one.")
@click.option("--budget", "budgets", metavar="AMOUNT", multiple=True, help="What it may use; `none` for no budget.")
@click.option("--parallel", metavar="N", type=int, help="Calls at once, over all workers; 0 is no limit.")
@click.option(
    "--expires", metavar="TIME", help="How long from now, 90d or 24h; or its last day, 2027-01-31; or `never`."
)
@config_option
@json_option
def edit(
    which: str,
    allow: tuple[str, ...],
    budgets: tuple[str, ...],
    parallel: int | None,
    expires: str | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Change a key."""
    from msgspec import UNSET

    from pointsman.core.key_terms import Changes

    if not allow and not budgets and parallel is None and expires is None:
        raise click.UsageError("nothing is to change: give --allow, --budget, --parallel or --expires")
    changes = Changes(
        allow=UNSET if not allow else _names(allow),
        parallel=UNSET if parallel is None else parallel,
        expires=UNSET if expires is None else _until(expires),
        budgets=UNSET if not budgets else () if budgets == (_NONE,) else _amounts(budgets),
    )
    with _house(config) as house:
        ring = house.pieces.keys
        row = ring.edit(which, changes)
        view = _view(house, row)
        if allow:
            say_dead(house, row)
    if as_json:
        print_json(view)
    else:
        say(f"changed {row.name} ({row.prefix}…); running servers follow within a second")


@command.command(
    "rotate",
    help=described(
        "Give a key a new secret, which is shown once. The old one is good for the overlap; spend and budgets go on.",
        "pointsman keys rotate ci --overlap 24h",
    ),
)
@click.argument("which")
@click.option("--overlap", metavar="TIME", default="24h", show_default=True, help="How long the old one is good; 0.")
@config_option
@json_option
def rotate(which: str, overlap: str, config: Path | None, as_json: bool) -> None:
    """Rotate a key."""
    from pointsman.core.key_terms import read_span
    from pointsman.core.key_view import day

    span = read_span(overlap, "overlap", unit="h", least=0)
    with _house(config) as house:
        ring = house.pieces.keys
        made = ring.rotate(which, span)
        _tell_secret(house, made, as_json=as_json)
    if not as_json:
        until = f"until {day(max(one.until for one in made.row.former))}" if made.row.former else "no more"
        say_hint(f"the old one is good {until}")


@command.command(
    "revoke",
    help=described("Revoke a key by its name, its beginning or its id; for good.", "pointsman keys revoke ci"),
)
@click.argument("which")
@config_option
@json_option
def revoke(which: str, config: Path | None, as_json: bool) -> None:
    """Revoke a key."""
    with _house(config) as house:
        ring = house.pieces.keys
        row = ring.revoke(which)
        view = _view(house, row)
    if as_json:
        print_json(view)
    else:
        say(f"revoked {row.name} ({row.prefix}…); running servers refuse it within a second")


@contextmanager
def _house(config: Path | None) -> Iterator[House]:
    """The configuration and its store; let go of at the end."""
    from pointsman.compose import build

    house = build(config)
    try:
        yield house
    finally:
        house.pieces.key_store.close()


def _tell_secret(house: House, made: NewKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": made.secret, **_view(house, made.row)})
    else:
        print(made.secret)
        say_hint(f"this is the only time that it is shown; it begins with {made.row.prefix}, its id is {made.row.id}")


def _view(house: House, row: KeyRow) -> dict[str, Any]:
    from pointsman.core.clock import SystemClock
    from pointsman.core.key_view import key_view

    why = closed(house, [row]).get(row.id, "")
    return key_view(row, house.pieces.keys.budgets_of(row.id), SystemClock().now(), why)


def _said(name: str, value: Any) -> str:
    if name == "former":
        value = [f"{one['prefix']}… until {one['until']}" for one in value]
    if isinstance(value, list):
        value = ", ".join(value) or (_ALL if name == "allow" else "")
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return plain("" if value is None else str(value))


def _names(said: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple([name.strip() for one in said for name in one.split(",") if name.strip()])
    if said and not names:  # a variable that is not set, perhaps: nothing said would be everything
        raise click.UsageError(f"--allow names nothing; write `{_ALL}` for every route and model")
    return () if names == (_ALL,) else names


def _amounts(said: tuple[str, ...]) -> tuple[Amount, ...]:
    from pointsman.core.key_terms import read_amount

    return tuple([read_amount(text) for one in said for text in _BETWEEN.split(one)])


def _until(said: str) -> int | None:
    from pointsman.core.clock import SystemClock
    from pointsman.core.expiry import read_end

    return None if said == _NEVER else read_end(said, SystemClock().now())
