"""Keys for callers: made once, checked in a microsecond, revoked within a second."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import UNSET

from pointsman.access.ended import Endings, endings
from pointsman.access.finding import demand_free, demand_name, only
from pointsman.core.clock import Clock, Ids
from pointsman.core.errors import InvalidRequest, NotFound, PointsmanError, StoreUnavailable
from pointsman.core.key import CALLING, BudgetRow, Ended, Former, KeyRow
from pointsman.core.key_terms import Amount, Changes, Terms, check_label, check_use
from pointsman.core.ports import Principal

_log = logging.getLogger("pointsman")

MARK = "pm-"
PREFIX_CHARS = 8
REFRESH_SECONDS = 0.4
_SECRET_CHARS = 40
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LONGEST = 256
_NOTHING = Terms()
_Holders = dict[bytes, tuple[Principal, int | None]]
"""Who holds a secret, by its digest, and until when (nanoseconds since the epoch)."""


class KeyStore(Protocol):
    """Where keys are kept. Every method may do I/O and raise `StoreUnavailable`; any thread may call."""

    def salt(self) -> bytes:
        """The store's own salt, made when first asked for; never changes."""
        ...

    def version(self) -> str:
        """Changes whenever a key does; cheap."""
        ...

    def load(self) -> list[KeyRow]:
        """All keys, oldest first."""
        ...

    def budgets(self) -> list[BudgetRow]:
        """Every budget that came with a key and has not ended, oldest first."""
        ...

    def add(self, row: KeyRow, budgets: Iterable[BudgetRow] = ()) -> None:
        """Keep a new key and its budgets."""
        ...

    def rotate(self, row: KeyRow, now: int) -> bool:
        """Put a new secret in force: `row` has it, and the former ones; whether there was an active key of that id."""
        ...

    def edit(self, key_id: str, changes: Changes, budgets: Iterable[BudgetRow] | None, now: int) -> bool:
        """Keep what changes of a key, and its budgets instead of those before; None leaves them.

        Whether there was an active key of that id.
        """
        ...

    def revoke(self, key_id: str, now: int) -> bool:
        """Revoke a key for good, with its budgets; whether there was an active one of that id."""
        ...


class FileKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that stands in the configuration: what it is, and the secrets that open it, from the environment.

    Its row has no digest; `budgets` are what it brings; `faults` are what is wrong with variables of its.
    """

    row: KeyRow
    secrets: tuple[str, ...]
    budgets: tuple[BudgetRow, ...] = ()
    faults: tuple[str, ...] = ()


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key just made: its secret, which nobody can ask for again, and its row."""

    secret: str
    row: KeyRow


