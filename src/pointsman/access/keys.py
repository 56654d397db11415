"""Keys for callers: made once, checked in a microsecond, revoked within a second."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from typing import Protocol

import msgspec

from pointsman.core.clock import Clock, Ids
from pointsman.core.errors import InvalidRequest, NotFound, PointsmanError, StoreUnavailable
from pointsman.core.key import KeyRow
from pointsman.core.ports import Principal

_log = logging.getLogger("pointsman")

MARK = "pm-"
PREFIX_CHARS = 8
REFRESH_SECONDS = 0.4
_SECRET_CHARS = 40
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LONGEST = 256
_NAME_CHARS = 100


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

    def add(self, row: KeyRow) -> None:
        """Keep a new key."""
        ...

    def revoke(self, key_id: str, now: int) -> bool:
        """Revoke a key for good; whether there was an active one of that id."""
        ...


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
    """

    def __init__(self, store: KeyStore, clock: Clock, ids: Ids, *, required: bool = False) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids
        self._required = required
        self._salt = b""
        self._version: str | None = None
        self._ring: dict[bytes, tuple[Principal, int | None]] = {}
        self._any = True  # until the store was read: fail closed
        self.last_error = ""

    @property
    def demanded(self) -> bool:
        """Whether a key must be sent."""
        return self._required or self._any

    def require(self, *, required: bool) -> None:
        """Put a changed configuration in force: whether a key must be sent even while none exists."""
        self._required = required

    def check(self, secret: str) -> Principal | None:
        """The key's holder, or None if unknown, expired or revoked.

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
        found = self._ring.get(hashlib.sha256(self._salt + secret.encode("utf-8", "replace")).digest())
        if found is None:
            return None
        principal, expires = found
        return None if expires is not None and self._clock.now() >= expires else principal

    def refresh(self) -> bool:
        """Look whether the store has changed, and follow it; whether it had. Does I/O.

        Raises:
            StoreUnavailable: what was known stays in force.
        """
        version = self._store.version()
        if version == self._version:
            return False
        rows = self._store.load()
        self._salt = self._store.salt()
        # A new dictionary in place of the old one: a check on another thread sees one or the other.
        self._ring = {
            bytes.fromhex(row.digest): (Principal(id=row.id, name=row.name), row.expires)
            for row in rows
            if row.revoked is None
        }
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

    def create(self, name: str, *, expires: int | None = None) -> NewKey:
        """Make a key (expiry in nanoseconds since the epoch). Does I/O.

        Raises:
            InvalidRequest: no name, or one that is too long or not printable.
            StoreUnavailable: it was not kept.
        """
        if not name.strip() or len(name) > _NAME_CHARS or not name.isprintable():
            raise InvalidRequest(f"a key needs a name of 1 to {_NAME_CHARS} printable characters", param="name")
        now = self._clock.now()
        secret = MARK + "".join([secrets.choice(_ALPHABET) for _ in range(_SECRET_CHARS)])
        row = KeyRow(
            id=self._ids.new(now),
            name=name.strip(),
            prefix=secret[:PREFIX_CHARS],
            digest=hashlib.sha256(self._store.salt() + secret.encode()).hexdigest(),
            created=now,
            expires=expires,
        )
        self._store.add(row)
        return NewKey(secret=secret, row=row)

    def list(self) -> list[KeyRow]:
        """All keys, oldest first, revoked ones included. Does I/O."""
        return self._store.load()

    def revoke(self, which: str) -> KeyRow:
        """Revoke the active key of this id, prefix or name. Does I/O.

        Raises:
            NotFound: there is none.
            InvalidRequest: several have that name; the message gives their ids.
        """
        now = self._clock.now()
        active = [row for row in self._store.load() if row.revoked is None]
        found = [row for row in active if row.id == which] or [row for row in active if which in (row.name, row.prefix)]
        if not found:
            raise NotFound(f"no active key {which!r}", hint="`pointsman keys list` shows all keys")
        if len(found) > 1:
            raise InvalidRequest(
                f"{len(found)} active keys are called {which!r}: " + ", ".join(row.id for row in found),
                hint="name the one by its id",
            )
        self._store.revoke(found[0].id, now)
        return msgspec.structs.replace(found[0], revoked=now)
