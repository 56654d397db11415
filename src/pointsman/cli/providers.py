"""`pointsman models --providers`: who can be reached by name, with what key, under whose law, and what they keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import to_builtins

from pointsman.catalog import ProviderRow
from pointsman.cli.models_verb import matches
from pointsman.cli.table import print_table
from pointsman.cli.terminal import plain, print_json, say
from pointsman.compose import House, build
from pointsman.core.dialects import TRANSLATED
from pointsman.core.model import Provider

_FACTS = ("jurisdiction", "regions", "retention")


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
        ("PROVIDER", "KEY VARIABLE", "DIALECT", "LAW", "REGIONS", "KEEPS", "STATE"),
        [
            tuple(
                plain(cell)
                for cell in (
                    one["name"],
                    one["key_variable"] or "-",
                    one["dialect"] + ("" if one["spoken"] else " (not spoken yet)"),
                    _law(one),
                    " ".join(one["regions"]) or "-",
                    _keeps(one),
                    one["state"],
                )
            )
            for one in found
        ],
    )
    say(_summary(found))


def _view(house: House, row: ProviderRow) -> dict[str, Any]:
    spoken = next((dialect for dialect in (row.dialect, *row.also) if dialect in TRANSLATED), None)
    return {
        "name": row.name,
        "title": row.title,
        "key_variable": row.api_key_env,
        "dialect": spoken or row.dialect,
        "spoken": spoken is not None,
        **_facts(row, house.directory.providers.get(row.name)),
        "state": _state(house, row),
    }


def _facts(row: ProviderRow | None, said: Provider | None) -> dict[str, Any]:
    """Where the data go: the configuration's word, else the catalogue's with the page that says so."""
    own, known = _places(said), _places(row)
    ours = {name for name in _FACTS if said is None or own[name] == known[name]}
    fields = {name: known[name] if name in ours else own[name] for name in _FACTS}
    pages = row.citations if row else {}
    return {
        **fields,
        "group": row.group if row and "jurisdiction" in ours else "",
        "retention_days": row.retention_days if row and "retention" in ours else None,
        "zero_retention": row.zero_retention if row and "retention" in ours else "",
        "sources": {name: to_builtins(page) for name, page in pages.items() if name in ours},
    }


def _places(owner: ProviderRow | Provider | None) -> dict[str, Any]:
    if owner is None:
        return {"jurisdiction": "", "regions": [], "retention": ""}
    return {"jurisdiction": owner.jurisdiction, "regions": list(owner.regions), "retention": owner.retention}


def _law(one: dict[str, Any]) -> str:
    """The country of the company, and in brackets that of its group."""
    return f"{one['jurisdiction']} ({one['group']})" if one["group"] else one["jurisdiction"] or "-"


def _keeps(one: dict[str, Any]) -> str:
    """How long prompts are kept by default, in short; the words are in `--json`."""
    days = one["retention_days"]
    if days is None:
        return "see --json" if one["retention"] else "-"
    return "nothing" if days == 0 else f"{days} days"


def _summary(found: list[dict[str, Any]]) -> str:
    having = ", ".join(f"{fact} of {sum(1 for one in found if one[fact])}" for fact in _FACTS)
    return f"{len(found)} providers; known: {having}"


def _added(house: House, provider: Provider) -> dict[str, Any]:
    return {
        "name": provider.name,
        "title": "",
        "key_variable": provider.api_key_env,
        "dialect": provider.dialect,
        "spoken": provider.dialect in TRANSLATED,
        **_facts(None, provider),
        "state": house.directory.unavailable.get(provider.name, "ready"),
    }


def _state(house: House, row: ProviderRow) -> str:
    if row.name in house.directory.providers:
        return house.directory.unavailable.get(row.name) or "ready"
    if row.local:
        return "found when it runs here"
    return "not configured"
