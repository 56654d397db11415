from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pointsman.core.errors import ConnectFailed, UpstreamCut
from pointsman.core.model import Ability
from pointsman.core.ports import UpstreamRequest
from pointsman.upstream.http1 import Http1Carrier
from pointsman.upstream.local.engine import LocalEngine, LocalModel, Patience, reserve_port
from pointsman.upstream.local.gate import LocalGate

FAKE = str(Path(__file__).with_name("fake_engine.py"))
QUICK = Patience(start=10.0, first_pause=0.02, longest_pause=0.1)


def model(small=False):
    return LocalModel(path=Path("none.gguf"), name="tiny", context=4096, small=small)


class House:
    """An engine, a gate and a carrier, ended together."""

    def __init__(self, mode="well", patience=QUICK, environ=None, small=False):
        environ = environ if environ is not None else dict(os.environ)
        command = (sys.executable, FAKE, mode)
        self.engine = LocalEngine(model(small), environ=environ, patience=patience, command=command)
        self.carrier = Http1Carrier()
        self.gate = LocalGate(self.carrier, self.engine, wait=10.0)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.gate.aclose()
        await self.engine.aclose()

    async def ask(self, text="hello", headers=(), **more):
        body = json.dumps({"messages": [{"role": "user", "content": text}], **more}).encode()
        response = await self.gate.send(
            UpstreamRequest(url=self.engine.base_url + "/chat/completions", headers=headers, body=body)
        )
        try:
            return response.status, json.loads(await response.read())
        finally:
            await response.aclose()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def command_line(pid):
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_bytes() if path.exists() else b""


async def gone(pid, seconds=8.0):
    end = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


async def test_the_first_request_starts_the_engine_and_waits_for_it():
    async with House() as house:
        assert house.engine.status.state == "stopped"
        status, answer = await house.ask()
        assert status == 200
        assert answer["pid"] == house.engine.status.pid
        assert house.engine.status.state == "ready"


async def test_start_returns_before_the_engine_is_ready():
    async with House() as house:
        began = time.monotonic()
        await house.engine.start()
        await house.engine.start()
        assert time.monotonic() - began < 0.05
        assert await house.engine.ready(10.0)
        assert house.engine.starts == 1


async def test_a_killed_engine_answers_again_at_the_same_address():
    async with House() as house:
        _, first = await house.ask()
        url = house.engine.base_url
        os.kill(first["pid"], signal.SIGKILL)
        status, second = await house.ask()
        assert status == 200
        assert second["pid"] != first["pid"]
        assert house.engine.base_url == url
        assert house.engine.status.last_exit == -signal.SIGKILL


async def test_a_request_that_kills_every_engine_fails_alone():
    async with House() as house:
        with pytest.raises((UpstreamCut, ConnectFailed)):
            await house.ask("please die")
        assert house.engine.starts <= 3
        assert (await house.ask())[0] == 200


async def test_an_engine_that_never_starts_is_reported_with_its_last_words():
    async with House("never-starts") as house:
        with pytest.raises(ConnectFailed, match="failing: no such weights"):
            await house.ask()
        began = time.monotonic()
        with pytest.raises(ConnectFailed):
            await house.ask()
        assert time.monotonic() - began < 1.0, "nobody waits for an engine that keeps failing"
        assert house.engine.status.last_exit == 3


async def test_an_engine_that_hangs_while_loading_is_ended():
    async with House("hangs", Patience(start=0.3, first_pause=0.01, longest_pause=0.05, failing_after=2)) as house:
        with pytest.raises(ConnectFailed, match=r"not ready after 0\.3 s"):
            await house.ask()


async def test_a_program_that_is_missing_is_a_failed_start():
    engine = LocalEngine(model(), patience=QUICK, command=("/no/such/program",))
    await engine.start()
    assert not await engine.ready(5.0)
    assert any("cannot be started" in line for line in engine.status.log)
    await engine.aclose()


async def test_what_a_talkative_engine_prints_is_kept_within_bounds():
    async with House("talks") as house:
        assert (await house.ask())[0] == 200
        log = house.engine.status.log
        assert 0 < len(log) <= 200
        assert max(map(len, log)) <= 500


