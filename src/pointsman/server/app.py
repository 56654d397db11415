"""The application: every request goes through `App.handle`, and leaves with an answer.

Order: cross-origin rules, in-flight limit, guard, table of paths, handler. Data paths go straight to the line, which
answers its own errors; errors of all other paths are printed here, in the dialect that the path belongs to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from pointsman.core.call import Arrival
from pointsman.core.errors import InternalError, MethodNotAllowed, Overloaded, PointsmanError
from pointsman.core.ports import Headers, Reply
from pointsman.server.exchange import Shared
from pointsman.server.guard import Guard
from pointsman.server.http1 import Limits
from pointsman.server.identified import Identified, new_id
from pointsman.server.table import Table, normal
from pointsman.wire.port import Spoken

_log = logging.getLogger("pointsman.server")
_JSON = (b"content-type", b"application/json")
_ALWAYS = frozenset({"/health", "/ready", "/metrics"})
"""Answered however many calls are in flight: a busy process must not look like a dead one."""


class App:
    """Serves requests; satisfies the protocol's `Application`.

    `dialect` gives the dialect of a path; `on_turned_away` hears of each call that was one too many; `root_path` is the
    part of the path that a proxy in front keeps.
    """

    def __init__(
        self,
        *,
        table: Table,
        dialect: Callable[[str], Spoken],
        limits: Limits,
        guard: Guard,
        root_path: str = "",
        on_turned_away: Callable[[], None] = lambda: None,
    ) -> None:
        self.limits = limits
        self.shared = Shared(root_path)
        self.in_flight = 0
        self._table = table
        self._dialect = dialect
        self._cors = guard.cors
        self._guard = guard
        self._most = limits.max_in_flight
        self._on_turned_away = on_turned_away

    async def handle(self, arrival: Arrival, reply: Reply) -> None:
        """Answer one request."""
        if arrival.method != "POST":  # calls have their own id, and no time to lose
            reply = Identified(reply)
        if self._cors.origins and b"origin" in arrival.lookup:
            cors_reply = self._cors.wrap(arrival, reply)
            if cors_reply is None:
                await self._cors.preflight(arrival, reply)
                return
            reply = cors_reply
        self.in_flight += 1
        try:
            if self.in_flight > self._most and normal(arrival.path) not in _ALWAYS:
                self._on_turned_away()
                raise Overloaded(f"{self._most} calls are already in flight", hint="try again shortly")  # noqa: TRY301
            self._guard.check(arrival)
            await self._table.find(arrival.method, arrival.path)(arrival, reply)
        except PointsmanError as error:
            await self._print(error, arrival.path, reply)
        except Exception:  # noqa: BLE001 - a named edge: a defect becomes an answer, the process goes on
            _log.exception("%s %s failed inside the gateway", arrival.method, arrival.path)
            defect = InternalError("The gateway failed on this request", hint="see the gateway's log")
            await self._print(defect, arrival.path, reply)
        finally:
            self.in_flight -= 1

    def refuse(self, error: PointsmanError, path: str) -> tuple[int, Headers, bytes]:
        """The answer to a request that never became whole, in the dialect of its path."""
        request_id = new_id()
        headers = [_JSON, (b"x-request-id", request_id.encode())]
        if isinstance(error, Overloaded):
            headers.append((b"retry-after", b"1"))
        elif isinstance(error, MethodNotAllowed):
            headers.append((b"allow", self._table.allowed(path).encode()))
        return error.status, headers, self._dialect(normal(path)).write_error(error, request_id)

    async def _print(self, error: PointsmanError, path: str, reply: Reply) -> None:
        if not reply.started:
            await reply.whole(*self.refuse(error, path))
