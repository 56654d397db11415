"""Shapes of JSON and of event streams, to hold what is made here to what was recorded of real providers."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

ALWAYS = 0.97  # a key in this part of the recordings counts as steady; a few recordings are years old


def records(folder: Path, name: str, fidelity: tuple[str, ...] = ("wire",)) -> Iterator[dict[str, Any]]:
    """Recorded exchanges of one file."""
    with gzip.open(folder / name, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["fidelity"] in fidelity:
                yield record


def paths(value: Any, at: str = "", opaque: frozenset[str] = frozenset()) -> set[tuple[str, str]]:
    """Every key path with the type that stands there; list items share one path. Callers' own data are `opaque`."""
    found = {(at, type(value).__name__.replace("float", "number").replace("int", "number"))}
    if at in opaque:
        return found
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths(inner, f"{at}.{key}", opaque)
    elif isinstance(value, list):
        for inner in value:
            found |= paths(inner, f"{at}[]", opaque)
    return found


def events_of(text: str) -> list[tuple[str, Any]]:
    """Name (empty if none was given) and data of each event of a stream; what is no JSON is left out."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = block.split("\n")
        name = next((line.removeprefix("event:").strip() for line in lines if line.startswith("event:")), "")
        data = "\n".join(line.removeprefix("data:").strip() for line in lines if line.startswith("data:"))
        if data and data != "[DONE]":
            found.append((name, json.loads(data)))
    return found


def compare(
    simulated: list[Any], recorded: list[Any], *, steady: bool = True, opaque: frozenset[str] = frozenset()
) -> None:
    """No key of its own, the same types, and (if `steady`) none missing that the recordings always have."""
    assert recorded
    known = set().union(*(paths(body, opaque=opaque) for body in recorded))
    made = set().union(*(paths(body, opaque=opaque) for body in simulated))
    assert made - known == set()
    if steady:
        counts = Counter(path for body in recorded for path in {path for path, _ in paths(body, opaque=opaque)})
        expected = {path for path, count in counts.items() if count >= ALWAYS * len(recorded)}
        for body in simulated:
            have = {path for path, _ in paths(body, opaque=opaque)}
            lists = {path[: path.rfind("[]") + 2] for path in expected if "[]" in path} - have  # empty ones
            assert {path for path in expected - have if path[: path.rfind("[]") + 2] not in lists} == set()


def steps(stream: Iterable[Any], label: Callable[[Any], str]) -> set[tuple[str, str]]:
    """Which kind of event follows which, from the start to the end."""
    return set(pairwise(["(start)", *(label(event) for event in stream), "(end)"]))
