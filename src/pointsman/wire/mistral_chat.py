"""Dialect `mistral-chat`: OpenAI's chat as Mistral takes it.

Ids of calls are exactly nine letters and digits, which those of other providers in a conversation's history are not;
fields that it does not know are refused (422); two have other names; a forced call is `any`; a begun answer is marked
`prefix`. What it sends (content as a list with thoughts and references, calls without index that come whole) is read by
chat's own readers. Source: https://docs.mistral.ai/api (2026-11), and the recordings.
"""

from __future__ import annotations

from pointsman.core.chat import Request
from pointsman.core.dialects import MISTRAL
from pointsman.core.model import Model
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_chat.core_requests import Manner, from_core
from pointsman.wire.tool_names import MISTRAL_ID
from pointsman.wire.trip import Outgoing

_MANNER = Manner(
    dialect=MISTRAL,
    ids=MISTRAL_ID,
    renamed=(("max_completion_tokens", "max_tokens"), ("seed", "random_seed")),
    required="any",
    more=False,
    prefix=True,
)


class MistralChat(OpenAIChat):
    """`port.Dialect` for Mistral's chat completions. Callers speak `openai-chat`."""

    name = MISTRAL

    def prefills(self, model: Model) -> bool:  # noqa: ARG002 - the port's
        """See `port.ProviderSide.prefills`: a last turn that is marked `prefix` is gone on with."""
        return True

    def from_core(self, request: Request, model: Model) -> Outgoing:
        """See `port.ProviderSide.from_core`."""
        return from_core(request, model, _MANNER)
