"""Each named fault, seen from a raw socket: what a careful client finds out, byte by byte."""

from __future__ import annotations

import asyncio
import json

import httptools
import pytest

from pointsman.core.failure import RULES
from pointsman.testing import FAULTS, Simulator, one_model

BODY = {
    "model": "sim-1",
    "messages": [{"role": "user", "content": "use tool"}],
    "stream_options": {"include_usage": True},
}
TOOL = {"type": "function", "function": {"name": "tool", "parameters": {"properties": {"a": {"type": "string"}}}}}


class Seen:
    """What came back on one connection."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.complete = False
        self.ending = "open"
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value

    def on_headers_complete(self) -> None:
        self.status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True

    @property
    def events(self) -> list[bytes]:
        return [event.removeprefix(b"data: ") for event in self.body.split(b"\n\n") if event]


async def raw(sim: Simulator, *, stream: bool, tools: bool = False, patience: float = 0.3) -> Seen:
    fields = BODY | {"stream": stream} | ({"tools": [TOOL]} if tools else {})
    if not stream:
        del fields["stream_options"]
    body = json.dumps(fields).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    seen = Seen()
    try:
        async with asyncio.timeout(patience) as limit:
            while not seen.complete:
                data = await reader.read(65536)
                if not data:
                    seen.ending = "fin"
                    break
                limit.reschedule(asyncio.get_running_loop().time() + patience)
                seen.parser.feed_data(data)
    except ConnectionResetError:
        seen.ending = "rst"
    except TimeoutError:
        seen.ending = "silence"
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return seen


async def play(name: str, *, stream: bool, tools: bool = False, **more) -> Seen:
    async with Simulator(one_model(faults=[{"fault": name, **more}])) as sim:
        seen = await raw(sim, stream=stream, tools=tools)
        assert sim.journal[-1].fault == name
        return seen


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS.values() if fault.kind == "status" and not fault.begun], ids=lambda f: f.name
)
async def test_a_status_fault_is_an_error_in_the_dialects_shape(fault, stream):
    seen = await play(fault.name, stream=stream)
    assert seen.status == fault.status
    error = json.loads(seen.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == {"model_retired": "model_not_found"}.get(fault.error, fault.error)
    expected = {"seconds": b"retry-after", "date": b"retry-after", "ms": b"retry-after-ms"}.get(fault.retry_after)
    waits = {name for name in seen.headers if name.startswith(b"retry-after")}
    assert waits == ({expected} if expected else set())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "status", "ending"),
    [
        ("refused", 0, "rst"),
        ("reset", 0, "rst"),
        ("closed", 0, "fin"),
        ("silent", 0, "silence"),
        ("silent_body", 200, "silence"),
        ("cut_at_once", 200, "rst"),
        ("cut_reset", 200, "rst"),
        ("cut_clean", 200, "fin"),
        ("stall", 200, "silence"),
    ],
)
async def test_a_broken_connection_breaks_as_named(name, status, ending, stream):
    seen = await play(name, stream=stream)
    assert (seen.status, seen.ending, seen.complete) == (status, ending, False)
    if stream and name in {"cut_reset", "cut_clean", "stall"}:
        assert sum(b'"content":"' in event for event in seen.events) == 1 + 3  # the head's empty one, then three
    elif name not in {"cut_reset", "cut_clean", "stall"}:
        assert seen.body == b""
    else:
        assert 0 < len(seen.body) < int(seen.headers[b"content-length"])


async def test_a_cut_comes_where_the_rule_says():
    seen = await play("cut_clean", stream=True, after=7)
    assert sum(b'"content":"' in event for event in seen.events) == 1 + 7


async def test_a_stream_without_its_end_marks_is_complete_only_for_http():
    without_all, without_done = await play("no_end", stream=True), await play("no_done", stream=True)
    assert without_all.complete
    assert without_done.complete
    assert b"[DONE]" not in without_all.body + without_done.body
    assert b'"finish_reason":"' not in without_all.body
    assert b'"finish_reason":"stop"' in without_done.body


@pytest.mark.parametrize(("name", "place"), [("malformed", 4), ("malformed_first", 1)])
async def test_a_malformed_event_stands_where_it_should(name, place):
    events = (await play(name, stream=True)).events
    broken = []
    for index, event in enumerate(events):
        try:
            if event != b"[DONE]":
                json.loads(event)
        except ValueError:
            broken.append(index)
    assert broken == [place]
    whole = await play(name, stream=False)
    assert whole.complete
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(whole.body)


async def test_json_that_breaks_off_in_a_message_that_does_not():
    whole, stream = await play("truncated", stream=False), await play("truncated", stream=True)
    assert whole.complete
    assert stream.complete
    assert len(stream.events) == 1 + 3 + 1
    for text in (whole.body, stream.events[-1]):
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            json.loads(text)


async def test_a_sentence_instead_of_json():
    for stream in (False, True):
        seen = await play("plain_text", stream=stream)
        assert (seen.status, seen.headers[b"content-type"]) == (200, b"text/plain; charset=utf-8")
        assert b"{" not in seen.body


@pytest.mark.parametrize(("name", "status"), [("html", 200), ("html_502", 502)])
async def test_a_page_instead_of_json(name, status):
    seen = await play(name, stream=False)
    assert seen.status == status
    assert seen.headers[b"content-type"].startswith(b"text/html")
    assert seen.body.startswith(b"<!DOCTYPE html>")


async def test_errors_inside_a_200():
    whole = await play("error_in_200", stream=False)
    assert whole.status == 200
    assert json.loads(whole.body)["error"]["code"] == "server_error"
    stream = await play("error_in_stream", stream=True)
    assert stream.status == 200
    assert "error" in json.loads(stream.events[-1])
    assert len(stream.events) == 1 + 3 + 1


async def test_a_tool_call_with_broken_arguments():
    whole = json.loads((await play("broken_arguments", stream=False, tools=True)).body)
    arguments = whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(arguments)
    streamed = (await play("broken_arguments", stream=True, tools=True)).events
    deltas = [json.loads(event)["choices"] for event in streamed if event != b"[DONE]"]
    pieces = [
        c[0]["delta"]["tool_calls"][0]["function"]["arguments"] for c in deltas if c and "tool_calls" in c[0]["delta"]
    ]
    assert "".join(pieces) == arguments


async def test_odd_answers():
    empty = json.loads((await play("empty", stream=False)).body)
    assert empty["choices"][0]["message"]["content"] == ""
    assert empty["usage"]["completion_tokens"] == 0
    huge = await play("huge", stream=False, size=2_000_000)
    assert len(huge.body) > 1_900_000
    assert "usage" not in json.loads((await play("usage_missing", stream=False)).body)
    assert (await play("usage_missing", stream=True)).body.count(b'"prompt_tokens"') == 0
    assert (await play("usage_twice", stream=True)).body.count(b'"prompt_tokens"') == 2


async def test_a_huge_stream_waits_for_a_slow_reader():
    async with Simulator(one_model(faults=[{"fault": "huge", "size": 30_000_000}])) as sim:
        body = json.dumps(BODY | {"stream": True}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port, limit=1024)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        await asyncio.sleep(0.3)
        assert not sim.journal[-1].finished
        tail = b""
        async with asyncio.timeout(20):
            while not tail.endswith(b"0\r\n\r\n"):
                tail = tail[-10:] + await reader.read(1 << 20)
        assert sim.journal[-1].finished
        writer.close()
        await writer.wait_closed()


async def test_slow_ones_arrive_late_but_whole():
    loop = asyncio.get_running_loop()
    async with Simulator(one_model(faults=[{"fault": "slow_first", "seconds": 0.2}])) as sim:
        began = loop.time()
        assert (await raw(sim, stream=True, patience=2)).complete
        assert loop.time() - began >= 0.19
    async with Simulator(one_model(faults=[{"fault": "slow_drip", "seconds": 0.01, "size": 32}])) as sim:
        began = loop.time()
        seen = await raw(sim, stream=False, patience=2)
        assert seen.complete
        assert loop.time() - began >= len(seen.body) / 32 * 0.01 * 0.9


async def test_headers_at_once_and_the_first_content_late():
    async with Simulator(one_model(faults=[{"fault": "slow_token", "seconds": 0.4}])) as sim:
        patient, hasty = await raw(sim, stream=True, patience=2), await raw(sim, stream=True, patience=0.1)
        assert patient.complete
        assert (hasty.status, hasty.ending, len(hasty.events)) == (200, "silence", 1)
        whole = await raw(sim, stream=False, patience=0.1)
        assert (whole.status, whole.body) == (200, b"")


def test_every_way_to_fail_that_a_provider_can_show_has_a_fault():
    shown = {fault.failure for fault in FAULTS.values()} - {None}
    # A name that does not resolve, TLS and a connection that never stands are not the provider's to show; a total limit
    # is the caller's; the last two are of our own making.
    elsewhere = {"no_address", "tls", "connect_timeout", "too_long", "not_asked", "resting"}
    assert shown == RULES.keys() - elsewhere


def test_the_list_says_what_a_gateway_owes():
    assert {"rate_limit", "server_error", "cut_reset", "refused", "html"} <= set(FAULTS)
    for fault in FAULTS.values():
        assert fault.meaning.endswith(".")
        assert fault.stream != "error" or fault.after or fault.kind == "no_end"
        assert fault.whole != "error"
