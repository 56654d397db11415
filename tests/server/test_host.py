"""The listening socket: who holds it, and who does not."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import cast

import uvloop

from pointsman.server.host import Binding, bind

HELD = """
import os
for number in range(256):
    try:
        print(os.fstat(number).st_ino)
    except OSError:
        pass
"""


def test_pieces_of_an_answer_are_not_held_back_for_the_callers_acknowledgement() -> None:
    """uvloop sees to it by itself, asyncio only where the listening socket says that it speaks TCP."""
    sock = bind(Binding(host="127.0.0.1", port=0))

    async def accepted() -> int:
        made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

        class Taken(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.set_result(cast("asyncio.Transport", transport))

        server = await asyncio.get_running_loop().create_server(Taken, sock=sock)
        async with server:
            _, writer = await asyncio.open_connection(*sock.getsockname())
            transport = await made
            option: int = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()
            transport.close()
        return option

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(accepted())


def test_a_child_of_a_serving_process_does_not_hold_the_port() -> None:
    sock = bind(Binding(host="127.0.0.1", port=0))
    sock.listen(10)
    ours = str(os.fstat(sock.fileno()).st_ino)

    async def child() -> list[str]:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, sock=sock)
        async with server:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", HELD, stdout=asyncio.subprocess.PIPE, close_fds=False
            )
            out, _ = await process.communicate()
        assert process.returncode == 0
        return out.decode().split()

    assert ours not in uvloop.run(child())
    sock.close()
