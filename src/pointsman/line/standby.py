"""A kept answer where nobody can give a new one: asked for after every step has failed, and before the error.

Who keeps answers is behind a port (`parts.Stale`); so far nobody does. What comes of it is marked as old wherever that
can be read; where it can be marked nowhere, the caller gets the error instead. Whatever goes wrong here, the caller is
told what failed at the providers, as without it.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from pointsman.core.errors import PointsmanError, UpstreamError
from pointsman.core.plan import Plan
from pointsman.core.ports import Reply
from pointsman.line import relay
from pointsman.line.parts import Call, KeptAnswer, Parts
from pointsman.line.settle import Run, status_of
from pointsman.wire.told import OWN
from pointsman.wire.trip import COUNTING, Heard, Trip

_log = logging.getLogger("pointsman.line")


async def stood_in(error: UpstreamError, call: Call, plan: Plan, run: Run, reply: Reply) -> bool:
    """Answer with what is kept, where there is something; whether the caller has been answered."""
    if run.won is not None or call.incoming.surface in COUNTING or status_of(error) != "failed":
        return False
    if reply.started and call.incoming.array:
        return False  # headers are out, and one JSON array has no place for a mark
    kept = await _found(run.parts, call, plan)
    heard = None if kept is None else _heard(run.parts, call, kept)
    if kept is None or heard is None:
        return False
    await relay.deliver_kept(call, plan, kept, heard, run.trail, reply)
    run.kept = msgspec.structs.replace(heard.facts, usage=None)  # nothing was used for it now
    return True


async def _found(parts: Parts, call: Call, plan: Plan) -> KeptAnswer | None:
    try:
        async with asyncio.timeout(parts.stale_within):
            return await parts.stale.find(call, plan)
    except TimeoutError:
        _log.warning("call %s: no kept answer was found within %g s", call.id, parts.stale_within)
    except Exception:  # noqa: BLE001 - a named edge: whoever keeps answers cannot hide what failed
        _log.exception("call %s: the search for a kept answer failed", call.id)
    return None


def _heard(parts: Parts, call: Call, kept: KeptAnswer) -> Heard | None:
    """The answer in the caller's dialect, whole or as the stream that was asked for; None where it cannot be read."""
    trip = Trip(incoming=call.incoming, outgoing=OWN, now=call.started)
    try:
        way = parts.passages.between(call.dialect.name, kept.dialect)
        if not call.incoming.stream:
            return way.read_answer(kept.body, trip)
        told, body = way.relay_whole(kept.body, trip)
        return Heard(body=body, facts=told.facts)
    except (PointsmanError, KeyError):
        _log.exception("call %s: the kept answer cannot be read", call.id)
        return None
