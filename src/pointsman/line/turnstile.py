"""How many calls of a key are under way at once."""

from __future__ import annotations

from pointsman.core.errors import TooManyCalls
from pointsman.core.ports import Principal


class Turnstile:
    """Counts calls of keys that have a limit; one for all configurations in force.

    Attributes:
        inside: how many of this process are under way, by the key's id; keys without any are not there.

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
        if inside >= principal.parallel or not self.taken(principal, inside + 1):
            raise TooManyCalls(
                f"This key may have {principal.parallel} calls under way at once, and has as many",
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
        self.given_back(key_id, inside)

    def taken(self, principal: Principal, inside: int) -> bool:  # noqa: ARG002 - whoever shares the places needs them
        """Whether so many calls of the key may be inside this process, for all that others have inside."""
        return True

    def given_back(self, key_id: str, inside: int) -> None:
        """Only so many calls of a key are inside this process by now."""
