"""The two ways between a caller and a provider: straight through in one dialect, or across two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pointsman.core.chat import Answer, AnswerStart
from pointsman.core.errors import UpstreamRefused
from pointsman.core.model import Ability, Model
from pointsman.core.ports import Fetched
from pointsman.wire.cross_relay import CrossRelay, Told, facts_of
from pointsman.wire.events import events_of
from pointsman.wire.media import urls_in, with_data
from pointsman.wire.port import (
    COUNTING,
    NO_FILES,
    AnswerFacts,
    BothSides,
    CallerSide,
    Dialect,
    Heard,
    Incoming,
    Outgoing,
    Passage,
    ProviderSide,
    Relay,
    StreamReader,
    Trip,
)

_NANOS = 1_000_000_000
_FILES = int(Ability.VISION | Ability.DOCUMENTS | Ability.AUDIO_INPUT)
Headers = Sequence[tuple[bytes, bytes]]


class Passages:
    """Every way between the dialects that there are; made once, without state.

    Args:
        dialects: those that can be translated into each other.
        alone: the way in dialects that cannot, by name.
    """

    def __init__(self, dialects: Iterable[Dialect], alone: Mapping[str, Passage] | None = None) -> None:
        dialects = tuple(dialects)
        self._ways: dict[tuple[str, str], Passage] = {
            (caller.name, provider.name): Straight(caller) if caller is provider else Crossing(caller, provider)
            for caller in dialects
            for provider in dialects
        }
        self._ways |= {(name, name): way for name, way in (alone or {}).items()}

    def between(self, caller: str, provider: str) -> Passage:
        """The way from a caller's dialect to a provider's."""
        return self._ways[caller, provider]


class Straight:
    """`port.Passage` where both speak one dialect."""

    counts = True

    def __init__(self, dialect: BothSides) -> None:
        self._dialect = dialect

    def estimate(self, tokens: int) -> bytes:
        """Never asked."""
        raise NotImplementedError(tokens)

    def wants(self, incoming: Incoming) -> Sequence[str]:  # noqa: ARG002 - the port's
        """Nothing: a request passes as it is."""
        return ()

    def write_request(self, incoming: Incoming, model: Model, files: Mapping[str, Fetched] = NO_FILES) -> Outgoing:  # noqa: ARG002 - the port's
        """See `port.Passage.write_request`."""
        return self._dialect.write_request(incoming, model)

    def read_answer(self, body: bytes, trip: Trip) -> Heard:  # noqa: ARG002 - the port's
        """See `port.Passage.read_answer`."""
        return Heard(body=body, facts=self._dialect.read_answer(body))

    def relay(self, trip: Trip) -> Relay:
        """See `port.Passage.relay`."""
        return self._dialect.relay(trip.incoming, trip.price)

    def relay_whole(self, body: bytes, trip: Trip) -> tuple[Relay, bytes]:
        """See `port.Passage.relay_whole`."""
        relay = self.relay(trip)
        out = relay.feed(self._dialect.as_stream(body, trip.incoming))
        return relay, out + relay.close()

    def read_error(self, status: int, headers: Headers, body: bytes, now: int | None = None) -> UpstreamRefused:
        """See `port.ProviderSide.read_error`; the provider's own body goes on to the caller."""
        return self._dialect.read_error(status, headers, body, now)


class Crossing:
    """`port.Passage` between two dialects, through the core values."""

    def __init__(self, caller: CallerSide, provider: ProviderSide) -> None:
        self._caller = caller
        self._provider = provider
        self.counts = provider.counts

    def estimate(self, tokens: int) -> bytes:
        """See `port.Passage.estimate`."""
        return self._caller.write_count(tokens)

    def wants(self, incoming: Incoming) -> Sequence[str]:
        """See `port.Passage.wants`."""
        if not incoming.needs.images and not int(incoming.needs.abilities) & _FILES:
            return ()
        return urls_in(self._caller.to_core(incoming), self._provider.needs_data)

    def write_request(self, incoming: Incoming, model: Model, files: Mapping[str, Fetched] = NO_FILES) -> Outgoing:
        """See `port.Passage.write_request`."""
        request = self._caller.to_core(incoming)
        if files:
            request = with_data(request, files)
        if incoming.surface in COUNTING:
            asked = self._provider.count_from_core(request, model)
            if asked is not None:
                return asked
        return self._provider.from_core(request, model)

    def read_answer(self, body: bytes, trip: Trip) -> Heard:
        """See `port.Passage.read_answer`."""
        if trip.incoming.surface in COUNTING:
            return Heard(body=self._caller.write_count(self._provider.read_count(body)), facts=AnswerFacts())
        answer = self._answer(body, trip)
        encoded = self._caller.write_answer(answer, trip.incoming)
        return Heard(body=encoded.body, facts=facts_of(answer, encoded.mark), dropped=encoded.dropped)

    def relay(self, trip: Trip) -> Relay:
        """See `port.Passage.relay`."""
        return self._relay(self._provider.reader(trip.outgoing), trip)

    def relay_whole(self, body: bytes, trip: Trip) -> tuple[Relay, bytes]:
        """See `port.Passage.relay_whole`."""
        relay = self._relay(Told(events_of(self._answer(body, trip))), trip)
        return relay, relay.feed(b"") + relay.close()

    def _answer(self, body: bytes, trip: Trip) -> Answer:
        answer, made = self._provider.read_whole(body, trip.outgoing), _made(trip)
        if answer.created and answer.id:
            return answer
        return msgspec.structs.replace(answer, id=answer.id or made.id, created=answer.created or made.created)

    def _relay(self, reader: StreamReader, trip: Trip) -> Relay:
        return CrossRelay(reader, self._caller.writer(trip.incoming), trip.price, _made(trip))

    def read_error(self, status: int, headers: Headers, body: bytes, now: int | None = None) -> UpstreamRefused:
        """See `port.ProviderSide.read_error`; the body is in the provider's dialect and stays here."""
        error = self._provider.read_error(status, headers, body, now)
        error.body = b""
        return error


def _made(trip: Trip) -> AnswerStart:
    """Time and id for an answer whose provider says none; who asks in another dialect cannot do without."""
    return AnswerStart(id=f"pm-{trip.now:x}", model="", created=trip.now // _NANOS)
