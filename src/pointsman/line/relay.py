"""The commit point and what follows it. Nobody else writes an answer to the caller.

Before `reply.start` or `reply.whole` is called here, nothing has been promised. After it, a failure of the provider
can only be told: the stream gets the dialect's error event, never a clean end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from pointsman.core.chat import Dropped
from pointsman.core.dialects import MESSAGES
from pointsman.core.errors import PointsmanError, UpstreamError, forget_frames
from pointsman.core.model import Model
from pointsman.core.money import usd_text
from pointsman.core.plan import Plan
from pointsman.core.ports import Reply, UpstreamResponse
from pointsman.line.keeping import Keeper
from pointsman.line.parts import Call, KeptAnswer, Won
from pointsman.line.rates import names_for, rates
from pointsman.line.trail import Trail
from pointsman.wire.arrays import last_element
from pointsman.wire.port import Spoken
from pointsman.wire.streams import Relay, so_far_of
from pointsman.wire.told import Told
from pointsman.wire.trip import Heard, Incoming

_FORWARDED = (b"x-ratelimit-", b"openai-", b"anthropic-", b"retry-after")
_JSON = (b"content-type", b"application/json")
_UNHELD = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_STREAM = ((b"content-type", b"text/event-stream; charset=utf-8"), *_UNHELD)
_ARRAY = (_JSON, *_UNHELD)
_LINGER = 0.05
"""Seconds that a body gets to end after its last event, so that its connection can be used again."""
_MAX_HEADER = 512
_MAX_NAMES = 2048
_MAX_KNOWN = 1024
_MAX_PLANS = 256
"""Each holds a plan, and a change of health makes new ones."""
_THOUSANDTHS = tuple(b".%03d" % part for part in range(1000))
_PRINTABLE = bytes(c if 32 <= c < 127 else ord("?") for c in range(256))


async def deliver_whole(heads: Heads, call: Call, plan: Plan, won: Won, trail: Trail, reply: Reply) -> bytes:
    """Send a whole answer; returns its body."""
    usage = won.facts.usage
    cost = trail.cost = trail.cost_of(won.model, usage)
    told = cost if not call.incoming.details else trail.itemised(won.model, usage)
    body = call.dialect.annotate(won.body, told, won.facts) if cost is not None else won.body
    headers = heads.of(call, plan, won, trail)
    headers.append(_JSON)
    if cost is not None:
        headers.append((b"x-pointsman-cost-usd", usd_text(cost).encode()))
        if usage is not None and usage.estimated:
            headers.append(_ESTIMATED)
    headers.append(_timing(trail.content(call.arrival.received), trail.waited))
    await reply.whole(200, headers, body)
    return body


def early_head(call: Call, plan: Plan, trail: Trail) -> list[tuple[bytes, bytes]]:
    """The headers of a stream that has to begin before it is known who answers: what is lost if the one asked does."""
    headers = [(b"x-request-id", call.id.encode()), (b"x-pointsman-route", header_value(plan.route))]
    if trail.dropped:
        headers.append((_DROPPED, names_of(trail.dropped)))
    headers += _ARRAY if call.incoming.array else _STREAM
    return headers


async def deliver_count(call: Call, plan: Plan, body: bytes, reply: Reply) -> None:
    """Send an estimate of a request's tokens, which no provider was asked for."""
    await reply.whole(
        200,
        [
            (b"x-request-id", call.id.encode()),
            (b"x-pointsman-model", header_value(plan.steps[0].model.name)),
            (b"x-pointsman-route", header_value(plan.route)),
            (b"x-pointsman-warning", b"an estimate: the provider does not count tokens"),
            _JSON,
        ],
        body,
    )


async def deliver_kept(call: Call, plan: Plan, kept: KeptAnswer, heard: Heard, trail: Trail, reply: Reply) -> None:
    """Send an old answer, marked as that: in its headers, or in a comment where those of a stream are out already."""
    age = max(int(kept.age), 0)
    if not call.incoming.stream:
        headers = [
            *_kept_head(call, plan, kept, age, trail),
            _JSON,
            _timing(trail.content(call.arrival.received), trail.waited),
        ]
        await reply.whole(200, headers, heard.body)
        return
    if reply.started:
        await reply.write(b": x-pointsman-cache: stale; age=%d\n\n" % age)
    else:
        form = _ARRAY if call.incoming.array else _STREAM
        await reply.start(200, [*_kept_head(call, plan, kept, age, trail), *form])
    trail.content(call.arrival.received)
    await reply.write(heard.body)
    await reply.end()


def _kept_head(call: Call, plan: Plan, kept: KeptAnswer, age: int, trail: Trail) -> list[tuple[bytes, bytes]]:
    failed = ", ".join(dict.fromkeys(trail.passed))
    warning = f"an old answer, {age} s of age: nobody could give a new one"
    headers = [
        (b"x-request-id", call.id.encode()),
        (b"x-pointsman-attempts", b"%d" % trail.number),
        (b"x-pointsman-model", header_value(kept.model)),
        (b"x-pointsman-provider", header_value(kept.provider)),
        (b"x-pointsman-route", header_value(plan.route)),
        (b"x-pointsman-decision", header_value(f"{plan.strategy}; kept answer; after {failed} failed")),
        (_WARNING, header_value("; ".join((warning, *plan.warnings)))),
        (b"x-pointsman-cache", b"stale"),
        (b"age", b"%d" % age),
    ]
    if call.dialect.name == MESSAGES:
        headers.append((b"request-id", call.id.encode()))
    return headers


