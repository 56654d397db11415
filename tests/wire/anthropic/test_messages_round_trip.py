"""Recorded requests become core requests without a loss, and come back with the same meaning."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pointsman.wire.anthropic_messages import AnthropicMessages
from wire.anthropic.plain import plain_request

DIALECT = AnthropicMessages()
shares = pytest.mark.parametrize(
    "share",
    [pytest.param((3, 7), id="quick"), *(pytest.param((n, 4), id=str(n), marks=pytest.mark.slow) for n in range(4))],
)
NAMES = {"type", "role", "model"}
WORDS = {"summarized", "omitted"}  # that the core has words of its own for
OTHERWISE = {  # what another model of the family would be asked otherwise, told by name
    "temperature": "1, which is what there is without",
    "top_p": "beside a temperature",
    "thinking": "beside a call that is forced, or where an effort alone was given",
    "output_config": "as thinking",
}


def requests(recorded: Any, share: tuple[int, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    for record in recorded("anthropic-messages", share=share):
        body = (record["request"] or {}).get("body")
        sound = isinstance(body, dict) and all(isinstance(one, dict) for one in body.get("messages") or ())
        # A wrong request is not ours to keep wrong.
        if sound and body.get("model") is not None and record["response"]["status"] == 200:
            yield record["id"], body


def leaves(value: Any, name: str = "") -> Iterator[str]:
    """Every string and number in a value that is not a word of the dialect; arguments of calls are looked into."""
    if isinstance(value, msgspec.Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, msgspec.Raw):
        value = json.loads(bytes(value) or b"null")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner, name)
    elif name == "arguments" and isinstance(value, str):
        yield from leaves(json.loads(value))
    elif isinstance(value, str) and name not in NAMES:
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(float(value))


@shares
def test_nothing_that_a_request_says_is_lost_on_the_way_into_the_core(recorded, share):
    seen = 0
    for record_id, body in requests(recorded, share):
        core = DIALECT.to_core(DIALECT.read_request(json.dumps(body).encode(), "messages"))
        held = "\n".join(leaves(core))
        for text in leaves(body):
            data = base64.b64encode(text.encode()).decode()  # documents of plain text
            assert text in held or data in held or text in WORDS, (record_id, text[:80])
        seen += 1
    assert seen > 120


@shares
def test_a_request_that_comes_back_from_the_core_means_the_same(recorded, claude, share):
    seen = 0
    for record_id, body in requests(recorded, share):
        core = DIALECT.to_core(DIALECT.read_request(json.dumps(body).encode(), "messages"))
        sent = DIALECT.from_core(core, claude(body["model"]))
        wanted, got = plain_request(body), plain_request(json.loads(sent.body))
        differ = {name for name in {*wanted, *got} if wanted.get(name) != got.get(name)} - OTHERWISE.keys()
        if body["messages"][0]["role"] != "user":
            differ -= {"messages", "system"}  # a turn of the user's comes first
        if "messages" in differ and "image/" in json.dumps(wanted["messages"]):
            differ.discard("messages")  # pictures whose declared type is not theirs
        assert not differ, (record_id, differ, sent.dropped)
        seen += 1
    assert seen > 120
