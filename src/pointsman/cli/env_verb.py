"""`pointsman env`: the variables that point applications at this gateway."""

from __future__ import annotations

from pathlib import Path

import click

from pointsman.cli.terminal import config_option, json_option, print_json, say


@click.command("env", help='Print the variables that point applications here: eval "$(pointsman env)".')
@click.option("--key", help="A key to put in; without it a placeholder, which a server on loopback ignores.")
@config_option
@json_option
def command(key: str | None, config: Path | None, as_json: bool) -> None:
    """Print variables."""
    from pointsman.compose.building import build, is_loopback
    from pointsman.compose.serving import url_of

    house = build(config)
    said = house.loaded.config.server
    url = url_of(said, said.port)
    values = {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": key or "not-needed-on-loopback",
        "OPENAI_API_BASE_URL": f"{url}/v1",
    }
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        print(f"export {name}='{value}'")
    if key is None and (not is_loopback(said.host) or house.loaded.config.keys == "required"):
        say('hint: this server demands keys: `pointsman env --key "$(pointsman keys create NAME)"`')