async def deliver_stream(heads: Heads, call: Call, plan: Plan, won: Won, run: Delivery) -> None:
    """Send a stream to its end; where it breaks, whoever `run.rescue` finds goes on with it.

    Raises:
        UpstreamError: the provider failed after the commit point, and nobody went on; the caller has been told.
    """
    trail, reply = run.trail, run.reply
    own = trail.content(call.arrival.received)
    if not reply.started:
        headers = heads.of(call, plan, won, trail)
        headers += _ARRAY if call.incoming.array else _STREAM
        headers.append(_timing(own, trail.waited))
        await reply.start(200, headers)
    following: Won | None = won
    while following is not None:
        following = await _flow(call, following, run)
    await reply.end()


async def _flow(call: Call, won: Won, run: Delivery) -> Won | None:
    """Send one provider's part of a stream. Returns who goes on with it, if it broke. Raises as `deliver_stream`."""
    relay, told = won.relay, run.told
    assert relay is not None  # noqa: S101 - deliver_stream is for streams
    try:
        await _pass_on(won, relay, run)
    except UpstreamError as error:
        forget_frames(error)
        begun = told.begun
        rescued = await _rescued(error, run)
        if isinstance(rescued, Won):
            return rescued
        if isinstance(rescued, bytes):
            await run.reply.write(rescued)
            return None
        said = stream_error(rescued, call.id, call.dialect, call.incoming, begun=begun, so_far=so_far_of(relay))
        await run.reply.write(said)
        await run.reply.end()
        raise rescued from None
    if relay.done:
        await _linger(won.response)  # before the caller, who has it all, is told to go: his leaving would cut this off
    return None


async def _rescued(error: UpstreamError, run: Delivery) -> Won | bytes | UpstreamError:
    """Who goes on, or what was still owed, or the error that the caller is told."""
    if run.rescue is None:
        return error
    try:
        return await run.rescue(error, run.told)
    except UpstreamError as failed:
        forget_frames(failed)
        return failed


async def _pass_on(won: Won, relay: Relay, run: Delivery) -> None:
    """Send what comes of a stream, until its end. Raises `UpstreamError` where it breaks."""
    reply, told = run.reply, run.told.add
    await reply.write(won.body)
    told(won.body)
    run.keeper.spoke()
    if won.ended:
        return
    next_chunk, feed, write, spoke, now = won.response.next_chunk, relay.feed, reply.write, run.keeper.spoke, run.now
    widest, last = 0, now()
    try:
        while True:
            chunk = await next_chunk()
            came = now()
            widest = max(widest, came - last)
            last = came
            if chunk:
                out = feed(chunk)
                if out:
                    await write(out)
                    told(out)
                    spoke()
                if not relay.done:
                    continue
            await write(relay.close())
            return
    finally:
        if run.trail.open is not None:
            run.trail.open.widest = max(widest, now() - last)


def stream_error(
    error: PointsmanError,
    request_id: str,
    dialect: Spoken,
    incoming: Incoming | None,
    *,
    begun: bool,
    so_far: bytes = b"",
) -> bytes:
    """An error as the end of a stream, in the form that the caller asked for.

    `begun`: some of the answer went out, and `so_far` is it, see `streams.so_far_of`.
    """
    if incoming is not None and incoming.array:
        return last_element(dialect.write_error(error, request_id), begun=begun)
    return dialect.write_stream_error(error, request_id, so_far)


Rescue = Callable[[UpstreamError, Told], Awaitable[Won | bytes]]
"""For a stream that broke: who goes on, or what was owed of it. Raises `UpstreamError` where nobody does."""


class Delivery(NamedTuple):
    """What a stream's delivery needs besides what is delivered; `told` is what the caller has had of it."""

    trail: Trail
    reply: Reply
    keeper: Keeper
    told: Told
    now: Callable[[], int]
    rescue: Rescue | None = None


async def _linger(response: UpstreamResponse) -> None:
    """Wait a moment for the end of a body whose stream is over; whoever keeps it open longer loses the connection."""
    try:
        async with asyncio.timeout(_LINGER):
            await response.next_chunk()
    except (UpstreamError, TimeoutError) as error:
        forget_frames(error)


_FIRST = (b"x-pointsman-attempts", b"1")
_WARNING = b"x-pointsman-warning"
_ESTIMATED = (b"x-pointsman-cost-estimated", b"true")
_DROPPED = b"x-pointsman-dropped"
_NONE: frozenset[bytes] = frozenset()
_Known = tuple[Plan, Model, tuple[tuple[bytes, bytes], ...]]


