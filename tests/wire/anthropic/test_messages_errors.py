"""Errors: ours as callers read them, and providers' with what they mean."""

from __future__ import annotations

import json

import pytest

from pointsman.core.errors import (
    AllAttemptsFailed,
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    MissingKey,
    NoCandidate,
    SlowSender,
    UnknownModel,
    UpstreamRefused,
    UpstreamTimeout,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("x"), "invalid_request_error"),
        (MissingKey("x"), "authentication_error"),
        (UpstreamRefused("x", status=402), "billing_error"),
        (Forbidden("x"), "permission_error"),
        (UnknownModel("x"), "not_found_error"),
        (SlowSender("x"), "invalid_request_error"),
        (BodyTooLarge("x"), "request_too_large"),
        (UpstreamRefused("x", status=429), "rate_limit_error"),
        (UpstreamRefused("x", status=502), "api_error"),
        (NoCandidate("x"), "overloaded_error"),
        (UpstreamTimeout("x", phase="total"), "timeout_error"),
    ],
)
def test_types_are_anthropic_s(messages, error, kind):
    value = json.loads(messages.write_error(error, "pm-1"))
    assert value["type"] == "error"
    assert value["request_id"] == "pm-1"
    assert (value["error"]["type"], value["error"]["message"]) == (kind, "x")
    assert value["error"]["pointsman"]["request_id"] == "pm-1"
    assert value["error"]["pointsman"]["code"] == error.code


def test_what_else_we_know_stands_under_our_name(messages):
    last = UpstreamRefused("Overloaded", status=503, retry_after=7.0, retryable=True)
    ours = json.loads(messages.write_error(AllAttemptsFailed(last, ("a: Overloaded",)), "pm-1"))["error"]["pointsman"]
    assert ours["attempts"] == ["a: Overloaded"]
    assert ours["retry_after"] == 7.0


def test_an_overload_is_503_and_worth_another_try(messages):
    raw = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    error = messages.read_error(529, [(b"retry-after", b"12")], raw)
    assert (error.status, error.kind, error.retryable, error.retry_after) == (503, "overloaded", True, 12.0)
    assert error.body == raw
