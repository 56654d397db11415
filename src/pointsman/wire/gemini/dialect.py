"""The dialect `gemini` as the line uses it."""

from __future__ import annotations

from pointsman.core.chat import Answer, Encoded, Media, Request
from pointsman.core.errors import PointsmanError, UpstreamGarbage
from pointsman.core.extent import Extent
from pointsman.core.model import Model, Price
from pointsman.wire.arrays import ArrayRelay, ArrayWriter
from pointsman.wire.counts import NoCountError, stated
from pointsman.wire.gemini import answer as whole
from pointsman.wire.gemini import (
    core_answers,
    core_requests,
    errors,
    extents,
    media,
    outgoing,
    resuming,
    system,
    unstreamed,
)
from pointsman.wire.gemini import request as read
from pointsman.wire.gemini.names import DIALECT
from pointsman.wire.gemini.relay import GeminiRelay
from pointsman.wire.gemini.stream_reader import GeminiReader
from pointsman.wire.gemini.stream_writer import ALIVE, GeminiWriter
from pointsman.wire.parse import loads_object
from pointsman.wire.refusals import ReadsErrors, refusal_in
from pointsman.wire.streams import Relay, Stand, StreamReader, StreamWriter
from pointsman.wire.trip import AnswerFacts, Incoming, Outgoing, Surface


class Gemini(ReadsErrors):
    """`port.Dialect` for generateContent, streamGenerateContent and countTokens; without state."""

    name = DIALECT
    counts = True

    def read_request(self, body: bytes, surface: Surface, path: str = "", query: str = "") -> Incoming:
        """See `port.Spoken.read_request`; model and method stand in the path."""
        return read.read_request(body, surface, path, query)

    def write_request(self, incoming: Incoming, model: Model) -> Outgoing:
        """See `port.BothSides.write_request`."""
        return outgoing.write_request(incoming, model)

    def read_answer(self, body: bytes) -> AnswerFacts:
        """See `port.BothSides.read_answer`."""
        return whole.read_answer(body)

    def annotate(self, body: bytes, cost: int | None, facts: AnswerFacts | None = None) -> bytes:
        """See `port.Spoken.annotate`; `cost` in nano-dollars. It stands in `usageMetadata`."""
        return whole.with_cost(body, cost, facts.mark if facts is not None else b"")

    def relay(self, incoming: Incoming, price: Price | None) -> Relay:
        """See `port.BothSides.relay`."""
        relay = GeminiRelay(incoming, price)
        return ArrayRelay(relay) if incoming.array else relay

    def as_stream(self, body: bytes, incoming: Incoming) -> bytes:  # noqa: ARG002 - the port's
        """See `port.BothSides.as_stream`; always events, which the relay turns into what the caller wants."""
        return unstreamed.as_stream(body)

    def write_error(self, error: PointsmanError, request_id: str) -> bytes:
        """See `port.Spoken.write_error`."""
        return errors.write_error(error, request_id)

    def write_stream_error(self, error: PointsmanError, request_id: str, so_far: bytes = b"") -> bytes:  # noqa: ARG002 - the port's
        """See `port.Spoken.write_stream_error`."""
        return b"data: " + errors.write_error(error, request_id) + b"\n\n"

    def capped(self, incoming: Incoming, tokens: int) -> Incoming:
        """See `port.Spoken.capped`."""
        return outgoing.capped(incoming, tokens)

    def extent(self, incoming: Incoming) -> Extent:
        """See `port.Spoken.extent`."""
        return extents.extent_of(incoming)

    def bounded(self, incoming: Incoming, *, usual: bool, uses: int) -> Incoming:  # noqa: ARG002 - the port's
        """See `port.Spoken.bounded`."""
        return incoming

    def keep_alive(self, *, begun: bool = True) -> bytes:  # noqa: ARG002 - the port's
        """See `port.Spoken.keep_alive`."""
        return ALIVE

    def to_core(self, incoming: Incoming) -> Request:
        """See `port.CallerSide.to_core`."""
        return core_requests.to_core(incoming)

    def with_system(self, incoming: Incoming, before: str, after: str) -> Incoming:
        """See `port.CallerSide.with_system`."""
        return system.with_system(incoming, before, after)

    def from_core(self, request: Request, model: Model) -> Outgoing:
        """See `port.ProviderSide.from_core`."""
        return core_requests.from_core(request, model)

    def prefills(self, model: Model) -> bool:  # noqa: ARG002 - the port's
        """See `port.ProviderSide.prefills`: Google says nothing of it."""
        return False

    def needs_data(self, media_block: Media) -> bool:
        """See `port.ProviderSide.needs_data`."""
        return media.needs_data(media_block)

    def write_count(self, tokens: int) -> bytes:
        """See `port.CallerSide.write_count`."""
        return b'{"totalTokens":%d}' % tokens

    def count_from_core(self, request: Request, model: Model) -> Outgoing | None:
        """See `port.ProviderSide.count_from_core`."""
        return core_requests.count_from_core(request, model)

    def read_count(self, body: bytes) -> int:
        """See `port.ProviderSide.read_count`."""
        value = loads_object(body, "count of tokens")
        if refused := refusal_in(value, body):
            raise refused
        try:
            tokens = stated(value.get("totalTokens"))
        except NoCountError:
            tokens = None
        if tokens is None:
            raise UpstreamGarbage("The provider's count of tokens has no `totalTokens`.")
        return tokens

    def read_whole(self, body: bytes, outgoing: Outgoing) -> Answer:
        """See `port.ProviderSide.read_whole`."""
        return core_answers.read_whole(body, outgoing)

    def write_answer(self, answer: Answer, incoming: Incoming) -> Encoded:  # noqa: ARG002 - the port's
        """See `port.CallerSide.write_answer`."""
        return core_answers.write_answer(answer)

    def reader(self, outgoing: Outgoing) -> StreamReader:
        """See `port.ProviderSide.reader`."""
        return GeminiReader(outgoing)

    def writer(self, incoming: Incoming) -> StreamWriter:
        """See `port.CallerSide.writer`."""
        writer = GeminiWriter()
        return ArrayWriter(writer) if incoming.array else writer

    def resume(self, told: bytes, incoming: Incoming) -> Stand:
        """See `port.CallerSide.resume`."""
        return resuming.resume(told, incoming)
