"""Who may see and do what, beside calls: each key what its role says (`core.key.Role`)."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.core.call import Arrival
from pointsman.core.errors import Forbidden
from pointsman.core.ports import Principal

Admit = Callable[[Arrival], Principal]
_HINT = "an admin key may: `pointsman keys create NAME --role admin`"


def reader(admit: Admit) -> Admit:
    """For what each key sees of itself, an admin or a viewer of everybody: all keys but those for metrics alone.

    Raises:
        Forbidden: the key is for `/metrics` and nothing else.
    """

    def admitted(arrival: Arrival) -> Principal:
        principal = admit(arrival)
        if principal.role == "metrics":
            raise Forbidden(
                "This key has the role metrics: it reads `/metrics` and nothing else",
                hint="a key of the role viewer sees more: `pointsman keys create NAME --role viewer`",
            )
        return principal

    return admitted


def overseer(admit: Admit) -> Admit:
    """For what is about everybody: an admin's or a viewer's, or anybody's where there are no keys.

    Raises:
        Forbidden: the key is neither's.
    """

    def admitted(arrival: Arrival) -> Principal:
        principal = admit(arrival)
        if principal.sees:
            raise Forbidden(
                "This is about the whole gateway, and the key may see its own calls only",
                hint="a key of the role viewer or admin sees it: `pointsman keys create NAME --role viewer`",
            )
        return principal

    return admitted


def scraper(admit: Admit) -> Admit:
    """For the figures of the whole gateway: as `overseer`, and keys for metrics.

    Raises:
        Forbidden: the key calls models, and no more.
    """

    def admitted(arrival: Arrival) -> Principal:
        principal = admit(arrival)
        if principal.sees and principal.role != "metrics":
            raise Forbidden(
                "Metrics are about the whole gateway, and the key may see its own calls only",
                hint="a key of the role metrics reads them: `pointsman keys create prometheus --role metrics`",
            )
        return principal

    return admitted


def manager(admit: Admit) -> Admit:
    """For what changes keys and data: an admin's, also where there are no keys yet.

    Raises:
        Forbidden: the key is another's, or there is none.
    """

    def admitted(arrival: Arrival) -> Principal:
        principal = admit(arrival)
        if principal.role != "admin":
            raise Forbidden("This takes an admin key", hint=_HINT)
        return principal

    return admitted
