"""Who may see and do what, beside calls: each key its own, an admin key everything."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.core.call import Arrival
from pointsman.core.errors import Forbidden
from pointsman.core.ports import Principal

Admit = Callable[[Arrival], Principal]
_HINT = "an admin key may: `pointsman keys create NAME --admin`"


def overseer(admit: Admit) -> Admit:
    """For what is about everybody: an admin's, or anybody's where there are no keys.

    Raises:
        Forbidden: the key is an ordinary one.
    """

    def admitted(arrival: Arrival) -> Principal:
        principal = admit(arrival)
        if principal.sees:
            raise Forbidden("This is about the whole gateway, and the key may see its own calls only", hint=_HINT)
        return principal

    return admitted


def manager(admit: Admit) -> Admit:
    """For what changes keys and data: an admin's, also where there are no keys yet.

    Raises:
        Forbidden: the key is an ordinary one, or there is none.
    """

    def admitted(arrival: Arrival) -> Principal:
        principal = admit(arrival)
        if not principal.admin:
            raise Forbidden("This takes an admin key", hint=_HINT)
        return principal

    return admitted
