"""`pointsman keys`: create, list, revoke. Works on the store; a running server follows within a second."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.table import print_table
from pointsman.cli.terminal import config_option, described, json_option, plain, print_json, say, say_hint

if TYPE_CHECKING:
    from pointsman.access.keys import KeyRing
    from pointsman.core.key import KeyRow

_NANO = 1_000_000_000


@click.group(
    "keys",
    help=described(
        "Create, list and revoke the keys of callers. Only their hashes are kept. Needs no running server; a running "
        "one follows within a second.",
        "pointsman keys create ci",
    ),
    short_help="Create, list and revoke keys.",
)
def command() -> None:
    """Keys."""


@command.command(
    "create",
    help=described("Make a key called NAME; its secret is shown once.", "pointsman keys create ci --expires 90"),
)
@click.argument("name")
@click.option("--expires", metavar="DAYS", type=click.IntRange(1, 36_500), help="Days until it ends.")
@config_option
@json_option
def create(name: str, expires: int | None, config: Path | None, as_json: bool) -> None:
    """Make a key."""
    from pointsman.core.clock import SystemClock

    until = SystemClock().now() + expires * 86_400 * _NANO if expires else None
    with _ring(config) as ring:
        ring.refresh()
        was_open = not ring.demanded
        made = ring.create(name, expires=until)
    if as_json:
        print_json({"key": made.secret, **_view(made.row)})
    else:
        print(made.secret)
        say_hint(f"this is the only time that it is shown; it begins with {made.row.prefix}, its id is {made.row.id}")
    if was_open:
        say("this is the first key: from now on every caller needs one, on this machine too")


@command.command("list", help=described("List keys; their secrets are not known here.", "pointsman keys list --json"))
@config_option
@json_option
def list_(config: Path | None, as_json: bool) -> None:
    """List keys."""
    with _ring(config) as ring:
        rows = ring.list()
    if as_json:
        print_json([_view(row) for row in rows])
        return
    if not rows:
        say("no keys yet")
        say_hint("`pointsman keys create NAME` makes one")
        return
    print_table(
        ("NAME", "BEGINS", "STATE", "CREATED", "ID"),
        [(plain(row.name), row.prefix, _state(row), _day(row.created), row.id) for row in rows],
        keep=frozenset({1, 2, 4}),
        spare=(3, 2),
    )


@command.command(
    "revoke",
    help=described("Revoke a key by its name, its beginning or its id; for good.", "pointsman keys revoke ci"),
)
@click.argument("which")
@config_option
@json_option
def revoke(which: str, config: Path | None, as_json: bool) -> None:
    """Revoke a key."""
    with _ring(config) as ring:
        row = ring.revoke(which)
    if as_json:
        print_json(_view(row))
    else:
        say(f"revoked {row.name} ({row.prefix}…); running servers refuse it within a second")


@contextmanager
def _ring(config: Path | None) -> Iterator[KeyRing]:
    """The keys of the store; let go of at the end."""
    from pointsman.compose import build

    pieces = build(config).pieces
    try:
        yield pieces.keys
    finally:
        pieces.key_store.close()


def _view(row: KeyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "prefix": row.prefix,
        "state": _state(row),
        "created": _day(row.created),
        "expires": _day(row.expires) if row.expires else None,
    }


def _state(row: KeyRow) -> str:
    from pointsman.core.clock import SystemClock

    if row.revoked is not None:
        return "revoked"
    return "expired" if row.expires is not None and row.expires <= SystemClock().now() else "active"


def _day(nanos: int) -> str:
    return dt.datetime.fromtimestamp(nanos / _NANO, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
