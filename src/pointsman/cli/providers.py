"""`pointsman models --providers`: who can be reached by name, what key that needs, and under whose law it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pointsman.catalog import ProviderRow
from pointsman.cli.models_verb import matches
from pointsman.cli.table import print_table
from pointsman.cli.terminal import plain, print_json, say
from pointsman.compose import House, build
from pointsman.compose.facts import DIALECTS
from pointsman.core.model import Provider


def list_providers(config: Path | None, pattern: str, *, as_json: bool) -> None:
    """Print the catalogue's providers and those that the configuration adds."""
    house = build(config)
    rows = [
        row
        for row in house.pieces.catalog.providers()
        if matches(pattern, row.name) or matches(pattern, row.title.lower())
    ]
    found = [_view(house, row) for row in rows]
    found += [
        _added(house, provider)
        for provider in house.directory.providers.values()
        if house.pieces.catalog.provider(provider.name) is None and matches(pattern, provider.name)
    ]
    if as_json:
        print_json(found)
        return
    print_table(
        ("PROVIDER", "KEY VARIABLE", "DIALECT", "LAW", "STATE"),
        [
            tuple(
                plain(cell)
                for cell in (
                    one["name"],
                    one["key_variable"] or "-",
                    one["dialect"] + ("" if one["spoken"] else " (not spoken yet)"),
                    one["jurisdiction"] or "-",
                    one["state"],
                )
            )
            for one in found
        ],
    )
    say(f"{len(found)} providers")


def _view(house: House, row: ProviderRow) -> dict[str, Any]:
    spoken = next((dialect for dialect in (row.dialect, *row.also) if dialect in DIALECTS), None)
    return {
        "name": row.name,
        "title": row.title,
        "key_variable": row.api_key_env,
        "dialect": spoken or row.dialect,
        "spoken": spoken is not None,
        "jurisdiction": row.jurisdiction,
        "state": _state(house, row),
    }


def _added(house: House, provider: Provider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "title": "",
        "key_variable": provider.api_key_env,
        "dialect": provider.dialect,
        "spoken": provider.dialect in DIALECTS,
        "jurisdiction": provider.jurisdiction,
        "state": house.directory.unavailable.get(provider.name, "ready"),
    }


def _state(house: House, row: ProviderRow) -> str:
    if row.name in house.directory.providers:
        return house.directory.unavailable.get(row.name) or "ready"
    if row.local:
        return "found when it runs here"
    return "not configured"
