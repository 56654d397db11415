"""The dialect `openai-chat` as the line uses it."""

from __future__ import annotations

from pointsman.core.chat import Answer, Encoded, Media, Request
from pointsman.core.errors import PointsmanError, UpstreamGarbage
from pointsman.core.extent import Extent
from pointsman.core.model import Model, Price
from pointsman.wire.capping import with_field
from pointsman.wire.extents import served_usually
from pointsman.wire.openai_chat import answer as whole
from pointsman.wire.openai_chat import (
    core_answers,
    core_requests,
    errors,
    extents,
    outgoing,
    resuming,
    system,
    unstreamed,
)
from pointsman.wire.openai_chat import request as read
from pointsman.wire.openai_chat.relay import ChatRelay
from pointsman.wire.openai_chat.stream_reader import ChatReader
from pointsman.wire.openai_chat.stream_writer import ALIVE, ChatWriter
from pointsman.wire.refusals import ReadsErrors
from pointsman.wire.streams import Relay, Stand, StreamReader, StreamWriter
from pointsman.wire.trip import AnswerFacts, Incoming, Outgoing, Surface


class OpenAIChat(ReadsErrors):
    """`port.Dialect` for chat completions and the old text completions. Without state; one serves everybody."""

    name: str = read.DIALECT
    counts = False

    def read_request(self, body: bytes, surface: Surface, path: str = "", query: str = "") -> Incoming:  # noqa: ARG002 - the port's
        """See `port.CallerSide.read_request`."""
        return read.read_request(body, surface)

    def write_request(self, incoming: Incoming, model: Model) -> Outgoing:
        """See `port.Dialect.write_request`."""
        return outgoing.write_request(incoming, model)

    def read_answer(self, body: bytes) -> AnswerFacts:
        """See `port.Dialect.read_answer`."""
        return whole.read_answer(body)

    def annotate(self, body: bytes, cost: int | None, facts: AnswerFacts | None = None) -> bytes:
        """See `port.Dialect.annotate`; `cost` in nano-dollars."""
        return whole.with_cost(body, cost, facts.mark if facts is not None else b"")

    def relay(self, incoming: Incoming, price: Price | None) -> Relay:
        """See `port.Dialect.relay`."""
        return ChatRelay(incoming, price)

    def as_stream(self, body: bytes, incoming: Incoming) -> bytes:
        """A whole answer to a request for a stream, as the events of that stream. Raises as `read_answer`."""
        return unstreamed.as_stream(body, incoming)

    def write_error(self, error: PointsmanError, request_id: str) -> bytes:
        """See `port.Dialect.write_error`."""
        return errors.write_error(error, request_id)

    def write_stream_error(self, error: PointsmanError, request_id: str, so_far: bytes = b"") -> bytes:  # noqa: ARG002 - the port's
        """See `port.Dialect.write_stream_error`."""
        return errors.write_stream_error(error, request_id)

    def capped(self, incoming: Incoming, tokens: int) -> Incoming:
        """See `port.Spoken.capped`."""
        return with_field(incoming, "max_tokens", tokens)  # known everywhere; who takes only the newer name gets that

    def extent(self, incoming: Incoming) -> Extent:
        """See `port.Spoken.extent`."""
        return extents.extent_of(incoming)

    def bounded(self, incoming: Incoming, *, usual: bool, uses: int) -> Incoming:  # noqa: ARG002 - the port's
        """See `port.Spoken.bounded`."""
        return served_usually(incoming) if usual else incoming

    def keep_alive(self, *, begun: bool = True) -> bytes:  # noqa: ARG002 - the port's
        """See `port.CallerSide.keep_alive`."""
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
        """See `port.ProviderSide.prefills`: OpenAI's models take a last turn for a finished one."""
        return False

    def needs_data(self, media: Media) -> bool:
        """See `port.ProviderSide.needs_data`: chat points at images and videos, and at nothing else."""
        return media.kind not in ("image", "video")

    def write_count(self, tokens: int) -> bytes:
        """See `port.CallerSide.write_count`; chat has no such question, so this is what OpenAI's other API says."""
        return b'{"object":"response.input_tokens","input_tokens":%d}' % tokens

    def count_from_core(self, request: Request, model: Model) -> Outgoing | None:  # noqa: ARG002 - the port's
        """See `port.ProviderSide.count_from_core`: providers of chat do not count."""
        return None

    def read_count(self, body: bytes) -> int:
        """See `port.ProviderSide.read_count`; never asked."""
        raise UpstreamGarbage(f"Providers of chat do not count tokens, and one sent {len(body)} bytes.")

    def read_whole(self, body: bytes, outgoing: Outgoing) -> Answer:
        """See `port.ProviderSide.read_whole`."""
        return core_answers.read_whole(body, outgoing)

    def write_answer(self, answer: Answer, incoming: Incoming) -> Encoded:
        """See `port.CallerSide.write_answer`."""
        return core_answers.write_answer(answer, incoming)

    def reader(self, outgoing: Outgoing) -> StreamReader:
        """See `port.ProviderSide.reader`."""
        return ChatReader(outgoing)

    def writer(self, incoming: Incoming) -> StreamWriter:
        """See `port.CallerSide.writer`."""
        return ChatWriter(incoming)

    def resume(self, told: bytes, incoming: Incoming) -> Stand:
        """See `port.CallerSide.resume`."""
        return resuming.resume(told, incoming)
