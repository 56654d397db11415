"""`pointsman check`: every error of the configuration, and what is allowed but may surprise."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from pointsman.cli.terminal import config_option, described, json_option, paint, plain, print_json, say

_STYLE = {"error": "red", "warning": "yellow", "note": "cyan"}


_HELP = described(
    "Check the configuration: every error with file, line and column, and what is allowed but may surprise. Exit code "
    "2: it is refused; 1: --strict, and there are warnings.",
    "pointsman check --strict",
)


@click.command("check", help=_HELP, short_help="Check the configuration.")
@config_option
@json_option
@click.option("--strict", is_flag=True, help="Warnings make the exit code 1.")
@click.option("--schema-path", is_flag=True, help="Print where the JSON Schema for editors lies, and check nothing.")
def command(config: Path | None, as_json: bool, strict: bool, schema_path: bool) -> None:
    """Check the configuration."""
    if schema_path:
        from pointsman.config.document import schema_path as path

        print(path())
        return
    findings, origin = _findings(config)
    bad = [f for f in findings if f["level"] == "error" or (strict and f["level"] == "warning")]
    if as_json:
        print_json({"config": origin, "ok": not bad, "findings": findings})
    else:
        for one in findings:
            where = f"{one['where']}: " if one["where"] else ""
            print(f"{paint(one['level'], _STYLE[one['level']])}: {plain(where + one['message'])}")
            if one["hint"]:
                print(f"  {paint('hint:', 'cyan')} {plain(one['hint'])}")
        say(f"{origin}: {_summary(findings)}")
    if bad:
        sys.exit(2 if any(f["level"] == "error" for f in bad) else 1)


def _summary(findings: list[dict[str, Any]]) -> str:
    counts = [(len([f for f in findings if f["level"] == level]), level) for level in _STYLE]
    said = ", ".join(f"{count} {level}{'s' if count > 1 else ''}" for count, level in counts if count)
    if not said:
        return "good"
    return said if counts[0][0] else f"good, with {said}"


def _findings(config: Path | None) -> tuple[list[dict[str, Any]], str]:
    import datetime as dt

    import msgspec

    from pointsman.compose import build, certificate_warnings, check_certificates
    from pointsman.compose.lookup import CatalogueLookUp
    from pointsman.config.check import check
    from pointsman.config.load import errors_of
    from pointsman.core.errors import ConfigError, MissingExtra

    try:
        house = build(config)
        check_certificates(house.loaded)
    except ConfigError as error:
        return [
            {"level": "error", "code": one.code, "where": one.where, "message": one.bare, "hint": one.hint}
            for one in errors_of(error)
        ], str(config or "configuration")
    except MissingExtra as error:
        finding = {"level": "error", "code": error.code, "where": "", "message": error.message, "hint": error.hint}
        return [finding], str(config or "configuration")
    look = CatalogueLookUp(house.pieces.catalog)
    found = check(house.loaded, os.environ, look, dt.datetime.now(tz=dt.UTC).date())
    dated = [
        {
            "level": "warning",
            "code": "certificate_dates",
            "where": house.loaded.where("server", "tls", "cert"),
            "message": text,
            "hint": "replace the file; a gateway that runs takes the new one over",
        }
        for text in certificate_warnings(house.loaded, house.pieces.clock.now())
    ]
    return [*(msgspec.to_builtins(one) for one in found), *dated], str(house.loaded.origin or "no file: defaults")
