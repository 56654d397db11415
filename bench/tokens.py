"""How far counts of tokens made offline are from what providers state: `python -m bench.tokens [--markdown]`.

Over recorded exchanges ($POINTSMAN_DATA/wire): requests without files, whose answers state usage. For each provider the
ratio of our count to theirs, with vocabularies (extra `[tokens]`) and without; and how often `upper` was too low.
"""

from __future__ import annotations

import gzip
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from pointsman.compose.dialects import Dialects
from pointsman.core.chat import Event, Request, UsageReport
from pointsman.core.errors import PointsmanError
from pointsman.core.texts import Written, of_answer, of_events
from pointsman.core.usage import Usage
from pointsman.tokens.counting import TokenCounter
from pointsman.tokens.vocabularies import installed
from pointsman.wire.told import OWN

_SPEAKS: dict[str, tuple[str, Any]] = {
    "openai-chat": ("openai-chat", "chat.completions"),
    "openai-responses": ("openai-responses", "responses"),
    "anthropic-messages": ("anthropic-messages", "messages"),
    "gemini-generateContent": ("gemini", "gemini.generate"),
    "mistral-chat": ("mistral-chat", "chat.completions"),
}
_UNSEEN = {
    "vision",
    "document",
    "audio",
    "video",
    "web_search",
    "code_execution",
    "server_tools",
    "image_output",
    "error",
}
_FEWEST = 20


class Known(NamedTuple):
    """One exchange. `written` is empty where thoughts are counted that nobody can read."""

    provider: str
    model: str
    request: Request
    usage: Usage
    written: Written


def exchanges(folder: Path) -> Iterator[Known]:
    """What can be judged of the recordings."""
    dialects = Dialects()
    for path in sorted(folder.glob("*__*.jsonl.gz")):
        provider, _, kind = path.name.removesuffix(".jsonl.gz").partition("__")
        if kind not in _SPEAKS:
            continue
        name, surface = _SPEAKS[kind]
        with gzip.open(path, "rb") as lines:
            for line in lines:
                found = _read(msgspec.json.decode(line), dialects.translated[name], surface, provider)
                if found is not None:
                    yield found


def _read(record: dict[str, Any], dialect: Any, surface: Any, provider: str) -> Known | None:
    asked, answer = record["request"], record["response"]
    if not asked or (answer["status"] or 200) >= 300 or set(record["features"]) & _UNSEEN:
        return None
    try:
        incoming = dialect.read_request(msgspec.json.encode(asked["body"]), surface, asked["path"], "")
        request = dialect.to_core(incoming)
        if answer.get("body") is not None:
            heard = dialect.read_whole(msgspec.json.encode(answer["body"]), OWN)
            usage, written = heard.usage, of_answer(heard)
        elif answer.get("sse"):
            reader = dialect.reader(OWN)
            events = [*reader.feed(answer["sse"].encode()), *reader.close()]
            usage, written = _usage(events), of_events(events)
        else:
            return None
    except (PointsmanError, ValueError):
        return None
    if usage is None or not usage.input:
        return None
    hidden = usage.reasoning or "reasoning" in record["features"]
    model = record.get("model") or incoming.model
    return Known(provider, model, request, usage, Written([]) if hidden else written)


def _usage(events: list[Event]) -> Usage | None:
    reports = [event.usage for event in events if isinstance(event, UsageReport)]
    return reports[-1] if reports else None


class Sums(NamedTuple):
    """Ratios of ours to theirs."""

    read: list[float]
    written: list[float]


def measure(known: list[Known], counter: TokenCounter) -> tuple[dict[str, Sums], tuple[int, int, int]]:
    """Ratios by provider; and of all requests how many are bounded, how many of those too low, and the total."""
    found: dict[str, Sums] = defaultdict(lambda: Sums([], []))
    bounded = low = 0
    for one in known:
        counted = counter.request(one.request, one.model)
        for name in (one.provider, "all"):
            found[name].read.append(counted.best / one.usage.input)
        if counted.upper is not None:
            bounded += 1
            low += counted.upper < one.usage.input
        if any(one.written.texts) and one.usage.output:
            ours = counter.answer(one.written.texts, one.model, calls=one.written.calls)
            for name in (one.provider, "all"):
                found[name].written.append(ours / one.usage.output)
    return found, (bounded, low, len(known))


def at(values: list[float], share: float) -> str:
    """A percentile, for people."""
    ordered = sorted(values)
    return f"{ordered[min(int(len(ordered) * share), len(ordered) - 1)]:.2f}" if ordered else "-"


def main() -> int:
    """Print the table."""
    folder = Path(os.environ.get("POINTSMAN_DATA", Path(__file__).parents[2] / "shared" / "data")) / "wire"
    known = list(exchanges(folder))
    if not known:
        print(f"no recordings at {folder}: set POINTSMAN_DATA", file=sys.stderr)
        return 1
    words = installed()
    counters = {"without": TokenCounter()} | ({"with": TokenCounter(words)} if words is not None else {})
    if words is not None:
        words.ready(
            "o200k_base", "cl100k_base", "gemma3", "llama3", "qwen3", "deepseek_v3", "mistral_v3", "glm4", "kimi_k2"
        )
    found = {name: measure(known, counter) for name, counter in counters.items()}
    print("| provider | extra | requests | p5 | median | p95 | answers | p5 | median | p95 |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    one = found["without"][0]
    for provider in sorted(one, key=lambda name: -len(one[name].read)):
        if len(one[provider].read) < _FEWEST:
            continue
        for name, (sums, _) in found.items():
            read, written = sums[provider]
            print(
                f"| {provider} | {name} | {len(read)} | {at(read, 0.05)} | {at(read, 0.5)} | {at(read, 0.95)} "
                f"| {len(written)} | {at(written, 0.05)} | {at(written, 0.5)} | {at(written, 0.95)} |"
            )
    bounded, low, total = found["without"][1]
    print(f"\n{bounded} of {total} requests are bounded; of {low} of those the provider counted more.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
