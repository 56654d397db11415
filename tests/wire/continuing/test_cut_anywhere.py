"""Streams cut behind every byte and gone on with by another model: the caller's text is exact, his stream well-formed.

Own small streams, and recorded ones: a fixed few of them in the quick suite, ten for each dialect under `slow`.
"""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from wire.across.record import facts_of
from wire.continuing.second import (
    ALL,
    CALLERS,
    SECONDS,
    asking,
    distinct,
    gathered,
    onward,
    poured,
    read,
    rest_of,
    resumed,
    saying,
    stands,
    straight,
    written,
)

TEXT = "Wörter sind 😀 schön:\n\n- one\n- two  \n\nAnd so on, e\u0301 and 👩\u200d👩\u200d👧, to the end. "
SIZES = range(600, 60_000)
FOREIGN = re.compile(rb"server_tool_use|_call\b|mcp_|program|compaction|_search|container")
"""What runs at a provider: of that no other one can go on."""
RECORDED = ("openai-chat", "openai-responses", "anthropic-messages")


def continue_everywhere(caller: str, incoming: Any, data: bytes, *, every: int = 1) -> dict[str, int]:
    """Cut a stream behind every byte; each of its breaks (of them every so many) is gone on with."""
    whole = gathered(caller, data)
    found, count = distinct(straight(caller, incoming), data)
    assert count == len(data)
    seen = {"continued": 0, "ended": 0, "doubtful": 0, "refused": 0}
    for number, one in enumerate(found):
        if number % every:
            continue
        rng = random.Random(number)
        stand = stands(caller, one.told, incoming)
        if stand.reason:
            assert stand.owed is None
            seen["refused"] += 1
            continue
        if stand.owed is not None:
            told, sure = one.told + stand.owed, True
            seen["ended"] += 1
        else:
            told, sure = go_on(caller, incoming, one.told, whole.text, rng, start=number)
            seen["continued"] += 1
        if not sure:
            seen["doubtful"] += 1
            continue
        check(caller, told, whole, one.at)
    return seen


def go_on(caller: str, incoming: Any, told: bytes, full: str, rng: random.Random, start: int) -> tuple[bytes, bool]:
    """Other models go on until one gets to the end; one in three of them is cut off as well."""
    for number in range(start, start + 20):
        stand = stands(caller, told, incoming)
        assert not stand.reason
        if stand.owed is not None:
            return told + stand.owed, True
        second = next(one for one in SECONDS[number % len(SECONDS) :] + SECONDS if one.dialect != caller)
        way, outgoing = onward(caller, incoming, stand, second)
        assert (outgoing.seam == "prefill") == (second.prefills and bool(stand.text.strip()))
        said, sure = rest_of(incoming, full, second, outgoing, rng)
        if not sure:
            return told, False
        stream = written(second.dialect, saying(said, rng))
        relay = resumed(way, incoming, outgoing)
        if rng.random() < 1 / 3 and number < start + 19:
            told += relay.feed(stream[: rng.randrange(len(stream))])
            continue
        return told + poured(relay, stream, rng), True
    raise AssertionError


def check(caller: str, told: bytes, whole: Any, at: int) -> None:
    """The caller's stream from its first byte to its last."""
    got = gathered(caller, told)
    assert got.text == whole.text, f"cut at {at}"
    assert set(got.breaches) <= set(whole.breaches), f"cut at {at}: {set(got.breaches) - set(whole.breaches)}"
    for name in ("id", "model", "responseId", "modelVersion"):
        if "the answer's id changes" in whole.breaches:  # in a recording that hides them
            break
        assert got.body.get(name) == whole.body.get(name), f"cut at {at}"
    reader = ALL[caller].reader(ALL[caller].write_request(asking(caller), SECONDS[0].model))
    reader.feed(told)
    reader.close()  # raises where the answer has no end


@pytest.mark.parametrize("size", [1, 7, 40])
@pytest.mark.parametrize("caller", CALLERS)
def test_a_stream_of_ours_is_continued_wherever_it_breaks(caller, size):
    incoming, rng = asking(caller), random.Random(size)
    data = written(caller, saying(TEXT[:size] + TEXT, rng), incoming)
    seen = continue_everywhere(caller, incoming, data)
    assert seen["continued"] > 10
    assert not seen["refused"]
    assert seen["doubtful"] <= seen["continued"] // 4


def picked(recorded: Any, dialect: str, most: int) -> list[tuple[Any, bytes]]:
    """Recorded streams with text and nothing else, from several providers: request and bytes."""
    found: list[tuple[Any, bytes]] = []
    models: set[str] = set()
    for record in recorded(dialect):
        data = str(record["response"].get("sse") or "").encode()
        body = (record["request"] or {}).get("body")
        if len(data) not in SIZES or not isinstance(body, dict) or record["model"] in models or not body.get("stream"):
            continue
        facts = facts_of(record)
        choice = facts.choices[0] if len(facts.choices) == 1 else None
        if choice is None or len(choice.text) < 60 or choice.calls or choice.foreign or choice.images:
            continue
        incoming = read(dialect, body)
        if stands(dialect, b"", incoming).reason or "stop" not in choice.finish:
            continue
        if FOREIGN.search(data):
            continue
        models.add(record["model"])
        found.append((incoming, data))
        if len(found) == most:
            break
    return found


@pytest.mark.parametrize("dialect", RECORDED)
def test_recorded_streams_are_continued(recorded, dialect):
    streams = picked(recorded, dialect, 3)
    assert len(streams) == 3
    for incoming, data in streams:
        seen = continue_everywhere(dialect, incoming, data, every=max(len(data) // 2_000, 1))
        assert seen["continued"]
        assert not seen["refused"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("dialect", RECORDED)
def test_ten_recorded_streams_are_continued_behind_every_byte(recorded, dialect):
    streams = picked(recorded, dialect, 10)
    assert len(streams) == 10
    continued = doubtful = 0
    for incoming, data in streams:
        seen = continue_everywhere(dialect, incoming, data)
        assert seen["continued"]
        assert not seen["refused"]
        continued += seen["continued"]
        doubtful += seen["doubtful"]
    assert doubtful <= continued // 20


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("dialect", RECORDED)
def test_any_recorded_stream_is_continued_exactly_or_not_at_all(recorded, dialect):
    refused = continued = 0
    for record in recorded(dialect, share=(1, 6)):
        data = str(record["response"].get("sse") or "").encode()
        body = (record["request"] or {}).get("body")
        asked = isinstance(body, dict) and body.get("stream") and body.get("model")
        facts = facts_of(record)
        if not data or not asked or len(data) > 100_000 or facts.failure or facts.unfit or not facts.choices:
            continue
        incoming = read(dialect, body)
        relay = straight(dialect, incoming)
        poured(relay, data, random.Random(1))
        if relay.facts.form == "broken":  # it was no JSON in the first place
            continue
        try:
            seen = continue_everywhere(dialect, incoming, data, every=max(len(data) // 4_000, 1))
        except AssertionError as error:
            raise AssertionError(record["id"]) from error
        refused += seen["refused"]
        continued += seen["continued"]
    assert refused
    assert continued > 300
