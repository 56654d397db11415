"""A conversation in no dialect: what every dialect is decoded to and encoded from when caller and provider differ.

An ordered list of typed blocks carries everything that two dialects share. What only one dialect knows travels beside
it as `Extras`: opaque JSON that remembers the dialect (and, for signatures, the model) it came from, so that the way
back to that dialect restores it and any other dialect drops it by name. An encoder therefore returns what it wrote
*and* what it could not express.

The same blocks serve requests, whole answers and, as `Delta`s addressed to a block index, streams. Nothing here is
touched when caller and provider speak the same dialect; the bytes pass through.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from pointsman.core.usage import Usage

CacheMark = Literal["", "5m", "1h"]
"""The caller asks the provider to keep the prompt up to here in its cache, for so long; empty: it did not ask."""
Role = Literal["system", "developer", "user", "assistant", "tool"]
Finish = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause", "error"]


class Extras(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that only their own dialect understands.

    Attributes:
        dialect: where they came from.
        model: the upstream model that made them, where they are bound to it (signatures, encrypted content).
        fields: field name to raw JSON.
    """

    dialect: str
    model: str = ""
    fields: dict[str, msgspec.Raw]


class _Block(msgspec.Struct, frozen=True, kw_only=True):
    cache: CacheMark = ""
    extras: tuple[Extras, ...] = ()


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a text has something from.

    Attributes:
        url: of the source; empty for a document of the request.
        title: of the source.
        quote: what the source says there.
        start, end: characters of the text that rest on it; both 0 where unknown.
    """

    url: str = ""
    title: str = ""
    quote: str = ""
    start: int = 0
    end: int = 0


class Text(_Block, frozen=True, kw_only=True, tag="text"):
    """Plain text."""

    text: str
    citations: tuple[Citation, ...] = ()


class Media(_Block, frozen=True, kw_only=True, tag="media"):
    """An image, document, audio or video part: by data (base64), by URL or by the provider's file id.

    `detail` is how closely a picture is to be looked at, in OpenAI's words; empty leaves it to the model.
    """

    kind: Literal["image", "document", "audio", "video"]
    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""
    name: str = ""
    detail: str = ""


class Reasoning(_Block, frozen=True, kw_only=True, tag="reasoning"):
    """Thinking.

    Attributes:
        text: what can be read of it.
        signature: the maker's seal on the text; opaque.
        encrypted: thinking that only its maker can read.
        summary: the text is a summary of it.
        maker: `dialect` or `dialect/model` that seal and encryption are bound to; empty where unknown.
    """

    text: str = ""
    signature: str = ""
    encrypted: str = ""
    summary: bool = False
    maker: str = ""


class ToolCall(_Block, frozen=True, kw_only=True, tag="tool_call"):
    """The model calls a tool of the caller's. `arguments` is the JSON text as the model wrote it, `{}` if none."""

    id: str
    name: str
    arguments: str = "{}"


class ToolResult(_Block, frozen=True, kw_only=True, tag="tool_result"):
    """What a tool of the caller's gave back."""

    call_id: str
    content: tuple[Block, ...] = ()
    name: str = ""
    is_error: bool = False


class Refusal(_Block, frozen=True, kw_only=True, tag="refusal"):
    """The model declines, in words."""

    text: str


class Opaque(_Block, frozen=True, kw_only=True, tag="opaque"):
    """A block that only its own dialect knows (server tools, citations as blocks, compaction); kept raw, in place."""

    dialect: str
    kind: str
    raw: msgspec.Raw


