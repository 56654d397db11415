"""What Claude Code sends, and what of it is for Anthropic alone."""

from __future__ import annotations

import json

from pointsman.compose.dialects import Dialects
from pointsman.core.model import Model, Provider

BILLING = "x-anthropic-billing-header: cc_version=2.1.197.73f; cc_entrypoint=cli; cch=%s;"


def asked(part: str) -> bytes:
    system = [
        {"type": "text", "text": BILLING % part},
        {"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral"}},
    ]
    body = {"model": "m", "max_tokens": 9, "system": system, "messages": [{"role": "user", "content": "Hi"}]}
    return json.dumps(body).encode()


def test_its_billing_header_reaches_anthropic_and_nobody_else() -> None:
    dialects = Dialects()
    bodies = {}
    for target in ("openai-chat", "openai-responses", "gemini", "anthropic-messages"):
        way = dialects.passages.between("anthropic-messages", target)
        model = Model(name="m", provider=Provider(name="p", dialect=target, base_url="http://x/v1"), upstream="m")
        sent = [
            way.write_request(dialects.messages.read_request(asked(part), "messages"), model) for part in ("a1", "b2")
        ]
        bodies[target] = sent
    for target in ("openai-chat", "openai-responses", "gemini"):
        first, second = bodies[target]
        assert first.body == second.body, "the prompt's beginning stays the same, or no provider's cache knows it"
        assert b"billing" not in first.body
        assert b"You are a coding agent." in first.body
        assert any("billing" in one.path for one in first.dropped), "and the caller is told"
    assert BILLING % "a1" in bodies["anthropic-messages"][0].body.decode()
