"""What is over is let go at once: nothing of a call waits for a garbage collection, for those are rare."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from pointsman.testing import Script, SimModel, SimProvider, Simulator
from pointsman.testing.script import FaultRule

SAID = [{"role": "user", "content": "Hello"}]
CALLERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/v1/chat/completions", {"messages": SAID}),
    ("/v1/responses", {"input": SAID}),
    ("/v1/messages", {"messages": SAID, "max_tokens": 100}),
)
SPOKEN = {"first": "openai-chat", "second": "anthropic-messages", "third": "openai-responses"}
LIMITS = {"connect": 1, "first_byte": 0.3, "between_bytes": 0.2, "total": 5}
FAULTS = ("refused", "reset", "cut_reset", "stall", "silent", "slow_token", "malformed", "unavailable", "bad_request")
EVERYWHERE = ("cut_reset", "stall", "malformed", "unavailable")


def script(fault: str = "", *, everywhere: bool = False) -> Script:
    """Three providers, of which the first or all are ill."""
    model = SimModel(name="m", recites=20)
    ill = (FaultRule(fault=fault),) if fault else ()
    return Script(
        providers=tuple(
            SimProvider(name=name, dialect=dialect, models=(model,), faults=ill if everywhere or not at else ())
            for at, (name, dialect) in enumerate(SPOKEN.items())
        )
    )


def configured(sim: Simulator) -> dict[str, Any]:
    providers = {
        name: {"dialect": dialect, "base_url": sim.url_of(name), "timeouts": LIMITS} for name, dialect in SPOKEN.items()
    }
    models = {name: {"provider": name, "model": "m"} for name in SPOKEN}
    return {"providers": providers, "models": models, "routes": {"chain": {"try": list(SPOKEN), "patience": 0.1}}}


async def ask(url: str, path: str, body: dict[str, Any], *, stream: bool, leaves_at: bytes = b"") -> bytes:
    """One call over a connection of its own; the caller leaves when it has read `leaves_at`."""
    said = json.dumps({"model": "chain", "stream": stream, **body}).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {len(said)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    got = b""
    try:
        writer.write(head.encode() + said)
        while data := await reader.read(65536):
            got += data
            if leaves_at and leaves_at in got:
                break
    finally:
        writer.transport.abort()
    return got


@contextmanager
def collected() -> Iterator[Counter[str]]:
    """What of the gateway only a collection frees of all that the block makes, by name and number."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(name for one in gc.garbage if (name := ours(one)))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def ours(one: object) -> str:
    """The name of an object or a frame of the gateway, whose providers are played in this process too."""
    module = one.f_globals.get("__name__", "") if inspect.isframe(one) else type(one).__module__
    name = one.f_code.co_qualname if inspect.isframe(one) else type(one).__name__
    return name if str(module).startswith("pointsman.") and not str(module).startswith("pointsman.testing") else ""


@pytest.mark.parametrize(
    ("fault", "everywhere"),
    [
        ("", False),
        ("cut_reset", False),
        ("stall", True),
        *(pytest.param(fault, False, marks=pytest.mark.slow) for fault in FAULTS if fault != "cut_reset"),
        *(pytest.param(fault, True, marks=pytest.mark.slow) for fault in EVERYWHERE if fault != "stall"),
    ],
)
async def test_nothing_of_a_call_is_left_when_it_is_over(serving: Any, fault: str, everywhere: bool) -> None:
    async with Simulator(script(fault, everywhere=everywhere)) as sim, serving(configured(sim)) as served:
        await ask(served.url, *CALLERS[0], stream=False)  # whatever is made once
        with collected() as found:
            for stream in (False, True):
                answers = await asyncio.gather(*(ask(served.url, *caller, stream=stream) for caller in CALLERS))
                assert all(answer.startswith(b"HTTP/1.1 ") for answer in answers)
            await asyncio.sleep(0.3)
        assert not found


async def test_nothing_of_a_caller_who_left_is_left(serving: Any) -> None:
    async with Simulator(script("stall")) as sim, serving(configured(sim)) as served:
        await ask(served.url, *CALLERS[0], stream=False)
        with collected() as found:
            await asyncio.gather(*(ask(served.url, *one, stream=True, leaves_at=b"HTTP/1.1") for one in CALLERS))
            await asyncio.sleep(0.3)
        assert not found
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        rows = await asyncio.to_thread(served.house.questions().calls)
        assert [row.status for row in rows] == [*["cancelled"] * 3, "ok"]


@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_of_a_caller_who_left_most_of_a_large_answer_unread_is_left(serving: Any, stream: bool) -> None:
    async with Simulator(script("huge")) as sim, serving(configured(sim)) as served:
        await ask(served.url, *CALLERS[0], stream=False)
        with collected() as found:
            for path, body in CALLERS:
                await ask(served.url, path, body, stream=stream, leaves_at=b"HTTP/1.1")
            await asyncio.sleep(0.3)
        assert not found


async def test_nothing_of_a_request_that_never_became_whole_is_left(serving: Any) -> None:
    async with serving({}) as served:
        port = urlsplit(served.url).port
        with collected() as found:
            for sent in (b"nonsense\r\n\r\n", b"POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(sent)
                await asyncio.sleep(0.1)
                writer.transport.abort()
            await asyncio.sleep(0.1)
        assert not found


async def test_nothing_of_an_attempt_that_was_outpaced_is_left(serving: Any) -> None:
    async with Simulator(script("silent")) as sim:
        said = configured(sim)
        said["routes"]["chain"]["hedge"] = {"after": 0.1, "extra": 1.0}
        async with serving(said) as served:
            await ask(served.url, *CALLERS[0], stream=False)
            with collected() as found:
                for stream in (False, True):
                    await asyncio.gather(*(ask(served.url, *caller, stream=stream) for caller in CALLERS))
                await asyncio.sleep(0.3)
            assert not found
            assert await asyncio.to_thread(served.house.pieces.ledger.flush)
            rows = await asyncio.to_thread(served.house.questions().calls)
        assert any(row.attempts > 1 for row in rows), "somebody was"
