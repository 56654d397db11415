"""The dialect `gemini` from the provider's side: contents whole and streamed, counts of tokens, the list of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from pointsman.core.usage import Usage
from pointsman.testing.dialect import Answer, Ask, Frame, Headers, Mark, Part, Refusal, Request
from pointsman.testing.gemini_asks import asks_events, call_seal, model_in, read_generate, verb_in
from pointsman.testing.limits import Left
from pointsman.testing.script import SimModel
from pointsman.testing.seals import seal

__all__ = ["Gemini", "model_in"]

_encode = msgspec.json.Encoder().encode
_SURFACES = {"generateContent": "generate", "streamGenerateContent": "stream", "countTokens": "count"}
_FINISHES = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    504: "DEADLINE_EXCEEDED",
}
_BAD_KEY = "API key not valid. Please pass a valid API key."
_NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)
_WORDS = {
    "invalid_api_key": _BAD_KEY,
    "no_api_key": _NO_KEY,
    "rate_limit_exceeded": "Resource has been exhausted (e.g. check quota).",
    "overloaded_error": "The model is overloaded. Please try again later.",
    "insufficient_quota": "Your prepayment credits are depleted. Please manage your project and billing.",
    "prefill_refused": "Please ensure that the last turn of the conversation is from the user.",
    "server_error": "An internal error has occurred. Please retry or report in https://developers.generativeai.google",
}
_INFO = "type.googleapis.com/google.rpc"
_CALLED = "Model generated function call(s)."


class Gemini:
    """`gemini`."""

    name = "gemini"
    version = "/v1beta"

    def surface(self, request: Request) -> str:
        """Which endpoint was called."""
        if request.method == "POST":
            return _SURFACES.get(verb_in(request.path), "")
        return "models" if request.path == "/models" or request.path.startswith("/models/") else ""

    def key(self, request: Request) -> str:
        """`x-goog-api-key`, or `key` in the query."""
        return request.header(b"x-goog-api-key") or next(iter(parse_qs(request.query).get("key", [])), "")

    def listing(self, request: Request, surface: str, models: Sequence[SimModel]) -> bytes | None:
        """`GET /models` and `/models/{id}`."""
        if surface != "models":
            return None
        cards = {model.name: _card(model) for model in models}
        wanted = request.path.removeprefix("/models").strip("/")
        if not wanted:
            return _encode({"models": list(cards.values())})
        if wanted not in cards:
            raise Refusal(404, "model_not_found", "", subject=wanted)
        return _encode(cards[wanted])

    def read(self, request: Request, surface: str) -> Ask:
        """Read a request."""
        return read_generate(request, surface)

    def answer_id(self, _surface: str, number: int) -> str:
        """What the answer is called."""
        return f"sim{number:020d}"

    def headers(self, _number: int, _left: Sequence[Left], _now: int) -> Headers:
        """Google says nothing of quotas here."""
        return [(b"x-gemini-service-tier", b"standard")]

    def content_type(self, ask: Ask) -> bytes:
        """An event stream, or JSON."""
        return b"text/event-stream" if ask.stream and ask.echo["sse"] else b"application/json; charset=UTF-8"

    def whole(self, ask: Ask, answer: Answer, model: SimModel) -> bytes:
        """A `GenerateContentResponse`, or the count of tokens."""
        if ask.surface == "count":
            tokens = answer.usage.input if answer.usage else 0
            return _encode({"totalTokens": tokens, "promptTokensDetails": _text_tokens(tokens)})
        candidates = []
        for index, part in enumerate(answer.parts):
            parts = _thoughts(ask, part, model) + _calls(ask, answer, part, model)
            if part.text:
                signed = {"thoughtSignature": seal(ask.model, "text")} if part.thinking else {}
                parts.append({"text": "".join(part.text), **signed})
            candidates.append(_candidate(index, parts, part))
        return _encode(_response(ask, answer, candidates, answer.usage))

    def frames(self, ask: Ask, answer: Answer, model: SimModel) -> list[Frame]:
        """Chunks, each a whole `GenerateContentResponse`; the last of each candidate says why it ended."""
        chunks = _Chunks(ask, answer)
        step = max(model.pace.tokens_per_event, 1)
        for index, part in enumerate(answer.parts):
            chunks.thought(len(part.thinking))
            for thought in _thoughts(ask, part, model):
                chunks.add(Mark.CONTENT, _candidate(index, [thought]))
            for start in range(0, len(part.text), step):
                chunks.text(index, part.text[start : start + step])
            if calls := _calls(ask, answer, part, model):
                chunks.add(Mark.CONTENT, _candidate(index, calls))
            signed = {"thoughtSignature": seal(ask.model, "text")} if part.thinking and part.text else {}
            last = [{"text": "", **signed}] if part.text or calls else []
            chunks.add(Mark.FINISH, _candidate(index, last, part), over=index == len(answer.parts) - 1)
        return chunks.framed()

    def malformed(self, ask: Ask) -> bytes:
        """A chunk that breaks off."""
        broken = b'{"candidates": [{"content": {"par'
        return b"data: %b\r\n\r\n" % broken if ask.echo["sse"] else b",\r\n%b" % broken

    def status(self, refusal: Refusal) -> int:
        """A wrong key is a wrong argument here, and none is a lack of permission."""
        return {"invalid_api_key": 400, "no_api_key": 403}.get(refusal.code, refusal.status)

    def error(self, refusal: Refusal, request: Request) -> bytes:
        """`{"error": {code, message, status, details}}`; as the only item of a list where a list was asked for."""
        error = _error(refusal, self.status(refusal))
        listed = verb_in(request.path) == "streamGenerateContent" and not asks_events(request)
        return _encode([error] if listed else error)

    def error_frame(self, refusal: Refusal, ask: Ask, _answer: Answer, place: int) -> bytes:
        """The same as a chunk."""
        body = _encode(_error(refusal, self.status(refusal)))
        if ask.echo["sse"]:
            return b"data: %b\r\n\r\n" % body
        return b"%b%b]" % (b",\r\n" if place else b"[", body)


def _error(refusal: Refusal, status: int) -> dict[str, Any]:
    message = _WORDS.get(refusal.code, refusal.message)
    details: list[dict[str, Any]] = []
    if refusal.code == "model_not_found" and refusal.subject:
        message = (
            f"models/{refusal.subject} is not found for API version v1beta, or is not supported for generateContent. "
            "Call ListModels to see the list of available models and their supported methods."
        )
    elif refusal.code == "model_retired":
        message = (
            f"This model models/{refusal.subject} is no longer available. Please update your code to use a newer "
            "model for the latest features and improvements."
        )
    elif refusal.code == "context_length_exceeded":
        tokens, _, most = refusal.subject.partition("/")
        message = (
            f"The input token count ({tokens or 1_250_074}) exceeds the maximum number of tokens allowed "
            f"({most or 1_048_576})."
        )
    elif refusal.code == "invalid_api_key":
        metadata = {"service": "generativelanguage.googleapis.com"}
        info = {"reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": metadata}
        details += [
            {"@type": f"{_INFO}.ErrorInfo", **info},
            {"@type": f"{_INFO}.LocalizedMessage", "locale": "en-US", "message": message},
        ]
    if refusal.wait:
        details.append(
            {"@type": f"{_INFO}.RetryInfo", "retryDelay": f"{refusal.wait:.9f}".rstrip("0").rstrip(".") + "s"}
        )
    error: dict[str, Any] = {
        "code": status,
        "message": message + refusal.tail,
        "status": _STATUSES.get(status, "UNAVAILABLE"),
    }
    return {"error": {**error, "details": details} if details else error}


def _card(model: SimModel) -> dict[str, Any]:
    return {
        "name": f"models/{model.name}",
        "version": "001",
        "displayName": model.name,
        "description": "A simulated model.",
        "inputTokenLimit": model.context,
        "outputTokenLimit": model.context,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": model.thinking is not None,
    }


def _thoughts(ask: Ask, part: Part, model: SimModel) -> list[dict[str, Any]]:
    """The summary of the thoughts as one part, if it is shown."""
    shown = ask.shows_thoughts and model.thinking is not None and model.thinking.field != "hidden"
    return [{"text": "".join(part.thinking), "thought": True}] if part.thinking and shown else []


def _calls(ask: Ask, answer: Answer, part: Part, model: SimModel) -> list[dict[str, Any]]:
    """The calls. A model that thinks gives them ids and signs the first of them; a call that is no JSON is not sent."""
    made: list[dict[str, Any]] = []
    for number, call in enumerate(part.calls):
        if not call.values and call.arguments != "{}":
            return []
        body: dict[str, Any] = {"name": call.name, "args": call.values}
        if model.thinking is None:
            made.append({"functionCall": body})
            continue
        body["id"] = f"{answer.id[-6:]}{number:02d}"
        signed = {} if number else {"thoughtSignature": call_seal(ask.model, call.name)}
        made.append({"functionCall": body, **signed})
    return made


def _candidate(index: int, parts: list[dict[str, Any]], over: Part | None = None) -> dict[str, Any]:
    """Some of an answer; the last of it where `over` is that answer."""
    content: dict[str, Any] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    body: dict[str, Any] = {"content": content}
    if over is not None:
        broken = [call for call in over.calls if not call.values and call.arguments != "{}"]
        body["finishReason"] = "MALFORMED_FUNCTION_CALL" if broken else _FINISHES[over.finish]
        if broken:
            body["finishMessage"] = f"Malformed function call: {broken[0].name}({broken[0].arguments}"
        elif over.calls:
            body["finishMessage"] = _CALLED
    return {**body, "index": index}


def _text_tokens(tokens: int) -> list[dict[str, Any]]:
    return [{"modality": "TEXT", "tokenCount": tokens}]


def _usage(usage: Usage) -> dict[str, Any]:
    """Thoughts stand beside what was written, and what came from the cache is part of the prompt."""
    body: dict[str, Any] = {"promptTokenCount": usage.input}
    if written := usage.output - usage.reasoning:
        body["candidatesTokenCount"] = written
    body |= {"totalTokenCount": usage.total, "promptTokensDetails": _text_tokens(usage.input)}
    if usage.cache_read:
        body["cachedContentTokenCount"] = usage.cache_read
        body["cacheTokensDetails"] = _text_tokens(usage.cache_read)
    if usage.reasoning:
        body["thoughtsTokenCount"] = usage.reasoning
    return {**body, "serviceTier": "standard"}


def _response(ask: Ask, answer: Answer, candidates: list[dict[str, Any]], usage: Usage | None) -> dict[str, Any]:
    body: dict[str, Any] = {"candidates": candidates}
    if usage is not None:
        body["usageMetadata"] = _usage(usage)
    return {**body, "modelVersion": ask.model, "responseId": answer.id}


class _Chunks:
    """The chunks of one stream, each with the usage so far."""

    def __init__(self, ask: Ask, answer: Answer) -> None:
        self._ask = ask
        self._answer = answer
        self._made: list[tuple[Mark, bytes]] = []
        self._thought = self._wrote = 0
        self._rest: bytes | None = None
        self._end = _encode({"modelVersion": ask.model, "responseId": answer.id})[1:-1]

    def thought(self, tokens: int) -> None:
        """So many tokens of thoughts."""
        self._thought += tokens
        self._rest = None

    def text(self, index: int, pieces: list[str]) -> None:
        """A chunk of text. These are most of a stream, so what follows the text is printed without a detour."""
        self._wrote += len(pieces)
        usage, tail = self._answer.usage, b""
        if usage is not None:
            total = usage.input + self._thought + self._wrote
            tail = b'"usageMetadata":{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d,%b},' % (
                usage.input,
                self._wrote,
                total,
                self._details(usage),
            )
        body = b'{"candidates":[{"content":{"parts":[{"text":%b}],"role":"model"},"index":%d}],%b%b}'
        self._made.append((Mark.CONTENT, body % (_encode("".join(pieces)), index, tail, self._end)))

    def _details(self, usage: Usage) -> bytes:
        """What of the usage is the same in every chunk of text."""
        if self._rest is None:
            so_far = msgspec.structs.replace(usage, output=self._thought + 1, reasoning=self._thought)
            shared = _usage(so_far)
            for name in ("promptTokenCount", "candidatesTokenCount", "totalTokenCount"):
                del shared[name]
            self._rest = _encode(shared)[1:-1]
        return self._rest

    def add(self, mark: Mark, candidate: dict[str, Any], *, over: bool = False) -> None:
        """A chunk. The usage of the last one is the whole."""
        usage = self._answer.usage
        if usage is not None and not over:
            so_far = self._thought + self._wrote
            usage = msgspec.structs.replace(usage, output=so_far, reasoning=self._thought)
        self._made.append((mark, _encode(_response(self._ask, self._answer, [candidate], usage))))

    def framed(self) -> list[Frame]:
        """As an event stream, or as one JSON array in pieces."""
        if self._ask.echo["sse"]:
            return [(mark, b"data: %b\r\n\r\n" % body) for mark, body in self._made]
        rest = [(mark, b",\r\n" + body) for mark, body in self._made[1:]]
        mark, first = self._made[0]
        return [(mark, b"[" + first), *rest, (Mark.END, b"]")]
