"""Three real models behind llama.cpp's server, a fourth server that is imperfect, and a gateway in front of them."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `harness`, which is no test and no plugin
sys.path.insert(0, str(Path(__file__).parent))  # for `local_models`, likewise

from local_models import (
    IMPERFECT,
    LARGE,
    MIDDLE,
    MODELS,
    PRICES,
    TIERS,
    Gone,
    Pinned,
    cache_folder,
    fetch,
)

from harness import Running, free_port, gateway

HERE = Path(__file__).parent
READY_WITHIN = 120.0
BUILD_WITHIN = 3000.0
LLAMA_CPP_PYTHON = "llama-cpp-python[server]==0.3.36"


@dataclass
class Upstream:
    """A server that can be killed and started again on its port."""

    name: str
    port: int
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + READY_WITHIN
        while not self.answers():
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}"
            assert time.monotonic() < end, f"{self.name} was not ready within {READY_WITHIN:.0f} s"
            time.sleep(0.1)

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/v1/models")
            return connection.getresponse().status == 200
        return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process = None


@pytest.fixture(scope="session")
def files() -> dict[str, Path]:
    """The models' files, or a skip with a word."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("no engine here: pip install 'pointsman[local]'")
    try:
        return {model.name: fetch(model, cache_folder()) for model in MODELS}
    except Gone as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def upstreams(files: dict[str, Path]) -> Iterator[dict[str, Upstream]]:
    """The three servers, running."""

    def command(model: Pinned, port: int) -> list[str]:
        template = [str(HERE / "tools.jinja")] if model.template else []
        return [sys.executable, str(HERE / "serve_llama.py"), str(files[model.name]), str(port), model.name, *template]

    servers: dict[str, Upstream] = {}
    try:
        for model in MODELS:
            port = free_port()
            servers[model.name] = Upstream(model.name, port, command(model, port))
            servers[model.name].start()
        yield servers
    finally:
        for server in servers.values():
            server.kill()


@pytest.fixture(scope="session")
def imperfect(files: dict[str, Path]) -> Iterator[Upstream]:
    """llama-cpp-python's server: no usage in streams, HTTP 500 for a standard JSON schema. Built once, from source."""
    python = _llama_cpp_python()
    port = free_port()
    command = [str(python), "-m", "llama_cpp.server", "--model", str(files[MIDDLE.name]), "--port", str(port)]
    command += ["--host", "127.0.0.1", "--n_ctx", "4096", "--n_threads", "1", "--model_alias", IMPERFECT]
    server = Upstream(IMPERFECT, port, command)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _llama_cpp_python() -> Path:
    folder = cache_folder() / "llama-cpp-python-0.3.36"
    python, mark = folder / "bin" / "python", folder / "built"
    if mark.exists():
        return python
    print("e2e-local: building llama-cpp-python, about 5 to 20 minutes, once", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    # Not for this processor alone: a virtual machine may name instructions that it does not have.
    environ = os.environ | {
        "CMAKE_BUILD_PARALLEL_LEVEL": str(max(1, (os.cpu_count() or 2) - 1)),
        "CMAKE_ARGS": "-DGGML_NATIVE=OFF",
    }
    command = [str(python), "-m", "pip", "install", "-q", "--no-cache-dir", "--disable-pip-version-check"]
    command.append(LLAMA_CPP_PYTHON)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_WITHIN, env=environ, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"llama-cpp-python did not build within {BUILD_WITHIN:.0f} s")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"llama-cpp-python cannot be built here: {last}")
    mark.touch()
    return python


@pytest.fixture(scope="session")
def start_gateway(upstreams: dict[str, Upstream]) -> Callable[..., AbstractContextManager[Running]]:
    """A gateway in front of the three, and of more if given."""

    def start(*more: Upstream) -> AbstractContextManager[Running]:
        servers = [*upstreams.values(), *more]
        providers = {
            _provider(server.name): {
                "dialect": "openai-chat",
                "base_url": server.base_url,
                "api_key_env": "",
                "private": True,
                "stream_usage": server.name != IMPERFECT,
            }
            for server in servers
        }
        models = {server.name: _model(server.name) for server in servers}
        routes = {
            "auto": {"pool": [model.name for model in MODELS]},
            "chain": {"try": [MIDDLE.name, LARGE.name]},
        }
        if more:
            routes["shaky"] = {"try": [IMPERFECT, LARGE.name]}
        return gateway({"providers": providers, "models": models, "routes": routes})

    return start


def _provider(name: str) -> str:
    return "lab-" + name.replace(".", "-")


def _model(name: str) -> dict[str, object]:
    price = PRICES.get(name, (1, 1))
    return {
        "provider": _provider(name),
        "model": name,
        "tier": TIERS.get(name, "workhorse"),
        "context": 4096,
        "abilities": ["tools", "json_schema", "json_mode", "logprobs"],
        "price": {"input": price[0], "output": price[1]},
    }


@pytest.fixture(scope="session")
def running(start_gateway: Callable[..., AbstractContextManager[Running]]) -> Iterator[Running]:
    """The gateway that most tests share."""
    with start_gateway() as gate:
        yield gate
