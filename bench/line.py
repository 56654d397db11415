"""The line alone: CPU per call without sockets, `python -m bench.line [profile]`.

A carrier that answers at once stands for the provider, a reply that keeps nothing for the caller; keys, ledger, metrics
and prices are on. What is left is our own work on a whole answer.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import pstats
import sys
import tempfile
import time
from pathlib import Path

from bench.answers import answer, request

from pointsman.compose import build
from pointsman.compose.house import House
from pointsman.core.call import Arrival
from pointsman.core.ports import Headers, UpstreamRequest

ANSWER = answer().encode()
REQUEST = request("auto")
CALLS = 2_000
ROUNDS = 50


class Answered:
    """A provider's answer that is already there."""

    status = 200
    headers: Headers = ((b"content-type", b"application/json"),)
    connected: float | None = None

    def header(self, name: bytes) -> bytes:
        return b"application/json" if name == b"content-type" else b""

    async def read(self) -> bytes:
        return ANSWER

    async def aclose(self) -> None:
        return None


class Carrier:
    async def send(self, _request: UpstreamRequest) -> Answered:
        return Answered()

    async def aclose(self) -> None:
        return None


class Nowhere:
    started = False

    async def whole(self, status: int, _headers: Headers, body: bytes) -> None:
        if status != 200:
            raise AssertionError(body)


def house(folder: str) -> House:
    made = build(
        {
            "providers": {"lab": {"dialect": "openai-chat", "base_url": "http://127.0.0.1:9/v1"}},
            "models": {
                "small": {
                    "provider": "lab",
                    "model": "small-1",
                    "context": 128000,
                    "price": {"input": 0.15, "output": 0.6},
                },
                "large": {
                    "provider": "lab",
                    "model": "large-1",
                    "context": 200000,
                    "price": {"input": 5, "output": 25},
                },
            },
            "routes": {"auto": {"pool": ["small", "large"]}},
            "store": f"sqlite:///{Path(folder) / 'ledger.db'}",
            "discover": False,
            "local": False,
        },
        env={},
    )
    object.__setattr__(made.line, "parts", made.line.parts.__class__(**{**_fields(made), "carrier": Carrier()}))
    return made


def _fields(made: House) -> dict[str, object]:
    parts = made.line.parts
    return {name: getattr(parts, name) for name in parts.__struct_fields__}


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = house(folder)
        secret = (await asyncio.to_thread(made.pieces.keys.create, "bench")).secret.encode()
        await made.start()
        await asyncio.to_thread(made.pieces.keys.refresh)
        headers = (
            (b"host", b"127.0.0.1:4545"),
            (b"content-type", b"application/json"),
            (b"authorization", b"Bearer " + secret),
            (b"user-agent", b"bench"),
        )

        async def once() -> None:
            arrival = Arrival(
                method="POST", path="/v1/chat/completions", headers=headers, lookup=dict(headers), body=REQUEST,
                received=time.perf_counter_ns(),
            )  # fmt: skip
            await made.line.walk(arrival, "chat.completions", made.dialects.chat, Nowhere())

        for _ in range(1000):
            await once()
        gc.collect()
        gc.freeze()  # as the server does
        gc.set_threshold(50_000, 20, 50)
        profile = cProfile.Profile() if "profile" in sys.argv else None
        best = float("inf")
        for _ in range(1 if profile else ROUNDS):
            if profile:
                profile.enable()
            begun = time.thread_time()
            for _ in range(CALLS):
                await once()
            best = min(best, time.thread_time() - begun)
            if profile:
                profile.disable()
        print(f"the line alone: {best / CALLS * 1e6:.1f} us of CPU per call (best of {ROUNDS} rounds of {CALLS})")
        if profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(40)
        await made.aclose()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
