"""`pointsman logs --follow`: calls as the store gets them, through all that may befall the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn

from pointsman.cli.terminal import say, say_warning

if TYPE_CHECKING:
    from pointsman.core.errors import StoreUnavailable
    from pointsman.insight.answers import CallRow, Filters
    from pointsman.insight.queries import Questions

_POLL_SECONDS = 0.4
Show = Callable[[Iterable["CallRow"]], None]


class Follower:
    """Asks a store again and again what came since.

    A store that goes away is told of once, with the reason, and once when it is back.

    Args:
        questions: to the store.
        filters: which calls.
        show: prints calls.
        place: in the order of writing, from where on.
        missing: whether there is no store yet; it is waited for in silence.
    """

    def __init__(self, questions: Questions, filters: Filters, show: Show, place: int, *, missing: bool) -> None:
        self._questions = questions
        self._filters = filters
        self._show = show
        self._place = place
        self._missing = missing
        self._away = False

    def run(self, shown: Iterable[CallRow]) -> NoReturn:
        """Print what is there, then what comes, until interrupted."""
        shown = list(shown)
        self._show(shown)
        known = {one.id for one in shown}  # a call that came between two questions is in the answers to both
        while True:
            if not self._look(known):
                time.sleep(_POLL_SECONDS)

    def _look(self, known: set[str]) -> bool:
        """Print what came since; whether there is more."""
        from pointsman.core.errors import StoreUnavailable

        try:
            found = self._questions.written(self._place, filters=self._filters)
        except StoreUnavailable as error:
            self._lost(error)
            return False
        self._met()
        if found.gap:
            say_warning("calls may be missing here: the store was replaced, or more came than it keeps in order")
        self._place = found.next
        self._show([one for one in found.calls if one.id not in known])
        return found.more

    def _lost(self, error: StoreUnavailable) -> None:
        if not self._away and not self._missing:
            say_warning(f"{error.message}; trying again", error.hint)
            self._away = True

    def _met(self) -> None:
        if self._away:
            say("the store is back")
        self._away = self._missing = False
