"""Our own errors, as callers of the dialect read them."""

from __future__ import annotations

import json

import pytest

from pointsman.core import errors


def written(dialect, error) -> dict:
    return json.loads(dialect.write_error(error, "req-1"))["error"]


@pytest.mark.parametrize(
    ("error", "type_", "code", "fault"),
    [
        (errors.InvalidRequest("no", param="n"), "invalid_request_error", "invalid_request", "caller"),
        (errors.InvalidJson("no"), "invalid_request_error", "invalid_json", "caller"),
        (errors.InvalidKey("no"), "authentication_error", "invalid_api_key", "caller"),
        (errors.Forbidden("no"), "permission_error", "not_permitted", "caller"),
        (errors.UnknownModel("no", hint="try auto"), "invalid_request_error", "model_not_found", "caller"),
        (errors.InternalError("no"), "server_error", "internal_error", "gateway"),
        (errors.Overloaded("no"), "server_error", "overloaded", "gateway"),
        (errors.UpstreamTimeout("no", phase="connect"), "server_error", "upstream_timeout", "upstream"),
        (
            errors.UpstreamRefused("no", status=429, kind="rate_limit_exceeded", retryable=True),
            "rate_limit_error",
            "rate_limit_exceeded",
            "upstream",
        ),
    ],
)
def test_the_body_has_openais_fields_and_ours(dialect, error, type_, code, fault):
    body = written(dialect, error)
    assert body["message"] == "no"
    assert body["type"] == type_
    assert body["code"] == code
    assert body["param"] == error.param
    ours = body["pointsman"]
    assert (ours["code"], ours["fault"], ours["retryable"]) == (error.code, fault, error.retryable)
    assert ours["request_id"] == "req-1"
    assert ours.get("hint", "") == error.hint


def test_when_everything_failed_the_caller_reads_what_was_tried(dialect):
    last = errors.UpstreamRefused("slow down", status=429, retry_after=2.5, retryable=True)
    body = written(dialect, errors.AllAttemptsFailed(last, ("a: connect_failed", "b: 429")))
    assert body["type"] == "rate_limit_error"
    assert body["code"] == "all_attempts_failed"
    assert body["pointsman"]["attempts"] == ["a: connect_failed", "b: 429"]
    assert body["pointsman"]["retry_after"] == 2.5


def test_in_a_stream_it_is_the_last_event_without_a_clean_end(dialect):
    event = dialect.write_stream_error(errors.UpstreamCut("cut\n\nhere"), "req-1")
    assert event.startswith(b'data: {"error":')
    assert event.endswith(b"}\n\n")
    assert event.count(b"\n\n") == 1
    assert b"[DONE]" not in event
    assert json.loads(event[6:])["error"]["code"] == "upstream_cut"


def test_our_error_reads_as_what_it_was_when_gateways_are_chained(dialect):
    body = dialect.write_error(errors.UpstreamRefused("no", status=400, kind="context_length_exceeded"), "r")
    assert dialect.read_error(400, [], body).kind == "context_length_exceeded"