class Heads:
    """The headers of answers. What is the same for every answer of one plan by one model is written once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, tuple[str, ...]], _Known] = {}
        self._names: dict[bytes, bytes] = {}

    def of(self, call: Call, plan: Plan, won: Won, trail: Trail) -> list[tuple[bytes, bytes]]:
        """The headers of an answer that a provider gave, without content type, cost and times."""
        model = won.model
        # By identity: plans are large, and the planner gives the same one again. The entry holds both, so that an id
        # cannot come to mean another while it is known.
        key = (id(plan), id(model), trail.passed)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_PLANS:
                self._known.clear()
            known = self._known[key] = (plan, model, _constant(plan, won, trail.passed))
        number = trail.number
        headers = [
            (b"x-request-id", call.id.encode()),
            _FIRST if number == 1 else (b"x-pointsman-attempts", b"%d" % number),
            *known[2],
        ]
        if call.dialect.name == MESSAGES:
            headers.append((b"request-id", call.id.encode()))  # where Anthropic's clients look for it
        if won.dropped:
            headers.append((_DROPPED, names_of(won.dropped)))
        if won.warnings:
            _warn(headers, won.warnings)
        if number > 1 and trail.spent:
            headers.append((b"x-pointsman-cost-beside-usd", usd_text(trail.spent).encode()))
        if call.reserved is None:
            self._forward(won.response, headers, _NONE)
        else:  # what is left of the caller's budgets, in place of our limits at the provider of the same name
            group, dialect = call.reserved.hold.group, call.dialect.name
            self._forward(won.response, headers, names_for(group, dialect))
            headers += rates(group, call.started, dialect)
        return headers

    def _forward(
        self, response: UpstreamResponse, headers: list[tuple[bytes, bytes]], without: frozenset[bytes]
    ) -> None:
        """Add what the caller may see of the provider's headers."""
        names = self._names
        for name, value in response.headers:
            ours = names.get(name)
            if ours is None:
                if len(names) >= _MAX_KNOWN:
                    names.clear()
                ours = names[name] = _shown_as(name)
            if ours and ours not in without:
                headers.append((ours, value[:_MAX_HEADER].translate(_PRINTABLE)))


def _constant(plan: Plan, won: Won, passed: tuple[str, ...]) -> tuple[tuple[bytes, bytes], ...]:
    model = won.model
    headers = [
        (b"x-pointsman-model", header_value(model.name)),
        (b"x-pointsman-provider", header_value(model.provider.name)),
        (b"x-pointsman-route", header_value(plan.route)),
        (b"x-pointsman-decision", header_value(decision(plan, won, passed))),
    ]
    warnings = list(plan.warnings)
    if model.price is None:
        warnings.append(f"{model.name} is unpriced: its cost is unknown, not zero")
    if warnings:
        headers.append((_WARNING, header_value("; ".join(warnings))))
    return tuple(headers)


def _warn(headers: list[tuple[bytes, bytes]], warnings: tuple[str, ...]) -> None:
    """Add warnings to those that are there."""
    said = [value.decode() for name, value in headers if name == _WARNING]
    headers[:] = [line for line in headers if line[0] != _WARNING]
    headers.append((_WARNING, header_value("; ".join((*warnings, *said)))))


def decision(plan: Plan, won: Won, passed: tuple[str, ...] = ()) -> str:
    """The decision in one line: strategy; model; why; how many were dropped. `passed` are those that failed before."""
    text = f"{plan.strategy}; {won.model.name}"
    if passed:
        text += f"; after {', '.join(dict.fromkeys(passed))} failed"
    elif plan.reason:
        text += f"; {plan.reason}"
    if plan.dropped:
        text += f"; dropped={len(plan.dropped)}"
    return text


def names_of(dropped: Sequence[Dropped]) -> bytes:
    """What was left out, by name; where that is too much for a header, how many more there are."""
    paths = list(dict.fromkeys(one.path for one in dropped))
    size, shown = 0, 0
    for path in paths:
        size += len(path) + 2
        if size > _MAX_NAMES:
            break
        shown += 1
    rest = len(paths) - shown
    text = ", ".join(paths[:shown])
    if rest:
        text += f", and {rest} more" if shown else f"{rest} fields"
    return header_value(text, len(text))


def header_value(text: str, most: int = _MAX_HEADER) -> bytes:
    """Text as a header value: printable ASCII, bounded."""
    return text.encode("ascii", "replace")[:most].translate(_PRINTABLE)


def _shown_as(name: bytes) -> bytes:
    """What a provider's header is called in our answer; empty for those that stay with us."""
    if name.startswith(_FORWARDED):
        return name
    return b"x-pointsman-upstream-request-id" if name in (b"x-request-id", b"request-id") else b""


def _timing(own: int, upstream: int) -> tuple[bytes, bytes]:
    # Milliseconds. Writing whole numbers into bytes costs half of writing a float into text.
    ours, theirs, parts = own // 1000, upstream // 1000, _THOUSANDTHS
    numbers = (ours // 1000, parts[ours % 1000], theirs // 1000, parts[theirs % 1000])
    return (b"server-timing", b"pointsman;dur=%d%b, upstream;dur=%d%b" % numbers)
