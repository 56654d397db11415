"""The dialect `openai-chat` from the provider's side: chat completions, old completions, embeddings, the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core.usage import Usage
from pointsman.testing.dialect import Answer, Ask, Frame, Headers, Mark, Offer, Part, Refusal, Request, ToolUse, turn
from pointsman.testing.embeddings import print_embeddings, read_embeddings
from pointsman.testing.limits import Left
from pointsman.testing.openai_common import (
    MOST_TOKENS,
    answer_headers,
    bearer,
    error_body,
    misread,
    models_listing,
    models_surface,
    needs,
    read_object,
    within,
)
from pointsman.testing.script import SimModel
from pointsman.testing.words import fragments

_encode = msgspec.json.Encoder().encode
_FINGERPRINT = "fp_simulated"
_MOST_CHOICES = 128
_DONE = b"data: [DONE]\n\n"
_SURFACES = {"/chat/completions": "chat", "/completions": "completions", "/embeddings": "embeddings"}
_NEEDED = {"chat": "messages", "completions": "prompt", "embeddings": "input"}


class OpenAIChat:
    """`openai-chat`."""

    name = "openai-chat"
    version = "/v1"

    def surface(self, request: Request) -> str:
        """Which endpoint was called."""
        return _SURFACES.get(request.path, "") if request.method == "POST" else models_surface(request)

    def key(self, request: Request) -> str:
        """The bearer token."""
        return bearer(request)

    def listing(self, request: Request, surface: str, models: Sequence[SimModel]) -> bytes | None:
        """`GET /models` and `/models/{id}`."""
        return models_listing(request, models) if surface == "models" else None

    def read(self, request: Request, surface: str) -> Ask:
        """Read a request."""
        fields = read_object(request.body)
        needs(fields, "model", _NEEDED[surface])
        read = {"chat": _read_chat, "completions": _read_completions, "embeddings": read_embeddings}[surface]
        try:
            return read(fields)
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise misread(error) from None

    def answer_id(self, surface: str, number: int) -> str:
        """What the answer is called."""
        return f"{'chatcmpl' if surface == 'chat' else 'cmpl'}-sim{number:020d}"

    def headers(self, number: int, left: Sequence[Left], _now: int) -> Headers:
        """`x-request-id` and `x-ratelimit-…`."""
        return answer_headers(number, left)

    def content_type(self, ask: Ask) -> bytes:
        """An event stream, or JSON."""
        return b"text/event-stream; charset=utf-8" if ask.stream else b"application/json"

    def whole(self, ask: Ask, answer: Answer, model: SimModel) -> bytes:
        """A `chat.completion` or `text_completion`, or a list of vectors."""
        if ask.surface == "embeddings":
            return print_embeddings(ask, answer, model)
        chat = ask.surface == "chat"
        head = {"id": answer.id, "object": "chat.completion" if chat else "text_completion", "created": answer.created}
        make = _choice if chat else _text_choice
        choices = [make(index, part, answer, ask, model) for index, part in enumerate(answer.parts)]
        body: dict[str, Any] = {**head, "model": ask.model, "choices": choices}
        if answer.usage is not None:
            body["usage"] = _usage(answer.usage, answer.cost)
        return _encode({**body, "service_tier": "default", "system_fingerprint": _FINGERPRINT})

    def frames(self, ask: Ask, answer: Answer, model: SimModel) -> list[Frame]:
        """Chunks, usage where it was asked for, `[DONE]`."""
        chat = ask.surface == "chat"
        shown = ask.usage or model.stream_usage == "always"
        made = _Chunks(ask, answer, shown_usage=shown).all(model) if chat else _text_frames(ask, answer)
        if answer.usage is not None and shown and model.stream_usage != "never":
            kind = "chat.completion.chunk" if chat else "text_completion"
            chunk = {"id": answer.id, "object": kind, "created": answer.created, "model": ask.model}
            extra = {"service_tier": "default", "system_fingerprint": _FINGERPRINT} if chat else {}
            chunk = {**chunk, **extra, "choices": [], "usage": _usage(answer.usage, answer.cost)}
            made += [(Mark.USAGE, _data(_encode(chunk)))] * (2 if answer.usage_twice else 1)
        made.append((Mark.END, _DONE))
        return made

    def malformed(self, _ask: Ask) -> bytes:
        """A chunk that breaks off."""
        return b'data: {"id":"broken","choices":[{"index":0,"del\n\n'

    def status(self, refusal: Refusal) -> int:
        """As it is."""
        return refusal.status

    def error(self, refusal: Refusal, _request: Request) -> bytes:
        """`{"error": {message, type, param, code}}`."""
        return error_body(refusal)

    def error_frame(self, refusal: Refusal, _ask: Ask, _answer: Answer, _place: int) -> bytes:
        """The same as an event."""
        return _data(error_body(refusal))


def _data(body: bytes) -> bytes:
    return b"data: %b\n\n" % body


def _read_chat(fields: dict[str, Any]) -> Ask:
    texts, turns, images, text, last = [], [], 0, "", "user"
    for message in fields["messages"]:
        role = message["role"]
        said, seen = _texts_of(message.get("content"))
        images += seen
        if role not in {"system", "developer"}:  # coding agents put notes for the model behind what was asked
            text, last = said[-1], role
            turns.append(turn(role, said))
        texts.append(f"{role}: " + "\n".join(said))
        texts.extend(f"{call['function']['arguments']}" for call in message.get("tool_calls") or ())
    ask = _common(fields, "chat")
    ask.text, ask.last_role, ask.prompt, ask.images = text, last, "\n".join(texts), images
    ask.turns = turns
    ask.limit = within(fields, "max_completion_tokens", 1, MOST_TOKENS) or within(fields, "max_tokens", 1, MOST_TOKENS)
    if fields.get("logprobs"):
        ask.logprobs = within(fields, "top_logprobs", 0, 20) or 0
    _read_tools(fields, ask)
    form = fields.get("response_format") or {}
    if form.get("type") == "json_schema":
        ask.schema = form["json_schema"].get("schema") or {}
    elif form.get("type") == "json_object":
        ask.schema = {}
    return ask


def _read_completions(fields: dict[str, Any]) -> Ask:
    prompt = fields["prompt"]
    if isinstance(prompt, list):
        prompt = prompt[0] if isinstance(prompt[0], str) else " ".join(map(str, prompt))
    ask = _common(fields, "completions")
    ask.text = ask.prompt = prompt
    ask.thinks = False
    ask.limit = within(fields, "max_tokens", 1, MOST_TOKENS) or 16
    return ask


def _common(fields: dict[str, Any], surface: str) -> Ask:
    options = fields.get("stream_options")
    stream = bool(fields.get("stream"))
    if options and not stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Refusal(400, "invalid_value", message, "stream_options")
    ask = Ask(surface=surface, model=str(fields["model"]), stream=stream, fields=frozenset(fields))
    ask.usage = bool(options and options.get("include_usage"))
    ask.choices = within(fields, "n", 1, _MOST_CHOICES) or 1
    return ask


def _texts_of(content: Any) -> tuple[list[str], int]:
    """The texts of a message, at least one, and the number of its images."""
    if content is None or isinstance(content, str):
        return [content or ""], 0
    texts = [part.get("text", "") for part in content if part["type"] in {"text", "refusal"}]
    return texts or [""], sum(part["type"] == "image_url" for part in content)


def _read_tools(fields: dict[str, Any], ask: Ask) -> None:
    functions = [tool["function"] for tool in fields.get("tools") or () if tool.get("type") == "function"]
    ask.offers = tuple(Offer(name=f["name"], schema=f.get("parameters") or {}) for f in functions)
    ask.parallel = fields.get("parallel_tool_calls") is not False
    choice = fields.get("tool_choice")
    if isinstance(choice, dict):
        ask.forced, ask.named = (choice["function"]["name"],), True
        if ask.forced[0] not in [offer.name for offer in ask.offers]:
            message = f"Tool choice '{ask.forced[0]}' not found in 'tools' parameter."
            raise Refusal(400, "invalid_value", message, "tool_choice")
    elif choice == "required" and ask.offers:
        ask.forced = (ask.offers[0].name,)
    ask.may_call = choice != "none"


def _usage(usage: Usage, cost: float | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return body if cost is None else {**body, "cost": cost}


def _call_id(answer_id: str, choice: int, index: int) -> str:
    return f"call_{answer_id[-12:]}{choice:02d}{index:02d}"


def _call(call: ToolUse, call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _logprobs(pieces: list[str], wanted: int | None) -> dict[str, Any] | None:
    if wanted is None:
        return None
    made = []
    for piece in pieces:
        # Any number will do that is below 0 and the same every time.
        own = {"token": piece, "logprob": -0.01 * (1 + len(piece)), "bytes": list(piece.encode())}
        others = [
            {"token": f"{piece}{n}", "logprob": -2.0 - n, "bytes": list(f"{piece}{n}".encode())}
            for n in range(1, wanted)
        ]
        made.append({**own, "top_logprobs": [own, *others][:wanted]})
    return {"content": made, "refusal": None}


def _choice(index: int, part: Part, answer: Answer, ask: Ask, model: SimModel) -> dict[str, Any]:
    text = "".join(part.text)
    message: dict[str, Any] = {"role": "assistant", "content": None if part.calls else text}
    if part.thinking and model.thinking and model.thinking.field != "hidden":
        message[model.thinking.field] = "".join(part.thinking)
    if part.calls:
        message["tool_calls"] = [_call(call, _call_id(answer.id, index, n)) for n, call in enumerate(part.calls)]
    message |= {"refusal": None, "annotations": []}
    logprobs = None if part.calls else _logprobs(part.text, ask.logprobs)
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": part.finish}


def _text_choice(index: int, part: Part, _answer: Answer, _ask: Ask, _model: SimModel) -> dict[str, Any]:
    return {"text": "".join(part.text), "index": index, "logprobs": None, "finish_reason": part.finish}


class _Chunks:
    """The chunks of one streamed chat answer. The parts that all chunks share are printed once."""

    def __init__(self, ask: Ask, answer: Answer, *, shown_usage: bool) -> None:
        self._ask = ask
        self._answer = answer
        self._head = (
            b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"service_tier":"default",'
            b'"system_fingerprint":"%b","choices":[{"index":'
            % (_encode(answer.id), answer.created, _encode(ask.model), _FINGERPRINT.encode())
        )
        self._tail = b'}],"usage":null}\n\n' if shown_usage else b"}]}\n\n"

    def all(self, model: SimModel) -> list[Frame]:
        """Choice by choice, as they are interleaved by index."""
        made: list[Frame] = []
        for index, part in enumerate(self._answer.parts):
            made += self._part(index, part, model)
        return made

    def _frame(self, index: int, delta: bytes, logprobs: bytes = b"null", finish: bytes = b"null") -> bytes:
        return b'%b%d,"delta":%b,"logprobs":%b,"finish_reason":%b%b' % (
            self._head,
            index,
            delta,
            logprobs,
            finish,
            self._tail,
        )

    def _part(self, index: int, part: Part, model: SimModel) -> list[Frame]:
        content = b"null" if part.calls else b'""'
        head = b'{"role":"assistant","content":%b,"refusal":null}' % content
        made = [(Mark.HEAD, self._frame(index, head))]
        if model.thinking and model.thinking.field != "hidden":
            field = model.thinking.field.encode()
            made += [(Mark.CONTENT, self._frame(index, b'{"%b":%b}' % (field, _encode(t)))) for t in part.thinking]
        step = max(model.pace.tokens_per_event, 1)
        for start in range(0, len(part.text), step):
            pieces = part.text[start : start + step]
            logprobs = b"null" if self._ask.logprobs is None else _encode(_logprobs(pieces, self._ask.logprobs))
            made.append((Mark.CONTENT, self._frame(index, b'{"content":%b}' % _encode("".join(pieces)), logprobs)))
        made += [frame for n, call in enumerate(part.calls) for frame in self._call(index, n, call)]
        made.append((Mark.FINISH, self._frame(index, b"{}", finish=_encode(part.finish))))
        return made

    def _call(self, index: int, number: int, call: ToolUse) -> list[Frame]:
        opening = {
            "index": number,
            **_call(ToolUse(name=call.name, arguments=""), _call_id(self._answer.id, index, number)),
        }
        made = [(Mark.CONTENT, self._frame(index, b'{"tool_calls":[%b]}' % _encode(opening)))]
        for piece in fragments(call.arguments):
            delta = b'{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}' % (number, _encode(piece))
            made.append((Mark.CONTENT, self._frame(index, delta)))
        return made


def _text_frames(ask: Ask, answer: Answer) -> list[Frame]:
    made = []
    for index, part in enumerate(answer.parts):
        for piece, finish in [*[(piece, None) for piece in part.text], ("", part.finish)]:
            choice = {"text": piece, "index": index, "logprobs": None, "finish_reason": finish}
            chunk = {"id": answer.id, "object": "text_completion", "created": answer.created, "choices": [choice]}
            made.append((Mark.FINISH if finish else Mark.CONTENT, _data(_encode({**chunk, "model": ask.model}))))
    return made
