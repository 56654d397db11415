"""A gateway made, or used, before a fork: every process keeps its own record, and nobody waits for ever.

Each test is a program of its own, so that only the program's threads are forked, and its time is bounded.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pointsman.testing import Script, SimModel, SimProvider, Simulator, running
from pointsman.testing.script import Pace

Program = Callable[[str], list[str]]

START = """
import atexit, multiprocessing, os, sys, threading, time
from pointsman import Gateway
from pointsman.core.errors import CallerGone, PointsmanError

SAID = {said!r}
gateway = Gateway(SAID)

def ask(count, gateway=gateway):
    return [gateway.chat("What is the capital of France?", model="one/small-1", timeout=20).id for _ in range(count)]

def say(ids):
    os.write(1, "".join(one + chr(10) for one in ids).encode())

def forked(work):
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:
        os.write(2, repr(error).encode())
    finally:
        os._exit(code)

def ended(*children):
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
"""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    models = (SimModel(name="small-1"), SimModel(name="slow-1", pace=Pace(events_per_second=20)))
    with running(Script(providers=(SimProvider(name="one", models=models),))) as simulator:
        yield simulator


@pytest.fixture
def run(sim: Simulator, tmp_path: Path) -> Program:
    """Run a program that begins as `START` does; the lines that it and its children said."""

    def program(text: str) -> list[str]:
        said = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one"), "api_key_env": ""}},
            "store": f"sqlite:///{tmp_path / 'ledger.db'}",
            "discover": False,
            "local": False,
        }
        done = subprocess.run(
            [sys.executable, "-c", START.format(said=said) + textwrap.dedent(text)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"},
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return program


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[], list[str]]:
    """The ids in the ledger."""

    def ids() -> list[str]:
        database = sqlite3.connect(tmp_path / "ledger.db")
        try:
            return [row[0] for row in database.execute("SELECT id FROM calls ORDER BY id")]
        finally:
            database.close()

    return ids


def test_children_of_a_gateway_that_was_made_before_the_fork_lose_no_call(
    run: Program, kept: Callable[[], list[str]]
) -> None:
    said = run("""
        fork = multiprocessing.get_context("fork")
        children = [fork.Process(target=lambda: say(ask(300))) for _ in range(3)]  # none of them closes it
        for child in children:
            child.start()
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0, 0, 0]
    """)
    assert len(said) == len(set(said)) == 900
    assert kept() == sorted(said)


def test_a_gateway_that_was_used_before_the_fork_works_in_child_and_parent_at_once(
    run: Program, kept: Callable[[], list[str]]
) -> None:
    said = run("""
        say(ask(3))
        def work():
            say(ask(50))
            gateway.close()
        children = [forked(work), forked(work)]
        say(ask(50))
        ended(*children)
        say(ask(3))
    """)
    assert len(said) == len(set(said)) == 156
    assert kept() == sorted(said)


def test_forks_in_the_middle_of_other_threads_calls(run: Program, kept: Callable[[], list[str]]) -> None:
    said = run("""
        over = threading.Event()
        def load():
            while not over.is_set():
                say(ask(1))
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        def work():
            say(ask(5))
            grandchild = forked(lambda: (say(ask(5)), gateway.close()))
            say(ask(5))
            ended(grandchild)
            gateway.close()
        for _ in range(5):
            ended(forked(work), forked(work))
        over.set()
        for thread in threads:
            thread.join()
        gateway.close()
    """)
    assert len(said) == len(set(said)) > 150
    assert kept() == sorted(said)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who holds a lock")
def test_the_child_holds_locks_of_its_own_on_the_ledgers_file(run: Program) -> None:
    said = run("""
        ask(1)
        def work():
            ask(1)
            assert gateway._running.house.pieces.ledger.flush()
            locks = [line.split() for line in open("/proc/locks")]
            say(["held" for lock in locks if lock[4] == str(os.getpid()) and lock[1] == "POSIX"])
            gateway.close()
        ended(forked(work))
    """)
    assert len(said) == 2, "on the file and on its shared memory; without them the child's log can be deleted under it"


def test_a_stream_stays_the_parents(run: Program, sim: Simulator) -> None:
    said = run("""
        stream = gateway.stream("What is the capital of France?", model="one/slow-1")
        chunks = iter(stream)
        next(chunks)
        def work():
            for _ in range(2):
                try:
                    next(iter(stream))
                except CallerGone as error:
                    say([error.message.replace(" ", "_")])
            stream.close()
            gateway.close()
        ended(forked(work))
        text = [c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]]
        say(["".join(text).replace(" ", "_")])
    """)
    assert said[:2] == ["The_stream_belongs_to_the_process_that_began_it,_not_to_its_forked_child"] * 2
    assert "Paris" in said[2]
    assert not sim.journal[-1].hung_up


def test_a_gateway_that_was_closed_stays_closed_in_the_child(run: Program) -> None:
    said = run("""
        ask(1)
        def close():
            gateway.close()
        ended(forked(close))
        ask(1)  # the child's closing is nothing to the parent
        gateway.close()
        def work():
            try:
                ask(1)
            except CallerGone:
                say(["closed"])
        ended(forked(work))
    """)
    assert said == ["closed"]


def test_a_fork_that_the_ledgers_writer_cannot_wait_for_is_told_at_once(run: Program) -> None:
    said = run("""
        from pointsman.library import running
        running._FORK_SECONDS = 0.1
        ask(1)
        writer = gateway._running.house.pieces.ledger._writer
        held, over = threading.Event(), threading.Event()
        def hold():
            with writer._rounds:
                held.set()
                over.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        def work():
            begun = time.monotonic()
            try:
                ask(1)
            except PointsmanError as error:
                say([error.code, str("spawn" in error.hint)])
            assert time.monotonic() - begun < 1
            gateway.close()
        child = forked(work)
        over.set()
        thread.join()
        ended(child)
        ask(1)
    """)
    assert said == ["store_unavailable", "True"]


def test_forks_keep_no_gateway_alive(run: Program) -> None:
    assert run("""
        import gc, weakref
        other = Gateway(SAID)
        ask(1, other)
        other.close()
        found = weakref.ref(other._running)
        del other
        gc.collect()
        say([str(found())])
        ended(forked(lambda: ask(1)))
    """) == ["None"]
