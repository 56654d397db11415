"""The dialect `openai-responses` as the line uses it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pointsman.core.chat import Answer, Encoded, Media, Request
from pointsman.core.dialects import RESPONSES
from pointsman.core.errors import PointsmanError, UpstreamGarbage, UpstreamRefused
from pointsman.core.extent import Extent
from pointsman.core.model import Model, Price
from pointsman.wire import refusals
from pointsman.wire.capping import with_field
from pointsman.wire.openai_chat.errors import write_error
from pointsman.wire.openai_responses import answer as whole
from pointsman.wire.openai_responses import (
    core_answers,
    errors,
    extents,
    from_core,
    outgoing,
    resuming,
    system,
    to_core,
    unstreamed,
    write_answer,
)
from pointsman.wire.openai_responses import request as read
from pointsman.wire.openai_responses.frames import ALIVE, EARLY
from pointsman.wire.openai_responses.relay import ResponsesRelay
from pointsman.wire.openai_responses.stream_reader import ResponsesReader
from pointsman.wire.openai_responses.stream_writer import ResponsesWriter
from pointsman.wire.parse import as_count, loads_object
from pointsman.wire.refusals import refusal_in
from pointsman.wire.streams import Stand
from pointsman.wire.trip import AnswerFacts, Incoming, Outgoing, Surface


class OpenAIResponses:
    """`port.Dialect` for Responses. Without state; one serves everybody."""

    name = RESPONSES
    counts = True

    def read_request(self, body: bytes, surface: Surface, path: str = "", query: str = "") -> Incoming:  # noqa: ARG002 - the port's
        """See `port.Spoken.read_request`."""
        return read.read_request(body, surface)

    def write_request(self, incoming: Incoming, model: Model) -> Outgoing:
        """See `port.BothSides.write_request`."""
        return outgoing.write_request(incoming, model)

    def read_answer(self, body: bytes) -> AnswerFacts:
        """See `port.BothSides.read_answer`."""
        return whole.read_answer(body)

    def annotate(self, body: bytes, cost: int | None, facts: AnswerFacts | None = None) -> bytes:
        """See `port.Spoken.annotate`; `cost` in nano-dollars."""
        return whole.with_cost(body, cost, facts.mark if facts is not None else b"")

    def relay(self, incoming: Incoming, price: Price | None) -> ResponsesRelay:
        """See `port.BothSides.relay`."""
        return ResponsesRelay(incoming, price)

    def as_stream(self, body: bytes, incoming: Incoming) -> bytes:  # noqa: ARG002 - the port's
        """See `port.BothSides.as_stream`."""
        return unstreamed.as_stream(body)

    def read_error(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, now: int | None = None
    ) -> UpstreamRefused:
        """See `port.Refusing.read_error`."""
        return refusals.read_error(status, headers, body, now)

    def write_error(self, error: PointsmanError, request_id: str) -> bytes:
        """See `port.Spoken.write_error`: the shape of all of OpenAI's."""
        return write_error(error, request_id)

    def write_stream_error(self, error: PointsmanError, request_id: str, so_far: bytes = b"") -> bytes:
        """See `port.Spoken.write_stream_error`."""
        return errors.write_stream_error(error, request_id, so_far)

    def capped(self, incoming: Incoming, tokens: int) -> Incoming:
        """See `port.Spoken.capped`."""
        return with_field(incoming, "max_output_tokens", tokens)

    def extent(self, incoming: Incoming) -> Extent:
        """See `port.Spoken.extent`."""
        return extents.extent_of(incoming)

    def bounded(self, incoming: Incoming, *, usual: bool, uses: int) -> Incoming:
        """See `port.Spoken.bounded`."""
        return extents.bounded(incoming, usual=usual, uses=uses)

    def keep_alive(self, *, begun: bool = True) -> bytes:
        """See `port.Spoken.keep_alive`.

        `begun`: whether the caller has had `response.created`. OpenAI's client takes nothing before it, and Codex does
        not notice comments; so only whoever knows which it is can please both.
        """
        return ALIVE if begun else EARLY

    def to_core(self, incoming: Incoming) -> Request:
        """See `port.CallerSide.to_core`."""
        return to_core.to_core(incoming)

    def with_system(self, incoming: Incoming, before: str, after: str) -> Incoming:
        """See `port.CallerSide.with_system`."""
        return system.with_system(incoming, before, after)

    def from_core(self, request: Request, model: Model) -> Outgoing:
        """See `port.ProviderSide.from_core`."""
        return from_core.from_core(request, model)

    def prefills(self, model: Model) -> bool:  # noqa: ARG002 - the port's
        """See `port.ProviderSide.prefills`: OpenAI's models take a last turn for a finished one."""
        return False

    def needs_data(self, media: Media) -> bool:
        """See `port.ProviderSide.needs_data`: providers follow URLs of images and documents."""
        return media.kind not in ("image", "document")

    def write_count(self, tokens: int) -> bytes:
        """See `port.CallerSide.write_count`."""
        return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})

    def count_from_core(self, request: Request, model: Model) -> Outgoing:
        """See `port.ProviderSide.count_from_core`."""
        return from_core.count_from_core(request, model)

    def read_count(self, body: bytes) -> int:
        """See `port.ProviderSide.read_count`."""
        value = loads_object(body, "count")
        if refused := refusal_in(value, body):
            raise refused
        if type(value.get("input_tokens")) is not int:
            raise UpstreamGarbage("The provider's count has no `input_tokens`.")
        return as_count(value["input_tokens"])

    def read_whole(self, body: bytes, outgoing: Outgoing) -> Answer:
        """See `port.ProviderSide.read_whole`."""
        return core_answers.read_whole(body, outgoing)

    def write_answer(self, answer: Answer, incoming: Incoming) -> Encoded:
        """See `port.CallerSide.write_answer`."""
        return write_answer.write_answer(answer, incoming)

    def reader(self, outgoing: Outgoing) -> ResponsesReader:
        """See `port.ProviderSide.reader`."""
        return ResponsesReader(outgoing)

    def writer(self, incoming: Incoming) -> ResponsesWriter:
        """See `port.CallerSide.writer`."""
        return ResponsesWriter(incoming)

    def resume(self, told: bytes, incoming: Incoming) -> Stand:
        """See `port.CallerSide.resume`."""
        return resuming.resume(told, incoming)
