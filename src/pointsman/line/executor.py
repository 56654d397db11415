"""Runs any plan: steps in order, until one has an answer that may be delivered.

Up to here nothing has reached the caller, so any failure that another provider may mend moves on to the next step.
What no other provider can mend (a request that is wrong in itself) ends the plan at once, with the provider's words.

A whole answer is read and understood before it counts; a stream is read up to its first content. So a broken answer
is a failed attempt, not a broken reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from pointsman.core.errors import (
    AllAttemptsFailed,
    CallerError,
    NoCredentials,
    PointsmanError,
    ProviderAccount,
    UpstreamError,
    UpstreamGarbage,
    UpstreamRefused,
    UpstreamTimeout,
)
from pointsman.core.model import Model, TimeLimits
from pointsman.core.plan import Plan, Step
from pointsman.core.ports import UpstreamRequest, UpstreamResponse
from pointsman.line.dressing import dressed
from pointsman.line.parts import Call, Parts, Won
from pointsman.line.trail import Trail
from pointsman.line.words import in_our_terms, in_plain_words
from pointsman.wire.port import Passage
from pointsman.wire.streams import Relay
from pointsman.wire.trip import NO_FILES, AnswerFacts, Outgoing, Trip

_MAX_ATTEMPTS = 10
_MAX_ERROR_BODY = 256 * 1024
_HELD_BYTES = 256 * 1024
_NO_TIME = 1_000_000
"""Nanoseconds; with less than that left of the caller's own limit nobody is asked any more."""
_RETRY_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
_ELSEWHERE = frozenset({401, 402, 403, 404})
"""Refusals of our credentials or of a name: useless to repeat here, another provider may still answer."""


async def run(parts: Parts, call: Call, plan: Plan, trail: Trail) -> Won:
    """Run `plan` until a step wins.

    Raises:
        UpstreamError: the only attempt's failure, or `AllAttemptsFailed`.
        CallerError: the request is wrong in itself.
    """
    last: UpstreamError | None = None
    unasked: dict[str, CallerError | NoCredentials] = {}
    deadline = _deadline(parts, call)
    alone = len(plan.steps) == 1
    for step, pause in schedule(plan, call.wishes.retries):
        model = step.model
        if model.name in unasked:
            continue
        if last is not None and not _goes_on(last, alone=alone):
            break
        if pause and last is not None and not await _rest(parts, pause, last, deadline, trail):
            break
        try:
            told, untold = (call, ()) if call.turn is None else call.turn.told(call, step)
            way, incoming = dressed(parts.passages, told, step)
            wanted = way.wants(incoming)
            files = await parts.fetcher.fetch(wanted) if wanted else NO_FILES
            if parts.sender.due(model.provider):
                await parts.sender.ready(model.provider)
            outgoing = way.write_request(incoming, model, files)
            if untold:
                outgoing = msgspec.structs.replace(outgoing, dropped=(*untold, *outgoing.dropped))
            asking = _prepare(parts, call, model, way, outgoing, deadline)
        except (CallerError, NoCredentials) as error:  # this model cannot be asked; the next may
            unasked[model.name] = error
            trail.skip(model, error)
            continue
        trail.begin(model, asking.request.headers, outgoing.dropped)
        try:
            return await _attempt(parts, asking, trail)
        except UpstreamError as error:
            last = in_our_terms(error, model, call.incoming.model, asking.request.headers)
            trail.finish(status=error.status if isinstance(error, UpstreamRefused) else 0, error=last, cost=0)
        if deadline is not None and parts.clock.monotonic() + _NO_TIME >= deadline:
            break
    raise _failure(parts, call, trail, deadline, last, tuple(unasked.values()))


def _failure(
    parts: Parts,
    call: Call,
    trail: Trail,
    deadline: int | None,
    last: UpstreamError | None,
    unasked: tuple[CallerError | NoCredentials, ...],
) -> PointsmanError:
    """The one error for a plan that brought no answer."""
    if isinstance(last, UpstreamRefused) and not last.retryable:
        return last
    if last is not None and deadline is not None and parts.clock.monotonic() + _NO_TIME >= deadline:
        limit = f"the call's own limit of {call.wishes.timeout:g} s (x-pointsman-timeout) has passed"
        return UpstreamTimeout(f"{limit}; tried: {'; '.join(trail.tried)}", phase="total")
    if last is None:
        last = next((error for error in reversed(unasked) if isinstance(error, NoCredentials)), None)
        if last is None:
            return unasked[-1]
    return last if len(trail.tried) == 1 else AllAttemptsFailed(last, trail.tried, sent=len(trail.attempts))


class _Asking(NamedTuple):
    """An attempt that is ready: who is asked, by which way, with what."""

    model: Model
    way: Passage
    trip: Trip
    request: UpstreamRequest


def _prepare(parts: Parts, call: Call, model: Model, way: Passage, outgoing: Outgoing, deadline: int | None) -> _Asking:
    """The request to a model. Raises as `Sender.prepare`; nothing is sent yet."""
    trip = Trip(incoming=call.incoming, outgoing=outgoing, price=model.price, now=call.started)
    request = parts.sender.prepare(model, outgoing, call.arrival, _limits(parts, model, deadline))
    return _Asking(model, way, trip, request)


