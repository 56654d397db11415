"""`build`: from a path or a mapping to a house that can be started."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pointsman.access.keys import KeyRing
from pointsman.access.purse import Purse
from pointsman.catalog import Catalog
from pointsman.catalog import load as load_catalog
from pointsman.compose.embedded import Embedded, embedded
from pointsman.compose.house import House, Pieces, data_folder
from pointsman.compose.local import Machine
from pointsman.compose.reach import is_loopback, keys_required, plain_host
from pointsman.config.crosscheck import Known
from pointsman.config.load import Loaded, load, load_mapping, store_url
from pointsman.config.watch import Source
from pointsman.core.clock import SystemClock, SystemDraw, SystemIds
from pointsman.core.dialects import TRANSLATED
from pointsman.core.errors import MissingExtra
from pointsman.health.book import Book
from pointsman.observe.health_log import log_transition
from pointsman.observe.metrics import Metrics
from pointsman.observe.transitions import Transitions
from pointsman.routing.planner import iso_date
from pointsman.store.allowances import Allowances
from pointsman.store.keys import SqlKeyStore
from pointsman.store.ledger import Ledger
from pointsman.store.past_spend import PastSpend
from pointsman.store.responses import SqlResponses
from pointsman.store.settings import LedgerSettings
from pointsman.upstream.carry import Carry

__all__ = ["Settings", "build", "is_loopback"]
_ALWAYS_THERE = ("local", "ollama", "lmstudio", "vllm", "llamacpp")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says; it wins over the file."""

    host: str | None = None
    port: int | None = None
    workers: int | None = None


def build(
    config: str | Path | Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    env: Mapping[str, str] | None = None,
    read: Loaded | None = None,
    adapt: Callable[[Pieces], Pieces] = lambda pieces: pieces,
) -> House:
    """Read the configuration and put a house together; nothing is started, nothing is fetched.

    Args:
        config: a file, what would stand in one, or None for the usual search.
        settings: the command line's.
        env: instead of the process's environment.
        read: what was read from `config` before, by another process; the file is then only watched.
        adapt: changes what was chosen, before the house is put together.

    Raises:
        ConfigError: the configuration is refused.
        MissingExtra: the store is PostgreSQL, and its driver is not installed.
    """
    settings = settings or Settings()
    # A copy: `os.environ` encodes and decodes at every look-up, and nobody changes it under a running process.
    environment = dict(os.environ) if env is None else env
    clock, ids = SystemClock(), SystemIds()
    folder = data_folder(environment)
    found = load_catalog(folder / "prices", today=iso_date(clock.now()))
    known = _known(found.catalog)
    path = Path(config) if isinstance(config, str) else config
    if read is None:
        read = load_mapping(path, known) if isinstance(path, Mapping) else load(path, environment, known)
    loaded = _bound(_with(read, settings), "" if settings.host is not None else read.where("server", "host"))
    url = store_url(loaded.config, environment)
    _demand_driver(url)
    inner = Carry(environment)
    machine_model, lacking = _embedded(loaded, folder, environment)
    carrier = machine_model.gate(inner) if machine_model is not None else inner
    key_store = SqlKeyStore(url, clock)
    allowances = Allowances(url, clock)
    past = PastSpend(url, clock)
    transitions = Transitions()
    required = keys_required(loaded.config, loaded.config.server.host)
    pieces = Pieces(
        loaded=loaded,
        written=read.config,
        source=Source(path=None if isinstance(path, Mapping) else path, env=environment, known=known),
        env=environment,
        catalog=found.catalog,
        folder=folder,
        place=loaded.config.store if not loaded.config.store_env else f"${loaded.config.store_env}",
        clock=clock,
        ids=ids,
        ledger=Ledger(url, clock, LedgerSettings(content=loaded.config.store_content)),
        keys=KeyRing(key_store, clock, ids, required=required),
        key_store=key_store,
        responses=SqlResponses(url, clock),
        url=url,
        metrics=Metrics(),
        machine=Machine(
            carrier, environment, found.catalog, machine_model, look=loaded.config.discover, lacking=lacking
        ),
        carrier=carrier,
        health=Book(SystemDraw(), clock.now, subscribers=(log_transition, transitions.hear)),
        transitions=transitions,
        purse=Purse(allowances, clock, past),
        past=past,
        allowances=allowances,
        warnings=found.warnings,
    )
    return House(adapt(pieces))


def _known(catalog: Catalog) -> Known:
    rows = catalog.providers()
    return Known(
        providers=frozenset([*(name for row in rows for name in (row.name, *row.aliases)), *_ALWAYS_THERE]),
        dialects=TRANSLATED.union(*((row.dialect, *row.also) for row in rows)),
    )


def _embedded(loaded: Loaded, folder: Path, env: Mapping[str, str]) -> tuple[Embedded | None, str]:
    if loaded.config.server.workers > 1:
        return None, "it is for demonstration and runs with a single worker only"
    return embedded(loaded.config.local, folder, env)


def _demand_driver(url: str) -> None:
    """Every verb that reads the store would stumble over a driver that is missing, each in its own way."""
    if url.startswith("postgres") and importlib.util.find_spec("psycopg") is None:
        raise MissingExtra("a PostgreSQL store needs the package psycopg", hint="`pip install 'pointsman[postgres]'`")


def _bound(loaded: Loaded, where: str) -> Loaded:
    """With the address as it is bound. Raises `ConfigError` for one that says something else than it seems to."""
    server = loaded.config.server
    host = plain_host(server.host, where)
    if host == server.host:
        return loaded
    server = msgspec.structs.replace(server, host=host)
    return msgspec.structs.replace(loaded, config=msgspec.structs.replace(loaded.config, server=server))


def _with(loaded: Loaded, settings: Settings) -> Loaded:
    said = {k: v for k, v in msgspec.structs.asdict(settings).items() if v is not None}
    if not said:
        return loaded
    server = msgspec.structs.replace(loaded.config.server, **said)
    return msgspec.structs.replace(loaded, config=msgspec.structs.replace(loaded.config, server=server))
