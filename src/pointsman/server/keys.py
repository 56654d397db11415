"""`/api/keys`: keys are made, changed, rotated and revoked by whoever has an admin key; viewers see them too.

Every secret is in one answer alone, the one to the request that made it. What is done is in the log, by ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from pointsman.core.call import Arrival
from pointsman.core.clock import Clock
from pointsman.core.errors import InvalidJson, InvalidRequest, MethodNotAllowed, NotFound
from pointsman.core.expiry import read_end
from pointsman.core.key import BudgetRow, KeyRow, Role
from pointsman.core.key_terms import Changes, Terms, read_amount, read_span
from pointsman.core.key_view import key_view
from pointsman.core.ports import Principal, Reply
from pointsman.server.identified import Identified
from pointsman.server.tenants import Admit, manager, overseer

_log = logging.getLogger("pointsman")
T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_PATH = "/api/keys/"
_OVERLAP = "24h"


class Made(Protocol):
    """A key just made."""

    @property
    def secret(self) -> str:
        """Shown once."""
        ...

    @property
    def row(self) -> KeyRow:
        """The key."""
        ...


class Keeper(Protocol):
    """Keeps keys; see `access.keys.KeyRing`. Everything but `refresh` names a key by id, beginning or name."""

    def refresh(self) -> bool:
        """Put what has changed in force, in this process at once."""
        ...

    def create(self, name: str, terms: Terms = ...) -> Made:
        """Make a key."""
        ...

    def rotate(self, which: str, overlap: int) -> Made:
        """Give it a new secret; the old one is good for so many nanoseconds more."""
        ...

    def edit(self, which: str, changes: Changes) -> KeyRow:
        """Change what may change."""
        ...

    def revoke(self, which: str) -> KeyRow:
        """Revoke it for good."""
        ...

    def list(self) -> list[KeyRow]:
        """All of them."""
        ...

    def find(self, which: str) -> KeyRow:
        """One of them."""
        ...

    def every_budget(self) -> Mapping[str, Sequence[BudgetRow]]:
        """Those of all keys, by the key's id."""
        ...

    def budgets_of(self, key_id: str) -> tuple[BudgetRow, ...]:
        """Those in force that came with it."""
        ...


