"""Every named fault of a first provider, through the real gateway: the caller gets what the fault's data say.

The first provider speaks each dialect in turn; the caller always speaks OpenAI's chat. Each fault has a first provider
of its own, so that no breaker carries over from one to the next. The second provider would say the same text, so that
a broken stream that it goes on with is whole to the letter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from pointsman.testing import FAULTS, Fault, Pace, Script, SimModel, SimProvider, Simulator, running
from pointsman.testing.temper import Injected

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `harness`, which is no test and no plugin

from harness import Running, gateway

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

TEXT = "whoever is asked says so in quite a few words of one and the same text"

CASES = [(fault, stream) for fault in FAULTS.values() for stream in (False, True)]
DIALECTS = ("openai-chat", "openai-responses", "anthropic-messages", "gemini")


def first_of(fault: Fault, stream: bool) -> str:
    """The first provider's name."""
    return f"{fault.name}-{'stream' if stream else 'whole'}"


@pytest.fixture(scope="module", params=DIALECTS)
def sim(request) -> Iterator[Simulator]:
    # Paced, so that content has gone out to the caller when a fault in the middle strikes.
    first = SimModel(name="one", answers={"hello": TEXT}, pace=Pace(events_per_second=50))
    second = SimModel(name="two", answers={"hello": TEXT})
    firsts = [
        SimProvider(name=first_of(fault, stream), dialect=request.param, models=(first,)) for fault, stream in CASES
    ]
    providers = (*firsts, SimProvider(name="second", models=(second,)))
    with running(Script(providers=providers)) as started:
        yield started


@pytest.fixture(scope="module")
def served(sim) -> Iterator[Running]:
    limits = {"connect": 1, "first_byte": 1, "between_bytes": 1, "total": 20}
    providers = {
        provider.name: {"dialect": provider.dialect, "base_url": sim.url_of(provider.name), "timeouts": limits}
        for provider in sim.script.providers
    }
    firsts = [first_of(fault, stream) for fault, stream in CASES]
    models = {name: {"provider": name, "model": "one"} for name in firsts}
    config: dict[str, Any] = {
        "providers": providers,
        "models": {**models, "small": {"provider": "second", "model": "two"}},
        "routes": {f"chain-{name}": {"try": [name, "small"]} for name in firsts},
    }
    with gateway(config) as started:
        yield started


@pytest.fixture
def client(served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served.base_url, api_key="any", max_retries=0, timeout=15) as made:
        yield made


def inject(sim: Simulator, fault: Fault, first: str) -> None:
    # The faults' own waits and sizes would make this slow; these are shorter than the gateway's limits.
    sim.reset()
    size = {"huge": 32_768, "slow_drip": 64}.get(fault.kind)
    sim.queue(Injected(fault=fault.name, provider=first, times=9, seconds=min(fault.seconds, 0.3), size=size))


def ask(client: openai.OpenAI, first: str, *, stream: bool) -> tuple[str, str]:
    """What the caller reads, and who the gateway says answered."""
    messages: list[Any] = [{"role": "user", "content": "hello"}]
    raw = client.chat.completions.with_raw_response.create(model=f"chain-{first}", messages=messages, stream=stream)
    answer = raw.parse()
    if not stream:
        return answer.choices[0].message.content or "", raw.headers["x-pointsman-provider"]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    return text, raw.headers["x-pointsman-provider"]


def heard(client: openai.OpenAI, first: str, *, stream: bool) -> str:
    """What the caller reads to its end, or that it was told of an error."""
    try:
        return ask(client, first, stream=stream)[0]
    except openai.APIError as error:
        return "an error" if error.body else "nothing"


@pytest.mark.parametrize(("fault", "stream"), CASES, ids=[first_of(*case) for case in CASES])
def test_the_caller_gets_what_is_owed(client, sim, fault, stream):
    first = first_of(fault, stream)
    inject(sim, fault, first)
    owed = fault.stream if stream else fault.whole
    if stream and fault.name == "no_done" and sim.script.providers[0].dialect == "anthropic-messages":
        owed = "error"  # what has no `message_stop` is cut, whatever came before
    if owed == "next":
        assert ask(client, first, stream=stream) == (TEXT, "second")
    elif owed == "deliver":
        text, provider = ask(client, first, stream=stream)
        assert provider == first
        assert text == TEXT or fault.kind in {"empty", "huge"}
    elif owed == "refuse":
        with pytest.raises(openai.BadRequestError) as error:
            ask(client, first, stream=stream)
        assert error.value.body
        assert not sim.journal.of("second"), "nobody else may be asked"
    else:
        assert heard(client, first, stream=stream) in ("an error", TEXT)
