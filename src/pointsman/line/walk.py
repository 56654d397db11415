"""The line: what happens to every call, readable from top to bottom.

    bytes -> parse -> admit -> plan -> reserve -> attempt -> relay -> settle -> record -> bytes

Recall (caches) and judge (scorers) take their places between these when they exist. Where no attempt
brings an answer, an old one may stand in (`standby`).
"""

from __future__ import annotations

import asyncio
import functools
import logging

import msgspec

from pointsman.core.budget import Group
from pointsman.core.call import Arrival
from pointsman.core.errors import (
    CallerGone,
    InternalError,
    NoCredentials,
    PointsmanError,
    RateLimited,
    Stopping,
    UpstreamError,
    UpstreamRefused,
    forget_frames,
)
from pointsman.core.extent import PLAIN, Extent
from pointsman.core.plan import Plan
from pointsman.core.ports import STOPPING, Reply
from pointsman.line import relay
from pointsman.line.admit import admit, wishes
from pointsman.line.conversations import SURFACES, unkept
from pointsman.line.estimates import SAMPLE
from pointsman.line.executor import Hunt
from pointsman.line.keeping import Keeper
from pointsman.line.parts import Call, Parts, Saver, Won
from pointsman.line.rates import rates
from pointsman.line.rescue import Rescue
from pointsman.line.reserve import Purse, Request, Reserved, at_once, payer_of
from pointsman.line.settle import Run, begin
from pointsman.line.standby import stood_in
from pointsman.line.words import LONGEST_WAIT, retry_after
from pointsman.wire.port import Spoken
from pointsman.wire.streams import so_far_of
from pointsman.wire.told import Told
from pointsman.wire.trip import COUNTING, Incoming, Surface

_TO_COME = frozenset({"queued", "in_progress"})
"""How an answer with `background: true` stands when it is handed out: what it will cost nobody knows yet."""
_log = logging.getLogger("pointsman.line")


