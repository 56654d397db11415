"""The command line as a user has it: a folder, a clean environment, a provider that is played."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from forking import Nursery
from pointsman.testing import one_model, running

CONFIG = """\
discover: false
local: false
store: sqlite:///{folder}/ledger.db
providers:
  lab: {{dialect: openai-chat, base_url: "{url}", api_key_env: ""}}
  dead: {{dialect: openai-chat, base_url: "http://127.0.0.1:9/v1", api_key_env: ""}}
  openai: {{}}
models:
  small: {{provider: lab, model: sim-1, tier: economy, context: 128000, price: {{input: 0.15, output: 0.60}}}}
  large: {{provider: lab, model: sim-1, tier: frontier, context: 200000, price: {{input: 5, output: 25}}}}
  broken: {{provider: dead, model: x}}
  gpt-mini: {{provider: openai, model: gpt-5-mini}}
routes:
  auto: {{pool: [small, large]}}
  chain: {{try: [broken, large, gpt-mini]}}
"""
NOTHING = "discover: false\nlocal: false\nstore: sqlite:///{folder}/ledger.db\n"


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


Invoke = Callable[..., Said]


@pytest.fixture(scope="session")
def sim_url() -> Iterator[str]:
    with running(one_model(name="sim-1")) as sim:
        yield sim.base_url


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and an environment without keys; data of the user go below it."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_KEY", "_TOKEN", "_API_BASE")) or name.startswith("POINTSMAN"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("POINTSMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lab(folder: Path, sim_url: str) -> str:
    """`pointsman.yaml` in the working folder: two models that answer, one that is dead, one without a key."""
    path = folder / "pointsman.yaml"
    path.write_text(CONFIG.format(folder=folder, url=sim_url), encoding="utf-8")
    return str(path)


@pytest.fixture
def nothing(folder: Path) -> str:
    """A configuration with no model at all."""
    path = folder / "pointsman.yaml"
    path.write_text(NOTHING.format(folder=folder), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """What commands are forked from."""
    with Nursery() as one:
        yield one


@pytest.fixture
def command(folder: Path, nursery: Nursery) -> Invoke:
    """The real command in a process of its own."""

    def run(*arguments: str, stdin: str | None = None, timeout: float = 30.0) -> Said:
        return Said(*nursery.run(arguments, folder, stdin, timeout))

    return run


@pytest.fixture
def invoke(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invoke:
    """The same in this process: quicker, for what needs no process of its own."""
    from pointsman.cli.main import main  # noqa: PLC0415

    def run(*arguments: str, stdin: str = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["pointsman", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Said(int(ended.value.code or 0), said.out, said.err)

    return run
