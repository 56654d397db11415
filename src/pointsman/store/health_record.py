"""The record of reliability: every change of health becomes a row of the ledger.

A process that dies leaves its incidents open. So whoever has one open says so every few minutes (a row that changes
nothing), and an incident whose process has been silent for long ended with its last word.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pointsman.core.clock import Ids
from pointsman.core.failure import State, Target
from pointsman.core.health import Cause, Transition
from pointsman.store.health_rows import Row, row_of

STILL_NS = 300_000_000_000
"""How often a process says that an incident lasts."""

_MOST = 2_000


class HealthRecord:
    """Hears transitions and hands rows on.

    Args:
        keep: takes a row; never blocks, never raises (`Ledger.note`).
        ids: for the rows.
        node: names this process.
    """

    def __init__(self, keep: Callable[[Row], None], ids: Ids, node: str) -> None:
        self._keep = keep
        self._ids = ids
        self._node = node
        self._open: dict[Target, tuple[State, Cause, int]] = {}  # not well, and when that was last said

    def hear(self, transition: Transition) -> None:
        """Take one change."""
        target, at = transition.target, transition.at
        if transition.after == "closed":
            self._open.pop(target, None)
        elif target in self._open or len(self._open) < _MOST:
            self._open[target] = (transition.after, transition.cause, at)
        self._write(transition)

    def tick(self, now: int) -> None:
        """Time has passed (nanoseconds since the epoch): say what still lasts, where that is due."""
        for target, (state, cause, said) in tuple(self._open.items()):
            if now - said >= STILL_NS:
                self._open[target] = (state, cause, now)
                again = Transition(target=target, before=state, after=state, at=now, why="it lasts", cause=cause)
                self._write(again)

    def end(self, now: int) -> None:
        """The process stops: nobody knows what comes after."""
        for target, (state, *_) in self._open.items():
            self._write(Transition(target=target, before=state, after="closed", at=now, why="the gateway stopped"))
        self._open.clear()

    def _write(self, transition: Transition) -> None:
        at = max(transition.at, 0)
        self._keep(row_of(self._ids.new(at), self._node, msgspec.structs.replace(transition, at=at)))
