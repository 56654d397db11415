"""Commands in processes of their own, each a fork of one that has imported what verbs import.

Half of the time of a short command is its imports, and there are hundreds of them in these tests. What a verb imports
by itself, and how soon it starts, is tested elsewhere with a process from nothing (`tests/test_imports.py`).
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self


class Nursery:
    """The process that others are forked from; started by the first of them."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def run(
        self,
        arguments: Sequence[str],
        folder: Path,
        stdin: str | None = None,
        seconds: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `pointsman ARGUMENTS`, with an environment or this one.

        Raises:
            TimeoutError: it did not end in time; it is ended then.
        """
        with tempfile.TemporaryDirectory() as there:
            place = Path(there)
            (place / "in").write_text(stdin or "", encoding="utf-8")
            files = [str(place / "in") if stdin is not None else os.devnull, str(place / "out"), str(place / "err")]
            asked = {"arguments": arguments, "folder": str(folder), "env": dict(env or os.environ), "files": files}
            code = self._ask(asked, seconds)
            return code, (place / "out").read_text("utf-8"), (place / "err").read_text("utf-8")

    def _ask(self, asked: dict[str, Any], seconds: float) -> int:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        told, stdout = self._process.stdin, self._process.stdout
        assert told is not None
        assert stdout is not None
        told.write(json.dumps(asked).encode() + b"\n")
        told.flush()
        # Without a buffer, which could have both lines of a quick command while we wait for the second.
        with open(stdout.fileno(), "rb", buffering=0, closefd=False) as heard:
            child = int(heard.readline())
            if not select.select([heard], [], [], seconds)[0]:
                os.kill(child, 9)
                heard.readline()
                raise TimeoutError(f"pointsman {' '.join(asked['arguments'])} did not end within {seconds:g} s")
            return int(heard.readline())


def _serve() -> None:
    from pointsman.cli.main import VERBS, main  # noqa: PLC0415 - in the process of its own

    for name in VERBS:
        importlib.import_module(f"pointsman.cli.{name}_verb")
    for name in ("pointsman.compose.building", "pointsman.insight.queries", "pointsman.store.tables"):
        importlib.import_module(name)
    gc.freeze()
    while line := sys.stdin.readline():
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked)
            main()
            return
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(asked: dict[str, Any]) -> None:
    """What a process of its own would have had from its start."""
    os.setsid()
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (path, mode) in enumerate(zip(asked["files"], modes, strict=True)):
        opened = os.open(path, mode, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["folder"])
    sys.argv = ["pointsman", *asked["arguments"]]


if __name__ == "__main__":
    _serve()
