"""What the writer says in the log: when the store goes away, when it is back, when rows are about to be lost."""

from __future__ import annotations

import logging

from pointsman.core.clock import Clock
from pointsman.core.errors import PointsmanError

_log = logging.getLogger("pointsman")
_QUIET_NS = 60_000_000_000


class Telling:
    """One line when the store goes away and one when it is back; a store that comes and goes gets a pair a minute.

    Args:
        clock: for the pauses.
        shown: the store's place, without secrets.
    """

    def __init__(self, clock: Clock, shown: str) -> None:
        self._clock = clock
        self._shown = shown
        self._away = self._said = False
        self._written_before = 0
        self._quiet_until: dict[str, int] = {}

    def away(self, error: PointsmanError, written: int) -> None:
        """The store cannot be used; `written` rows were kept so far. Said once, however often it is tried."""
        if not self._away:
            self._away, self._said, self._written_before = True, False, written
        if not self._said and self._may_say("away"):
            self._said = True
            hint = f" ({error.hint})" if error.hint else ""
            _log.error("the ledger is away, calls go on and their rows wait: %s%s", error.message, hint)

    def back(self, written: int) -> None:
        """The store takes rows, and all that waited are written."""
        if self._away and self._said:
            _log.warning(
                "the ledger is back: %d rows were written late to %s", written - self._written_before, self._shown
            )
        self._away = False

    def replaced(self) -> None:
        """The file in use is no longer the one at the store's place."""
        _log.error(
            "the ledger's file %s was deleted or replaced while in use: its old rows are gone from there, "
            "new ones go into the file that is there now",
            self._shown,
        )

    def trouble(self, kind: str, message: str) -> None:
        """Anything else that costs rows, or soon will; one line a minute of each kind."""
        if self._may_say(kind):
            _log.error("%s: %s", kind, message)

    def left_behind(self, spooled: int, dropped: int) -> None:
        """The writer ends: rows that the next start will write, and rows that are lost."""
        if spooled:
            _log.warning("%d rows wait on disk; the next start writes them", spooled)
        if dropped:
            _log.error("%d rows of the ledger are lost", dropped)

    def _may_say(self, kind: str) -> bool:
        now = self._clock.monotonic()
        if now < self._quiet_until.get(kind, now):
            return False
        self._quiet_until[kind] = now + _QUIET_NS
        return True