Block = Text | Media | Reasoning | ToolCall | ToolResult | Refusal | Opaque


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn."""

    role: Role
    blocks: tuple[Block, ...] = ()
    name: str = ""
    extras: tuple[Extras, ...] = ()


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the caller offers.

    Attributes:
        name: of a function; of a tool that runs at the provider, its kind.
        description: for the model.
        schema: JSON Schema of its arguments, raw.
        strict: arguments have to fit the schema.
        cache: see `CacheMark`.
        dialect, raw: a tool that runs at the provider, as the dialect writes it; empty for functions.
    """

    name: str
    description: str = ""
    schema: msgspec.Raw = msgspec.Raw(b"{}")
    strict: bool | None = None
    cache: CacheMark = ""
    dialect: str = ""
    raw: msgspec.Raw = msgspec.Raw(b"")
    extras: tuple[Extras, ...] = ()


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether tools may, must or must not be called, and whether several at once."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str = ""
    parallel: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True, kw_only=True):
    """Structured output: any JSON, or JSON of a schema."""

    kind: Literal["text", "json", "json_schema"] = "text"
    name: str = ""
    description: str = ""
    schema: msgspec.Raw | None = None
    strict: bool | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request for an answer. None, or empty, means that the caller did not say.

    Attributes:
        max_output: longest answer in tokens, thinking included.
        logprobs: alternatives wanted for each token; 0 is the chosen token alone, None none at all.
        reasoning_effort: `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.
        reasoning_budget: most tokens of thinking; 0 is none, -1 leaves it to the model.
        shows_reasoning: whether thoughts, or a summary of them, belong into the answer.
        stream_usage: the caller wants usage in the stream.
        user: the caller's label for its end user.
        service_tier: how fast and at what price, in OpenAI's words.
        hints: what else OpenAI's dialects say of how to serve it, under the names that they share. They change no
            answer: nothing is lost where they are not understood.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    max_output: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    choices: int = 1
    logprobs: int | None = None
    reasoning_effort: str = ""
    reasoning_budget: int | None = None
    shows_reasoning: bool | None = None
    stream: bool = False
    stream_usage: bool = False
    user: str = ""
    service_tier: str = ""
    hints: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    extras: tuple[Extras, ...] = ()


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of possibly several.

    Attributes:
        finish_raw: the provider's own word for the end.
        stop_sequence: the caller's stop string that ended it, where the provider says so.
        logprobs: as `openai-chat` writes them: `{"content": [{token, logprob, bytes, top_logprobs}]}`.
    """

    index: int = 0
    blocks: tuple[Block, ...] = ()
    finish: Finish | None = None
    finish_raw: str = ""
    stop_sequence: str = ""
    logprobs: msgspec.Raw | None = None
    extras: tuple[Extras, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    created: int = 0
    usage: Usage | None = None
    extras: tuple[Extras, ...] = ()


class BlockStart(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """A block begins; `block` holds what is known of it already: id and name of a call, the whole of what comes whole.

    `index` counts the blocks of a choice from 0. A choice's blocks may overlap.
    """

    choice: int = 0
    index: int
    block: Block


class Delta(msgspec.Struct, frozen=True, kw_only=True, tag="delta"):
    """More of a block: `field` is the block's field that grows."""

    choice: int = 0
    index: int
    field: Literal["text", "arguments", "signature", "encrypted"]
    text: str


class BlockEnd(msgspec.Struct, frozen=True, kw_only=True, tag="end"):
    """A block is complete. What came for it besides its growing fields: citations and extras."""

    choice: int = 0
    index: int
    citations: tuple[Citation, ...] = ()
    extras: tuple[Extras, ...] = ()


class Logprobs(msgspec.Struct, frozen=True, kw_only=True, tag="logprobs"):
    """Log probabilities of the tokens that just came, in the form of `Choice.logprobs`."""

    choice: int = 0
    raw: msgspec.Raw


class AnswerStart(msgspec.Struct, frozen=True, kw_only=True, tag="answer"):
    """The stream's head. Comes first, once."""

    id: str
    model: str
    created: int = 0


class ChoiceEnd(msgspec.Struct, frozen=True, kw_only=True, tag="finish"):
    """A choice is complete; all of its blocks have ended."""

    choice: int = 0
    finish: Finish
    finish_raw: str = ""
    stop_sequence: str = ""


class UsageReport(msgspec.Struct, frozen=True, kw_only=True, tag="usage"):
    """Usage so far; the last one counts."""

    usage: Usage


class Alive(msgspec.Struct, frozen=True, kw_only=True, tag="alive"):
    """The provider says that it still works: a ping, a comment."""


Event = AnswerStart | BlockStart | Delta | BlockEnd | Logprobs | ChoiceEnd | UsageReport | Alive


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the target dialect could not express: where it stood and why it went."""

    path: str
    reason: str


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """What an encoder wrote and what it had to leave out; `mark` is its own note about the body, for `annotate`."""

    body: bytes
    dropped: tuple[Dropped, ...] = ()
    mark: bytes = b""
