"""`pointsman check`: every error of the configuration, and what is allowed but may surprise."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from pointsman.cli.terminal import config_option, json_option, paint, print_json, say
from pointsman.config.load import errors_of
from pointsman.core.errors import ConfigError

_STYLE = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command("check", help="Check the configuration.")
@config_option
@json_option
@click.option("--strict", is_flag=True, help="Warnings make the exit code 1.")
def command(config: Path | None, as_json: bool, strict: bool) -> None:
    """Check."""
    findings, origin = _findings(config)
    bad = [f for f in findings if f["level"] == "error" or (strict and f["level"] == "warning")]
    if as_json:
        print_json({"config": origin, "ok": not bad, "findings": findings})
    else:
        for one in findings:
            where = f"{one['where']}: " if one["where"] else ""
            print(f"{paint(one['level'], _STYLE[one['level']])}: {where}{one['message']}")
            if one["hint"]:
                print(f"  {paint('hint:', 'cyan')} {one['hint']}")
        count = len([f for f in findings if f["level"] == "error"])
        errors = "1 error" if count == 1 else f"{count} errors"
        say(f"{origin}: {errors if count else 'good'}")
    if bad:
        sys.exit(2 if any(f["level"] == "error" for f in bad) else 1)


def _findings(config: Path | None) -> tuple[list[dict[str, Any]], str]:
    from pointsman.compose import build
    from pointsman.compose.lookup import CatalogueLookUp
    from pointsman.config.check import check

    try:
        house = build(config)
    except ConfigError as error:
        return [
            {"level": "error", "code": one.code, "where": one.where, "message": one.bare, "hint": one.hint}
            for one in errors_of(error)
        ], str(config or "configuration")
    import datetime as dt

    import msgspec

    look = CatalogueLookUp(house.pieces.catalog)
    found = check(house.loaded, os.environ, look, dt.datetime.now(tz=dt.UTC).date())
    return [msgspec.to_builtins(one) for one in found], str(house.loaded.origin or "no file: defaults")
