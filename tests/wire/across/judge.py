"""Every recorded answer carried to callers of every dialect, and held to what the record says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pointsman.core.chat import Dropped
from pointsman.core.errors import PointsmanError, UpstreamCut, UpstreamRefused
from pointsman.core.usage import Usage as Counted
from pointsman.wire.passage import Crossing, Passage, Passages
from pointsman.wire.port import Dialect
from pointsman.wire.streams import Relay
from pointsman.wire.trip import Incoming, Outgoing, Trip
from wire.across import record as recorded
from wire.across import seen, seen_errors
from wire.across.breaches import Breaches
from wire.across.compare import Difference, differences, usage_differences
from wire.across.facts import Facts, Failure, Usage
from wire.across.frames import events, fields
from wire.across.record import DIALECTS

NOW = 1_767_225_600_000_000_000
"""When all of it happens, in nanoseconds since the epoch."""
SPLITS = (1 << 30, 7, 1)
QUICK = (1 << 30, 97)
"""Sizes of the pieces in which streams are fed; for tests that have no time."""
_SINGLY = 16_384  # bytes of a stream that are fed one by one; what follows them is more of the same
_BILLED = ("input", "cache_read", "cache_write", "output", "reasoning")
CROSSED = "openai-chat (crossed)"
"""Chat to chat by the long way, through the core values, as if these were two dialects."""


class Case(NamedTuple):
    """One record for one caller, one way: `whole`, `stream`, `told` (a whole answer to a request for a stream)."""

    record: str
    caller: str
    provider: str
    mode: str


class Judgement(NamedTuple):
    """What became of a case: its differences (none: it passed) and the features that it has."""

    case: Case
    differences: tuple[Difference, ...]
    features: frozenset[str]
    dropped: tuple[Dropped, ...] = ()


class Way(NamedTuple):
    """A caller's side, the way to a provider, and whether it is a straight one."""

    caller: Dialect
    passage: Passage
    straight: bool
    whole: Incoming
    stream: Incoming

    def trip(self, *, stream: bool) -> Trip:
        """An attempt's request."""
        return Trip(incoming=self.stream if stream else self.whole, outgoing=Outgoing(path="/", body=b""), now=NOW)


def incoming(dialect: Dialect, *, stream: bool) -> Incoming:
    """A plausible request of a caller."""
    turn = [{"role": "user", "content": "Hello."}]
    match dialect.name:
        case "openai-chat":
            body: dict[str, Any] = {"model": "m", "messages": turn, "stream": stream}
            body |= {"stream_options": {"include_usage": True}} if stream else {}
            return dialect.read_request(_bytes(body), "chat.completions")
        case "openai-responses":
            return dialect.read_request(_bytes({"model": "m", "input": "Hello.", "stream": stream}), "responses")
        case "anthropic-messages":
            body = {"model": "m", "max_tokens": 1024, "messages": turn, "stream": stream}
            return dialect.read_request(_bytes(body), "messages")
        case _:
            body = {"contents": [{"role": "user", "parts": [{"text": "Hello."}]}]}
            verb = "streamGenerateContent" if stream else "generateContent"
            query = "alt=sse" if stream else ""
            return dialect.read_request(_bytes(body), "gemini.generate", f"/v1beta/models/m:{verb}", query)


