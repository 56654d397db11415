"""A question of the library's caller, as the request that it would be over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pointsman.core.call import Arrival
from pointsman.core.errors import InvalidRequest
from pointsman.library.plain import demand_finite

Messages = str | Sequence[Mapping[str, Any]]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked.

    Attributes:
        messages: a text, or OpenAI's messages.
        model: a route, a model or `provider/model`.
        params: further fields of a chat completion.
        timeout, retries: as the headers `x-pointsman-timeout` (seconds) and `x-pointsman-retries`; None is unsaid.
    """

    messages: Messages
    model: str
    params: Mapping[str, Any]
    timeout: float | None = None
    retries: int | None = None

    def body(self, **more: Any) -> bytes:
        """The request's body; `more` wins over `params`.

        Raises:
            InvalidRequest: it is no JSON.
        """
        said = self.messages
        try:
            demand_finite(said, "messages")
            for name, value in self.params.items():
                demand_finite(value, name)
            turns = [{"role": "user", "content": said}] if isinstance(said, str) else list(said)
            return msgspec.json.encode({"model": self.model, "messages": turns, **self.params, **more})
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidRequest(f"The request cannot be written as JSON: {error}") from None

    def arrival(self, received: int, *, stream: bool) -> Arrival:
        """The whole request; `received` is now, in monotonic nanoseconds. Whether the wishes make sense the line says.

        Raises:
            InvalidRequest: as `body`; or `params` ask for the other kind of answer.
        """
        if self.params.get("stream") is not None and bool(self.params["stream"]) is not stream:
            whole, streamed = "`chat()` and `achat()` give whole answers", "`stream()` and `astream()` give streams"
            said, other = (streamed, whole) if stream else (whole, streamed)
            raise InvalidRequest(
                f"{said}: `stream={self.params['stream']!r}` is not for them", hint=other, param="stream"
            )
        wishes = ((b"x-pointsman-timeout", self.timeout), (b"x-pointsman-retries", self.retries))
        return Arrival(
            method="POST",
            path="/v1/chat/completions",
            lookup={name: str(value).encode("utf-8", "replace") for name, value in wishes if value is not None},
            body=self.body(stream=stream),
            received=received,
        )
