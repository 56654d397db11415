"""Every named fault of a first provider, through the real gateway: the caller gets what the fault's data say.

The first provider speaks each dialect in turn; the caller always speaks OpenAI's chat.
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

FIRST, SECOND = "the first provider says so in quite a few words of its own", "the second one answers"


DIALECTS = ("openai-chat", "openai-responses", "anthropic-messages", "gemini")


@pytest.fixture(scope="module", params=DIALECTS)
def sim(request) -> Iterator[Simulator]:
    # Paced, so that content has gone out to the caller when a fault in the middle strikes.
    first = SimModel(name="one", answers={"hello": FIRST}, pace=Pace(events_per_second=50))
    second = SimModel(name="two", answers={"hello": SECOND})
    providers = (
        SimProvider(name="first", dialect=request.param, models=(first,)),
        SimProvider(name="second", models=(second,)),
    )
    with running(Script(providers=providers)) as started:
        yield started


@pytest.fixture(scope="module")
def served(sim) -> Iterator[Running]:
    limits = {"connect": 1, "first_byte": 1, "between_bytes": 1, "total": 20}
    providers = {
        provider.name: {"dialect": provider.dialect, "base_url": sim.url_of(provider.name), "timeouts": limits}
        for provider in sim.script.providers
    }
    models = {"large": {"provider": "first", "model": "one"}, "small": {"provider": "second", "model": "two"}}
    config: dict[str, Any] = {
        "providers": providers,
        "models": models,
        "routes": {"chain": {"try": ["large", "small"]}},
    }
    with gateway(config) as started:
        yield started


@pytest.fixture
def client(served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served.base_url, api_key="any", max_retries=0, timeout=15) as made:
        yield made


def inject(sim: Simulator, fault: Fault) -> None:
    # The faults' own waits and sizes would make this slow; these are shorter than the gateway's limits.
    sim.reset()
    size = 32_768 if fault.kind == "huge" else None
    sim.queue(Injected(fault=fault.name, provider="first", times=9, seconds=min(fault.seconds, 0.3), size=size))


def ask(client: openai.OpenAI, *, stream: bool) -> tuple[str, str]:
    """What the caller reads, and who the gateway says answered."""
    messages: list[Any] = [{"role": "user", "content": "hello"}]
    raw = client.chat.completions.with_raw_response.create(model="chain", messages=messages, stream=stream)
    answer = raw.parse()
    if not stream:
        return answer.choices[0].message.content or "", raw.headers["x-pointsman-provider"]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    return text, raw.headers["x-pointsman-provider"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
def test_the_caller_gets_what_is_owed(client, sim, fault, stream):
    inject(sim, fault)
    owed = fault.stream if stream else fault.whole
    if stream and fault.name == "no_done" and sim.script.providers[0].dialect == "anthropic-messages":
        owed = "error"  # what has no `message_stop` is cut, whatever came before
    if owed == "next":
        assert ask(client, stream=stream) == (SECOND, "second")
    elif owed == "deliver":
        text, provider = ask(client, stream=stream)
        assert provider == "first"
        assert text == FIRST or fault.kind in {"empty", "huge"}
    else:
        with pytest.raises(openai.APIError) as error:
            ask(client, stream=stream)
        assert error.value.body
        assert not sim.journal.of("second"), "nobody else may be asked"
        if owed == "refuse":
            assert isinstance(error.value, openai.BadRequestError)
