"""Places of a key that workers share: never more than the limit, and none lost."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.compose.places import SharedTurnstile
from pointsman.core.errors import TooManyCalls
from pointsman.core.ports import Principal

OTHER = """
import sys
from pathlib import Path
from pointsman.compose.places import SharedTurnstile
from pointsman.core.errors import TooManyCalls
from pointsman.core.ports import Principal

turnstile = SharedTurnstile(Path(sys.argv[1]), 1, 2)
for line in sys.stdin:
    name, limit, wanted = line.split()
    try:
        for inside in range(int(wanted)):
            turnstile.enter(Principal(id=name, parallel=int(limit)))
        inside = int(wanted)
    except TooManyCalls:
        pass
    print(inside, flush=True)
"""


def key(limit: int, name: str = "k") -> Principal:
    return Principal(id=name, parallel=limit)


def enter(turnstile: SharedTurnstile, principal: Principal, most: int = 10**7) -> int:
    """So many came in before one was refused."""
    before = turnstile.inside.get(principal.id, 0)
    with contextlib.suppress(TooManyCalls):
        for _ in range(most):
            turnstile.enter(principal)
    return turnstile.inside.get(principal.id, 0) - before


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers") / "places"


@pytest.fixture
def ours(file: Path) -> SharedTurnstile:
    return SharedTurnstile(file, 0, 2)


@pytest.fixture(scope="module")
def other(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process at the same file; it takes a second to start, so all tests have the same."""
    command = [sys.executable, "-c", OTHER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def theirs(process: subprocess.Popen[str], limit: int, wanted: int, name: str = "k") -> int:
    """So many come in there."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{name} {limit} {wanted}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


@pytest.mark.parametrize("limit", [1, 3, 64, 65, 127, 1000])
def test_one_alone_has_the_whole_limit_and_gives_all_of_it_back(ours: SharedTurnstile, limit: int) -> None:
    for _ in range(2):
        assert enter(ours, key(limit)) == limit
        for _ in range(limit):
            ours.leave("k")
        assert (ours.inside, ours._blocks) == ({}, {})


def test_several_have_no_more_than_the_limit_and_what_one_gives_back_another_takes(
    ours: SharedTurnstile, other: subprocess.Popen[str]
) -> None:
    for limit, unused in ((1, 0), (2, 0), (5, 0), (64, 0), (200, 3), (10_000, 156)):
        name = f"k{limit}"
        there = theirs(other, limit, limit // 3, name)
        assert there == limit // 3
        here = enter(ours, key(limit, name))
        assert limit - unused <= here + there <= limit
        assert theirs(other, limit, limit, name) <= unused
    assert enter(ours, key(1, "another")) == 1, "keys do not meet"
    assert theirs(other, 1, 1, "another") == 0
    ours.leave("another")
    assert theirs(other, 1, 1, "another") == 1


def test_a_limit_that_is_changed_counts_what_is_under_way(ours: SharedTurnstile, other: subprocess.Popen[str]) -> None:
    assert enter(ours, key(100, "c"), 10) == 10
    assert enter(ours, key(3, "c"), 10) == 0, "ten are under way"
    assert enter(ours, key(20, "c")) == 10, "ten more"
    assert theirs(other, 20, 20, "c") == 0
    for _ in range(20):
        ours.leave("c")
    assert theirs(other, 20, 20, "c") == 20
