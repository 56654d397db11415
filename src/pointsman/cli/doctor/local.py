"""Models on this machine: servers found, the embedded one, and what else would fit."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from pointsman.cli import figures
from pointsman.cli.doctor.finding import Found, note, ok
from pointsman.cli.houses import weights_folder
from pointsman.compose import House
from pointsman.upstream.local.fit import Fit
from pointsman.upstream.local.machine import MachineFacts

_SHOWN = 6
_LOOKED_FOR = "Ollama, LM Studio, vLLM, llama.cpp"


def servers(house: House) -> Iterator[Found]:
    """Model servers on their usual ports."""
    if not house.loaded.config.discover:
        yield note("local servers", "not looked for: `discover: false`")
        return
    found = [one for one in house.pieces.machine.found if one.provider.name != "local"]
    for one in found:
        names = ", ".join(model.upstream for model in one.models[:_SHOWN])
        more = f" and {len(one.models) - _SHOWN} more" if len(one.models) > _SHOWN else ""
        yield ok("local servers", f"{one.provider.name} at {one.provider.base_url}: {names}{more}")
    if not found:
        yield note("local servers", f"none found (looked for {_LOOKED_FOR})")


def embedded(house: House) -> Found:
    """Engine and weights of the embedded model."""
    from pointsman.upstream.local.weights import KNOWN, find

    said = house.loaded.config.local
    if not said.enabled:
        return note("embedded model", "switched off: `local: false`")
    name = said.model or KNOWN[0].name
    path = find(name, [weights_folder(house.pieces.env)])
    engine = importlib.util.find_spec("xllamacpp") is not None
    if engine and path is not None:
        return ok("embedded model", f"{name}, {figures.size(path.stat().st_size)}, for demonstration: {path}")
    lacks = " and ".join(([] if engine else ["the engine"]) + ([] if path else [f"the weights of {name}"]))
    steps = ([] if engine else ["`pip install 'pointsman[local]'`"]) + ([] if path else ["`pointsman pull`"])
    return note("embedded model", f"not installed: {lacks} missing", " and ".join(steps))


def machine(facts: MachineFacts) -> Found:
    """Processors, memory, graphics cards."""
    free = f" ({figures.memory(facts.available)} available)" if facts.available else ""
    cards = ", ".join(f"{gpu.name} with {figures.memory(gpu.memory)}" for gpu in facts.gpus)
    if not cards:
        cards = "one memory for processor and GPU" if facts.unified else "no GPU"
    text = f"{facts.processors} processor{'s' if facts.processors != 1 else ''}"
    return ok("hardware", f"{text}, {figures.memory(facts.memory)} of memory{free}, {cards}")


def fitting(fits: tuple[Fit, ...]) -> Iterator[Found]:
    """Which well-known open models fit, in the best quantisation that does."""
    for place, where in (("gpu", "on the GPU"), ("memory", "in memory")):
        names = [f"{one.model} {one.quantisation} ({figures.size(one.download)})" for one in fits if one.place == place]
        if names:
            yield ok("would fit", f"{where}: {_some(names)}")
    rest = [one.model for one in fits if one.place == "nowhere"]
    if rest:
        yield note("too large", _some(rest))


def folder(house: House) -> Path:
    """Where weights and prices are kept."""
    return house.pieces.folder


def _some(names: list[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
