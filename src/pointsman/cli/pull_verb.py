"""`pointsman pull`: fetch and check the weights of an embedded model."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pointsman.cli import figures
from pointsman.cli.table import print_table
from pointsman.cli.terminal import described, json_option, paint, print_json, say, say_hint

_HELP = described(
    "Fetch the weights of an embedded model and check them by SHA-256. Without NAME the one that is used by default: "
    "small, for demonstration. They are kept in $POINTSMAN_HOME/models, else below the user's data folder.",
    "pointsman pull",
)


@click.command("pull", help=_HELP, short_help="Fetch and check the weights of an embedded model.")
@click.argument("name", required=False)
@click.option("--list", "list_", is_flag=True, help="List the known weights and whether they are here.")
@json_option
def command(name: str | None, list_: bool, as_json: bool) -> None:
    """Fetch weights."""
    from pointsman.cli.houses import weights_folder
    from pointsman.upstream.local.pull import pull
    from pointsman.upstream.local.weights import KNOWN

    folder = weights_folder(os.environ)
    if list_:
        _list(folder, as_json=as_json)
        return
    from pointsman.cli.progress import Progress

    wanted = name or KNOWN[0].name
    with Progress(wanted) as progress:
        pulled = pull(wanted, folder, progress)
    weights = pulled.weights
    if as_json:
        print_json(
            {"name": weights.name, "path": str(pulled.path), "sha256": weights.sha256, "fetched": pulled.fetched}
        )
        return
    print(pulled.path)
    said = "fetched and checked" if pulled.fetched else "is here already, and matches its SHA-256"
    say(f"{weights.name} {said}: {figures.size(weights.size)}, {weights.licence}; {weights.note}")
    if not _engine():
        say_hint("the engine is missing: `pip install 'pointsman[local]'`")


def _engine() -> bool:
    import importlib.util

    return importlib.util.find_spec("xllamacpp") is not None


def _list(folder: Path, *, as_json: bool) -> None:
    from pointsman.upstream.local.weights import KNOWN, find

    rows = [(weights, find(weights.name, [folder])) for weights in KNOWN]
    if as_json:
        print_json(
            [
                {
                    "name": weights.name,
                    "size": weights.size,
                    "licence": weights.licence,
                    "context": weights.context,
                    "sha256": weights.sha256,
                    "path": str(path) if path else None,
                    "note": weights.note,
                }
                for weights, path in rows
            ]
        )
        return
    print_table(
        ("NAME", "SIZE", "CONTEXT", "LICENCE", "STATE", "NOTE"),
        [
            (
                weights.name,
                figures.size(weights.size),
                figures.tokens(weights.context),
                weights.licence,
                "here" if path else "not here",
                weights.note,
            )
            for weights, path in rows
        ],
        right=frozenset({1, 2}),
    )
    say(paint(f"kept in {folder}", "dim", err=True))
