"""A house for verbs that look and ask nobody: built, what runs on this machine looked up, nothing started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from pointsman.compose import House, build
from pointsman.compose.house import data_folder

WAY_OUT = (
    "set a provider's key such as OPENAI_API_KEY, start a local server such as Ollama, "
    "or `pip install 'pointsman[local]'` and `pointsman pull`"
)
"""What to do when no model is ready."""


def looked(config: Path | None) -> House:
    """A house that knows the local models.

    Raises:
        ConfigError: the configuration is refused.
    """
    house = build(config)
    asyncio.run(house.look())
    return house


def has_models(house: House) -> bool:
    """Whether any provider is on, or any model runs here."""
    directory = house.directory
    return any(name not in directory.unavailable for name in directory.providers)


def weights_folder(env: Mapping[str, str]) -> Path:
    """Where weights that were pulled are kept."""
    return data_folder(env) / "models"
