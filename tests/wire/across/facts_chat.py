"""Facts of chat completions (OpenAI's dialect as everybody speaks it, Mistral's included).

https://platform.openai.com/docs/api-reference/chat, https://docs.mistral.ai/api, https://openrouter.ai/docs
"""

from __future__ import annotations

import json
from typing import Any

from wire.across.facts import (
    CALLS,
    ERROR,
    FILTER,
    LENGTH,
    REFUSAL,
    STOP,
    Choice,
    Facts,
    Failure,
    Usage,
    call_of,
    finish_of,
)
from wire.across.facts_errors import failure_in
from wire.across.frames import DONE, Sse, fields, items, number, text

_WORDS = {
    "stop": STOP,
    "eos": STOP,  # Together
    "length": LENGTH,
    "model_length": LENGTH,  # Mistral
    "tool_calls": CALLS,
    "function_call": CALLS,
    "content_filter": FILTER,
    "error": ERROR,
}
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_text")


def of_body(body: dict[str, Any]) -> Facts:
    """Facts of a whole answer."""
    if failure := failure_in(body):
        return Facts(failure=failure)
    if not isinstance(body.get("choices"), list):
        return Facts(unfit="no chat answer")
    choices = tuple(_choice(fields(one), body) for one in body["choices"])
    return Facts(choices=choices, usage=usage_of(fields(body.get("usage"))))


def of_stream(events: list[Sse]) -> Facts:
    """Facts of a stream: put together to the answer that it would have been."""
    answer, failure = gathered(events)
    facts = of_body(answer)
    said = any(event.data.strip() == DONE for event in events)  # Snowflake and Kimi say nothing else
    ended = answer["choices"] and all(choice.get("finish_reason") for choice in answer["choices"])
    if not failure and not ended and not said:
        failure = Failure(cut=True)
    return Facts(choices=facts.choices, usage=facts.usage, failure=failure)


def _choice(choice: dict[str, Any], body: dict[str, Any]) -> Choice:
    message = fields(choice.get("message"))
    calls = tuple(
        call_of(text(function.get("name")), function.get("arguments"))
        for call in items(message.get("tool_calls"))
        if (function := fields(fields(call).get("function"))).get("name")
    )
    old = fields(message.get("function_call"))
    if old.get("name"):  # Snowflake sends an empty one beside every answer
        calls = (*calls, call_of(text(old["name"]), old.get("arguments")))
    said, thought = _content(message)
    words = choice.get("finish_reason")
    finish = _WORDS.get(text(words), STOP)
    ends = finish_of(finish, calls) if words else frozenset({CALLS if calls else STOP})  # `""`: Snowflake
    refused = bool(text(message.get("refusal")))  # it ends as any other answer does
    cited, may = _sources(message, body)
    return Choice(
        text=(said or text(choice.get("text"))) + text(message.get("refusal")),
        reasoning=thought or ("",),
        sealed=_sealed(message),
        calls=calls,
        foreign=tuple("custom" for call in items(message.get("tool_calls")) if fields(call).get("type") == "custom"),
        finish=ends | {REFUSAL} if refused and STOP in ends else ends,
        cited=cited,
        may_cite=may,
        spans=spans_of(said, [fields(fields(item).get("url_citation")) for item in items(message.get("annotations"))]),
        images=len(items(message.get("images"))),
    )


