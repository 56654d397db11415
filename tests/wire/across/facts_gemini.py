"""Facts of Gemini's generateContent: https://ai.google.dev/api/generate-content, and Vertex AI's."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from wire.across.facts import CALLS, ERROR, FILTER, LENGTH, STOP, Call, Choice, Facts, Failure, Usage, finish_of
from wire.across.facts_errors import failure_in
from wire.across.frames import fields, items, json_of, number, text

_NUMBERS = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER"}  # `$alt=json;enum-encoding=int`
_FILTERS = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "LANGUAGE", "IMAGE_SAFETY"}
)
_FAULTS = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
_COUNTS = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]")


def of_body(body: dict[str, Any]) -> Facts:
    """Facts of a whole answer."""
    return of_chunks([body])


def of_chunks(chunks: list[dict[str, Any]]) -> Facts:
    """Facts of a stream's chunks, or of the one of a whole answer."""
    gathered: dict[int, list[dict[str, Any]]] = {}
    usage: dict[str, Any] = {}
    blocked, failure = False, None
    for chunk in chunks:
        if chunk.get("error"):
            failure = failure_in(chunk)
            break
        counts = fields(chunk.get("usageMetadata"))
        if any(name in counts for name in _COUNTS):  # each is a whole account so far, the last one counts
            usage = counts
        # Blocked where nothing but feedback came: `blockReason` may be new, or missing (gotcha 48).
        blocked = blocked or (bool(chunk.get("promptFeedback")) and not chunk.get("candidates"))
        for candidate in items(chunk.get("candidates")):
            gathered.setdefault(number(fields(candidate).get("index")), []).append(fields(candidate))
    if not gathered and not blocked and not failure:
        return Facts(unfit="no answer of generateContent")
    choices = tuple(_choice(gathered[index]) for index in sorted(gathered))
    if blocked and not choices:
        choices = (Choice(finish=frozenset({FILTER})),)
    if not failure and not blocked and len(chunks) > 1 and not all(map(_said, gathered.values())):
        failure = Failure(cut=True)
    return Facts(choices=choices, usage=usage_of(usage), failure=failure)


def of_stream(chunks: list[dict[str, Any]]) -> Facts:
    """As `of_chunks`; a stream without a finish was cut, be it of one chunk."""
    facts = of_chunks(chunks)
    said = any(fields(one).get("finishReason") for chunk in chunks for one in items(chunk.get("candidates")))
    blocked = any(chunk.get("promptFeedback") and not chunk.get("candidates") for chunk in chunks)
    if facts.failure or facts.unfit or said or blocked:
        return facts
    return Facts(choices=facts.choices, usage=facts.usage, failure=Failure(cut=True))


def plain_error(sse: str) -> list[dict[str, Any]]:
    """An error that stands in a stream as plain JSON, in no event: Vertex AI's way to break off."""
    plain = "\n".join(line for line in sse.splitlines() if line and not line.startswith("data:"))
    return [error] if (error := fields(json_of(plain))).get("error") else []


def _said(pieces: list[dict[str, Any]]) -> bool:
    return any(piece.get("finishReason") for piece in pieces)


def _choice(pieces: list[dict[str, Any]]) -> Choice:
    parts = [fields(part) for piece in pieces for part in items(fields(piece.get("content")).get("parts"))]
    calls = _calls(parts)
    cited, may = _sources(pieces)
    said = [part for part in parts if isinstance(part.get("text"), str)]
    return Choice(
        text="".join(part["text"] for part in said if part.get("thought") is not True),
        reasoning=("".join(part["text"] for part in said if part.get("thought") is True),),
        sealed=any(part.get("thoughtSignature") for part in parts),
        calls=calls,
        finish=_finish(pieces, calls),
        cited=cited,
        may_cite=may,
        spans=_spans(pieces),
        images=sum(text(fields(part.get("inlineData")).get("mimeType")).startswith("image/") for part in parts),
    )


def _calls(parts: list[dict[str, Any]]) -> tuple[Call, ...]:
    """Calls; on Vertex AI one may come in pieces (`partialArgs`, until a part without `willContinue`)."""
    calls: list[Call] = []
    growing = False
    for part in parts:
        if "functionCall" not in part:
            continue
        said = fields(part["functionCall"])
        if not growing or said.get("name"):
            calls.append(Call(text(said.get("name")), {**fields(said.get("args"))}))
        for piece in items(said.get("partialArgs")):
            _place(calls[-1].arguments, fields(piece))
        growing = said.get("willContinue") is True
    return tuple(calls)


