"""Recorded requests through the core values and back: they ask for the same."""

from __future__ import annotations

import json

import pytest

from pointsman.core.model import Ability
from wire.gemini.made import GEMINI, model
from wire.gemini.plain import plain_request
from wire.gemini.test_fidelity import WRONG_ROLE, incoming_of, shares

ABLE = Ability.TOOLS | Ability.REASONING


@shares
def test_requests_come_back_in_meaning(recorded, share):
    seen = 0
    for record in recorded("gemini-generateContent", share=share):
        incoming = incoming_of(record)
        if incoming is None or record["id"] == WRONG_ROLE or record["response"]["status"] != 200:
            continue
        chosen = model(incoming.model, abilities=ABLE)
        out = GEMINI.from_core(GEMINI.to_core(incoming), chosen)
        if any("follow a URL" in one.reason for one in out.dropped):
            continue  # fetched beforehand, where it crosses
        before, after = plain_request(record["request"]["body"]), plain_request(json.loads(out.body))
        if not before.get("contents"):
            assert len(after.pop("contents")) == 1  # an empty text alone, which Google refuses by its documentation
        assert after == before, record["id"]
        seen += 1
    assert seen > 100


@pytest.mark.parametrize("upstream", ["gemini-3-flash", "gemini-2.5-flash"])
def test_nothing_is_dropped_that_was_not_named(recorded, upstream):
    """What a request loses on its way through core and back is nothing but what its model refuses."""
    reasons = set()
    for record in recorded("gemini-generateContent", share=(1, 5)):
        incoming = incoming_of(record)
        if incoming is None or record["id"] == WRONG_ROLE:
            continue
        out = GEMINI.from_core(GEMINI.to_core(incoming), model(upstream, abilities=ABLE))
        reasons |= {one.path.split("[")[0] for one in out.dropped}
    assert reasons <= ({"tools", "response_format"} if upstream == "gemini-2.5-flash" else set())