async def test_the_engine_ends_with_its_supervisor():
    house = House()
    async with house:
        _, answer = await house.ask()
    assert await gone(answer["pid"])
    assert house.engine.status.state == "stopped"


async def test_closing_in_the_middle_of_a_start_leaves_nothing():
    house = House("hangs")
    await house.engine.start()
    while not (pid := house.engine.status.pid):  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.01)
    await asyncio.wait_for(house.engine.aclose(), 5.0)
    await house.gate.aclose()
    assert await gone(pid)


async def test_a_killed_parent_leaves_no_orphan(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from pointsman.upstream.local.engine import LocalEngine, LocalModel
        async def main():
            model = LocalModel(path=Path("none.gguf"), name="tiny", context=4096)
            engine = LocalEngine(model, command=(sys.executable, sys.argv[1], "well"))
            await engine.start()
            await engine.ready(10)
            print(engine.status.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
        """)
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, str(script), FAKE, stdout=subprocess.PIPE)
    child = int(await parent.stdout.readline())
    assert alive(child)
    parent.kill()
    await parent.communicate()
    assert await gone(child)


async def test_the_engine_gets_none_of_our_secrets_and_needs_the_key():
    environ = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": "sk-secret"}
    async with House(environ=environ) as house:
        status, answer = await house.ask(headers=((b"authorization", b"Bearer of-the-caller"),))
        assert status == 200, "the gate shows the key, whatever the caller sent"
        assert "OPENAI_API_KEY" not in answer["environ"]
        assert house.engine.authorization.decode() not in repr(house.engine.provider())
        assert house.engine.authorization.split()[1] not in command_line(answer["pid"])
        bare = await house.carrier.send(UpstreamRequest(url=house.engine.base_url + "/chat/completions", body=b"{}"))
        await bare.read()
        await bare.aclose()
        assert bare.status == 401


async def test_other_requests_pass_the_gate_untouched():
    class Inner:
        async def send(self, request):
            self.seen = request

        async def aclose(self):
            pass

    inner = Inner()
    engine = LocalEngine(model(True), command=("/no/such/program",))
    # A host that begins with our address is still another host.
    request = UpstreamRequest(url=engine.origin + "0/v1/chat/completions", body=b'{"tools": [1]}')
    await LocalGate(inner, engine).send(request)
    assert inner.seen is request
    assert engine.status.state == "stopped"
    await engine.aclose()


async def test_requests_with_tools_are_fitted_only_for_the_small_model():
    tools = [{"type": "function", "function": {"name": "add", "description": "Add numbers"}}]
    for small in (True, False):
        async with House(small=small) as house:
            _, answer = await house.ask("Add 1 and 2", tools=tools)
            assert ("chat_template_kwargs" in answer["asked"]) is small


async def test_the_provider_and_the_model():
    engine = LocalEngine(model(), command=("x",))
    provider, (one,) = engine.provider(), engine.models()
    assert (provider.name, provider.dialect, provider.private, provider.local) == ("local", "openai-chat", True, True)
    assert one.name == "local/tiny" == one.family
    assert one.price.source == "runs on this machine"
    assert one.price.input == one.price.output == 0
    assert Ability.TOOLS in one.abilities
    assert Ability.VISION not in one.abilities
    await engine.aclose()


def test_a_reserved_port_is_given_to_nobody_else():
    with reserve_port() as held:
        code = f"import socket; socket.socket().bind(('127.0.0.1', {held.getsockname()[1]}))"
        assert b"in use" in subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).stderr


def test_an_engine_that_was_never_started_gives_its_port_back():
    engine = LocalEngine(model(), command=("x",))
    port = int(engine.origin.rsplit(":", 1)[1])
    del engine
    gc.collect()
    with socket.socket() as free:
        free.bind(("127.0.0.1", port))


def test_the_pauses_grow_and_stay_bounded():
    pauses = [Patience().pause(failures) for failures in range(60)]
    assert pauses[:4] == [0.0, 0.0, 0.2, 0.4]
    assert max(pauses) == 30.0


def test_the_engine_is_not_imported_by_its_supervisor():
    code = "import sys; import pointsman.upstream.local.gate; sys.exit('xllamacpp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
