"""The dialects that this version speaks, each made once, and the ways between them."""

from __future__ import annotations

from pointsman.core.dialects import CHAT, EMBEDDINGS, GEMINI, MESSAGES, RESPONSES
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.gemini import Gemini
from pointsman.wire.mistral_chat import MistralChat
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_embeddings import EmbeddingsPassage, OpenAIEmbeddings
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.passage import Passages
from pointsman.wire.port import Dialect, Spoken

SURFACES = {
    "/v1/messages": MESSAGES,
    "/v1/responses": RESPONSES,
    "/v1/embeddings": EMBEDDINGS,
    "/v1beta": GEMINI,
}
"""The dialect of what begins so; everything else is read as chat."""
_GEMINI_VERBS = (":generateContent", ":streamGenerateContent", ":countTokens")


class Dialects:
    """Every dialect by name."""

    def __init__(self) -> None:
        self.chat = OpenAIChat()
        self.responses = OpenAIResponses()
        self.messages = AnthropicMessages()
        self.gemini = Gemini()
        self.embeddings = OpenAIEmbeddings()
        both: tuple[Dialect, ...] = (self.chat, self.responses, self.messages, self.gemini, MistralChat())
        self.translated = {dialect.name: dialect for dialect in both}
        self.every: dict[str, Spoken] = {**self.translated, EMBEDDINGS: self.embeddings}
        self.passages = Passages(both, {EMBEDDINGS: EmbeddingsPassage(self.embeddings)})

    def of_path(self, path: str) -> Spoken:
        """The dialect in which whoever calls a path reads an error; `path` is in the form of the table."""
        if path.endswith(_GEMINI_VERBS):
            return self.every.get(GEMINI, self.chat)
        name = next((name for start, name in SURFACES.items() if path.startswith(start)), CHAT)
        return self.every.get(name, self.chat)
