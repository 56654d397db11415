"""Dialect `openai-embeddings`: texts in, vectors out.

OpenAI's own client asks for vectors as base64 unless it is told otherwise, and several servers refuse that or ignore
it. So vectors reach the caller in the form that it asked for, whatever the server sends; where the two agree, the body
passes untouched. Source: https://platform.openai.com/docs/api-reference/embeddings (2026-11).
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pointsman.core.dialects import EMBEDDINGS
from pointsman.core.errors import InvalidRequest, PointsmanError, UpstreamGarbage, UpstreamRefused
from pointsman.core.extent import PLAIN, Extent
from pointsman.core.model import Ability, Model, Price
from pointsman.core.plan import Needs
from pointsman.core.ports import Fetched
from pointsman.core.usage import Usage
from pointsman.wire.body import model_name, read_fields
from pointsman.wire.end_user import end_user
from pointsman.wire.extents import Reading, extent
from pointsman.wire.itemised import asked_for
from pointsman.wire.openai_chat import errors
from pointsman.wire.openai_chat.answer import NAME, with_cost
from pointsman.wire.openai_chat.outgoing import fit
from pointsman.wire.openai_chat.usage import usage_of
from pointsman.wire.parse import as_dict, as_text, loads_object
from pointsman.wire.raw import text_in
from pointsman.wire.refusals import ReadsErrors, refusal_in
from pointsman.wire.streams import Relay
from pointsman.wire.trip import NO_FILES, AnswerFacts, Heard, Incoming, Outgoing, Surface, Trip

_BYTES_PER_TOKEN = 4
_INPUT = msgspec.json.Decoder(str | list[str | int | list[int]])
_encode = msgspec.json.Encoder().encode
_NO_STREAMS = "Embeddings are not streamed."


class OpenAIEmbeddings(ReadsErrors):
    """`port.BothSides` for embeddings. Without state; one serves everybody."""

    name = EMBEDDINGS

    def read_request(self, body: bytes, surface: Surface, path: str = "", query: str = "") -> Incoming:  # noqa: ARG002 - the port's
        """See `port.Spoken.read_request`."""
        fields = read_fields(body)
        details = False
        if "usage" in fields:
            fields, details = asked_for(fields)
        size, count = _input(fields.get("input"))
        return Incoming(
            surface=surface,
            model=model_name(fields),
            stream=False,
            needs=Needs(
                dialect=EMBEDDINGS,
                abilities=Ability.EMBEDDINGS,
                input_tokens=size,
                messages=count,
                body_bytes=len(body),
            ),
            fields=fields,
            details=details,
            user=end_user(fields, "user"),
        )

    def write_request(self, incoming: Incoming, model: Model) -> Outgoing:
        """See `port.BothSides.write_request`."""
        fields, dropped = fit(incoming.fields, model, asks_usage=False)
        return Outgoing(path="/embeddings", body=_encode(fields), dropped=dropped, dialect=EMBEDDINGS)

    def read_answer(self, body: bytes) -> AnswerFacts:
        """See `port.BothSides.read_answer`."""
        return _facts(_answer(body))

    def annotate(self, body: bytes, cost: int | None, facts: AnswerFacts | None = None) -> bytes:
        """See `port.Spoken.annotate`."""
        return with_cost(body, cost, facts.mark if facts is not None else b"")

    def relay(self, incoming: Incoming, price: Price | None) -> Relay:  # noqa: ARG002 - the port's
        """There are no streams of embeddings, so nobody asks for one."""
        raise UpstreamGarbage(_NO_STREAMS)

    def as_stream(self, body: bytes, incoming: Incoming) -> bytes:  # noqa: ARG002 - the port's
        """As `relay`."""
        raise UpstreamGarbage(_NO_STREAMS)

    def write_error(self, error: PointsmanError, request_id: str) -> bytes:
        """See `port.Spoken.write_error`."""
        return errors.write_error(error, request_id)

    def write_stream_error(self, error: PointsmanError, request_id: str, so_far: bytes = b"") -> bytes:  # noqa: ARG002 - the port's
        """See `port.Spoken.write_stream_error`."""
        return errors.write_stream_error(error, request_id)

    def capped(self, incoming: Incoming, tokens: int) -> Incoming:  # noqa: ARG002 - the port's
        """Vectors have no length to limit."""
        return incoming

    def extent(self, incoming: Incoming) -> Extent:
        """See `port.Spoken.extent`."""
        reading = Reading()
        reading.text(incoming.fields.get("input"))
        return extent(reading, PLAIN.ways, is_open=False)

    def bounded(self, incoming: Incoming, *, usual: bool, uses: int) -> Incoming:  # noqa: ARG002 - the port's
        """Nothing is left open."""
        return incoming

    def keep_alive(self, *, begun: bool = True) -> bytes:  # noqa: ARG002 - the port's
        """Nothing: there are no streams."""
        return b""


class EmbeddingsPassage:
    """`port.Passage` for embeddings: straight, with vectors in the form that the caller asked for."""

    counts = False

    def __init__(self, dialect: OpenAIEmbeddings) -> None:
        self._dialect = dialect

    def estimate(self, tokens: int) -> bytes:
        """Never asked."""
        raise NotImplementedError(tokens)

    def wants(self, incoming: Incoming) -> Sequence[str]:  # noqa: ARG002 - the port's
        """Nothing."""
        return ()

    def write_request(self, incoming: Incoming, model: Model, files: Mapping[str, Fetched] = NO_FILES) -> Outgoing:  # noqa: ARG002 - the port's
        """See `port.Passage.write_request`."""
        return self._dialect.write_request(incoming, model)

    def read_answer(self, body: bytes, trip: Trip) -> Heard:
        """See `port.Passage.read_answer`."""
        answer = _answer(body)
        wanted = text_in(trip.incoming.fields, "encoding_format") or "float"
        if _reshape(answer["data"], base64_wanted=wanted == "base64"):
            body = _encode(answer)
        return Heard(body=body, facts=_facts(answer))

    def relay(self, trip: Trip) -> Relay:
        """See `OpenAIEmbeddings.relay`."""
        return self._dialect.relay(trip.incoming, trip.price)

    def relay_whole(self, body: bytes, trip: Trip) -> tuple[Relay, bytes]:  # noqa: ARG002 - the port's
        """See `OpenAIEmbeddings.relay`."""
        raise UpstreamGarbage(_NO_STREAMS)

    def read_error(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, now: int | None = None
    ) -> UpstreamRefused:
        """See `port.Refusing.read_error`."""
        return self._dialect.read_error(status, headers, body, now)


def _input(raw: msgspec.Raw | None) -> tuple[int, int]:
    """Estimated tokens of the input, and how many vectors it asks for.

    Raises:
        InvalidRequest: none, empty, or of another shape.
    """
    if raw is None:
        raise InvalidRequest("`input` is missing; a text, a list of texts or tokens was expected.", param="input")
    try:
        value = _INPUT.decode(raw)
    except (ValueError, RecursionError):
        shown = bytes(raw)[:60].decode("utf-8", "replace")
        raise InvalidRequest(
            f"`input` has to be a text, a list of texts or lists of tokens, not {shown}.", param="input"
        ) from None
    if not value:
        raise InvalidRequest("`input` is empty; there is nothing to embed.", param="input")
    if isinstance(value, list) and isinstance(value[0], int):
        return len(value), 1
    if isinstance(value, list) and isinstance(value[0], list):
        return sum(len(tokens) for tokens in value if isinstance(tokens, list)), len(value)
    return max(len(memoryview(raw)) // _BYTES_PER_TOKEN, 1), len(value) if isinstance(value, list) else 1


def _answer(body: bytes) -> dict[str, Any]:
    """An answer's fields, with a list `data`. Raises as `port.BothSides.read_answer`."""
    answer = loads_object(body, "answer")
    if refused := refusal_in(answer, body):
        raise refused
    if not isinstance(answer.get("data"), list):
        raise UpstreamGarbage("The provider's answer has no list `data`.")
    return answer


