"""Several recorders as one: each outcome goes to all of them."""

from __future__ import annotations

from pointsman.core.outcome import Outcome
from pointsman.core.ports import Recorder


class Recorders:
    """Hands an outcome to every recorder, in order."""

    def __init__(self, *recorders: Recorder) -> None:
        self._each = tuple(recorder.record for recorder in recorders)

    def record(self, outcome: Outcome) -> None:
        """Take one outcome."""
        for record in self._each:
            record(outcome)


class Everybody:
    """Keys where none are demanded: in the library, and on loopback."""

    demanded = False

    def check(self, secret: str) -> None:
        """Nobody is known."""
        del secret

    def reader(self, secret: str) -> None:
        """Nobody is known."""
        del secret

    def ended(self, secret: str) -> None:
        """Nobody is known."""
        del secret
