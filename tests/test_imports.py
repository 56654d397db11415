"""Imports run one way: the table of rooms in docs/architecture.md, held by walking the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "pointsman"
ROOMS: dict[str, set[str]] = {
    "core": set(),
    "wire": {"core"},
    "catalog": {"core"},
    "upstream": {"core", "wire", "catalog"},
    "routing": {"core", "catalog"},
    "learn": {"core", "catalog"},
    "health": {"core"},
    "line": {"core", "wire"},
    "review": {"core"},
    "cache": {"core"},
    "access": {"core"},
    "trial": {"core"},
    "store": {"core"},
    "tokens": {"core"},
    "insight": {"core", "catalog", "store"},
    "observe": {"core"},
    "config": {"core"},
    "server": {"core", "line", "wire", "insight", "config"},
    "dashboard": set(),
    "testing": {"core", "wire"},
}
FREE = {"cli", "compose", "library", "__main__", "pointsman"}


def imported(path: Path) -> set[str]:
    """Rooms of ours that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module == "pointsman":
                names = [f"pointsman.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "pointsman" and len(parts) > 1:
                found.add(parts[1])
    return found - {"__version__"}


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_a_room_imports_only_what_the_table_allows(path: Path) -> None:
    room = path.relative_to(SRC).parts[0].removesuffix(".py")
    if room in FREE or room == "__init__":
        return
    assert room in ROOMS, f"{room} is no room: add it to docs/architecture.md and to this table"
    forbidden = imported(path) - ROOMS[room] - {room}
    assert not forbidden, f"{path.relative_to(SRC)} imports {sorted(forbidden)}, allowed: {sorted(ROOMS[room])}"


def test_every_room_states_its_duty() -> None:
    rooms = [p for p in SRC.iterdir() if p.is_dir() and any(p.glob("*.py"))]
    missing = [p.name for p in rooms if not (p / "README.md").read_text(encoding="utf-8").startswith("Duty: ")]
    assert not missing
