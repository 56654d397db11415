"""`pointsman get`: a path's reply without a running server; the same application, in this process."""

from __future__ import annotations

import asyncio
import sys
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pointsman.cli.terminal import config_option, described
from pointsman.core.call import Arrival
from pointsman.core.ports import Headers

if TYPE_CHECKING:
    from pointsman.compose import House

_SETTLED_SECONDS = 20.0
_HELP = described(
    "Print the reply to a path as the server would give it, without a running server. With -d a POST. The exit code is "
    "0 for a status of 200 to 299, else 1.",
    "pointsman get /v1/models",
    """pointsman get /v1/chat/completions -d '{"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}'""",
)


@click.command("get", help=_HELP, short_help="Print a path's reply without a running server.")
@click.argument("path")
@click.option("--key", metavar="KEY", help="Send this key.")
@click.option("-d", "--data", metavar="JSON|@FILE|-", help="Body of a POST: JSON, @FILE, or - for standard input.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Send a header; repeatable.")
@click.option("-i", "--include", is_flag=True, help="Print status and headers too.")
@config_option
def command(
    path: str, key: str | None, data: str | None, headers: tuple[str, ...], include: bool, config: Path | None
) -> None:
    """Print a reply."""
    from pointsman.compose import build

    arrival = _arrival(path, key, headers, _body(data))
    out = Printer(include=include)
    asyncio.run(_handle(build(config), arrival, out))
    sys.exit(0 if 200 <= out.status < 300 else 1)


async def _handle(house: House, arrival: Arrival, out: Printer) -> None:
    from pointsman.compose.web import application

    await house.start()
    try:
        await house.pieces.machine.settled(_SETTLED_SECONDS)
        await application(house).handle(arrival, out)
    finally:
        await house.aclose()


def _body(data: str | None) -> bytes | None:
    """The body's bytes; None without one.

    Raises:
        click.UsageError: the file cannot be read.
    """
    if data is None:
        return None
    if data == "-":
        return sys.stdin.buffer.read()
    if not data.startswith("@"):
        return data.encode("utf-8", "surrogateescape")
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise click.UsageError(f"{data[1:]}: {error.strerror or error}") from None


def _arrival(path: str, key: str | None, headers: tuple[str, ...], body: bytes | None) -> Arrival:
    target, _, query = path.partition("?")
    lines = [(b"host", b"localhost"), (b"user-agent", b"pointsman-get")]
    if body is not None:
        lines.append((b"content-type", b"application/json"))
    if key is not None:
        lines.append((b"authorization", b"Bearer " + key.encode()))
    for line in headers:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"`{line}` is no header: write 'name: value'")
        lines.append((name.strip().lower().encode(), value.strip().encode()))
    return Arrival(
        method="GET" if body is None else "POST",
        path="/" + urllib.parse.unquote(target).lstrip("/"),
        query=query,
        headers=tuple(lines),
        lookup=dict(lines),
        body=body or b"",
        client="127.0.0.1",
        received=time.perf_counter_ns(),
    )


class Printer:
    """A reply that goes to standard output as it comes."""

    def __init__(self, *, include: bool) -> None:
        self.started = False
        self.status = 0
        self._include = include
        self._out = sys.stdout.buffer

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Print the answer."""
        await self.start(status, headers)
        await self.write(body)
        if sys.stdout.isatty() and not body.endswith(b"\n"):
            await self.write(b"\n")

    async def start(self, status: int, headers: Headers) -> None:
        """Print status and headers, if they are wanted."""
        self.started, self.status = True, status
        if self._include:
            lines = [b"HTTP/1.1 %d" % status, *(name + b": " + value for name, value in headers), b"", b""]
            await self.write(b"\n".join(lines))

    async def write(self, data: bytes) -> None:
        """Print what there is."""
        self._out.write(data)
        self._out.flush()

    async def end(self) -> None:
        """Nothing to do: all is printed."""
