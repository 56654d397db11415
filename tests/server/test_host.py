"""The listening socket: who holds it, and who does not."""

from __future__ import annotations

import asyncio
import os
import sys

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
