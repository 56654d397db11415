"""What a provider gets to see, and what it never does."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman import __version__
from pointsman.core.errors import Forbidden, MissingKey
from pointsman.core.model import Model, Provider, TimeLimits
from pointsman.upstream.prepare import Sender
from pointsman.wire.trip import Outgoing

OUT = Outgoing(path="/chat/completions", body=b'{"model":"m"}')


def model(extra: tuple[tuple[str, str], ...] = (), **provider: Any) -> Model:
    values = {"name": "lab", "dialect": "openai-chat", "base_url": "http://lab.example/v1", **provider}
    return Model(name="small", upstream="m", provider=Provider(**values), extra_headers=extra)


def test_the_constant_part() -> None:
    request = Sender().prepare(model(), OUT, secret="sk-1")
    assert (request.method, request.url) == ("POST", "http://lab.example/v1/chat/completions")
    assert request.body == OUT.body
    assert dict(request.headers) == {
        b"authorization": b"Bearer sk-1",
        b"user-agent": f"pointsman/{__version__}".encode(),
        b"content-type": b"application/json",
        b"accept": b"application/json, text/event-stream",
        b"accept-encoding": b"identity",
    }


def test_the_provider_says_how_its_key_is_sent() -> None:
    request = Sender().prepare(model(auth_header="X-Api-Key", auth_prefix=""), OUT, secret="k")
    assert dict(request.headers)[b"x-api-key"] == b"k"
    assert b"authorization" not in dict(request.headers)


def test_no_key_no_header() -> None:
    assert b"authorization" not in dict(Sender().prepare(model(), OUT, secret="").headers)


def test_configured_headers_go_along_and_the_models_win() -> None:
    request = Sender().prepare(
        model(extra=(("X-B", "model"), ("Host", "evil")), headers=(("X-A", "é"), ("x-b", "provider"))), OUT, secret=""
    )
    headers = dict(request.headers)
    assert (headers[b"x-a"], headers[b"x-b"]) == ("é".encode(), b"model")
    assert b"host" not in headers


def test_connection_settings_come_from_the_provider() -> None:
    limits = TimeLimits(connect=1, first_byte=2, between_bytes=3, total=4)
    given_model = model(ca_file="/ca.pem", proxy="http://p:1", limits=limits)
    request = Sender().prepare(given_model, OUT, secret="")
    assert (request.ca_file, request.proxy, request.limits) == ("/ca.pem", "http://p:1", limits)
    own = TimeLimits(total=9)
    assert Sender().prepare(given_model, OUT, secret="", limits=own).limits == own


def test_of_the_callers_headers_only_what_the_provider_understands_goes_on() -> None:
    caller = (
        (b"openai-beta", b"assistants=v2"),
        (b"anthropic-beta", b"x"),
        (b"traceparent", b"00-1-2-01"),
        (b"cookie", b"session=1"),
        (b"authorization", b"Bearer callers"),
        (b"x-api-key", b"callers"),
        (b"x-stainless-os", b"Linux"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"connection", b"close"),
        (b"accept-encoding", b"br"),
        (b"user-agent", b"sdk"),
    )
    sender = Sender()
    plain = dict(sender.prepare(model(), OUT, secret="k").headers)
    got = dict(sender.prepare(model(), OUT, secret="k", caller_headers=caller).headers)
    assert got == {**plain, b"openai-beta": b"assistants=v2", b"traceparent": b"00-1-2-01"}
    claude = dict(sender.prepare(model(dialect="anthropic-messages"), OUT, secret="k", caller_headers=caller).headers)
    assert claude == {**plain, b"anthropic-beta": b"x", b"traceparent": b"00-1-2-01"}


def test_a_version_the_caller_speaks_replaces_the_default_but_never_whose_account_pays() -> None:
    caller = ((b"anthropic-version", b"2026-01-01"),)
    claude = model(dialect="anthropic-messages", headers=(("anthropic-version", "2023-06-01"),))
    headers = Sender().prepare(claude, OUT, secret="k", caller_headers=caller).headers
    assert [value for name, value in headers if name == b"anthropic-version"] == [b"2026-01-01"]
    ours = model(headers=(("OpenAI-Organization", "ours"),))
    headers = Sender().prepare(ours, OUT, secret="k", caller_headers=((b"openai-organization", b"theirs"),)).headers
    assert [value for name, value in headers if name == b"openai-organization"] == [b"ours"]


def test_callers_credentials_only_where_configured_and_then_never_ours() -> None:
    sender, theirs = Sender(own_prefix="pm-"), model(credentials="caller")
    caller = ((b"authorization", b"Bearer sub-1"), (b"x-api-key", b"pm-ourkey"))
    headers = dict(sender.prepare(theirs, OUT, secret="", caller_headers=caller).headers)
    assert headers[b"authorization"] == b"Bearer sub-1"
    assert b"x-api-key" not in headers
    with pytest.raises(MissingKey, match="lab"):
        sender.prepare(theirs, OUT, secret="", caller_headers=((b"authorization", b"Bearer pm-ourkey"),))
    with pytest.raises(MissingKey):
        sender.prepare(theirs, OUT, secret="", caller_headers=())


def test_a_confined_call_goes_to_private_providers_only() -> None:
    sender = Sender()
    with pytest.raises(Forbidden, match="lab"):
        sender.prepare(model(), OUT, secret="", private_only=True)
    assert sender.prepare(model(private=True), OUT, secret="", private_only=True).url.startswith("http://lab")


def test_what_is_remembered_is_never_another_models_or_an_old_key() -> None:
    sender = Sender()
    for number in range(3):
        for secret in ("a", "b"):
            request = sender.prepare(model(base_url=f"http://h{number}/v1"), OUT, secret=secret)
            assert request.url == f"http://h{number}/v1/chat/completions"
            assert dict(request.headers)[b"authorization"] == f"Bearer {secret}".encode()
    same = model()
    assert sender.prepare(same, OUT, secret="a").headers is sender.prepare(same, OUT, secret="a").headers


NAMES = st.sampled_from([b"authorization", b"x-api-key", b"cookie", b"host", b"te", b"openai-beta", b"x-any"])


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=8))
def test_whatever_a_caller_sends_our_key_stays_alone(lines: list[tuple[bytes, bytes]]) -> None:
    headers = Sender().prepare(model(), OUT, secret="sk-ours", caller_headers=lines).headers
    assert [value for name, value in headers if name == b"authorization"] == [b"Bearer sk-ours"]
    assert not {b"cookie", b"host", b"te", b"x-any", b"x-api-key"} & {name for name, _ in headers}


def test_long_paths_that_callers_make_up_are_not_remembered() -> None:
    sender, chosen = Sender(), model()
    tracemalloc.start()
    for number in range(300):
        path = f"/x?{number}={'a' * 20_000}"
        assert sender.prepare(chosen, Outgoing(path=path, body=b""), secret="").url.endswith(path)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1_000_000