def _facts(answer: dict[str, Any]) -> AnswerFacts:
    usage = as_dict(answer.get("usage"))
    if usage and "prompt_tokens" not in usage and "input_tokens" not in usage:
        usage = {**usage, "prompt_tokens": usage.get("total_tokens")}  # Voyage: there is nothing but input
    used = usage_of({"completion_tokens": 0, **usage}) if usage else None
    return AnswerFacts(
        id=as_text(answer.get("id")),
        model=as_text(answer.get("model")),
        usage=used if used is None or not used.output else Usage(input=used.input + used.output),
        mark=NAME if used is not None and "cost" not in usage else b"",
    )


def _reshape(data: list[Any], *, base64_wanted: bool) -> bool:
    """Vectors in the wanted form; whether any had another. What is no vector stays as it is."""
    changed = False
    for item in data:
        vector = item.get("embedding") if isinstance(item, dict) else None
        if base64_wanted and isinstance(vector, list):
            made: Any = _packed(vector)
        elif not base64_wanted and isinstance(vector, str):
            made = _unpacked(vector)
        else:
            continue
        if made is not None:
            item["embedding"], changed = made, True
    return changed


def _packed(vector: list[Any]) -> str | None:
    """Little-endian floats of 32 bits, as base64."""
    try:
        floats = array("f", vector)
    except (TypeError, OverflowError):
        return None
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()


def _unpacked(text: str) -> list[float] | None:
    try:
        floats = array("f", base64.b64decode(text, validate=True))
    except ValueError:
        return None
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tolist()
