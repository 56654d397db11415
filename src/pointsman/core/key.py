"""A caller's key as it is kept; the secret itself never is."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from pointsman.core.budget import Period, Scope, Unit
from pointsman.core.scope import Allow

FILE_IDS = "file:"
"""Ids of keys that stand in the configuration begin so; the name follows, so that they last while secrets change."""
Role = Literal["caller", "viewer", "metrics", "admin"]
"""What a key is for: `caller` calls models and sees its own calls; `admin` does so too, sees everybody's and manages
keys; `viewer` sees what an admin sees, and does nothing; `metrics` reads `/metrics` alone."""
ROLES: tuple[Role, ...] = get_args(Role)
CALLING: frozenset[Role] = frozenset({"caller", "admin"})
"""Roles whose keys call models."""


Why = Literal["revoked", "expired", "replaced"]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Why a secret opens nothing any more, and since when (nanoseconds since the epoch)."""

    at: int
    why: Why


class Former(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that was replaced, and opens the door until `until` (nanoseconds since the epoch)."""

    digest: str
    prefix: str
    until: int


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept.

    Attributes:
        id: of the key; what the ledger writes beside a call. It stays when the secret changes.
        name: for people.
        prefix: first characters of the secret, to recognise it by.
        digest: hexadecimal SHA-256 of the store's salt and the secret.
        created, expires, revoked: nanoseconds since the epoch; None is never.
        team, project: who pays; fixed when the key is made, empty for none.
        allow: what it may use, see `core.scope`.
        parallel: calls at once in one gateway, over all of its workers; 0 is no limit.
        role: what it is for; fixed when the key is made.
        former: secrets before this one that are not over yet, or were when this was read.
    """

    id: str
    name: str
    prefix: str
    digest: str
    created: int
    expires: int | None = None
    revoked: int | None = None
    team: str = ""
    project: str = ""
    allow: Allow = ()
    parallel: int = 0
    role: Role = "caller"
    former: tuple[Former, ...] = ()

    def active(self, now: int) -> bool:
        """Whether it opens the door at `now` (nanoseconds since the epoch)."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class BudgetRow(msgspec.Struct, frozen=True, kw_only=True):
    """A budget that came with a key.

    Attributes:
        id: of the budget.
        scope: what it limits: `key`.
        subject: who exactly: the key's id.
        limit: nano-dollars, tokens or requests: which, `unit` says.
        period: how long they last.
        soft: share of it from which on the cheapest goes first; None is the default's.
        key: id of the key that it came with.
        created, ended: nanoseconds since the epoch; None is not yet.
    """

    id: str
    subject: str
    limit: int
    period: Period
    key: str
    created: int
    scope: Scope = "key"
    unit: Unit = "usd"
    soft: float | None = None
    ended: int | None = None
