"""A gateway whose models are played in every dialect by the simulator: one that thinks and one that does not, each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clients.environments import DIALECTS, KEY, MODELS, TEXT, UPSTREAM, seen_by
from harness import Running, gateway
from pointsman.testing import Script, SimModel, SimProvider, Simulator, Thinking, running


@pytest.fixture(scope="session")
def providers() -> Iterator[Simulator]:
    played = []
    for name, dialect in DIALECTS.items():
        models = (
            SimModel(name=UPSTREAM[f"{name}-plain"], answers={"hello": TEXT}),
            SimModel(name=UPSTREAM[f"{name}-thinks"], answers={"hello": TEXT}, thinking=Thinking(tokens=5)),
        )
        played.append(SimProvider(name=name, dialect=dialect, models=models))
    with running(Script(providers=tuple(played))) as sim:
        yield sim


@pytest.fixture(scope="session")
def served(providers: Simulator) -> Iterator[Running]:
    config: dict[str, Any] = {
        "providers": {
            name: {"dialect": dialect, "base_url": providers.url_of(name)} for name, dialect in DIALECTS.items()
        },
        "models": {model: {"provider": model.split("-")[0], "model": name} for model, name in UPSTREAM.items()},
    }
    with gateway(config) as started:
        yield started


@pytest.fixture(scope="session")
def seen(served: Running) -> Callable[[str, str], dict[str, Any]]:
    """What a client's script saw: it is run once, with all models."""
    return functools.cache(lambda group, script: seen_by(group, script, served.root_url, KEY, MODELS))
