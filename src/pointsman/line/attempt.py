"""One attempt: a request goes out, and what comes back is heard until it may be delivered, or fails.

A whole answer is read and understood before it counts; a stream is read up to its first content, within the time for
that. Until then nothing has reached the caller, so that a broken answer is a failed attempt, not a broken reply.
"""

from __future__ import annotations

import asyncio

import msgspec

from pointsman.core.errors import UpstreamError, UpstreamGarbage, UpstreamTimeout, forget_frames
from pointsman.core.model import Model
from pointsman.core.ports import UpstreamRequest, UpstreamResponse
from pointsman.line.parts import Parts, Won
from pointsman.line.words import in_plain_words
from pointsman.wire.port import Passage
from pointsman.wire.streams import Relay
from pointsman.wire.trip import AnswerFacts, Trip

_MAX_ERROR_BODY = 256 * 1024
_HELD_BYTES = 256 * 1024


class Asking(msgspec.Struct, frozen=True):
    """An attempt that is ready: who is asked, by which way, with what."""

    model: Model
    way: Passage
    trip: Trip
    request: UpstreamRequest

    def at(self, started: int) -> Asking:
        """The same, billed by the price of the hour in which it is sent (nanoseconds since the epoch)."""
        price = self.trip.price
        trip = msgspec.structs.replace(self.trip, price=None if price is None else price.at(started))
        return msgspec.structs.replace(self, trip=trip)


async def begun(parts: Parts, asking: Asking) -> Won:
    """A stream up to its first content, within the time for that, whatever signs of life come before.

    Raises:
        UpstreamError: it failed.
    """
    limit = asking.request.limits.first_byte
    try:
        async with asyncio.timeout(limit):
            return await answered(parts, asking)
    except TimeoutError:
        raise UpstreamTimeout(
            f"{asking.model.provider.name} sent no content within {limit:g} s",
            phase="first_byte",
            hint="raise the provider's limit `first_byte` if this is usual for it",
        ) from None


async def answered(parts: Parts, asking: Asking) -> Won:
    """A whole answer, or a stream up to its first content. Raises `UpstreamError`."""
    response = await parts.carrier.send(asking.request)
    try:
        if 200 <= response.status < 300:
            if asking.trip.incoming.stream:
                return await _open_stream(asking, response)
            body = await response.read()
            try:
                heard = asking.way.read_answer(body, asking.trip)
            except UpstreamGarbage as error:
                raise in_plain_words(error, response, body) from None
            return Won(
                model=asking.model,
                response=response,
                body=heard.body,
                facts=heard.facts,
                dropped=asking.trip.outgoing.dropped + heard.dropped,
            )
        refusal = await _refusal(asking.way, response, parts.clock.now())
    except BaseException:
        await response.aclose()
        raise
    await response.aclose()
    raise refusal


async def _refusal(way: Passage, response: UpstreamResponse, now: int) -> UpstreamError:
    """The provider's error answer in our words; `now` (nanoseconds since the epoch) helps to read dates in it."""
    if 300 <= response.status < 400:
        return UpstreamGarbage(
            f"The provider answered with a redirect ({response.status}), which is not followed: is base_url right?"
        )
    try:
        body = await response.read()
    except UpstreamError as error:
        forget_frames(error)
        body = b""  # the status alone says enough; a cut error page must not hide it
    return way.read_error(response.status, response.headers, body[:_MAX_ERROR_BODY], now)


async def _open_stream(asking: Asking, response: UpstreamResponse) -> Won:
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
