"""`pointsman env`: the variables that point applications at this gateway."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pointsman.cli.terminal import config_option, described, json_option, print_json, say_hint, say_warning

if TYPE_CHECKING:
    from pointsman.compose import House

_HELP = described(
    "Print the variables that point applications at this gateway, for a shell. Nothing about providers is printed.",
    'eval "$(pointsman env)"',
)


@click.command("env", help=_HELP, short_help="Print the variables that point applications here.")
@click.option("--key", help="A key to put in; without it a placeholder, where none is demanded.")
@config_option
@json_option
def command(key: str | None, config: Path | None, as_json: bool) -> None:
    """Print variables."""
    from pointsman.compose.building import build, is_loopback
    from pointsman.compose.serving import url_of

    house = build(config)
    said = house.loaded.config.server
    url = url_of(said, said.port)
    demanded = not is_loopback(said.host) or house.loaded.config.keys.demand == "required" or _keys_exist(house)
    shown = key or ("" if demanded else "not-needed-on-loopback")
    values = {"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_BASE_URL": f"{url}/v1"}
    values |= {"ANTHROPIC_BASE_URL": url, "GOOGLE_GEMINI_BASE_URL": url}
    if shown:  # Anthropic's clients take a token too, which is no name of a provider's key; Google's have no such name
        values |= {"OPENAI_API_KEY": shown, "ANTHROPIC_AUTH_TOKEN": shown}
    if as_json:
        print_json(values)
        return
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")
    if not shown:
        say_hint('this server demands keys: `pointsman env --key "$(pointsman keys create NAME)"`')


def _keys_exist(house: House) -> bool:
    """Whether the store has a key, revoked ones too: from the first on, every caller needs one."""
    from pointsman.core.errors import StoreUnavailable

    try:
        return bool(house.pieces.keys.list())
    except StoreUnavailable as error:
        say_warning(f"whether keys are needed cannot be told: {error.message}")
        return True
