"""How many calls of a key are under way at once, in this process."""

from __future__ import annotations

from pointsman.core.errors import TooManyCalls
from pointsman.core.ports import Principal


class Turnstile:
    """Counts calls of keys that have a limit; one for all configurations in force.

    Attributes:
        inside: how many are under way, by the key's id; keys without any are not there.

    Between the look and the count nothing waits, so that the limit holds however many calls come at once.
    """

    def __init__(self) -> None:
        self.inside: dict[str, int] = {}

    def enter(self, principal: Principal) -> None:
        """Let one more call in; `leave` has to follow, however it ends.

        Raises:
            TooManyCalls: the key's are all under way.
        """
        inside = self.inside.get(principal.id, 0)
        if inside >= principal.parallel:
            raise TooManyCalls(
                f"This key has {inside} calls under way, and may have no more at once",
                hint="wait until one of them ends; `pointsman keys edit NAME --parallel N` changes the limit",
            )
        self.inside[principal.id] = inside + 1

    def leave(self, key_id: str) -> None:
        """A call that was let in is over."""
        inside = self.inside[key_id] - 1
        if inside:
            self.inside[key_id] = inside
        else:
            del self.inside[key_id]
