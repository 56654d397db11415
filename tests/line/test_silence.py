"""Streams that are silent for long: the caller hears that it is being worked on, and failover goes on behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from pointsman.core.ports import Headers
from pointsman.line.keeping import Keeper, Patience
from pointsman.testing import Script, SimModel, SimProvider, Simulator
from pointsman.testing.script import Pace

Serving = Callable[..., AbstractAsyncContextManager[Any]]
BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"What is the capital of France?"}]}'
SIGN = b": keep-alive"


async def pieces(served: Any, body: bytes = BODY) -> list[tuple[float, bytes]]:
    """What comes over the socket after the request, each read with its seconds since then."""
    host, port = served.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    begun = time.monotonic()
    seen = []
    async with asyncio.timeout(20):
        while data := await reader.read(65536):
            seen.append((time.monotonic() - begun, data))
            if b"0\r\n\r\n" in data:
                break
    writer.close()
    return seen


def config(sim: Simulator, *names: str) -> dict[str, Any]:
    return {
        "providers": {name: {"dialect": "openai-chat", "base_url": sim.url_of(name)} for name in names},
        "models": {f"m-{name}": {"provider": name, "model": "m-1"} for name in names},
        "routes": {"m": {"try": [f"m-{name}" for name in names]}},
        "server": {"keep_alive": 0.2},
    }


async def test_a_model_that_thinks_long_is_announced_by_headers_and_signs_of_life(serving: Serving) -> None:
    script = Script(providers=(SimProvider(name="slow", models=(SimModel(name="m-1", first_token=1.0),)),))
    async with Simulator(script) as sim, serving(config(sim, "slow")) as served:
        seen = await pieces(served)
    whole = b"".join(data for _, data in seen)
    assert seen[0][0] < 0.8, "the headers did not wait for the content"
    assert whole.startswith(b"HTTP/1.1 200")
    assert 2 <= whole.count(SIGN) <= 6
    assert whole.index(SIGN) < whole.index(b"Paris")
    assert whole.count(b"HTTP/1.1") == 1
    assert b"data: [DONE]" in whole


async def test_headers_that_go_out_early_name_what_the_model_asked_does_not_get(serving: Serving) -> None:
    slow = SimProvider(name="slow", dialect="anthropic-messages", models=(SimModel(name="m-1", first_token=1.0),))
    many = b",".join(b'{"role":"user","content":"What is the capital of France?","name":"n%d"}' % n for n in range(200))
    async with Simulator(Script(providers=(slow,))) as sim:
        said = config(sim, "slow")
        said["providers"]["slow"]["dialect"] = "anthropic-messages"
        async with serving(said) as served:
            heads = []
            for messages in (b'{"role":"user","content":"What is the capital of France?"}', many):
                body = b'{"model":"m","stream":true,"n":2,"logit_bias":{"5":1},"messages":[%b]}' % messages
                whole = b"".join(data for _, data in await pieces(served, body))
                assert whole.index(SIGN) < whole.index(b"Paris")
                heads.append(next(line for line in whole.split(b"\r\n") if line.startswith(b"x-pointsman-dropped: ")))
    assert set(heads[0].partition(b": ")[2].split(b", ")) == {b"n", b"logit_bias"}
    names, _, more = heads[1].partition(b": ")[2].rpartition(b", and ")
    count = len(names.split(b", "))
    assert len(heads[1]) < 2200, "no header of any length"
    assert more == b"%d more" % (202 - count), "whole names, and how many more"


async def test_a_quick_stream_hears_no_sign_of_life(serving: Serving) -> None:
    pace = Pace(events_per_second=20)
    script = Script(providers=(SimProvider(name="quick", models=(SimModel(name="m-1", pace=pace),)),))
    async with Simulator(script) as sim, serving(config(sim, "quick")) as served:
        whole = b"".join(data for _, data in await pieces(served))
    assert SIGN not in whole
    assert b"x-pointsman-model: m-quick" in whole


async def test_after_the_headers_another_provider_can_still_answer(serving: Serving) -> None:
    dead = SimModel(name="m-1", first_token=30.0)
    script = Script(
        providers=(SimProvider(name="dead", models=(dead,)), SimProvider(name="well", models=(SimModel(name="m-1"),)))
    )
    async with Simulator(script) as sim:
        said = config(sim, "dead", "well")
        said["providers"]["dead"]["timeouts"] = {"first_byte": 0.6, "between_bytes": 0.6}
        async with serving(said) as served:
            whole = b"".join(data for _, data in await pieces(served))
    assert b"Paris" in whole
    assert b'"error"' not in whole
    assert b"data: [DONE]" in whole


async def test_when_nobody_can_answer_a_stream_that_has_begun_ends_with_an_error(serving: Serving) -> None:
    script = Script(providers=(SimProvider(name="slow", models=(SimModel(name="m-1", first_token=30.0),)),))
    async with Simulator(script) as sim:
        said = config(sim, "slow")
        said["providers"]["slow"]["timeouts"] = {"first_byte": 0.7, "between_bytes": 0.7}
        async with serving(said) as served:
            whole = b"".join(data for _, data in await pieces(served))
    assert whole.startswith(b"HTTP/1.1 200")
    assert b'"code":"all_attempts_failed"' in whole
    assert whole.count(b"sent no content within 0.7 s") >= 2, "asked once more, since nobody else can"
    assert b"[DONE]" not in whole


@pytest.mark.parametrize("gap", [0.7])
async def test_silence_between_two_events_is_broken_too(serving: Serving, gap: float) -> None:
    pace = Pace(events_per_second=1 / gap)
    model = SimModel(name="m-1", pace=pace, answers={"What is the capital of France?": "One two"})
    script = Script(providers=(SimProvider(name="slow", models=(model,)),))
    async with Simulator(script) as sim, serving(config(sim, "slow")) as served:
        whole = b"".join(data for _, data in await pieces(served))
    first, last = whole.index(b"One"), whole.index(b"[DONE]")
    assert SIGN in whole[first:last]


async def test_a_caller_who_leaves_while_a_sign_of_life_is_called_off_has_left() -> None:
    writing = asyncio.Event()

    class Slow:
        """A connection that takes its time, also to be called off."""

        started = True

        async def start(self, status: int, headers: Headers) -> None: ...

        async def whole(self, status: int, headers: Headers, body: bytes) -> None: ...

        async def write(self, data: bytes) -> None:  # noqa: ARG002 - the port's
            writing.set()
            try:
                await asyncio.sleep(30)
            finally:
                await asyncio.sleep(0.05)

        async def end(self) -> None: ...

    keeper = Keeper(Slow(), lambda: (), lambda _: SIGN, Patience(first=0.01, every=0.01))
    await writing.wait()
    stopping = asyncio.ensure_future(keeper.stop())
    await asyncio.sleep(0.01)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
