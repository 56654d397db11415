"""Open a TCP or TLS connection, several addresses raced (RFC 8305); every failure becomes one readable error."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import TypeVar

from pointsman.core.errors import ConnectFailed
from pointsman.upstream.address import Address, Proxy
from pointsman.upstream.answer import MAX_HEAD

HEAD_START = 0.25
"""Seconds that one address is tried alone before the next one joins (RFC 8305, section 5)."""

P = TypeVar("P", bound=asyncio.Protocol)
_Info = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


async def dial(
    address: Address,
    context: ssl.SSLContext | None,
    factory: Callable[[], P],
    proxy: Proxy | None = None,
    allowed: Callable[[str], bool] | None = None,
) -> P:
    """A protocol made by `factory`, connected. The caller bounds the time and may cancel.

    `allowed` judges IP addresses: unless every one that the host has is allowed, nothing is connected to.

    Raises:
        ConnectFailed: with host, port and reason.
    """
    loop = asyncio.get_running_loop()
    if proxy is None:
        sock = await _reach(loop, address, allowed=allowed)
    else:
        sock = await _reach(loop, proxy.address, "the proxy's URL")
    try:
        if proxy is not None and context is not None:
            await _tunnel(loop, sock, address, proxy)
        name = address.host if context is not None else None
        _, protocol = await loop.create_connection(factory, sock=sock, ssl=context, server_hostname=name)
    except OSError as error:
        sock.close()
        raise _failed(address, error) from error
    except BaseException:
        sock.close()
        raise
    return protocol


async def _reach(
    loop: asyncio.AbstractEventLoop,
    address: Address,
    named_in: str = "`base_url`",
    allowed: Callable[[str], bool] | None = None,
) -> socket.socket:
    try:
        infos = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        if allowed is not None and not all(allowed(str(info[4][0])) for info in infos):
            raise ConnectFailed(f"{address.host} has an address that is not public: nothing was sent")
        return await _race(loop, _interleave(infos))
    except (socket.gaierror, UnicodeError) as error:
        why = f"the name {address.host!r} does not resolve: {error.args[-1]}"
        raise ConnectFailed(why, hint=f"check {named_in}", kind="no_address") from error
    except OSError as error:
        raise _failed(address, error) from error


async def _tunnel(loop: asyncio.AbstractEventLoop, sock: socket.socket, address: Address, proxy: Proxy) -> None:
    """Ask the proxy for a tunnel (RFC 9110, 9.3.6). Nothing follows its answer before we speak: TLS clients begin."""
    where = address.label.encode("ascii")
    await loop.sock_sendall(sock, b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (where, where, proxy.line))
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = await loop.sock_recv(sock, 4096)
        answer += data
        if not data or len(answer) > MAX_HEAD:
            raise _garbled(address, proxy)
    status = answer.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
    if answer.startswith(b"HTTP/1.") and status.startswith("2"):
        if not answer.endswith(b"\r\n\r\n"):
            raise _garbled(address, proxy)  # what follows would be missing from the tunnel
    else:
        hint = "put user and password into the proxy's URL" if status.startswith("407") else ""
        raise ConnectFailed(f"{proxy.address.label} refused a way to {address.label}: {status[:80]}", hint=hint)


def _garbled(address: Address, proxy: Proxy) -> ConnectFailed:
    return ConnectFailed(f"{proxy.address.label} closed or garbled the way to {address.label}")


def _interleave(infos: Sequence[_Info]) -> list[_Info]:
    """The addresses with their families taking turns, the resolver's first choice first."""
    first = [info for info in infos if info[0] == infos[0][0]]
    other = [info for info in infos if info[0] != infos[0][0]]
    return [info for info in chain.from_iterable(zip_longest(first, other)) if info is not None]


async def _race(loop: asyncio.AbstractEventLoop, infos: list[_Info]) -> socket.socket:
    """The first socket that connects; the others are closed."""
    if len(infos) == 1:
        return await _connect(loop, infos[0])
    waiting = list(reversed(infos))
    running: set[asyncio.Task[socket.socket]] = set()
    failure: BaseException = OSError("no address")
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(_connect(loop, waiting.pop())))
            patience = HEAD_START if waiting else None
            done, running = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            won = [task for task in done if task.exception() is None]
            for task in won[1:]:
                task.result().close()
            if won:
                return won[0].result()
            failure = next((task.exception() for task in done), None) or failure
        raise failure
    finally:
        await _call_off(running)


async def _call_off(tasks: set[asyncio.Task[socket.socket]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()


async def _connect(loop: asyncio.AbstractEventLoop, info: _Info) -> socket.socket:
    family, kind, proto, _, where = info
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock


def _failed(address: Address, error: OSError) -> ConnectFailed:
    label = address.label
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectFailed(
            f"the certificate of {label} is not trusted: {error.verify_message}",
            hint="if it is signed by a CA of your own, name that CA's file as `ca_file`",
            kind="tls",
        )
    if isinstance(error, ssl.SSLError):
        return ConnectFailed(
            f"no TLS connection to {label}: {error.reason or error}",
            hint="is the port right, and does it speak TLS? http:// if it does not",
            kind="tls",
        )
    if isinstance(error, ConnectionRefusedError):
        return ConnectFailed(f"{label} refused the connection", hint="is the server running?")
    return ConnectFailed(f"no connection to {label}: {error.strerror or str(error) or type(error).__name__}")
