"""What every process may spend of each budget: leases, added up in the store. Satisfies the purse's `Vault`.

One row for each account and period. `granted` is all that was leased and not given back, by whoever; `spent` is what
owners have told of it. A grant looks and adds in one transaction that nobody else can come between, so that `granted`
is never raised beyond the limit by a lease; only what was spent in truth can raise it further.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from pointsman.core.budget import Granted, Wanted
from pointsman.core.clock import Clock
from pointsman.store.database import Database
from pointsman.store.link import Link
from pointsman.store.location import locate

_KEPT_NS = 400 * 86_400 * 1_000_000_000
"""How long a period is remembered after its end, to be looked at."""
_EVERY = 1000
_NEW = (
    "INSERT INTO allowances (account, begin_ns, end_ns, granted, spent) VALUES (?, ?, ?, 0, 0) "
    "ON CONFLICT (account, begin_ns) DO NOTHING"
)
_LOOK = "SELECT granted, spent FROM allowances WHERE account = ? AND begin_ns = ?"
_GRANT = "UPDATE allowances SET granted = granted + ? WHERE account = ? AND begin_ns = ?"
_KNOWN = "UPDATE allowances SET granted = granted + ?, spent = spent + ? WHERE account = ? AND begin_ns = ?"
_SETTLE = (
    "UPDATE allowances SET granted = granted + ?, spent = spent + ?, doubt = doubt + ? "
    "WHERE account = ? AND begin_ns = ? RETURNING granted"
)
_RELEASE = "UPDATE allowances SET granted = granted - doubt, spent = spent - doubt, doubt = 0 WHERE doubt <> 0"
_UNLEASE = "UPDATE allowances SET granted = spent WHERE granted > spent"
_DOUBTED = "SELECT count(*) FROM allowances WHERE doubt <> 0"
_LEASED = f"{_DOUBTED} OR granted > spent"
_FORGET = "DELETE FROM allowances WHERE end_ns < ?"


class Allowances:
    """Leases in the ledger's database, through a connection of its own that is opened when first needed.

    Args:
        url: as for the ledger.
        clock: for the record of migrations, and for what is so old that it is forgotten.

    Raises:
        ConfigError: the URL names no store.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._link = Link(locate(url), clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._asked = 0

    def lease(self, wanted: Sequence[Wanted], part: int) -> list[Granted]:
        """Grant what is wanted, all in one transaction; see `Wanted.grant`.

        What was spent was granted, whatever became of its leases; else others would get it once more. Where less was
        granted of an account than the ledger has of it (`known`), its budget came late, or was away:
        what is lacking counts as granted and spent. (What others use now is granted already, and never counted twice.)

        Raises:
            StoreUnavailable: the store does not answer; nothing is granted.
        """

        def work(database: Database) -> list[Granted]:
            found = {}
            with database.transaction():
                for one in sorted(wanted, key=_place):  # in one order, so that nobody waits in a ring
                    found[one] = _granted(database, one, part)
                self._forget(database)
            return [found[one] for one in wanted]

        with self._lock:
            return self._link.use(work)

    def settle(self, changes: Sequence[tuple[str, int, int, int, int]]) -> list[int]:
        """Add to what is granted and spent: account, begin of its period, granted, spent, and what of that is in doubt.

        Returns what is granted of each afterwards, in all; an account that is not there any more has none.

        Raises:
            StoreUnavailable: nothing was changed.
        """

        def work(database: Database) -> list[int]:
            found = []
            with database.transaction():
                for account, begin, granted, spent, doubt in sorted(changes):  # in one order, as above
                    rows = database.rows(_SETTLE, (granted, spent, doubt, account, begin))
                    found.append(((account, begin), int(rows[0][0]) if rows else 0))
            after = dict(found)
            return [after[account, begin] for account, begin, *_ in changes]

        with self._lock:
            return self._link.use(work)

    def releasable(self, *, leases: bool = False) -> int:
        """Of how many accounts `release` would give something back.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        with self._lock:
            return int(self._link.use(lambda database: database.rows(_LEASED if leases else _DOUBTED))[0][0])

    def release(self, *, leases: bool = False) -> None:
        """Give back what is booked in doubt, of all accounts; with `leases` also what is leased and not spent.

        No server may run for the latter: it would go on spending what it has leased.

        Raises:
            StoreUnavailable: nothing was changed.
        """

        def work(database: Database) -> None:
            with database.transaction():
                database.run(_RELEASE)
                if leases:
                    database.run(_UNLEASE)

        with self._lock:
            self._link.use(work)

    def spent(self, account: str, begin: int) -> tuple[int, int]:
        """What was granted and what was spent of an account in the period that began then.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        query = "SELECT granted, spent FROM allowances WHERE account = ? AND begin_ns = ?"
        with self._lock:
            rows = self._link.use(lambda database: database.rows(query, (account, begin)))
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._link.close()

    def _forget(self, database: Database) -> None:
        """Now and then: periods that ended long ago."""
        self._asked += 1
        if self._asked % _EVERY == 1:
            database.run(database.sql(_FORGET), (self._clock.now() - _KEPT_NS,))


def _place(one: Wanted) -> tuple[str, int]:
    return one.account, one.begin


def _granted(database: Database, one: Wanted, part: int) -> Granted:
    """Within a transaction: look, with everybody else kept out, and grant."""
    where = (one.account, one.begin)
    database.run(database.sql(_NEW), (one.account, one.begin, one.end))
    lock = " FOR UPDATE" if database.engine == "postgresql" else ""
    granted, spent = (int(value) for value in database.rows(_LOOK + lock, where)[0])
    if granted < spent:  # leases were released under a server that spent them all the same
        database.run(database.sql(_GRANT), (spent - granted, *where))
        granted = spent
    if granted < one.known:
        late = one.known - granted
        database.run(database.sql(_KNOWN), (late, late, *where))
        granted = one.known
    grant = one.grant(granted, part)
    if grant.now:
        database.run(database.sql(_GRANT), (grant.now, *where))
    return grant
