"""Requests that nobody in their right mind would send: each is answered, none by a defect of ours."""

from __future__ import annotations

import asyncio
import copy
import http.client
import json
import random
from typing import Any
from urllib.parse import urlsplit

CALLS = 1_000
GOOD = {
    "model": "auto",
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "5"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}},
    "stream": False, "stream_options": {"include_usage": True}, "n": 1, "max_tokens": 5, "temperature": 0.5,
    "logprobs": True, "user": "u", "stop": ["x"], "seed": 1, "metadata": {"a": "b"},
}  # fmt: skip
ODD: list[Any] = [
    None, True, False, 0, -1, 1e308, 10**400, 0.1, "", "x", "\x00", "\ud83d", "é" * 500, [], [[]], {}, {"a": None},
    "auto", "one/", "/", "//", "one/../two", "*", ["auto"], [None] * 50, {"": ""}, "small\r\nx-evil: 1",
]  # fmt: skip
HEADERS: list[dict[str, str]] = [
    {}, {"x-pointsman-timeout": "nan"}, {"x-pointsman-timeout": "-1"}, {"x-pointsman-timeout": "1e999"},
    {"x-pointsman-retries": "1.5"}, {"x-pointsman-retries": "99"}, {"x-pointsman-retries": "0x1"},
    {"content-type": "text/plain"}, {"content-encoding": "gzip"}, {"authorization": "Bearer"},
    {"authorization": "Bearer " + "k" * 5000}, {"x-pointsman-tags": "\xff" * 300}, {"accept": "image/png"},
    {"origin": "null"}, {"traceparent": "garbage"},
]  # fmt: skip


def mangled(draw: random.Random) -> bytes:
    """A good request with one to three things wrong."""
    body: Any = copy.deepcopy(GOOD)
    for _ in range(draw.randint(1, 3)):
        place: Any = body
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(place[key], dict | list) and place[key] and draw.random() < 0.6:
                place = place[key]
                continue
            place[key] = copy.deepcopy(draw.choice(ODD))
            break
    if draw.random() < 0.1:
        body["model"] = copy.deepcopy(draw.choice(ODD))
    data = json.dumps(body).encode()
    return data[: draw.randrange(len(data))] if draw.random() < 0.1 else data


async def test_mangled_requests_are_answered_one_by_one_and_all_recorded(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    draw = random.Random(1)
    async with serving(config(sim, server={"cors": ["*"]})) as served:

        def send() -> list[tuple[int, dict[str, str], bytes, bytes]]:
            seen = []
            connection = http.client.HTTPConnection("127.0.0.1", urlsplit(served.url).port, timeout=10)
            for _ in range(CALLS):
                body, path = mangled(draw), draw.choice(["/v1/chat/completions", "/v1/completions"])
                connection.request("POST", path, body, draw.choice(HEADERS))
                answer = connection.getresponse()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                seen.append((answer.status, headers, answer.read(), body))
            connection.close()
            return seen

        seen = await asyncio.to_thread(send)
        for status, headers, data, sent in seen:
            assert status != 500, (sent, data)
            assert "x-evil" not in headers
            assert headers["x-request-id"]
            if status >= 400:
                error = json.loads(data)["error"]
                assert error["message"], sent
                assert error["type"], sent
        assert {400, 404} <= {status for status, *_ in seen}
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        totals = (await ask(served, "GET", "/api/totals")).json["all"]
        assert totals["calls"] == CALLS, "none is lost"