def schedule(plan: Plan, retries: int | None) -> Sequence[tuple[Step, float]]:
    """Steps in the order of their attempts, each with the pause before it (seconds).

    Every step is tried once, or as often as the route's `retries` say; a plan of one step gets one quick second try,
    since nobody else can serve the call. A caller's wish of `retries` is the number of attempts after the first, at
    most: fewer than the plan has cuts it short, more goes round again.
    """
    again = plan.retries if plan.retries is not None else int(len(plan.steps) == 1)
    if retries is None and not again:
        return [(step, 0.0) for step in plan.steps]
    sequence = [(step, _pause(number)) for step in plan.steps for number in range(again + 1)]
    count = len(sequence) if retries is None else retries + 1
    attempts = []
    for number in range(min(count, _MAX_ATTEMPTS)):
        rounds, index = divmod(number, len(sequence))
        step, pause = sequence[index]
        attempts.append((step, max(pause, _pause(rounds))))
    return attempts


def _pause(number: int) -> float:
    """Seconds before the nth repetition; none before the first attempt."""
    return min(_RETRY_PAUSE * 2 ** (number - 1), _LONGEST_PAUSE) if number else 0.0


def _goes_on(error: UpstreamError, *, alone: bool) -> bool:
    """Whether the next attempt can do better than the one that failed; `alone`: it would ask the same model again."""
    if isinstance(error, (NoCredentials, ProviderAccount)):
        return not alone
    if isinstance(error, UpstreamRefused):
        if error.status in _ELSEWHERE:
            return not alone
        if error.status == 429 and alone:
            return error.retry_after is not None
    elif isinstance(error, UpstreamTimeout) and alone:
        return False
    return error.retryable


async def _rest(parts: Parts, pause: float, error: UpstreamError, deadline: int | None, trail: Trail) -> bool:
    """Wait before asking the same provider again; False when the wait would be too long."""
    asked = error.retry_after if isinstance(error, UpstreamRefused) else None
    wait = max(pause, asked or 0.0)
    if wait > _LONGEST_PAUSE:
        return False
    if deadline is not None and parts.clock.monotonic() + wait * 1e9 >= deadline:
        return False
    await asyncio.sleep(wait)
    trail.waited += int(wait * 1e9)
    return True


def _deadline(parts: Parts, call: Call) -> int | None:
    timeout = call.wishes.timeout
    return None if timeout is None else parts.clock.monotonic() + int(timeout * 1e9)


def _limits(parts: Parts, model: Model, deadline: int | None) -> TimeLimits:
    limits = model.provider.limits
    if deadline is None:
        return limits
    left = max((deadline - parts.clock.monotonic()) / 1e9, 0.001)
    return msgspec.structs.replace(
        limits,
        total=min(limits.total, left),
        first_byte=min(limits.first_byte, left),
        connect=min(limits.connect, left),
    )


async def _attempt(parts: Parts, asking: _Asking, trail: Trail) -> Won:
    monotonic = parts.clock.monotonic
    asked = monotonic()
    try:
        response = await parts.carrier.send(asking.request)
        try:
            return await _hear(parts, asking, response)
        except BaseException:
            await response.aclose()
            raise
    finally:
        trail.waited += monotonic() - asked


async def _hear(parts: Parts, asking: _Asking, response: UpstreamResponse) -> Won:
    if not 200 <= response.status < 300:
        raise await _refusal(asking.way, response, parts.clock.now())
    if asking.trip.incoming.stream:
        return await _open_stream(asking, response)
    return await _read(asking, response)


async def _read(asking: _Asking, response: UpstreamResponse) -> Won:
    """A whole answer."""
    body = await response.read()
    try:
        heard = asking.way.read_answer(body, asking.trip)
    except UpstreamGarbage as error:
        raise in_plain_words(error, response, body) from None
    outgoing = asking.trip.outgoing
    return Won(
        model=asking.model,
        response=response,
        body=heard.body,
        facts=heard.facts,
        outgoing=outgoing,
        dropped=outgoing.dropped + heard.dropped,
    )


async def _refusal(way: Passage, response: UpstreamResponse, now: int) -> UpstreamError:
    """The provider's error answer in our words; `now` (nanoseconds since the epoch) helps to read dates in it."""
    if 300 <= response.status < 400:
        return UpstreamGarbage(
            f"The provider answered with a redirect ({response.status}), which is not followed: is base_url right?"
        )
    try:
        body = await response.read()
    except UpstreamError:
        body = b""  # the status alone says enough; a cut error page must not hide it
    return way.read_error(response.status, response.headers, body[:_MAX_ERROR_BODY], now)


async def _open_stream(asking: _Asking, response: UpstreamResponse) -> Won:
    """Read a stream up to its first content."""
    kind = response.header(b"content-type").lower()
    way, trip = asking.way, asking.trip
    if response.status == 204 or kind.startswith((b"application/json", b"text/html")):
        # Some providers answer a request for a stream with a whole answer: the caller gets it as the stream it wants.
        answer = await response.read()
        try:
            relay, body = way.relay_whole(answer, trip)
        except UpstreamGarbage as error:
            raise in_plain_words(error, response, answer) from None
        held, ended = [body], True
    else:
        relay = way.relay(trip)
        held, ended = await _first_content(relay, response)
    return Won(
        model=asking.model,
        response=response,
        body=b"".join(held),
        facts=AnswerFacts(),
        outgoing=trip.outgoing,
        dropped=trip.outgoing.dropped,
        relay=relay,
        ended=ended,
    )


async def _first_content(relay: Relay, response: UpstreamResponse) -> tuple[list[bytes], bool]:
    """What the caller gets of a stream up to its first content, and whether that was all."""
    held: list[bytes] = []
    size = 0
    while not relay.has_content:
        chunk = await response.next_chunk()
        if not chunk:
            held.append(relay.close())
            return held, True
        out = relay.feed(chunk)
        size += len(out)
        held.append(out)
        if relay.done:
            held.append(relay.close())
            return held, True
        if size > _HELD_BYTES:
            break  # a stream of nothing but comments: let the caller see that it is alive
    return held, False
