"""What vendors' libraries make of a budget that is used up (402) and of a limit of a rate (429)."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from harness import Running, gateway
from pointsman.testing import Pace, Script, SimModel, SimProvider, running

KEYS: dict[str, dict[str, Any]] = {
    "poor": {"budgets": ["0.000001usd/day"]},
    "minute": {"budgets": ["1 requests/minute"]},
    "minute2": {"budgets": ["1 requests/minute"]},
    "hour": {"budgets": ["1 requests/hour", "1m tokens/hour"]},
    "hour2": {"budgets": ["1 requests/hour", "1m tokens/hour"]},
    "one": {"parallel": 1},
    "one2": {"parallel": 1},
}
SECRETS = {name: f"pm-of-a-test-{name}-0123456789" for name in KEYS}
TEXT = "Hello from the other side of the switch."
Asked = list[dict[str, str]]
SAID: Asked = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def limited() -> Iterator[Running]:
    model = SimModel(name="m-1", answers={"hello": TEXT}, pace=Pace(events_per_second=20))
    with running(Script(providers=(SimProvider(name="one", own_port=True, models=(model,)),))) as sim:
        config = {
            "keys": [{"name": name, "env": name.upper(), **said} for name, said in KEYS.items()],
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
            "models": {"small": {"provider": "one", "model": "m-1", "price": {"input": 1, "output": 2}}},
        }
        with gateway(config, env={name.upper(): secret for name, secret in SECRETS.items()}) as started:
            yield started


class OpenAI:
    """OpenAI's library, with its own retries."""

    limit, left, reset = (f"x-ratelimit-{one}-requests" for one in ("limit", "remaining", "reset"))
    status_error, rate_error = openai.APIStatusError, openai.RateLimitError

    def __init__(self, up: Running, key: str) -> None:
        self.client = openai.OpenAI(base_url=up.base_url, api_key=SECRETS[key])

    def ask(self, *, stream: bool = False) -> Any:
        answer = self.client.chat.completions.create(model="small", messages=SAID, max_tokens=50, stream=stream)
        return answer if stream else answer.choices[0].message.content


class Anthropic:
    """Anthropic's library, with its own retries."""

    limit, left, reset = (f"anthropic-ratelimit-requests-{one}" for one in ("limit", "remaining", "reset"))
    status_error, rate_error = anthropic.APIStatusError, anthropic.RateLimitError

    def __init__(self, up: Running, key: str) -> None:
        self.client = anthropic.Anthropic(base_url=up.root_url, api_key=SECRETS[key])

    def ask(self, *, stream: bool = False) -> Any:
        answer = self.client.messages.create(model="small", messages=SAID, max_tokens=50, stream=stream)
        return answer if stream else answer.content[0].text


BOTH = pytest.mark.parametrize(("library", "number"), [(OpenAI, ""), (Anthropic, "2")], ids=["openai", "anthropic"])


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the library would have slept before each further try; it does not sleep."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_a_budget_that_is_used_up_is_told_once(
    limited: Running, library: Any, number: str, stream: bool, waits: list[float]
) -> None:
    with pytest.raises(library.status_error) as refused:
        library(limited, "poor").ask(stream=stream)
    assert refused.value.status_code == 402
    assert "0.000001 usd left (key file:poor: 0.000001 usd a day)" in str(refused.value), (
        "which, and what is left of it"
    )
    assert "it resets at 20" in str(refused.value)
    assert waits == [], "not tried again"
    if library is OpenAI:
        assert refused.value.code == "budget_exceeded"
    else:
        assert refused.value.body["error"]["type"] == "billing_error"


@BOTH
def test_a_limit_a_minute_is_waited_for_as_long_as_it_says(
    limited: Running, library: Any, number: str, waits: list[float]
) -> None:
    client, really = library(limited, f"minute{number}"), threading.Event()
    if time.time() % 60 > 55:
        really.wait(60 - time.time() % 60)  # into the next minute
    assert client.ask() == TEXT
    with pytest.raises(library.rate_error) as refused:
        client.ask()
    error = refused.value
    assert "1 requests a minute" in str(error)
    left = 60 - time.time() % 60
    assert len(waits) == 2, "both of its further tries"
    assert all(left <= wait <= left + 5 for wait in waits)
    assert float(error.response.headers["retry-after"]) == pytest.approx(waits[-1])
    assert (error.response.headers[library.limit], error.response.headers[library.left]) == ("1", "0")
    assert error.response.headers[library.reset]


@BOTH
def test_a_limit_that_resets_in_an_hour_is_told_at_once(
    limited: Running, library: Any, number: str, waits: list[float]
) -> None:
    client = library(limited, f"hour{number}")
    with contextlib.suppress(library.rate_error):
        client.ask()
    with pytest.raises(library.rate_error, match="requests an hour"):
        client.ask(stream=True)
    almost = 3600 - time.time() % 3600 <= 62
    assert waits == [] or almost, "a library that sleeps for an hour is no help"


@BOTH
def test_one_call_too_many_succeeds_by_the_librarys_own_retry(limited: Running, library: Any, number: str) -> None:
    client = library(limited, f"one{number}")
    first = client.ask(stream=True)
    next(iter(first))
    timer = threading.Timer(0.3, first.close)
    timer.start()
    began = time.monotonic()
    assert client.ask() == TEXT
    assert time.monotonic() - began >= 1.0, "as long as `retry-after` says"
    timer.join()
