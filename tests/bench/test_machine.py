from __future__ import annotations

import os
import sys
import time

import pytest

from bench import machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc")
BUSY = "import os, time\nwhile True: sum(range(1000))"
QUIET = "import time\ntime.sleep(60)"


def run(code: str, folder, name: str = "child") -> machine.Process:
    return machine.start(name, machine.Launch([sys.executable, "-c", code]), machine.cores()[0], folder)


def test_cpu_time_grows_while_awake_and_stands_still_while_parked(tmp_path):
    child = run(BUSY, tmp_path)
    with machine.ended([child]):
        time.sleep(0.4)
        assert machine.cpu_s(child.pid) > 0.02
        child.park()
        time.sleep(0.05)
        before = machine.cpu_s(child.pid)
        time.sleep(0.3)
        assert machine.cpu_s(child.pid) - before <= 0.02
        child.wake()
        time.sleep(0.4)
        assert machine.cpu_s(child.pid) > before
    assert not child.alive()


def test_children_are_counted(tmp_path):
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
    child = run(code, tmp_path)
    with machine.ended([child]):
        time.sleep(0.8)
        assert len(machine.tree(child.pid)) == 2
        assert machine.memory_mb(child.pid) > 5


def test_what_ends_while_starting_is_told_with_its_last_words(tmp_path):
    child = run("raise SystemExit('no such file: x.yaml')", tmp_path)
    with (
        machine.ended([child]),
        pytest.raises(RuntimeError, match=r"child ended while starting: no such file: x\.yaml"),
    ):
        machine.wait_listening(child, machine.free_port(), 20)


def test_what_never_listens_is_given_up(tmp_path):
    child = run(QUIET, tmp_path)
    with machine.ended([child]), pytest.raises(RuntimeError, match="did not listen"):
        machine.wait_listening(child, machine.free_port(), 0.3)


def test_nothing_of_our_environment_reaches_a_subject(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    child = run("import os; print('OPENAI_API_KEY' in os.environ)", tmp_path)
    with machine.ended([child]):
        child.popen.wait(20)
        assert child.log.read_text(encoding="utf-8").strip() == "False"


def test_the_clock_adds_up():
    clock = machine.clock()
    assert 0 < clock.busy < clock.total
    assert machine.cpu_s(os.getpid()) > 0
