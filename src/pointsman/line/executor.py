"""Runs any plan: steps in order, until one has an answer that may be delivered.

Up to here nothing has reached the caller, so any failure that another provider may mend moves on to the next step.
What no other provider can mend (a request that is wrong in itself) ends the plan at once, with the provider's words.

A whole answer is read and understood before it counts; a stream is read up to its first content. So a broken answer
is a failed attempt, not a broken reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

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
from pointsman.line.parts import Call, Parts, Won
from pointsman.line.trail import Trail
from pointsman.line.words import in_our_terms, in_plain_words
from pointsman.wire.port import AnswerFacts, Outgoing

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
            outgoing, request = _prepare(parts, call, model, deadline)
        except (CallerError, NoCredentials) as error:  # this model cannot be asked; the next may
            unasked[model.name] = error
            trail.skip(model, error)
            continue
        trail.begin(model, request.headers)
        try:
            return await _attempt(parts, call, model, outgoing, request, trail)
        except UpstreamError as error:
            last = in_our_terms(error, model, call.incoming.model, request.headers)
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


def _prepare(parts: Parts, call: Call, model: Model, deadline: int | None) -> tuple[Outgoing, UpstreamRequest]:
    """The request to a model. Raises as `Dialect.write_request` and `Sender.prepare`; nothing is sent yet."""
    outgoing = call.dialect.write_request(call.incoming, model)
    return outgoing, parts.sender.prepare(model, outgoing, call.arrival, _limits(parts, model, deadline))


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


async def _attempt(
    parts: Parts, call: Call, model: Model, outgoing: Outgoing, request: UpstreamRequest, trail: Trail
) -> Won:
    monotonic = parts.clock.monotonic
    asked = monotonic()
    try:
        response = await parts.carrier.send(request)
        try:
            return await _read(parts, call, model, outgoing, response)
        except BaseException:
            await response.aclose()
            raise
    finally:
        trail.waited += monotonic() - asked


async def _read(parts: Parts, call: Call, model: Model, outgoing: Outgoing, response: UpstreamResponse) -> Won:
    if not 200 <= response.status < 300:
        raise await _refusal(call, response, parts.clock.now())
    if call.incoming.stream:
        return await _open_stream(call, model, outgoing, response)
    body = await response.read()
    try:
        facts = call.dialect.read_answer(body)
    except UpstreamGarbage as error:
        raise in_plain_words(error, response, body) from None
    return Won(model=model, response=response, body=body, facts=facts, outgoing=outgoing)


async def _refusal(call: Call, response: UpstreamResponse, now: int) -> UpstreamError:
    """The provider's error answer in our words; `now` (nanoseconds since the epoch) helps to read dates in it."""
    if 300 <= response.status < 400:
        return UpstreamGarbage(
            f"The provider answered with a redirect ({response.status}), which is not followed: is base_url right?"
        )
    try:
        body = await response.read()
    except UpstreamError:
        body = b""  # the status alone says enough; a cut error page must not hide it
    return call.dialect.read_error(response.status, response.headers, body[:_MAX_ERROR_BODY], now)


async def _open_stream(call: Call, model: Model, outgoing: Outgoing, response: UpstreamResponse) -> Won:
    """Read a stream up to its first content."""
    kind = response.header(b"content-type").lower()
    relay = call.dialect.relay(call.incoming, model.price)
    if response.status == 204 or kind.startswith((b"application/json", b"text/html")):
        # Some providers answer a request for a stream with a whole answer: the caller gets it as the stream it wants.
        answer = await response.read()
        try:
            whole = call.dialect.as_stream(answer, call.incoming)
        except UpstreamGarbage as error:
            raise in_plain_words(error, response, answer) from None
        body = relay.feed(whole) + relay.close()
        return Won(
            model=model, response=response, body=body, facts=AnswerFacts(), outgoing=outgoing, relay=relay, ended=True
        )
    held: list[bytes] = []
    size = 0
    ended = False
    while not relay.has_content:
        chunk = await response.next_chunk()
        if not chunk:
            held.append(relay.close())
            ended = True
            break
        out = relay.feed(chunk)
        size += len(out)
        held.append(out)
        if relay.done:
            held.append(relay.close())
            ended = True
        if ended or size > _HELD_BYTES:
            break  # a stream of nothing but comments: let the caller see that it is alive
    return Won(
        model=model,
        response=response,
        body=b"".join(held),
        facts=AnswerFacts(),
        outgoing=outgoing,
        relay=relay,
        ended=ended,
    )