def _place(value: Any, piece: dict[str, Any]) -> None:
    """Put a piece where its path says; strings grow."""
    found = _STEP.findall(piece["jsonPath"])
    steps: list[str | int] = [int(at) if at else name or quoted for name, at, quoted in found]
    for step, following in pairwise(steps):
        if isinstance(value, list):
            while len(value) <= int(step):
                value.append([] if isinstance(following, int) else {})
            value = value[int(step)]
        else:
            value = value.setdefault(step, [] if isinstance(following, int) else {})
    last = steps[-1]
    new = next((piece[name] for name in ("stringValue", "numberValue", "boolValue") if name in piece), None)
    if isinstance(value, list):
        while len(value) <= int(last):
            value.append("" if isinstance(new, str) else None)
    old = value[last] if isinstance(value, list) else value.get(last)
    value[last] = old + new if isinstance(old, str) and isinstance(new, str) else new


def _finish(pieces: list[dict[str, Any]], calls: tuple[Call, ...]) -> frozenset[str]:
    words = [piece["finishReason"] for piece in pieces if piece.get("finishReason")]
    words = [_NUMBERS.get(word, str(word)) if isinstance(word, int) else word for word in words]
    if not words:
        return frozenset({CALLS if calls else STOP})
    if any(word in _FILTERS for word in words):
        return frozenset({FILTER})
    match words[-1]:
        case "MAX_TOKENS":
            return frozenset({LENGTH})
        case word if word in _FAULTS:
            return frozenset({ERROR})
        case "OTHER" | "NO_IMAGE":  # by the documentation neither a filter nor a clean end
            return frozenset({STOP, ERROR, FILTER})
        case _:
            return finish_of(STOP, calls)  # a new word is an end like any other (gotcha 48)


def _sources(pieces: list[dict[str, Any]]) -> tuple[frozenset[str], frozenset[str]]:
    """Pages that a passage rests on have to be cited; those that were found beside them may be."""
    must: set[str] = set()
    may: set[str] = set()
    for piece in pieces:
        grounding = fields(piece.get("groundingMetadata"))
        chunks = [fields(chunk) for chunk in items(grounding.get("groundingChunks"))]
        urls = [next((text(fields(found).get("uri")) for found in chunk.values()), "") for chunk in chunks]
        may |= set(urls)
        for support in items(grounding.get("groundingSupports")):
            places = items(fields(support).get("groundingChunkIndices"))
            must |= {urls[at] for at in places if isinstance(at, int) and at < len(urls)}
        quoted = fields(piece.get("citationMetadata"))
        notes = items(quoted.get("citations")) or items(quoted.get("citationSources"))  # Vertex AI's, Google's name
        must |= {text(fields(note).get("uri")) for note in notes}
    return frozenset(must - {""}), frozenset(may - {""})


def _spans(pieces: list[dict[str, Any]]) -> frozenset[tuple[str, str]]:
    """Google says the words themselves; their places are counted in bytes."""
    found = set()
    for piece in pieces:
        grounding = fields(piece.get("groundingMetadata"))
        chunks = [fields(chunk) for chunk in items(grounding.get("groundingChunks"))]
        urls = [next((text(fields(one).get("uri")) for one in chunk.values()), "") for chunk in chunks]
        for support in map(fields, items(grounding.get("groundingSupports"))):
            words = text(fields(support.get("segment")).get("text"))
            places = items(support.get("groundingChunkIndices"))
            found |= {(urls[at], words) for at in places if isinstance(at, int) and at < len(urls) and words}
    return frozenset(found)


def usage_of(raw: dict[str, Any]) -> Usage | None:
    """Thinking stands beside the candidates, results of built-in tools beside the prompt (gotcha 19)."""
    if not any(name in raw for name in _COUNTS):
        return None
    prompt, said, thought, tools = (number(raw.get(name)) for name in _COUNTS)
    return Usage(
        input=prompt + tools,
        cache_read=number(raw.get("cachedContentTokenCount")),
        output=said + thought,
        reasoning=thought,
    )
