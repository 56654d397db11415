"""Servers that others wrote, each installed into a cache folder outside the repository, started and stopped."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `harness`, which is no test and no plugin

from harness import free_port, request

LLMOCK = "llmock==0.2.2"
AIMOCK = "@copilotkit/aimock@1.43.0"
INSTALL_WITHIN = 300.0
READY_WITHIN = 30.0


class Peer:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> Any:
        return json.loads(request(self.port, "GET", path)[2])

    def post(self, path: str, body: Any) -> Any:
        status, _, answer = request(self.port, "POST", path, body=body)
        assert status < 300, answer
        return json.loads(answer)


def cache_folder() -> Path:
    """`$POINTSMAN_TEST_CACHE`, else a folder of ours in the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pointsman-tests"
    return Path(os.environ.get("POINTSMAN_TEST_CACHE", default))


def install(name: str, *commands: list[str]) -> Path:
    """Run the commands in the peer's folder unless that was done before; skips with a word if they fail."""
    folder = cache_folder() / name
    mark = folder / "installed"
    if mark.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for command in commands:
        if "/" not in command[0] and shutil.which(command[0]) is None:
            pytest.skip(f"{name} cannot be installed: there is no {command[0]}")
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_WITHIN, check=False
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{name} cannot be installed: {command[0]} took longer than {INSTALL_WITHIN:.0f} s")
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
            pytest.skip(f"{name} cannot be installed: {' '.join(reason)}")
    mark.touch()
    return folder


@contextlib.contextmanager
def serving(command: list[str], port: int, path: str) -> Iterator[Peer]:
    """A peer's process, from ready to stopped."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + READY_WITHIN
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                request(port, "GET", path, timeout=2.0)
                break
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            time.sleep(0.05)
        else:
            raise AssertionError(f"{command[0]} was not ready within {READY_WITHIN:.0f} s")
        yield Peer(port)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def llmock_folder() -> Path:
    pip = ["venv/bin/python", "-m", "pip", "install", "--quiet", LLMOCK]
    return install("llmock-0.2.2", [sys.executable, "-m", "venv", "venv"], pip)


@pytest.fixture(scope="session")
def aimock_folder() -> Path:
    return install(
        "aimock-1.43.0", ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".", AIMOCK]
    )


@pytest.fixture
def llmock(llmock_folder: Path) -> Iterator[Peer]:
    port = free_port()
    # Paced, so that it can see whether its client stops reading.
    options = ["--port", str(port), "--log-level", "error", "--stream-chunk-delay-ms", "30"]
    command = [str(llmock_folder / "venv/bin/llmock"), "serve", *options]
    with serving(command, port, "/health") as peer:
        yield peer


@pytest.fixture
def aimock(aimock_folder: Path, tmp_path: Path) -> Callable[..., contextlib.AbstractContextManager[Peer]]:
    """Starts aimock with fixtures and options; as many as a test wants."""

    def start(fixtures: list[dict[str, Any]], *options: str) -> contextlib.AbstractContextManager[Peer]:
        port = free_port()
        path = tmp_path / f"fixtures-{port}.json"
        path.write_text(json.dumps({"fixtures": fixtures}))
        binary = aimock_folder / "node_modules/.bin/llmock"
        return serving([str(binary), "--port", str(port), "--fixtures", str(path), *options], port, "/v1/models")

    return start
