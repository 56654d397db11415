"""Coding agents as people run them all day: Claude Code and Codex, against models behind every upstream dialect.

They are the vendors' own programs, told where the gateway is and nothing else. A proxy that is not there keeps them
from speaking to anybody else. Each is asked a question, and to use one of its own tools, whose result goes back.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.environments import DIALECTS, FOLDER, HERE, KEY, TEXT, UPSTREAM, _install
from harness import Running, gateway
from pointsman.testing import Script, SimModel, SimProvider, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RUN_WITHIN = 120.0
NOBODY_ELSE = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}
NAMES = list(DIALECTS)
SEES_THE_USER = {"messages", "contents"}
"""Claude Code says something as the system behind the user's words; elsewhere the simulator answers to that."""


@functools.cache
def agents() -> Path:
    """The folder with both programs; skips with a word where they cannot be had."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm here")
    folder, listed = FOLDER / "agents", HERE / "agents" / "package.json"
    npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(folder)]
    _install("agents", folder, hashlib.sha256(listed.read_bytes()).hexdigest(), [npm], files=[listed])
    return folder / "node_modules" / ".bin"


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    """Models with room for an agent's long prompts."""
    script = Script(
        providers=tuple(
            SimProvider(
                name=name,
                dialect=dialect,
                models=(SimModel(name=UPSTREAM[f"{name}-plain"], context=1_000_000, answers={"hello": TEXT}),),
            )
            for name, dialect in DIALECTS.items()
        )
    )
    with running(script) as sim:
        config: dict[str, Any] = {
            "providers": {
                name: {"dialect": dialect, "base_url": sim.url_of(name)} for name, dialect in DIALECTS.items()
            },
            "models": {f"{name}-plain": {"provider": name, "model": UPSTREAM[f"{name}-plain"]} for name in DIALECTS},
        }
        with gateway(config) as started:
            yield started


def run(command: list[str], home: Path, env: dict[str, str]) -> str:
    """What an agent prints, in a folder and home of its own."""
    for folder in (home, home / "work"):
        folder.mkdir(exist_ok=True)
    whole = {"PATH": os.environ["PATH"], "HOME": str(home), **NOBODY_ELSE, **QUIET, **env}
    done = subprocess.run(
        command, cwd=home / "work", env=whole, capture_output=True, text=True, timeout=RUN_WITHIN,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def claude(served: Running, home: Path, model: str, prompt: str, *more: str) -> dict[str, Any]:
    """The result of Claude Code."""
    env = {"ANTHROPIC_BASE_URL": served.root_url, "ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_MODEL": model}
    env |= {f"ANTHROPIC_DEFAULT_{size}_MODEL": model for size in ("HAIKU", "SONNET", "OPUS")}
    command = [str(agents() / "claude"), "-p", prompt, "--output-format", "json", *more]
    return dict(json.loads(run(command, home, env)))


def codex(served: Running, home: Path, model: str, prompt: str) -> list[dict[str, Any]]:
    """The events of Codex."""
    folder = home / ".codex"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(
        f'model = "{model}"\nmodel_provider = "pointsman"\n'
        f'[model_providers.pointsman]\nname = "pointsman"\nbase_url = "{served.base_url}"\n'
        'wire_api = "responses"\nenv_key = "POINTSMAN_KEY"\n[analytics]\nenabled = false\n',
        encoding="utf-8",
    )
    command = [str(agents() / "codex"), "exec", "--skip-git-repo-check", "--sandbox", "read-only", "--json", prompt]
    lines = run(command, home, {"POINTSMAN_KEY": KEY}).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def statuses(served: Running, model: str) -> list[tuple[str, str]]:
    calls = served.json("/api/calls?limit=100")["calls"]
    return [(call["surface"], call["status"]) for call in calls if call["asked"] == model]


@pytest.mark.parametrize("name", NAMES)
def test_claude_code_is_answered_and_uses_its_tools(served: Running, tmp_path: Path, name: str) -> None:
    model = f"{name}-plain"
    said = claude(served, tmp_path, model, "What is the capital of France?")
    assert not said["is_error"], said
    assert said["usage"]["output_tokens"] > 0
    (tmp_path / "work" / "example").write_text("the switch is set", encoding="utf-8")
    told = claude(served, tmp_path, model, "Please use Read", "--allowedTools", "Read")
    assert not told["is_error"], told
    if name in SEES_THE_USER:
        assert told["num_turns"] >= 2, "the tool's result went back, and was answered"
    assert ("messages", "ok") in statuses(served, model)
    assert not [status for _, status in statuses(served, model) if status == "failed"]


@pytest.mark.parametrize("name", NAMES)
def test_codex_is_answered_and_uses_its_tools(served: Running, tmp_path: Path, name: str) -> None:
    model = f"{name}-plain"
    events = codex(served, tmp_path, model, "What is the capital of France?")
    texts = [event["item"]["text"] for event in events if event.get("item", {}).get("type") == "agent_message"]
    assert "Paris" in " ".join(texts), events
    done = [event for event in events if event["type"] == "turn.completed"]
    assert done[-1]["usage"]["output_tokens"] > 0
    tools = codex(served, tmp_path, model, "Please call exec_command")
    assert [event for event in tools if event["type"] == "turn.completed"], tools
    assert not [status for _, status in statuses(served, model) if status == "failed"]
