"""The table of what is compared, and how each of them is started. A new gateway is one more row."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.install import HERE, TABLE
from bench.machine import Launch

ROOT = HERE.parent
PEER = {peer.name: peer for peer in TABLE}


@dataclass(frozen=True)
class Place:
    """Where one run of a subject lives: its folder, its port, and the port of the provider that it asks."""

    folder: Path
    port: int
    upstream: int

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.upstream}/v1"


@dataclass(frozen=True)
class Ready:
    """How a subject is started and how it is spoken to."""

    launch: Launch | None  # None: nothing to start, the load goes straight to the provider
    model: str
    headers: dict[str, str] = field(default_factory=dict)
    demands_key: bool = False  # a call without the headers has to be refused


@dataclass(frozen=True)
class Subject:
    """One row: a name, what is switched on in it, and how it is made ready."""

    name: str
    meaning: str
    prepare: Callable[[Place], Ready]


class Missing(Exception):
    """A subject that cannot be had here, with the reason."""


def direct(_: Place) -> Ready:
    return Ready(None, "gpt-4o-mini", {"authorization": "Bearer sk-bench"})


_LAB: dict[str, Any] = {"provider": "lab", "context": 128000}
MODELS: dict[str, dict[str, Any]] = {
    "small": _LAB | {"model": "small-1", "tier": "economy", "price": {"input": 0.15, "output": 0.60}},
    "large": _LAB | {"model": "large-1", "tier": "frontier", "price": {"input": 5, "cached_input": 0.5, "output": 25}},
}


def config(place: Place, changes: dict[str, Any] | None = None, dialect: str = "openai-chat") -> Path:
    """Write a pointsman.yaml with two priced models of one provider and a route over both. JSON is YAML too."""
    whole: dict[str, Any] = {
        "providers": {"lab": {"dialect": dialect, "base_url": place.base, "api_key_env": "LAB_KEY"}},
        "models": MODELS,
        "routes": {"auto": {"pool": ["small", "large"]}},
        "server": {"host": "127.0.0.1", "port": place.port},
        "store": f"sqlite:///{place.folder}/pointsman.db",
        "keys": "required",
        "local": False,  # nothing else of this machine may answer, or cost memory
        "discover": False,
    }
    place.folder.mkdir(parents=True, exist_ok=True)
    path = place.folder / "pointsman.yaml"
    path.write_text(json.dumps(whole | (changes or {}), indent=1), encoding="utf-8")
    return path


ENV = {"LAB_KEY": "sk-bench"}


def pointsman_command() -> list[str]:
    """The command of this checkout, from the environment that runs the benchmark."""
    command = Path(sys.executable).with_name("pointsman")
    if not command.exists():
        raise Missing("pointsman is not installed in this environment (make bench makes one)")
    return [str(command)]


def create_key(path: Path, sources: Path | None = None) -> str:
    """Make a caller's key: from then on the gateway demands one. `sources` of another checkout speak for themselves."""
    command = pointsman_command() if sources is None else [sys.executable, "-m", "pointsman"]
    done = subprocess.run(
        [*command, "keys", "create", "bench", "--json", "--config", str(path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(path.parent)}
        | ENV
        | ({"PYTHONPATH": str(sources)} if sources else {}),
        cwd=path.parent,
    )
    if done.returncode != 0:
        raise Missing(f"pointsman keys create failed: {done.stderr.strip()[-300:]}")
    key: str = json.loads(done.stdout)["key"]
    return key


def pointsman(place: Place) -> Ready:
    path = config(place)
    key = create_key(path)
    launch = Launch([*pointsman_command(), "serve", "--config", str(path)], ENV)
    return Ready(launch, "auto", {"authorization": f"Bearer {key}"}, demands_key=True)


def _binary(name: str) -> str:
    peer = PEER[name]
    if not peer.binary.exists():
        raise Missing(f"{peer.package} is not installed (python bench/install.py {name})")
    return str(peer.binary)


def ferrogw(place: Place) -> Ready:
    binary = _binary("ferrogw")
    text = "strategy: {mode: fallback}\ntargets: [{virtual_key: openai, retry: {attempts: 1}}]\n"
    place.folder.mkdir(parents=True, exist_ok=True)
    (place.folder / "config.yaml").write_text(text, encoding="utf-8")
    env = {
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": place.base.removesuffix("/v1"),
        "GATEWAY_CONFIG": "config.yaml",
        "GOMAXPROCS": "1",
        "RATE_LIMIT_RPS": "0",
        "MASTER_KEY": "fgw_bench",
        "ALLOW_UNAUTHENTICATED_PROXY": "true",
        "PORT": str(place.port),
        "LOG_LEVEL": "error",
    }
    return Ready(Launch([binary, "serve"], env), "gpt-4o-mini")


def portkey(place: Place) -> Ready:
    script, node = _binary("portkey"), shutil.which("node")
    if node is None:
        raise Missing("node is missing (Debian: apt-get install nodejs)")
    headers = {
        "authorization": "Bearer sk-bench",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": place.base,
    }
    launch = Launch([node, script, "--headless", f"--port={place.port}"], {"NODE_ENV": "production"})
    return Ready(launch, "gpt-4o-mini", headers)


def litellm(place: Place) -> Ready:
    binary = _binary("litellm")
    params = {"model": "openai/gpt-4o-mini", "api_key": "sk-bench", "api_base": place.base}
    lean = {
        "model_list": [{"model_name": "small", "litellm_params": params}],
        "litellm_settings": {"set_verbose": False, "json_logs": True, "request_timeout": 600, "telemetry": False},
        "general_settings": {"disable_error_logs": True},
        "router_settings": {"num_retries": 0},
    }
    place.folder.mkdir(parents=True, exist_ok=True)
    path = place.folder / "config.yaml"
    path.write_text(json.dumps(lean, indent=1), encoding="utf-8")
    env = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # nothing is fetched
        "NO_DOCS": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # without keys it has less to do
        "LITELLM_DONT_SHOW_FEEDBACK_BOX": "true",
    }
    argv = [binary, "--config", str(path), "--host", "127.0.0.1", "--port", str(place.port), "--num_workers", "1"]
    return Ready(Launch(argv, env), "small", {"authorization": "Bearer sk-bench"})


SUBJECTS: tuple[Subject, ...] = (
    Subject("direct", "load straight to the provider: what machine and load can do", direct),
    Subject("pointsman", "everything on: keys demanded, ledger on SQLite, metrics, prices, a route", pointsman),
    Subject("ferrogw", "Go, one core, no keys, no rate limit, no log", ferrogw),
    Subject("portkey", "Node, provider and host by header, no keys, no log", portkey),
    Subject("litellm", "Python, one worker, no keys, no database, no log", litellm),
)
