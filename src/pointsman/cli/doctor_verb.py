"""`pointsman doctor`: one screen about this installation; the exit code says whether it can serve."""

from __future__ import annotations

import asyncio
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pointsman.cli.terminal import config_option, described, json_option, paint, plain, print_json, say

if TYPE_CHECKING:
    from pointsman.cli.doctor.finding import Found
    from pointsman.compose import House
    from pointsman.core.errors import ConfigError
    from pointsman.upstream.local.fit import Fit
    from pointsman.upstream.local.machine import MachineFacts

_MARKS = {"ok": ("ok", "green"), "note": ("note", "cyan"), "warning": ("warn", "yellow"), "bad": ("BAD", "red")}
_MARK_WIDTH = 6
_HELP = described(
    "Check this installation: version, clock, configuration, port, keys (by the names of their variables), local "
    "models and which would fit this machine, ledger, disk, prices, limits, extras. Nothing is sent unless --reach "
    "says so. Exit code 1: something has to be put right first.",
    "pointsman doctor --reach",
)


@click.command("doctor", help=_HELP, short_help="Check this installation.")
@click.option("--reach", is_flag=True, help="Also ask each configured provider's base URL, without a key, 2 s each.")
@config_option
@json_option
def command(reach: bool, config: Path | None, as_json: bool) -> None:
    """Check this installation."""
    found, facts, fits = asyncio.run(_examine(config, reach=reach))
    wrong = [one for one in found if one.state == "bad"]
    if as_json:
        _print_json(found, facts, fits, healthy=not wrong)
    else:
        width = max(len(one.about) for one in found) + 2
        for one in found:
            _print(one, width)
        warned = len([one for one in found if one.state == "warning"])
        say(f"{_count(len(wrong), 'thing') if wrong else 'nothing'} to put right, {_count(warned, 'warning')}")
    if wrong:
        sys.exit(1)


async def _examine(config: Path | None, *, reach: bool) -> tuple[list[Found], MachineFacts, tuple[Fit, ...]]:
    """Every check, in the order of the screen; those that need a configuration only where it is sound."""
    from pointsman.cli.doctor import local
    from pointsman.cli.doctor import machine as system
    from pointsman.compose import build
    from pointsman.core.errors import ConfigError
    from pointsman.upstream.local.fit import fits
    from pointsman.upstream.local.machine import look

    found = [system.version()]
    facts = await look()
    fitting = fits(facts)
    folders: list[Path] = []
    try:
        house = build(config)
    except ConfigError as error:
        found += _refused(error)
    else:
        about, folders = await _gateway(house, reach=reach)
        found += about
    found += [local.machine(facts), *local.fitting(fitting), *system.disk(folders or [Path.cwd()])]
    found += [system.files(), system.extras()]
    return found, facts, fitting


async def _gateway(house: House, *, reach: bool) -> tuple[list[Found], list[Path]]:
    from pointsman.cli.doctor import gateway, local, tls
    from pointsman.cli.doctor import machine as system
    from pointsman.cli.doctor.reach import reach as ask

    await house.look()
    made = house.pieces.catalog.date
    found = [system.clock(house.pieces.clock.now(), made), gateway.configuration(house), gateway.port(house)]
    found += tls.certificates(house)
    found += gateway.keys(house)
    if reach:
        found += await ask(house)
    found += [*local.servers(house), local.embedded(house), gateway.ledger(house), gateway.prices(house)]
    kept = gateway.ledger_folder(house)
    return found, [folder for folder in (kept, local.folder(house)) if folder is not None]


def _refused(error: ConfigError) -> list[Found]:
    """The errors of a configuration that is refused."""
    from pointsman.cli.doctor.finding import bad
    from pointsman.config.load import errors_of

    return [bad("config", one.message, one.hint) for one in errors_of(error)]


def _print(one: Found, width: int) -> None:
    word, style = _MARKS[one.state]
    head = paint(f"{word:<{_MARK_WIDTH}}", style) + f"{one.about:<{width}}"
    for line in _wrapped(plain(one.text), _MARK_WIDTH + width):
        print(f"{head}{line}")
        head = " " * (_MARK_WIDTH + width)
    if one.hint:
        for number, line in enumerate(_wrapped(f"hint: {one.hint}", _MARK_WIDTH + width)):
            print(head + (line.replace("hint:", paint("hint:", "cyan"), 1) if number == 0 else line))


def _wrapped(text: str, indent: int) -> list[str]:
    """Lines that fit the terminal; in a pipe one line."""
    if not sys.stdout.isatty():
        return [text]
    room = max(shutil.get_terminal_size().columns - indent, 20)
    return textwrap.wrap(text, room, break_on_hyphens=False) or [""]


def _print_json(found: list[Found], facts: MachineFacts, fits: tuple[Fit, ...], *, healthy: bool) -> None:
    print_json({"ok": healthy, "checks": found, "hardware": facts, "fits": fits})


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
