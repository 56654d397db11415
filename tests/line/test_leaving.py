"""A caller that hangs up at the last event has had its whole answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from pointsman.testing import Simulator, one_model


async def test_hanging_up_at_the_last_event_is_no_leaving_early(serving: Any) -> None:
    async with Simulator(one_model(name="sim-1", pace={"events_per_second": 20})) as sim:
        said = {
            "providers": {"sim": {"dialect": "openai-chat", "base_url": sim.base_url}},
            "models": {"m": {"provider": "sim", "model": "sim-1", "price": {"input": 1, "output": 2}}},
        }
        async with serving(said) as served:
            for until in (b"[DONE]", b'"content":"'):
                body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello"}]})
                reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(served.url).port)
                head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write((head + body).encode())
                got = b""
                while until not in got:
                    got += await reader.read(4096)
                writer.transport.abort()
            await asyncio.sleep(0.3)
            assert await asyncio.to_thread(served.house.pieces.ledger.flush)
            rows = await asyncio.to_thread(served.house.questions().calls)
    assert [row.status for row in rows] == ["cancelled", "ok"]
    assert rows[1].usage.output > 0
    assert not rows[1].usage.estimated
    assert rows[1].cost > 0
    assert rows[0].usage.estimated
