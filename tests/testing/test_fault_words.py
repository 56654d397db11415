"""What a fault says in the words of each dialect, as our own reader of errors understands it."""

from __future__ import annotations

import http.client
import json

import pytest

from pointsman.core.errors import UpstreamRefused
from pointsman.testing import Script, SimModel, SimProvider, running
from pointsman.wire.refusals import read_error

DIALECTS = ("openai-chat", "openai-responses", "anthropic-messages", "gemini")
HELLO = [{"role": "user", "content": "hello"}]
ASKS = {
    "openai-chat": ("/v1/chat/completions", {"model": "old-1", "messages": HELLO}),
    "openai-responses": ("/v1/responses", {"model": "old-1", "input": "hello"}),
    "anthropic-messages": ("/v1/messages", {"model": "old-1", "max_tokens": 99, "messages": HELLO}),
    "gemini": ("/v1beta/models/old-1:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}),
}


def refusal(dialect: str, fault: str) -> tuple[UpstreamRefused, dict[str, str]]:
    """What is understood, and the headers."""
    with running(Script(providers=(SimProvider(name="p", dialect=dialect, models=(SimModel(name="old-1"),)),))) as sim:
        sim.inject(fault)
        connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=5)
        path, body = ASKS[dialect]
        connection.request("POST", path, json.dumps(body), {"anthropic-version": "2023-06-01"})
        response = connection.getresponse()
        body, headers = response.read(), dict(response.getheaders())
        connection.close()
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return read_error(response.status, pairs, body), headers


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_wait_that_only_the_body_tells(dialect):
    error, headers = refusal(dialect, "rate_limit_body")
    assert error.status == 429
    assert error.retry_after == 2.0
    assert not [name for name in headers if name.lower().startswith("retry-after")]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_model_that_was_retired(dialect):
    error, _ = refusal(dialect, "model_retired")
    assert error.status == 404
    assert "old-1" in error.message


@pytest.mark.parametrize("fault", ["no_money", "quota_used_up"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_credit_used_up_is_told_from_too_many_requests(dialect, fault):
    error, _ = refusal(dialect, fault)
    assert error.kind == "insufficient_quota"
    assert refusal(dialect, "rate_limit")[0].kind == "rate_limit_exceeded"
