"""The embedded model, where its engine and its weights are here; otherwise why it is not offered."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pointsman.compose.names import Found
from pointsman.config.schema import Local
from pointsman.core.errors import ConfigError, PointsmanError
from pointsman.core.ports import Carrier
from pointsman.upstream.local.engine import LocalEngine, LocalModel
from pointsman.upstream.local.gate import LocalGate
from pointsman.upstream.local.weights import KNOWN, find, known

WEIGHTS = "models"
"""Folder of weights below the data folder; `pointsman pull` writes there."""


class Embedded:
    """The engine with its model; satisfies `compose.local.Embedded`."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine
        model = msgspec.structs.replace(engine.models()[0], demonstration=True)
        self.found = Found(provider=engine.provider(), models=(model,))

    def gate(self, carrier: Carrier) -> Carrier:
        """The carrier that knows the way to the engine."""
        return LocalGate(carrier, self.engine)

    async def start(self) -> None:
        """Begin to load, without waiting for it."""
        await self.engine.start()

    async def ready(self) -> None:
        """Wait until it answers or has failed."""
        await self.engine.ready()

    async def aclose(self) -> None:
        """End it."""
        await self.engine.aclose()


def embedded(said: Local, folder: Path, env: Mapping[str, str]) -> tuple[Embedded | None, str]:
    """The embedded model, or None and why not (empty where it was switched off).

    Raises:
        ConfigError: `local.model` names weights that are neither known nor a file.
    """
    if not said.enabled:
        return None, ""
    name = said.model or KNOWN[0].name
    path = find(name, (folder / WEIGHTS,))
    if path is None:
        if said.model and known(name) is None:
            raise ConfigError(
                f"local.model: `{name}` is neither known weights nor a GGUF file", hint="`pointsman pull --list`"
            )
        return None, f"the weights of {name} are not here: `pointsman pull`"
    if importlib.util.find_spec("xllamacpp") is None:
        return None, "its engine is not installed: `pip install 'pointsman[local]'`"
    weights = known(name)
    try:
        model = LocalModel.known(weights, path) if weights is not None else LocalModel.of_file(path)
        if said.threads:
            model = msgspec.structs.replace(model, threads=said.threads)
        if said.context:
            model = msgspec.structs.replace(model, context=said.context)
        return Embedded(LocalEngine(model, environ=env)), ""
    except (PointsmanError, OSError) as error:
        return None, str(error)