def _content(message: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """What is said, and every reading of what is thought."""
    content = message.get("content")
    thoughts = [text(message.get(name)) for name in _THOUGHTS]
    details = [fields(item) for item in items(message.get("reasoning_details"))]
    thoughts.append("".join(text(item.get("text")) + text(item.get("summary")) for item in details))
    # The same of gateways in front of Anthropic, ours among them.
    thoughts.append("".join(text(fields(item).get("thinking")) for item in items(message.get("thinking_blocks"))))
    said = text(content)
    if isinstance(content, dict):  # Cloudflare's JSON mode sends the JSON itself
        said = json.dumps(content)
    if isinstance(content, list):  # Mistral
        parts = [fields(part) for part in content]
        said = "".join(text(part.get("text")) for part in parts if part.get("type") == "text")
        inner = [item for part in parts if part.get("type") == "thinking" for item in items(part.get("thinking"))]
        thoughts.append("".join(text(fields(item).get("text")) for item in inner))
    if not said:  # a spoken answer has its words there
        said = text(fields(message.get("audio")).get("transcript"))
    return said, tuple(dict.fromkeys(thought for thought in thoughts if thought))


def _sealed(message: dict[str, Any]) -> bool:
    details = [fields(item) for item in items(message.get("reasoning_details"))]
    return any(item.get("signature") or item.get("data") for item in details) or bool(message.get("thinking_blocks"))


def _sources(message: dict[str, Any], body: dict[str, Any]) -> tuple[frozenset[str], frozenset[str]]:
    """Annotations of the message; Perplexity and xAI list the pages beside the choices, for `[1]` in the text."""
    notes = (fields(fields(item).get("url_citation")).get("url") for item in items(message.get("annotations")))
    listed = [url for url in items(body.get("citations")) if isinstance(url, str)]
    may = (fields(item).get("url") for item in items(body.get("search_results")))
    return frozenset(filter(None, [*notes, *listed])), frozenset(filter(None, may))


def spans_of(said: str, notes: list[dict[str, Any]]) -> frozenset[tuple[str, str]]:
    """Addresses with the words that rest on them."""
    places = [(text(note.get("url")), number(note.get("start_index")), number(note.get("end_index"))) for note in notes]
    cut = [(url, said[start:end]) for url, start, end in places]
    return frozenset((url, words) for url, words in cut if url and words)


def usage_of(raw: dict[str, Any]) -> Usage | None:
    """Every provider's sums in one form."""
    if "prompt_tokens" not in raw or "completion_tokens" not in raw:
        return None
    prompt, output, total = (number(raw.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    heard, said = fields(raw.get("prompt_tokens_details")), fields(raw.get("completion_tokens_details"))
    names = ("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cache_read_input_tokens")
    read = number(heard.get("cached_tokens")) or next(filter(None, (number(raw.get(name)) for name in names)), 0)
    write = number(heard.get("cache_write_tokens")) or number(raw.get("cache_creation_input_tokens"))
    reasoning = number(said.get("reasoning_tokens")) or number(raw.get("reasoning_tokens"))
    beside = total - prompt - output
    if beside > 0 and beside == number(heard.get("audio_tokens")):  # Mistral counts sound beside the prompt's text
        prompt += beside
    elif beside > 0:  # xAI, Google: thinking stands beside the completion, and the total shows it
        output += beside
        reasoning = reasoning or beside
    if read + write > prompt:  # Grok at Azure, gateways before Anthropic: cached tokens beside the others
        prompt += read + write
        if "num_cached_tokens" in raw:  # Mistral: 64 of 10 tokens cached, in blocks of 16; nobody can say of how many
            return Usage(None, None, write, output, reasoning)
    return Usage(prompt, read, write, output, reasoning if reasoning <= output else None)


def gathered(events: list[Sse]) -> tuple[dict[str, Any], Any]:
    """A stream's chunks as one answer, and the error in it. Forgives what servers are known to do."""
    choices: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for event in events:
        chunk = fields(event.value)
        if failure := failure_in(chunk, event.name):
            return {**answer, "choices": _listed(choices)}, failure
        if event.value is None:
            continue
        usage = chunk.get("usage") or fields(chunk.get("x_groq")).get("usage")
        if usage:
            answer["usage"] = usage  # the last one counts (gotcha 21)
        for name in ("citations", "search_results"):
            if chunk.get(name):
                answer[name] = chunk[name]
        for one in items(chunk.get("choices")):
            piece = fields(one)
            choice = choices.setdefault(number(piece.get("index")), {"message": {}, "calls": []})
            # Perplexity sends the whole message so far beside each delta, Together the delta once more as `text`.
            _grow(choice, fields(piece.get("delta")))
            if "delta" not in piece:
                choice["text"] = choice.get("text", "") + text(piece.get("text"))
            if piece.get("finish_reason") and "finish_reason" not in choice:  # said again by some (gotcha 31)
                choice["finish_reason"] = piece["finish_reason"]
    return {**answer, "choices": _listed(choices)}, None


def _listed(choices: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
    for choice in choices.values():
        choice["message"]["tool_calls"] = choice["calls"]
    return [choices[index] for index in sorted(choices)]


def _grow(choice: dict[str, Any], delta: dict[str, Any]) -> None:
    message = choice["message"]
    for name in ("content", "refusal", *_THOUGHTS):
        if isinstance(piece := delta.get(name), str):
            message[name] = text(message.get(name)) + piece
    if isinstance(parts := delta.get("content"), list):  # Mistral, thinking; text comes as a string
        inner = [item for part in parts for item in items(fields(part).get("thinking"))]
        thought = "".join(text(fields(item).get("text")) for item in inner)
        message["reasoning_text"] = text(message.get("reasoning_text")) + thought
        plain = "".join(text(fields(part).get("text")) for part in parts if fields(part).get("type") == "text")
        message["content"] = text(message.get("content")) + plain
    if said := text(fields(delta.get("audio")).get("transcript")):
        message["audio"] = {"transcript": text(fields(message.get("audio")).get("transcript")) + said}
    for name in ("reasoning_details", "annotations", "images", "thinking_blocks"):
        if delta.get(name):
            message[name] = [*items(message.get(name)), *items(delta[name])]
    if isinstance(old := delta.get("function_call"), dict):
        known = message.setdefault("function_call", {"name": "", "arguments": ""})
        known["name"] += text(old.get("name"))
        known["arguments"] += text(old.get("arguments"))
    for call in items(delta.get("tool_calls")):
        _grow_call(choice["calls"], fields(call))


def _grow_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    """A piece of a call. A new id begins one, whatever its index (gotcha 2); without one its place decides."""
    function, place, call_id = fields(piece.get("function")), piece.get("index"), text(piece.get("id"))
    name = text(function.get("name"))
    known = None
    if call_id:
        known = next((call for call in calls if call["id"] == call_id), None)
        nameless = next((call for call in calls if call["index"] == place and not call["id"]), None)
        known = known or (nameless if place is not None else None)
    elif place is not None:
        known = next((call for call in reversed(calls) if call["index"] == place), None)
    elif not name and calls:
        known = calls[-1]
    if known is None:
        known = {"id": "", "index": place, "function": {"name": "", "arguments": ""}}
        calls.append(known)
    known["id"] = known["id"] or call_id
    known["function"]["name"] = known["function"]["name"] or name
    arguments = function.get("arguments")
    known["function"]["arguments"] += arguments if isinstance(arguments, str) else ""
