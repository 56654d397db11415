from __future__ import annotations

import asyncio
import contextlib

import pytest

from bench import answers, load, machine, streams


@contextlib.asynccontextmanager
async def provider():
    hub = streams.Hub()
    server = await asyncio.get_running_loop().create_server(lambda: streams.Provider(hub), "127.0.0.1", 0)
    async with server:
        yield hub, server.sockets[0].getsockname()[1]


def target(port: int) -> load.Target:
    return load.Target(f"http://127.0.0.1:{port}/v1/chat/completions", {"x-a": "b"}, answers.request("small"))


async def test_our_own_loader_counts_what_was_answered():
    async with provider() as (_, port):
        shot = await load.own(target(port), 4, 0.3)
    assert shot.requests > 20
    assert shot.errors == 0
    assert 0 < shot.p50_ms <= shot.p99_ms
    assert shot.rate == pytest.approx(shot.requests / shot.seconds)


async def test_nobody_there_is_an_error_and_not_a_figure():
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await load.own(target(machine.free_port()), 1, 0.1)


def test_the_result_of_wrk_is_read_from_its_line():
    line = '{"requests":100,"seconds":2.0,"p50_ms":0.5,"p99_ms":3.0,"errors":10}'
    shot = load.parse_wrk(f"Running 2s test\n  noise\nRESULT {line}\n")
    assert shot.rate == 45.0


def test_a_wrk_without_result_is_an_error_with_its_words():
    with pytest.raises(RuntimeError, match="unable to connect"):
        load.parse_wrk("unable to connect to 127.0.0.1")


def test_the_script_for_wrk_carries_headers_and_body():
    text = load.lua(target(1))
    assert 'wrk.headers["x-a"] = "b"' in text
    assert answers.request("small").decode() in text
    assert "]=]" not in answers.request("small").decode()


async def test_streams_are_paced_and_arrive_whole():
    async with provider() as (hub, port):
        body = answers.request("small", stream=True, text="STREAM").decode()
        said = {"port": port, "headers": {}, "body": body, "streams": 20, "ramp_s": 0.2, "hold_s": 0.5, "gap_ms": 50}
        seen = await streams.paced(hub, said)
    assert seen["error"] == ""
    assert seen["begun"] == seen["whole"] == 20
    assert seen["first_added_ms"]["p50"] < 50
    assert 200 < seen["events_per_s"] < 600


async def test_lockstep_counts_events_one_at_a_time():
    async with provider() as (hub, port):
        body = answers.request("small", stream=True, text="STREAM").decode()
        said = {"port": port, "headers": {}, "body": body, "streams": 4, "warm_s": 0.1, "seconds": 0.2}
        seen = await streams.lockstep(hub, said)
    assert seen["whole"] == 4
    assert seen["reads_per_s"] > 100


async def test_a_dead_gateway_gives_a_reason_and_no_figures():
    hub = streams.Hub()
    said = {"port": machine.free_port(), "headers": {}, "body": "{}", "streams": 2, "ramp_s": 0.1, "hold_s": 0.1}
    seen = await streams.paced(hub, said | {"gap_ms": 50})
    assert seen["begun"] == 0
    assert seen["first_added_ms"] == {"p50": None, "p99": None}
    assert "refused" in seen["error"] or "Connect" in seen["error"]
