"""The real command on a real (pseudo) terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest

_PAINTED = re.compile(r"\x1b\[\d+m")
Screen = Callable[..., list[str]]


@pytest.fixture
def screen(folder) -> Screen:
    def run(*arguments: str, columns: int, **env: str) -> list[str]:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        with subprocess.Popen(
            [sys.executable, "-m", "pointsman", *arguments],
            cwd=folder,
            env={**clean, "TERM": "xterm", **env},
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
        ) as process:
            os.close(slave)
            shown = b""
            while True:
                try:
                    data = os.read(master, 65536)
                except OSError:  # how Linux says that the other side is closed
                    break
                if not data:
                    break
                shown += data
            os.close(master)
            assert process.wait(20) in (0, 1)
        return shown.decode().replace("\r\n", "\n").splitlines()

    return run


@pytest.mark.parametrize(("columns", "whole"), [(60, False), (120, True)])
def test_tables_fit_and_leave_out_what_has_no_room(screen, lab, columns, whole):
    lines = [_PAINTED.sub("", line) for line in screen("models", columns=columns)]
    table = [line for line in lines if line and "US dollars" not in line]
    assert [line for line in table if len(line) > columns] == []
    assert any("ABILITIES" in line for line in table) is whole
    assert any(line.startswith("small ") and line.endswith(" ready") for line in table)


def test_colour_on_a_terminal_and_none_where_nobody_wants_it(screen, lab):
    assert any("\x1b[" in line for line in screen("doctor", columns=100))
    assert not any("\x1b" in line for line in screen("doctor", columns=100, NO_COLOR="1"))
    assert not any("\x1b" in line for line in screen("doctor", columns=100, TERM="dumb"))


def test_the_list_of_calls_keeps_what_names_a_call(screen, invoke, lab):
    invoke("ask", "say: hello")
    head, row = screen("logs", columns=80, NO_COLOR="1")
    assert "ID" in head
    assert len(row) <= 80
    short = row.split()[-1]
    assert invoke("logs", short).out.startswith(short)


def test_what_a_model_says_cannot_steer_the_terminal(screen, lab):
    shown = "\n".join(screen("ask", "say: a\x1b[2Jb\x07c", columns=80, NO_COLOR="1"))
    assert "\x1b" not in shown
    assert "\x07" not in shown
