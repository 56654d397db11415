"""`pointsman models`: routes and models, what they cost and whether they are ready; or the providers."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli import figures
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
)

if TYPE_CHECKING:
    from pointsman.compose import House
    from pointsman.core.model import Model

_NUMBERS = frozenset({3, 4, 5})
_KEPT = frozenset({2, 3, 4, 5, 7})
_SPARE = (6, 2, 1)  # abilities, tier, provider
_HEAD = ("MODEL", "PROVIDER", "TIER", "CONTEXT", "IN", "OUT", "ABILITIES", "STATE")
_HELP = described(
    "List routes and models: provider, tier, context window, US dollars per million tokens in and out, abilities, and "
    "whether they are ready or what they lack. PATTERN is a part of a name, or has `*`.",
    "pointsman models",
    "pointsman models --all 'claude-*'",
)


@click.command("models", help=_HELP, short_help="List routes, models and providers.")
@click.argument("pattern", required=False, default="")
@click.option("--provider", "-p", help="Of one provider; with --all any of the catalogue.")
@click.option("--all", "every", is_flag=True, help="All the catalogue's models of the ready providers too.")
@click.option("--providers", is_flag=True, help="List the catalogue's providers instead.")
@config_option
@json_option
def command(
    pattern: str, provider: str | None, every: bool, providers: bool, config: Path | None, as_json: bool
) -> None:
    """List models."""
    if providers:
        from pointsman.cli.providers import list_providers

        list_providers(config, pattern, as_json=as_json)
        return
    from pointsman.cli.houses import looked

    house = looked(config)
    models = _models(house, provider, every=every)
    models = [m for m in models if matches(pattern, m.name) and provider in (None, m.provider.name)]
    routes = [r for r in house.directory.routes.values() if provider is None and matches(pattern, r.name)]
    if as_json:
        listed = [{"name": r.name, "kind": r.kind, "models": [m.name for m in r.models]} for r in routes]
        print_json({"routes": listed, "models": [_view(house, model) for model in models]})
        return
    if not models and not any(route.models for route in routes):
        _nothing(house, pattern)
        return
    if routes:
        rows = [
            (r.name, "cheapest that fits" if r.kind == "pool" else "in order", ", ".join(m.name for m in r.models))
            for r in routes
        ]
        print_table(("ROUTE", "CHOICE", "MODELS"), [tuple(map(plain, row)) for row in rows])
        print()
    if models:
        print_table(_HEAD, [_row(house, model) for model in models], right=_NUMBERS, keep=_KEPT, spare=_SPARE)
        say(paint(f"prices in US dollars per million tokens, of {house.pieces.catalog.date}", "dim", err=True))


def matches(pattern: str, name: str) -> bool:
    """Whether a name holds a pattern: anywhere, or from end to end where it has a `*`."""
    wanted, name = pattern.lower(), name.lower()
    if "*" in wanted:
        return fnmatch.fnmatchcase(name, wanted) or fnmatch.fnmatchcase(name.rpartition("/")[2], wanted)
    return wanted in name


def _models(house: House, provider: str | None, *, every: bool) -> list[Model]:
    """The listed models, and on request the catalogue's."""
    listed = {model.name: model for model in house.listed()}
    if every:
        for model in _catalogued(house, provider):
            listed.setdefault(model.name, model)
    return list(listed.values())


def _catalogued(house: House, provider: str | None) -> Iterable[Model]:
    from pointsman.compose.facts import model_of, provider_of
    from pointsman.config.schema import Provider as Said

    catalog, directory = house.pieces.catalog, house.directory
    names = [provider] if provider else [name for name in directory.providers if name not in directory.unavailable]
    for name in names:
        row = catalog.provider(name)
        if row is None:
            if name not in directory.providers:
                raise _unknown_provider(house, name)
            continue
        owner = directory.providers.get(name)
        if owner is None:
            owner, lack = provider_of(row.name, Said(), row, house.pieces.env)
            directory.unavailable[owner.name] = lack or "not configured"
        for each in catalog.models(row.name):
            yield model_of(owner, each.id, catalog, row)


def _unknown_provider(house: House, name: str) -> Exception:
    from pointsman.core.errors import NotFound

    near = house.pieces.catalog.nearest(name)
    said = " or ".join(f"`{one}`" for one in near)
    hint = f"did you mean {said}?" if near else "`pointsman models --providers` lists them"
    return NotFound(f"there is no provider `{name}`", hint=hint)


def _view(house: House, model: Model) -> dict[str, Any]:
    from pointsman.compose.quotas import quotas_of
    from pointsman.compose.state import described as view

    quotas = quotas_of(house.loaded.config, house.catalog, model)
    return {**view(model, house.directory.unavailable), "quotas": quotas}


def _row(house: House, model: Model) -> tuple[str, ...]:
    from pointsman.compose.state import words
    from pointsman.core.money import usd_per_million

    cost = model.price
    found = words(model)
    shown = (
        model.name,
        model.provider.name,
        model.tier or "-",
        figures.tokens(model.context),
        "-" if cost is None else figures.price(usd_per_million(cost.input)),  # and its state says that it is unpriced
        "-" if cost is None else figures.price(usd_per_million(cost.output)),
        "-" if found is None else " ".join(found),
        _state(house, model),
    )
    return tuple(plain(cell) for cell in shown[:-1]) + shown[-1:]


def _state(house: House, model: Model) -> str:
    lack = house.directory.unavailable.get(model.provider.name)
    if lack is not None:
        return paint(plain(lack), "yellow")
    notes = ["ready"]
    if model.price is None:
        notes.append("unpriced")
    if model.demonstration:
        notes.append("for demonstration")
    if model.retires:
        notes.append(f"retires {model.retires}" + (f" → {model.replaced_by}" if model.replaced_by else ""))
    elif model.deprecated:
        notes.append("deprecated")
    return ", ".join(notes)


def _nothing(house: House, pattern: str) -> None:
    """Say why the list is empty, and what fills it."""
    from pointsman.cli.houses import WAY_OUT, has_models

    if not has_models(house):
        say("no models yet")
        say_hint(WAY_OUT)
    else:
        say(f"no model{f' matches `{pattern}`' if pattern else ''}")
        say_hint("`pointsman models --all` lists the catalogue's models of ready providers")
