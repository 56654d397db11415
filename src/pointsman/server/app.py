"""The application: every request goes through `App.handle`, and leaves with an answer.

Order: cross-origin rules, a place among those in flight, guard, table of paths, handler. Data paths go straight to the
line, which answers its own errors; errors of all other paths are printed here, in the dialect that the path belongs to.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from pointsman.core.call import Arrival
from pointsman.core.errors import InternalError, MethodNotAllowed, PointsmanError, Stopping
from pointsman.core.ports import STOPPING, Headers, Reply
from pointsman.server.admission import Admission, Pressure, Priority, Rules, TurnedAway
from pointsman.server.exchange import Shared
from pointsman.server.guard import Guard
from pointsman.server.http1 import Limits
from pointsman.server.identified import Identified, new_id
from pointsman.server.room import Room
from pointsman.server.table import Table, normal
from pointsman.wire.port import Spoken

_now = time.perf_counter_ns
_log = logging.getLogger("pointsman.server")
_JSON = (b"content-type", b"application/json")
_ALWAYS = frozenset({"/health", "/ready", "/metrics", "/metrics/own"})
"""Answered however many calls are in flight: a busy process must not look like a dead one."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to calls for which there is no place at once.

    Attributes:
        rules: places and room.
        seconds: that a call waits, at most.
        who: see `Room`.
        on_waited: see `Room`.
        on_turned_away: see `Room`.
    """

    rules: Rules = Rules()
    seconds: float = 5.0
    who: Callable[[Arrival], str | None] = lambda _: ""
    on_waited: Callable[[Priority, float], None] = lambda _, __: None
    on_turned_away: Callable[[TurnedAway], None] = lambda _: None


_WAITING = Waiting()


class App:
    """Serves requests; satisfies the protocol's `Application`.

    `dialect` gives the dialect of a path; `root_path` is the part of the path that a proxy in front keeps.
    """

    def __init__(
        self,
        *,
        table: Table,
        dialect: Callable[[str], Spoken],
        limits: Limits,
        guard: Guard,
        waiting: Waiting = _WAITING,
        root_path: str = "",
    ) -> None:
        self.limits = limits
        self.shared = Shared(root_path)
        self.admission = Admission(waiting.rules)
        self.pressure = Pressure()
        self._room = Room(self.admission, waiting.seconds, _now, waiting.who, waiting.on_waited, waiting.on_turned_away)
        self._table = table
        self._dialect = dialect
        self._cors = guard.cors
        self._guard = guard

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
        admission = self.admission
        if admission.in_flight < admission.free:
            admission.in_flight += 1
        elif not await self._admitted(arrival, reply):
            return
        try:
            self._guard.check(arrival)
            await self._table.find(arrival.method, arrival.path)(arrival, reply)
        except PointsmanError as error:
            await self._print(error, arrival.path, reply)
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (STOPPING,):
                raise  # its caller has left
            await self._stopped(arrival, reply)
        except Exception:  # noqa: BLE001 - a named edge: a defect becomes an answer, the process goes on
            _log.exception("%s %s failed inside the gateway", arrival.method, arrival.path)
            defect = InternalError("The gateway failed on this request", hint="see the gateway's log")
            await self._print(defect, arrival.path, reply)
        finally:
            if admission.waiting:
                admission.leave(_now())
            else:
                admission.in_flight -= 1

    def lagged(self, late: float, now: float) -> None:
        """The event loop ran a timer `late` by so many seconds, at `now` (monotonic seconds)."""
        self.admission.press(self.pressure.sample(late, now))

    def refuse(self, error: PointsmanError, path: str) -> tuple[int, Headers, bytes]:
        """The answer to a request that never became whole, in the dialect of its path."""
        request_id = new_id()
        headers = [_JSON, (b"x-request-id", request_id.encode())]
        if isinstance(error, TurnedAway):
            headers.append((b"retry-after", b"%d" % error.after))
        elif isinstance(error, MethodNotAllowed):
            headers.append((b"allow", self._table.allowed(path).encode()))
        return error.status, headers, self._dialect(normal(path)).write_error(error, request_id)

    async def _admitted(self, arrival: Arrival, reply: Reply) -> bool:
        """Find a place for a request, where there was none at once; False: it has been turned away."""
        if normal(arrival.path) in _ALWAYS:
            self.admission.in_flight += 1
            return True
        try:
            await self._room.enter(arrival)
        except PointsmanError as error:
            await self._print(error, arrival.path, reply)
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (STOPPING,):
                raise  # its caller has left
            await self._stopped(arrival, reply)
        else:
            return True
        return False

    async def _stopped(self, arrival: Arrival, reply: Reply) -> None:
        """A request whose task was cancelled because the gateway stops: its caller is told so."""
        await self._print(Stopping("The gateway stops", hint="send the request again"), arrival.path, reply)

    async def _print(self, error: PointsmanError, path: str, reply: Reply) -> None:
        if not reply.started:
            await reply.whole(*self.refuse(error, path))