class KeyRing:
    """The keys in memory, following their store. Satisfies the port `Keys`.

    Args:
        store: where keys are kept.
        clock: for expiry.
        ids: for new keys.
        required: whether a key must be sent even while none exists, because the configuration says so or because
            the server listens beyond this machine.

    Attributes:
        budgets: those that came with keys and are in force, as of the last look at the store.
        last_error: why the store could not be read at the last look; empty where it could.
    """

    def __init__(self, store: KeyStore, clock: Clock, ids: Ids, *, required: bool = False) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._required = required
        self._salt = b""
        self._version: str | None = None
        self._rows: list[KeyRow] = []
        self._kept: tuple[BudgetRow, ...] = ()
        self._named: tuple[FileKey, ...] = ()
        self._ring: _Holders = {}
        self._readers: _Holders = {}
        self._endings: Endings = {}
        self._any = True  # until the store was read: fail closed
        self._on_budgets: Callable[[tuple[BudgetRow, ...]], None] = _nobody
        self.budgets: tuple[BudgetRow, ...] = ()
        self.last_error = ""

    @property
    def demanded(self) -> bool:
        """Whether a key must be sent."""
        return self._required or self._any or bool(self._named)

    def require(self, *, required: bool) -> None:
        """Put a changed configuration in force: whether a key must be sent even while none exists."""
        self._required = required

    def tell(self, on_budgets: Callable[[tuple[BudgetRow, ...]], None]) -> None:
        """Tell somebody of the budgets whenever they may have changed, before any key that they bind opens the door.

        It is called on whichever thread looks at the store.
        """
        self._on_budgets = on_budgets
        self._tell_budgets()

    def declare(self, named: Iterable[FileKey]) -> None:
        """Put the keys of a configuration in force, instead of those of the one before."""
        self._named = tuple(named)
        if self._version is None:
            self._tell_budgets()
        else:
            self._put_up()

    def check(self, secret: str) -> Principal | None:
        """The holder of a key that calls models, or None if unknown, expired or revoked.

        One SHA-256 and one look-up. That is enough for secrets of 238 random bits: nobody can guess them from their
        digests, so the slow hashes that protect people's passwords would only slow every call. The time of the
        look-up tells nothing either, as a caller cannot choose digests without the salt.

        Raises:
            StoreUnavailable: the store was never read, so that nobody can be told from anybody.
        """
        if self._version is None:
            raise StoreUnavailable(
                "Keys cannot be read from the store, and without them no call is served",
                hint="the gateway's log says why",
            )
        if len(secret) > _LONGEST:
            return None
        found = self._ring.get(self._digest(secret))
        if found is None:
            return None
        principal, expires = found
        return None if expires is not None and self._clock.now() >= expires else principal

    def reader(self, secret: str) -> Principal | None:
        """Likewise the holder of a key that only reads. They are apart, so that no call asks what its key is for."""
        found = self._readers.get(self._digest(secret)) if len(secret) <= _LONGEST else None
        if found is None:
            return None
        principal, expires = found
        return None if expires is not None and self._clock.now() >= expires else principal

    def ended(self, secret: str) -> Ended | None:
        """Why a secret that opened the door once does not any more; None for one that never did, as far as is known."""
        found = self._endings.get(self._digest(secret)) if len(secret) <= _LONGEST else None
        return found if found is not None and found.at <= self._clock.now() else None

    def refresh(self) -> bool:
        """Look whether the store has changed, and follow it; whether it had. Does I/O.

        Raises:
            StoreUnavailable: what was known stays in force.
        """
        version = self._store.version()
        if version == self._version:
            return False
        rows = self._store.load()
        self._kept = tuple(self._store.budgets())
        self._salt = self._store.salt()
        self._rows = rows
        self._put_up()
        # Keys are revoked, never deleted, so their rows vanish only with the whole store. The door stays shut then.
        vanished = self._any and self._version is not None and not rows
        if vanished:
            _log.error(
                "the store with the keys was deleted or replaced: none of them works any more, and calls need one; "
                "make new keys"
            )
        if rows and not self.demanded:
            _log.warning("the first key was made: from now on every caller needs one")
        self._any = vanished or bool(rows)
        self._version = version
        return True

    async def watch(self, seconds: float = REFRESH_SECONDS) -> None:
        """Follow the store until cancelled. A store that is away is asked again."""
        while True:
            try:
                await asyncio.to_thread(self.refresh)
                if self.last_error:
                    _log.warning("keys are read from the store again")
                self.last_error = ""
            except PointsmanError as error:
                if not self.last_error:
                    _log.error(
                        "keys cannot be read from the store, what was known of them stays in force: %s%s",
                        error.message,
                        f" ({error.hint})" if error.hint else "",
                    )
                self.last_error = error.message
            await asyncio.sleep(seconds)

    def _put_up(self) -> None:
        """The ring from what is known; a new one in place of the old: a check on another thread sees one or the other.

        Keys whose secrets would be the same are told apart by nobody; the configuration's comes last and counts.
        """
        holders: _Holders = {}
        for row in self._rows:
            if row.revoked is None:
                holder = _holder(row)
                ends = (row.expires,) if row.expires is not None else ()
                for former in row.former:
                    holders[bytes.fromhex(former.digest)] = holder, min((former.until, *ends))
                holders[bytes.fromhex(row.digest)] = holder, row.expires
        for one in self._named:
            for secret in one.secrets:
                holders[self._digest(secret)] = _holder(one.row), one.row.expires
        self._tell_budgets()
        ended = endings(self._rows)
        for one in self._named:
            if one.row.expires is not None:
                end = Ended(at=one.row.expires, why="expired")
                ended |= {self._digest(secret): end for secret in one.secrets}
        self._endings = ended
        self._ring = {digest: one for digest, one in holders.items() if one[0].role in CALLING}
        self._readers = {digest: one for digest, one in holders.items() if one[0].role not in CALLING}

    def _tell_budgets(self) -> None:
        self.budgets = (*self._kept, *(budget for one in self._named for budget in one.budgets))
        self._on_budgets(self.budgets)

    def _digest(self, secret: str) -> bytes:
        return hashlib.sha256(self._salt + secret.encode("utf-8", "replace")).digest()

    # Keeping keys; all of these do I/O and raise `StoreUnavailable`

    def create(self, name: str, terms: Terms = _NOTHING) -> NewKey:
        """Make a key.

        Raises:
            InvalidRequest: no name, one that is too long or not printable, or one that an active key has: a budget
                for a key goes by its name, and would be there once for each of them.
        """
        check_label(name, "name", needed=True)
        for param, said in (("name", name), ("team", terms.team), ("project", terms.project)):
            demand_name(said, param)
        now = self._clock.now()
        demand_free(name.strip(), self.list(), now)
        secret = _new_secret()
        row = KeyRow(
            id=self._ids.new(now),
            name=name.strip(),
            prefix=secret[:PREFIX_CHARS],
            digest=self._digest_in_store(secret),
            created=now,
            expires=terms.expires,
            team=terms.team.strip(),
            project=terms.project.strip(),
            allow=terms.allow,
            parallel=terms.parallel,
            role=terms.role,
        )
        self._store.add(row, self._budgets_of(row.id, terms.budgets, now))
        return NewKey(secret=secret, row=row)

    def rotate(self, which: str, overlap: int) -> NewKey:
        """Give a key a new secret; those before are good for so many nanoseconds more, or for what they had left.

        Raises:
            NotFound, InvalidRequest: as `revoke`.
        """
        now = self._clock.now()
        row = self._active(which)
        secret = _new_secret()
        before = (*row.former, Former(digest=row.digest, prefix=row.prefix, until=now + overlap))
        former = [
            msgspec.structs.replace(one, until=min(one.until, now + overlap)) for one in before if one.until > now
        ]
        row = msgspec.structs.replace(
            row,
            prefix=secret[:PREFIX_CHARS],
            digest=self._digest_in_store(secret),
            former=tuple(former) if overlap else (),
        )
        self._demand(which, changed=self._store.rotate(row, now))
        return NewKey(secret=secret, row=row)

    def edit(self, which: str, changes: Changes) -> KeyRow:
        """Change what may change of a key; its row after that.

        Raises:
            NotFound, InvalidRequest: as `revoke`.
        """
        now = self._clock.now()
        row = self._active(which)
        check_use(row.role, changes)
        said = changes.budgets
        budgets = None if said is UNSET else self._budgets_of(row.id, said, now)
        self._demand(which, changed=self._store.edit(row.id, changes, budgets, now))
        return self._active(row.id)

    def revoke(self, which: str) -> KeyRow:
        """Revoke the active key of this id, prefix or name.

        Raises:
            NotFound: there is none.
            InvalidRequest: several have that name, the message gives their ids; or it stands in the configuration.
        """
        now = self._clock.now()
        row = self._active(which)
        self._store.revoke(row.id, now)
        return msgspec.structs.replace(row, revoked=now, former=())

    def list(self) -> list[KeyRow]:
        """All keys, those of the configuration first, then oldest first, revoked ones included."""
        return [*(one.row for one in self._named), *self._store.load()]

    def lacking(self, key_id: str) -> str:
        """Why a key of the configuration has no secret that opens anything; empty: it has, or stands elsewhere."""
        return next((" and ".join(one.faults) for one in self._named if one.row.id == key_id and not one.secrets), "")

    def find(self, which: str) -> KeyRow:
        """The key of this id, or the active one of this prefix or name. Raises as `revoke`."""
        rows = self.list()
        return next((row for row in rows if row.id == which), None) or only(which, rows, self._own_secrets())

    def budgets_of(self, key_id: str) -> tuple[BudgetRow, ...]:
        """The budgets of a key that are in force."""
        return tuple(self.every_budget().get(key_id, ()))

    def every_budget(self) -> Mapping[str, Sequence[BudgetRow]]:
        """The budgets of all keys that are in force, by the key's id; asked once, however many keys there are."""
        named = (budget for one in self._named for budget in one.budgets)
        found: dict[str, tuple[BudgetRow, ...]] = {}
        for one in (*self._store.budgets(), *named):
            found[one.key] = (*found.get(one.key, ()), one)
        return found

    def _own_secrets(self) -> tuple[str, ...]:
        return tuple(secret for one in self._named for secret in one.secrets)

    def _active(self, which: str) -> KeyRow:
        for one in self._named:
            if which in (one.row.id, one.row.name, one.row.prefix):
                raise InvalidRequest(f"the key {which!r} stands in the configuration", hint="change it there")
        return only(which, self._store.load(), self._own_secrets())

    def _demand(self, which: str, *, changed: bool) -> None:
        if not changed:
            raise NotFound(f"no active key {which!r}", hint="it was revoked just now")

    def _digest_in_store(self, secret: str) -> str:
        return hashlib.sha256(self._store.salt() + secret.encode()).hexdigest()

    def _budgets_of(self, key_id: str, amounts: Iterable[Amount], now: int) -> tuple[BudgetRow, ...]:
        rows = [
            BudgetRow(
                id=self._ids.new(now),
                subject=key_id,
                unit=one.unit,
                limit=one.limit,
                period=one.period,
                key=key_id,
                created=now,
            )
            for one in amounts
        ]
        return tuple(rows)


def _nobody(_: tuple[BudgetRow, ...]) -> None:
    """Nobody wants to know."""


def _new_secret() -> str:
    return MARK + "".join([secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARS)])


def _holder(row: KeyRow) -> Principal:
    return Principal(
        id=row.id,
        name=row.name,
        team=row.team,
        project=row.project,
        allow=row.allow,
        parallel=row.parallel,
        role=row.role,
    )
