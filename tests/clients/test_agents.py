"""Coding agents themselves, in their one-shot modes, against models behind every dialect: an answer, and a tool loop.

They are large and not all of them free software, so they are installed only where `POINTSMAN_AGENTS` is set, as
`make clients` does. Each runs in a home of its own, with nothing of the user's environment.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.environments import KEY, MODELS, packages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif("POINTSMAN_AGENTS" not in os.environ, reason="POINTSMAN_AGENTS is not set"),
]
WITHIN = 120.0
CODEX = """
model = "{model}"
model_provider = "pointsman"

[model_providers.pointsman]
name = "Pointsman"
base_url = "{root}/v1"
wire_api = "responses"
"""
Agent = Callable[[str, str, str, Path], str]


def run(command: list[str], env: dict[str, str], home: Path) -> str:
    """What an agent says in the end."""
    work = home / "work"
    work.mkdir()
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1"}
    done = subprocess.run(
        command,
        cwd=work,
        env={**clean, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def codex(root: str, model: str, prompt: str, home: Path) -> str:
    """Codex: OpenAI's responses, streamed."""
    (home / "config.toml").write_text(CODEX.format(root=root, model=model), encoding="utf-8")
    binary = packages("agents") / "node_modules" / ".bin" / "codex"
    command = [str(binary), "exec", "--skip-git-repo-check", "--sandbox", "read-only", prompt]
    return run(command, {"CODEX_HOME": str(home)}, home)


def claude(root: str, model: str, prompt: str, home: Path) -> str:
    """Claude Code: Anthropic's messages, streamed."""
    found = list((packages("agents") / "node_modules" / "@anthropic-ai").glob("claude-code-*/claude"))
    if not found:
        pytest.skip("there is no Claude Code for this machine")
    env = {
        "CLAUDE_CONFIG_DIR": str(home / ".claude"),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "ANTHROPIC_BASE_URL": root,
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_MODEL": model,
        **{f"ANTHROPIC_DEFAULT_{size}_MODEL": model for size in ("OPUS", "SONNET", "HAIKU")},
    }
    return run([str(found[0]), "-p", prompt], env, home)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("agent", "tool"), [(codex, "exec_command"), (claude, "Read")])
def test_an_agent_gets_its_answer_and_its_tools(
    providers, served, agent: Agent, tool: str, model: str, tmp_path_factory
):
    provider = model.partition("-")[0]
    said = agent(served.root_url, model, "say: all trains stop here", tmp_path_factory.mktemp("said"))
    assert said.strip() == "all trains stop here"
    before = len(providers.journal.of(provider))
    done = agent(served.root_url, model, f"use {tool}", tmp_path_factory.mktemp("done"))
    assert done.startswith("The tool says:")
    answered = [entry for entry in providers.journal.of(provider)[before:] if entry.status == 200]
    assert len(answered) == 2
    assert all(entry.stream for entry in answered)
