"""The dialect `anthropic-messages` as the line uses it."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.chat import Answer, Encoded, Media, Request
from pointsman.core.dialects import MESSAGES
from pointsman.core.errors import PointsmanError, UpstreamRefused
from pointsman.core.extent import Extent
from pointsman.core.model import Model, Price
from pointsman.wire import refusals
from pointsman.wire.anthropic_messages import answer as whole
from pointsman.wire.anthropic_messages import (
    core_answers,
    core_requests,
    errors,
    extents,
    outgoing,
    resuming,
    system,
    unstreamed,
)
from pointsman.wire.anthropic_messages import request as read
from pointsman.wire.anthropic_messages.claude import takes
from pointsman.wire.anthropic_messages.relay import MessagesRelay
from pointsman.wire.anthropic_messages.stream_reader import MessagesReader
from pointsman.wire.anthropic_messages.stream_writer import PING, MessagesWriter
from pointsman.wire.capping import with_field
from pointsman.wire.streams import Relay, Stand, StreamReader, StreamWriter
from pointsman.wire.trip import AnswerFacts, Incoming, Outgoing, Surface


class AnthropicMessages:
    """`port.Dialect` for messages, and for counting their tokens. Without state; one serves everybody."""

    name = MESSAGES
    counts = True

    def read_request(self, body: bytes, surface: Surface, path: str = "", query: str = "") -> Incoming:  # noqa: ARG002 - the port's
        """See `port.Spoken.read_request`."""
        return read.read_request(body, surface, query)

    def write_request(self, incoming: Incoming, model: Model) -> Outgoing:
        """See `port.BothSides.write_request`."""
        return outgoing.write_request(incoming, model)

    def read_answer(self, body: bytes) -> AnswerFacts:
        """See `port.BothSides.read_answer`."""
        return whole.read_answer(body)

    def annotate(self, body: bytes, cost: int | None, facts: AnswerFacts | None = None) -> bytes:
        """See `port.Spoken.annotate`; `cost` in nano-dollars."""
        return whole.with_cost(body, cost, facts.mark if facts is not None else b"")

    def relay(self, incoming: Incoming, price: Price | None) -> Relay:
        """See `port.BothSides.relay`."""
        return MessagesRelay(incoming, price)

    def as_stream(self, body: bytes, incoming: Incoming) -> bytes:  # noqa: ARG002 - the port's
        """See `port.BothSides.as_stream`."""
        return unstreamed.as_stream(body)

    def read_error(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, now: int | None = None
    ) -> UpstreamRefused:
        """See `port.Refusing.read_error`."""
        return refusals.read_error(status, headers, body, now)

    def write_error(self, error: PointsmanError, request_id: str) -> bytes:
        """See `port.Spoken.write_error`."""
        return errors.write_error(error, request_id)

    def write_stream_error(self, error: PointsmanError, request_id: str, so_far: bytes = b"") -> bytes:  # noqa: ARG002 - the port's
        """See `port.Spoken.write_stream_error`."""
        return errors.write_stream_error(error, request_id)

    def capped(self, incoming: Incoming, tokens: int) -> Incoming:
        """See `port.Spoken.capped`."""
        return with_field(incoming, "max_tokens", tokens)

    def extent(self, incoming: Incoming) -> Extent:
        """See `port.Spoken.extent`."""
        return extents.extent_of(incoming)

    def bounded(self, incoming: Incoming, *, usual: bool, uses: int) -> Incoming:
        """See `port.Spoken.bounded`."""
        return extents.bounded(incoming, usual=usual, uses=uses)

    def keep_alive(self, *, begun: bool = True) -> bytes:  # noqa: ARG002 - the port's
        """See `port.Spoken.keep_alive`."""
        return PING

    def to_core(self, incoming: Incoming) -> Request:
        """See `port.CallerSide.to_core`."""
        return core_requests.to_core(incoming)

    def with_system(self, incoming: Incoming, before: str, after: str) -> Incoming:
        """See `port.CallerSide.with_system`."""
        return system.with_system(incoming, before, after)

    def from_core(self, request: Request, model: Model) -> Outgoing:
        """See `port.ProviderSide.from_core`."""
        return core_requests.from_core(request, model)

    def prefills(self, model: Model) -> bool:
        """See `port.ProviderSide.prefills`: older Claude models do; of others with this dialect nothing is known."""
        able = takes(model.upstream)
        return able.known and able.prefill

    def needs_data(self, media: Media) -> bool:
        """See `port.ProviderSide.needs_data`: providers follow URLs of images and documents."""
        return media.kind not in ("image", "document")

    def write_count(self, tokens: int) -> bytes:
        """See `port.CallerSide.write_count`."""
        return b'{"input_tokens":%d}' % tokens

    def count_from_core(self, request: Request, model: Model) -> Outgoing | None:
        """See `port.ProviderSide.count_from_core`."""
        return core_requests.count_from_core(request, model)

    def read_count(self, body: bytes) -> int:
        """See `port.ProviderSide.read_count`."""
        return whole.read_count(body)

    def read_whole(self, body: bytes, outgoing: Outgoing) -> Answer:
        """See `port.ProviderSide.read_whole`."""
        return core_answers.read_whole(body, outgoing)

    def write_answer(self, answer: Answer, incoming: Incoming) -> Encoded:  # noqa: ARG002 - the port's
        """See `port.CallerSide.write_answer`."""
        return core_answers.write_answer(answer)

    def reader(self, outgoing: Outgoing) -> StreamReader:
        """See `port.ProviderSide.reader`."""
        return MessagesReader(outgoing)

    def writer(self, incoming: Incoming) -> StreamWriter:  # noqa: ARG002 - the port's
        """See `port.CallerSide.writer`."""
        return MessagesWriter()

    def resume(self, told: bytes, incoming: Incoming) -> Stand:
        """See `port.CallerSide.resume`."""
        return resuming.resume(told, incoming)