class Line:
    """Serves calls. One per configuration in force; keeps nothing of a call."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._heads = relay.Heads()

    async def walk(self, arrival: Arrival, surface: Surface, dialect: Spoken, reply: Reply) -> PointsmanError | None:
        """Serve one call from its first byte to its record.

        Every error of ours becomes an answer in the caller's dialect, and is also returned. Cancelling means that the
        caller has left: the upstream request is closed, what was used is booked, and the cancellation goes on.
        """
        run = begin(self.parts, arrival, surface, dialect)
        try:
            await self._serve(run, reply)
        except PointsmanError as error:
            forget_frames(error)
            run.settle(error)
            await refuse(error, run, reply)
            return error
        except asyncio.CancelledError as cancelled:
            if cancelled.args == (STOPPING,):
                return await stopped(run, reply)
            # Many callers hang up at a stream's last event, before the provider's body has ended.
            left = None if run.handed_over() else CallerGone("The caller left before the answer was complete")
            run.settle(left)
            raise
        except Exception:  # noqa: BLE001 - a named edge: a defect of ours becomes an answer and a record
            _log.exception("call %s failed inside the gateway", run.id)
            defect = InternalError("The gateway failed on this request", hint="see its log for this request id")
            run.settle(defect)
            await refuse(defect, run, reply)
            return defect
        finally:
            run.leave()
        return None

    async def _serve(self, run: Run, reply: Reply) -> None:
        parts, arrival = self.parts, run.arrival
        run.enter(admit(parts, arrival))
        run.incoming = incoming = run.dialect.read_request(arrival.body, run.surface, arrival.path, arrival.query)
        run.wishes = wishes(arrival)
        if incoming.surface in SURFACES:
            known, tenant = parts.conversations, run.principal.id
            told = msgspec.structs.replace(incoming, call=run.id)
            run.turn = unkept(told, tenant) if known is None else await known.take_up(told, tenant)
            run.incoming = incoming = run.turn.incoming
        run.draw = draw = parts.draw.random()
        run.plan = plan = parts.router.plan(
            incoming.model,
            incoming.needs,
            now=run.started,
            draw=draw,
            session=run.session,
            allow=run.principal.allow,
        )
        if parts.purse is not None and parts.saver is not None and parts.purse.any:
            run.reserved = _held_at_once(run, incoming, plan, parts.purse)
            if run.reserved is None and run.accounts is not None:
                run.reserved = await _hold(run, incoming, plan, run.accounts, parts.purse, parts.saver)
                run.plan = plan = run.reserved.plan or plan
        call = Call(
            id=run.id,
            started=run.started,
            arrival=arrival,
            dialect=run.dialect,
            incoming=incoming,
            principal=run.principal,
            wishes=run.wishes,
            turn=run.turn,
            reserved=run.reserved,
        )
        if incoming.surface in COUNTING:
            way = parts.passages.between(run.dialect.name, plan.steps[0].dialect)
            if not way.counts:
                counted = await parts.estimates.request(run.dialect.name, incoming, plan.steps[0].model.upstream)
                body = way.estimate(counted.best)
                await relay.deliver_count(call, plan, body, reply)
                run.settle(None)
                return
        try:
            if incoming.stream:
                await self._stream(call, plan, run, reply)
            else:  # in place: each coroutine more would be passed through at every turn of the loop
                run.won = won = await Hunt(parts, call, plan, run.trail).run()
                if run.turn is not None:
                    run.won = won = run.turn.warned(won)
                try:
                    if won.facts.usage is None and incoming.surface not in COUNTING:
                        run.won = won = await counted_by_us(call, won, parts)
                    run.sent = await relay.deliver_whole(self._heads, call, plan, won, run.trail, reply)
                finally:
                    await won.response.aclose()
        except UpstreamError as error:
            if not await stood_in(error, call, plan, run, reply):
                raise
            run.settle(error)
            return
        run.settle(None)

    async def _stream(self, call: Call, plan: Plan, run: Run, reply: Reply) -> None:
        parts, trail = self.parts, run.trail
        speak = call.dialect.keep_alive
        head = functools.partial(relay.early_head, call, plan, trail)
        keeper = Keeper(reply, head, lambda begun: speak(begun=begun), parts.patience)
        hunt = Hunt(parts, call, plan, trail)
        rescue = Rescue(run, hunt, call.dialect.name) if plan.on_cut == "continue" else None
        run.told = told = Told() if rescue is not None else Told(SAMPLE)
        delivery = relay.Delivery(trail, reply, keeper, told, parts.clock.monotonic, rescue)
        try:
            run.won = won = await hunt.run()
            if run.turn is not None:
                run.won = won = run.turn.warned(won)
            try:
                await relay.deliver_stream(self._heads, call, plan, won, delivery)
                if run.won.relay is not None and run.won.relay.facts.usage is None:
                    model = run.won.model.upstream
                    run.read = (await parts.estimates.request(call.dialect.name, call.incoming, model)).best
            finally:
                await run.won.response.aclose()
        finally:
            await keeper.stop()


def _held_at_once(run: Run, incoming: Incoming, plan: Plan, purse: Purse) -> Reserved | None:
    """What the plan may cost, held where nothing has to be waited for; notes whose budgets the call counts to."""
    payer = payer_of(run.principal, incoming.user, run.wishes.session, plan.route)
    run.accounts = group = purse.accounts(payer, run.started)
    if group is None or incoming.surface in COUNTING:
        return None
    extent = run.dialect.extent(incoming) if group.usd or group.tokens else PLAIN
    return at_once(purse, group, plan, incoming.needs, extent)


async def _hold(run: Run, incoming: Incoming, plan: Plan, group: Group, purse: Purse, saver: Saver) -> Reserved:
    """Hold what the plan may cost, or a plan within what is left. Raises as `Request.reserve`."""
    needs, dialect = incoming.needs, run.dialect

    def replan(funds: int | None, extent: Extent, frugal: bool) -> Plan:
        asked, draw, now = incoming.model, run.draw or 0.0, run.started
        allow = run.principal.allow
        return saver.within(asked, needs, now=now, draw=draw, funds=funds, extent=extent, frugal=frugal, allow=allow)

    request = Request(
        purse=purse,
        group=group,
        needs=needs,
        extent=dialect.extent(incoming) if group.usd or group.tokens else PLAIN,
        bounded=lambda usual, uses: dialect.extent(dialect.bounded(incoming, usual=usual, uses=uses)),
        count=functools.partial(run.parts.estimates.request, dialect.name, incoming),
        replan=replan,
        counting=incoming.surface in COUNTING,
    )
    return await request.reserve(plan)


async def counted_by_us(call: Call, won: Won, parts: Parts) -> Won:
    """A whole answer whose provider states no usage, with ours; none of one that the provider has yet to make."""
    if won.facts.finish in _TO_COME:
        return won
    usage = await parts.estimates.whole(call.dialect.name, call.incoming, won.model.upstream, won.body)
    return msgspec.structs.replace(won, facts=msgspec.structs.replace(won.facts, usage=usage))


async def stopped(run: Run, reply: Reply) -> PointsmanError | None:
    """The gateway ends before this call does: book it, and tell the caller, whose answer may have begun."""
    told = run.won.relay if run.won is not None and reply.started else None
    if told is not None and told.done:  # only the provider's connection was waited for
        run.settle(None)
        await reply.end()
        return None
    error = Stopping("The gateway stops before the answer is complete", hint="send the request again")
    run.settle(error)
    if told is not None:
        so_far = so_far_of(told)
        await reply.write(relay.stream_error(error, run.id, run.dialect, run.incoming, begun=True, so_far=so_far))
        await reply.end()
    else:
        await refuse(error, run, reply)
    return error


async def refuse(error: PointsmanError, run: Run, reply: Reply) -> None:
    """Tell the caller, in its dialect; where the answer has begun, `relay` has done so already.

    A provider's own error body passes untouched to a caller of its own dialect.
    """
    if reply.started:
        if run.won is None:  # headers and signs of life went out, and no content
            await reply.write(relay.stream_error(error, run.id, run.dialect, run.incoming, begun=False))
            await reply.end()
        return
    if isinstance(error, UpstreamError) and not error.hint and not isinstance(error, NoCredentials):
        error.hint = f"pointsman logs {run.id}"
    headers: list[tuple[bytes, bytes]] = [(b"x-request-id", run.id.encode())]
    if run.plan is not None:
        headers.append((b"x-pointsman-route", relay.header_value(run.plan.route)))
        headers.append((b"x-pointsman-attempts", b"%d" % run.trail.number))
    headers += retry_after(error)
    if not error.retryable or (isinstance(error, RateLimited) and not 0 < (error.retry_after or 0) <= LONGEST_WAIT):
        headers.append((b"x-should-retry", b"false"))
    if run.accounts is not None:
        headers += rates(run.accounts, run.parts.clock.now(), run.dialect.name)
    if isinstance(error, UpstreamRefused) and error.body:
        body, kind = error.body, error.content_type
    else:
        body, kind = run.dialect.write_error(error, run.id), b"application/json"
    headers.append((b"content-type", kind))
    await reply.whole(error.status, headers, body)