def _bytes(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


class Judge:
    """Carries records from each provider's dialect to each caller's.

    Args:
        dialects: those that there are.
        splits: sizes of the pieces in which streams are fed.
    """

    def __init__(self, dialects: Iterable[Dialect], splits: tuple[int, ...] = SPLITS) -> None:
        self._splits = splits
        dialects = tuple(dialects)
        passages = Passages(dialects)
        self._ways: dict[tuple[str, str], Way] = {}
        for caller in dialects:
            asked = incoming(caller, stream=False), incoming(caller, stream=True)
            for provider in dialects:
                passage = passages.between(caller.name, provider.name)
                self._ways[caller.name, provider.name] = Way(caller, passage, caller is provider, *asked)
            if caller.name == "openai-chat":
                self._ways[CROSSED, caller.name] = Way(caller, Crossing(caller, caller), False, *asked)

    def judge(self, record: dict[str, Any]) -> Iterator[Judgement]:
        """One record, for every caller."""
        facts, provider = recorded.facts_of(record), DIALECTS[record["dialect"]]
        if facts.unfit:
            return
        for (caller, other), way in self._ways.items():
            if other == provider:
                yield from self._judged(record, facts, way, Case(record["id"], caller, provider, ""))

    def _judged(self, record: dict[str, Any], facts: Facts, way: Way, case: Case) -> Iterator[Judgement]:
        if recorded.failed(record):
            yield _of("error", case, _error(record, facts, way), facts)
        elif recorded.streamed(record):
            yield _of("stream", case, _streamed(record, facts, way, self._splits), facts)
        else:
            dropped: list[Dropped] = []
            yield _of("whole", case, _whole(record, facts, way, dropped), facts, tuple(dropped))
            yield _of("told", case, _told(record, facts, way), facts)


def _of(mode: str, case: Case, found: list[Difference], facts: Facts, dropped: tuple[Dropped, ...] = ()) -> Judgement:
    return Judgement(case._replace(mode=mode), tuple(found), _features(facts, mode), dropped)


def _features(facts: Facts, mode: str) -> frozenset[str]:
    """What a record can be judged by: everybody has an end and a form, not everybody a tool call."""
    if facts.failure:
        return frozenset({"error"})
    choices = facts.choices
    has = {"finish", "form", "choices", "splits" if mode == "stream" else "form"}
    has |= {"text"} if any(choice.text for choice in choices) else set()
    has |= {"tool calls"} if any(choice.calls for choice in choices) else set()
    has |= {"reasoning"} if any(choice.reasoning[0] for choice in choices) else set()
    has |= {"citations"} if any(choice.cited for choice in choices) else set()
    has |= {"spans"} if any(choice.spans for choice in choices) else set()
    has |= {"images"} if any(choice.images for choice in choices) else set()
    return frozenset(has | ({"usage", "billing"} if facts.usage else set()))


def _guarded(work: Callable[[], list[Difference]], facts: Facts) -> list[Difference]:
    """The differences; an error is one too, unless it is the record's own."""
    try:
        found = work()
    except PointsmanError as error:
        return _raised(error, facts.failure)
    except Exception as error:  # noqa: BLE001 - whatever else is raised is what is looked for
        return [Difference("form", f"raises {type(error).__name__}: {str(error)[:80]}")]
    return [*found, Difference("error", "the provider's error is lost")] if facts.failure else found


def _raised(error: PointsmanError, expected: Failure | None) -> list[Difference]:
    if expected is None:
        return [Difference("form", f"raises {type(error).__name__}: {error.message[:100]}")]
    if expected.cut:
        right = isinstance(error, UpstreamCut)
    else:
        right = isinstance(error, UpstreamRefused) and error.status in expected.statuses
    return [] if right else [Difference("error", f"raises {type(error).__name__} {error.status}")]


def _whole(record: dict[str, Any], facts: Facts, way: Way, dropped: list[Dropped]) -> list[Difference]:
    body = recorded.sent(record)

    def work() -> list[Difference]:
        heard = way.passage.read_answer(body, way.trip(stream=False))
        dropped.extend(heard.dropped)
        billed = _billing(facts, heard.facts.usage)
        if way.straight:
            return [*billed, *([] if heard.body == body else [Difference("fields", "the body is another one")])]
        priced = json.loads(way.caller.annotate(heard.body, 1_000, heard.facts))
        costly = Breaches()
        costly.check(_without_cost(priced) == _without_cost(json.loads(heard.body)), "the cost changes the answer")
        answer, breaches = seen.whole(way.caller.name, heard.body)
        form = [Difference("form", rule) for rule in (*breaches, *costly)]
        return [*differences(facts, answer, way.caller.name, streamed=False), *form, *billed]

    return _guarded(work, facts)


def _without_cost(body: dict[str, Any]) -> dict[str, Any]:
    """An answer without what `annotate` may add."""
    bare = {name: value for name, value in body.items() if name != "pointsman_metadata"}
    for name in ("usage", "usageMetadata"):
        if name in bare:
            bare[name] = {key: count for key, count in fields(bare[name]).items() if not key.startswith("cost")}
    return bare


def _billing(facts: Facts, counted: Counted | None) -> list[Difference]:
    """What the house makes of the usage is what it bills."""
    if facts.usage is None:
        return []
    if counted is None:
        return [Difference("billing", "no usage")]
    read = Usage(
        input=counted.input,
        cache_read=counted.cache_read,
        cache_write=counted.cache_write + counted.cache_write_1h,
        output=counted.output,
        reasoning=counted.reasoning,
    )
    return usage_differences(facts.usage, read, _BILLED)


def _told(record: dict[str, Any], facts: Facts, way: Way) -> list[Difference]:
    def work() -> list[Difference]:
        relay, out = way.passage.relay_whole(recorded.sent(record), way.trip(stream=True))
        return [*_billing(facts, relay.facts.usage), *_read(facts, out, way)]

    return _guarded(work, facts)


def _read(facts: Facts, out: bytes, way: Way) -> list[Difference]:
    """What a caller reads out of a stream that ended well."""
    name = way.caller.name
    if way.straight:  # written by the provider, so read with patience
        return differences(facts, recorded.of_stream(name, out.decode("utf-8", "surrogatepass")), name, streamed=True)
    answer, breaches = seen.stream(name, out)
    return [*differences(facts, answer, name, streamed=True), *(Difference("form", rule) for rule in breaches)]


def _streamed(record: dict[str, Any], facts: Facts, way: Way, splits: tuple[int, ...]) -> list[Difference]:
    data, outs, found = recorded.sent(record), list[bytes](), list[Difference]()
    for size in splits:
        relay = way.passage.relay(way.trip(stream=True))
        out: list[bytes] = []
        found += _guarded(lambda relay=relay, out=out, size=size: _fed(relay, data, size, out), facts)  # type: ignore[misc]
        outs.append(b"".join(out))
        if size == splits[0] and not facts.failure:
            found += _billing(facts, relay.facts.usage)
    if facts.failure:
        return list(dict.fromkeys([*found, *_cut_off(facts, outs[-1], way)]))
    if found:
        return list(dict.fromkeys(found))
    if len({_joined(out) for out in outs}) > 1:
        found.append(Difference("splits", "another split gives another stream"))
    if way.straight and isinstance(record["response"].get("sse"), str):
        before = [event.data for event in events(record["response"]["sse"])]
        after = [event.data for event in events(outs[0].decode("utf-8", "surrogatepass"))]
        found += [] if before[: len(after)] == after else [Difference("fields", "events are changed")]
    return [*found, *_read(facts, outs[0], way)]


def _joined(out: bytes) -> bytes:
    """A stream without its signs of life, whose number depends on the split."""
    return (
        out.replace(b": keep-alive\n\n", b"")
        .replace(b'event: ping\ndata: {"type":"ping"}\n\n', b"")
        .replace(b'event: ping\ndata: {"type": "ping"}\n\n', b"")
    )


def _fed(relay: Relay, data: bytes, size: int, out: list[bytes]) -> list[Difference]:
    head = min(len(data), _SINGLY) if size == 1 else 0
    out.extend(relay.feed(data[at : at + 1]) for at in range(head))
    size = max(size, 7)
    out.extend(relay.feed(data[at : at + size]) for at in range(head, len(data), size))
    out.append(relay.close())
    return []


def _cut_off(facts: Facts, out: bytes, way: Way) -> list[Difference]:
    """What came before an error is the beginning of what was sent; and the error can be told in the dialect."""
    assert facts.failure is not None
    name = way.caller.name
    error = UpstreamRefused(facts.failure.text or "Cut.", status=next(iter(facts.failure.statuses), 502))
    told = seen_errors.in_stream(name, way.caller.write_stream_error(error, "req_1"), error.status, facts.failure)
    found = [Difference("error", rule) for rule in told]
    if way.straight:
        return found
    answer, breaches = seen.stream(name, out, cut=True)
    sent = facts.choices[0].text if facts.choices else ""
    got = answer.choices[0].text if answer.choices else ""
    found += [] if sent.startswith(got) else [Difference("error", "the text before it is another one")]
    return [*found, *(Difference("error", rule) for rule in breaches)]


def _error(record: dict[str, Any], facts: Facts, way: Way) -> list[Difference]:
    failure, response, body = facts.failure, record["response"], recorded.sent(record)
    assert failure is not None
    headers = [(name.lower().encode(), str(value).encode()) for name, value in fields(response["headers"]).items()]
    try:
        error = way.passage.read_error(response["status"], headers, body)
        written = way.caller.write_error(error, "req_1")
    except Exception as problem:  # noqa: BLE001 - it never raises, says the port
        return [Difference("error", f"raises {type(problem).__name__}")]
    found = [] if error.status in failure.statuses else [Difference("error", f"status {error.status}")]
    if way.straight:
        return found if error.body == body else [*found, Difference("fields", "the body is another one")]
    told = seen_errors.whole(way.caller.name, written, error.status, failure)
    return [*found, *(Difference("error", rule) for rule in told)]


def judged(
    dialects: Iterable[Dialect], folder: Path, share: tuple[int, int] = (0, 1), splits: tuple[int, ...] = SPLITS
) -> Iterator[Judgement]:
    """Every record, or a share of them, for every caller."""
    judge = Judge(dialects, splits)
    for record in recorded.records(folder, share):
        if DIALECTS[record["dialect"]] in {dialect.name for dialect in dialects}:
            yield from judge.judge(record)
