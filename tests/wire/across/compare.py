"""What a caller's dialect can say of an answer's facts, and where what it got differs from that."""

from __future__ import annotations

import re
from typing import NamedTuple

from wire.across.facts import ERROR, FILTER, LENGTH, PAUSE, REFUSAL, STOP, Call, Choice, Facts, Usage

_SPACE = re.compile(r"\s+")
_LONE = frozenset({"anthropic-messages", "openai-responses"})  # dialects with one answer to a request
# What each dialect can say of an end; a word that it lacks may become its nearest.
_FINISHES: dict[str, dict[str, set[str]]] = {
    "openai-chat": {REFUSAL: {FILTER}, PAUSE: {STOP}, ERROR: {ERROR, FILTER}},
    "anthropic-messages": {FILTER: {REFUSAL}, ERROR: {REFUSAL, STOP}},
    "openai-responses": {REFUSAL: {FILTER, STOP}, PAUSE: {STOP, LENGTH}, ERROR: {ERROR, FILTER, STOP}},
    "gemini": {REFUSAL: {FILTER}, PAUSE: {STOP}},
}
_USAGE = {
    "openai-chat": ("input", "cache_read", "cache_write", "output", "reasoning"),
    "anthropic-messages": ("input", "cache_read", "cache_write", "output"),
    "openai-responses": ("input", "cache_read", "output", "reasoning"),
    "gemini": ("input", "cache_read", "output", "reasoning"),
}


class Difference(NamedTuple):
    """One thing that the caller got otherwise than it was sent."""

    feature: str
    reason: str


FEATURES = (
    "text",
    "tool calls",
    "finish",
    "usage",
    "billing",
    "reasoning",
    "citations",
    "spans",
    "images",
    "choices",
    "form",
    "splits",
    "fields",
    "error",
)


def differences(expected: Facts, seen: Facts, caller: str, *, streamed: bool) -> list[Difference]:
    """Every difference that matters to a caller of this dialect."""
    wanted = expected.choices[:1] if caller in _LONE else expected.choices
    found: list[Difference] = []
    if seen.failure and caller == "openai-responses" and all(ERROR in choice.finish for choice in wanted):
        return []  # an end that is a failure there
    if seen.unfit or len(seen.choices) != max(len(wanted), len(seen.choices) if not wanted else 0):
        return [Difference("choices", f"{len(seen.choices)} of {len(wanted)} {seen.unfit}".strip())]
    for one, other in zip(wanted, seen.choices, strict=False):
        found += _choice(one, other, caller, streamed)
    if expected.usage is not None:
        found += usage_differences(expected.usage, seen.usage, _USAGE[caller], "usage")
    return found


def _choice(wanted: Choice, seen: Choice, caller: str, streamed: bool) -> list[Difference]:
    found = []
    if seen.text not in (wanted.text, wanted.text + wanted.may_say):
        found.append(Difference("text", _text_reason(wanted.text, seen.text)))
    if not {_squashed(one) for one in wanted.reasoning} & {_squashed(one) for one in seen.reasoning}:
        found.append(Difference("reasoning", _text_reason(wanted.reasoning[0], seen.reasoning[0])))
    calls = _calls(wanted, seen, caller, streamed)
    if calls:
        found.append(Difference("tool calls", calls))
    allowed = set().union(*(_FINISHES[caller].get(word, {word}) for word in wanted.finish))
    if not allowed & seen.finish:
        found.append(Difference("finish", f"{_words(seen.finish)} for {_words(frozenset(allowed))}"))
    lost = wanted.cited - seen.cited - seen.may_cite
    added = seen.cited - wanted.cited - wanted.may_cite
    if lost or added:
        found.append(Difference("citations", "sources are missing" if lost else "sources that nobody named"))
    # Anthropic's sources belong to a whole block of text.
    wrong = seen.spans - wanted.spans if wanted.spans and caller != "anthropic-messages" else frozenset()
    if wrong:
        found.append(Difference("spans", "a source with other words"))
    if wanted.images != seen.images and caller != "anthropic-messages":  # which has no pictures in answers
        found.append(Difference("images", f"{seen.images} of {wanted.images}"))
    return found


def _words(words: frozenset[str]) -> str:
    return "/".join(sorted(words))


def _squashed(text: str) -> str:
    """Without white space: how parts of a summary are joined is the dialect's own affair."""
    return _SPACE.sub("", text)


def _text_reason(wanted: str, seen: str) -> str:
    if not seen:
        return "nothing of it came"
    if wanted.startswith(seen):
        return "its end is missing"
    if seen.startswith(wanted):
        return "there is more behind it" if wanted else "there should be none"
    return "it is another one"


def _calls(wanted: Choice, seen: Choice, caller: str, streamed: bool) -> str:
    names, others = [call.name for call in wanted.calls], [call.name for call in seen.calls]
    if len(names) == len(others):
        spaced = zip(wanted.calls, others, strict=True)
        others = [one.name if one.space and name.endswith(one.name) else name for one, name in spaced]
    # A call with free text for its input has no place in other dialects but as arguments.
    extra = [name for name in others if name not in names]
    if names != others and not (extra and "custom_tool_call" in wanted.foreign):
        return f"{len(others)} of {len(names)} calls" if len(names) != len(others) else "other names"
    for one, other in zip(wanted.calls, seen.calls, strict=False):
        if not _same_call(one, other, caller, streamed):
            return "other arguments"
    return ""


def _same_call(wanted: Call, seen: Call, caller: str, streamed: bool) -> bool:
    if wanted.whole:
        return bool(wanted.arguments == seen.arguments)
    if caller == "gemini" or (caller == "anthropic-messages" and not streamed):
        return True  # arguments that were cut off are no object, and these dialects have nothing else
    return bool(wanted.arguments == seen.arguments)


def usage_differences(
    wanted: Usage, seen: Usage | None, names: tuple[str, ...], feature: str = "billing"
) -> list[Difference]:
    """Counts that are not as the provider's own arithmetic has them."""
    if seen is None:
        return [Difference(feature, "no usage")]
    wrong = [
        f"{name} {getattr(seen, name)} for {count}"
        for name in names
        if (count := getattr(wanted, name)) is not None and getattr(seen, name) != count
    ]
    return [Difference(feature, re.sub(r"\d+", "n", ", ".join(wrong)))] if wrong else []
