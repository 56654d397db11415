"""What is played, and where client libraries are installed: each group in a folder of its own below `.venv-clients`.

Folders are made on first use, with versions that are pinned beside the scripts. What cannot be installed here is
skipped with a word.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DIALECTS = {
    "chat": "openai-chat",
    "responses": "openai-responses",
    "messages": "anthropic-messages",
    "contents": "gemini",
}
"""Providers' names, and what they speak."""
UPSTREAM = {
    "chat-plain": "llama-3.3-70b-versatile",
    "chat-thinks": "deepseek-reasoner",
    "responses-plain": "gpt-4.1-mini",
    "responses-thinks": "gpt-5-mini",
    "messages-plain": "claude-3-5-haiku-latest",
    "messages-thinks": "claude-sonnet-4-5",
    "contents-plain": "gemini-2.0-flash",
    "contents-thinks": "gemini-3-pro-preview",
}
"""What models are called here and there. The true names matter: the gateway knows habits of some of them."""
MODELS = list(UPSTREAM)
TEXT = "Hello from the other side of the switch."
KEY = "not-needed-on-loopback"
HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / ".venv-clients"
INSTALL_WITHIN = 600.0
RUN_WITHIN = 300.0
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false", "DO_NOT_TRACK": "1"}


def seen_by(group: str, script: str, root: str, key: str, models: list[str]) -> dict[str, Any]:
    """What a script saw of a gateway: by model and step; `""` is what needs no model of its own."""
    command = [*command_of(group, script), root, key, ",".join(models)]
    env = {name: value for name, value in os.environ.items() if not name.upper().endswith(("_KEY", "_TOKEN", "PROXY"))}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=RUN_WITHIN, check=False, env={**env, **OFFLINE}
    )
    assert done.returncode == 0, f"{script} ended with {done.returncode}:\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def command_of(group: str, script: str) -> list[str]:
    """How a script is run in its group's environment."""
    if group == "own":  # what the tests' own environment has
        return [sys.executable, str(HERE / "python" / f"{script}.py")]
    if group == "node":
        return ["node", str(_node() / f"{script}.mjs")]
    return [str(_python(group)), str(HERE / "python" / f"{script}.py")]


@functools.cache
def _python(group: str) -> Path:
    lock, folder = HERE / "python" / f"{group}.txt", FOLDER / group
    python = folder / "bin" / "python"
    wanted = f"{sys.version_info[:2]} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--requirement", str(lock)]
    _install(group, folder, wanted, [[sys.executable, "-m", "venv", str(folder)], pip])
    return python


@functools.cache
def packages(name: str) -> Path:
    """The folder in which the npm packages of a group are."""
    folder, listed = FOLDER / name, HERE / name / "package.json"
    npm = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent", "--prefix", str(folder)]
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no node here")
    _install(name, folder, hashlib.sha256(listed.read_bytes()).hexdigest(), [npm], files=[listed])
    return folder


def _node() -> Path:
    folder = packages("node")
    for script in (HERE / "node").glob("*.mjs"):  # they find their packages in the folder that they stand in
        shutil.copy(script, folder)
    return folder


def _install(name: str, folder: Path, wanted: str, commands: list[list[str]], files: list[Path] | None = None) -> None:
    """Run the commands, unless that was done before for just this; skips with a word if they fail."""
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files or ():
        shutil.copy(file, folder)
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_WITHIN, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"the clients of {name} cannot be installed: that took longer than {INSTALL_WITHIN:.0f} s")
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            pytest.skip(f"the clients of {name} cannot be installed: {' '.join(said)}")
    stamp.write_text(wanted, encoding="utf-8")