class _New(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    team: str = ""
    project: str = ""
    allow: tuple[str, ...] = ()
    parallel: int = 0
    role: str = "caller"
    expires: str | int | None = None
    budgets: tuple[str, ...] = ()


class _Edit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    allow: tuple[str, ...] | UnsetType = UNSET
    parallel: int | UnsetType = UNSET
    expires: str | int | UnsetType | None = UNSET
    budgets: tuple[str, ...] | UnsetType = UNSET


class _Rotate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    overlap: str | int = _OVERLAP


class KeyPaths:
    """Handlers over the keys.

    Args:
        keeper: where keys are kept; asked in threads.
        admit: who is calling.
        clock: for expiry.
        opening: asked once for each answer; tells why a key opens nothing.
    """

    def __init__(
        self, keeper: Keeper, admit: Admit, clock: Clock, opening: Callable[[], Callable[[KeyRow], str]]
    ) -> None:
        self._keeper = keeper
        self._sees = overseer(admit)
        self._manages = manager(admit)
        self._clock = clock
        self._opening = opening

    async def every(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/keys`: all of them, revoked ones too."""
        self._sees(arrival)

        def ask() -> list[dict[str, Any]]:
            budgets, now, why = self._keeper.every_budget(), self._clock.now(), self._opening()
            return [key_view(row, budgets.get(row.id, ()), now, why(row)) for row in self._keeper.list()]

        await _send(reply, {"keys": await asyncio.to_thread(ask)})

    async def create(self, arrival: Arrival, reply: Reply) -> None:
        """`POST /api/keys`: a new key, with its secret."""
        admin = self._manages(arrival)
        said = _read(arrival, _New)
        terms = Terms(
            team=said.team,
            project=said.project,
            allow=said.allow,
            parallel=said.parallel,
            role=cast("Role", said.role),  # `Terms` looks at it
            expires=self._until(said.expires),
            budgets=tuple([read_amount(one) for one in said.budgets]),
        )
        made = await self._do(lambda: self._keeper.create(said.name, terms))
        await self._tell_secret(made, "made", admin, Identified(reply), status=201)

    async def one(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/keys/{key}`."""
        self._sees(arrival)
        which = _which(arrival)
        await _send(reply, await asyncio.to_thread(lambda: self._view(self._keeper.find(which))))

    async def edit(self, arrival: Arrival, reply: Reply) -> None:
        """`PATCH /api/keys/{key}`: what it may use, how many calls at once, until when, its budgets."""
        admin = self._manages(arrival)
        which, said = _which(arrival), _read(arrival, _Edit)
        changes = Changes(
            allow=said.allow,
            parallel=said.parallel,
            expires=UNSET if said.expires is UNSET else self._until(said.expires),
            budgets=UNSET if said.budgets is UNSET else tuple([read_amount(one) for one in said.budgets]),
        )
        row = await self._do(lambda: self._keeper.edit(which, changes))
        _note("changed", row, admin)
        await _send(reply, await asyncio.to_thread(self._view, row))

    async def revoke(self, arrival: Arrival, reply: Reply) -> None:
        """`DELETE /api/keys/{key}`: for good."""
        admin = self._manages(arrival)
        which = _which(arrival)
        row = await self._do(lambda: self._keeper.revoke(which))
        _note("revoked", row, admin)
        await _send(reply, await asyncio.to_thread(self._view, row))

    async def rotate(self, arrival: Arrival, reply: Reply) -> None:
        """`POST /api/keys/{key}/rotate`: a new secret; the old one is good for the overlap."""
        reply = Identified(reply)
        admin = self._manages(arrival)
        which, _, verb = _which(arrival, deep=True).partition("/")
        if verb != "rotate":
            raise MethodNotAllowed("A key takes POST at its `/rotate` alone", hint="POST /api/keys/{key}/rotate")
        overlap = read_span(_read(arrival, _Rotate).overlap, "overlap", unit="h", least=0)
        made = await self._do(lambda: self._keeper.rotate(which, overlap))
        await self._tell_secret(made, "rotated", admin, reply)

    async def _tell_secret(self, made: Made, done: str, admin: Principal, reply: Reply, status: int = 200) -> None:
        _note(done, made.row, admin)
        view = await asyncio.to_thread(self._view, made.row)
        await _send(reply, {"key": made.secret, **view}, status)

    async def _do(self, work: Callable[[], T]) -> T:
        """A change, in force here when it is answered; elsewhere within a second."""

        def whole() -> T:
            result = work()
            self._keeper.refresh()
            return result

        return await asyncio.to_thread(whole)

    def _until(self, said: str | int | None) -> int | None:
        return None if said is None else read_end(said, self._clock.now())

    def _view(self, row: KeyRow) -> dict[str, Any]:
        return key_view(row, self._keeper.budgets_of(row.id), self._clock.now(), self._opening()(row))


def _which(arrival: Arrival, *, deep: bool = False) -> str:
    which = arrival.path.partition(_PATH)[2].strip("/")
    if "/" in which and not deep:
        raise NotFound("There is nothing below a key but `/rotate`", hint="POST /api/keys/{key}/rotate")
    return which


def _read(arrival: Arrival, kind: type[S]) -> S:
    """The body. A message of the reader's says what was expected and where, never what was found."""
    try:
        return msgspec.json.decode(arrival.body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"The body is not what is expected here: {error}") from None
    except msgspec.DecodeError:
        raise InvalidJson("The body is not JSON") from None


def _note(done: str, row: KeyRow, admin: Principal) -> None:
    _log.info("key %s (%s) was %s by key %s", row.id, row.prefix, done, admin.id)


async def _send(reply: Reply, value: Any, status: int = 200) -> None:
    await reply.whole(status, _HEADERS, msgspec.json.encode(value))
