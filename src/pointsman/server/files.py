"""Files of the first page, read once at the start; nothing outside the package can be reached."""

from __future__ import annotations

import hashlib
from importlib import resources

from pointsman.core.call import Arrival
from pointsman.core.errors import InvalidKey, MissingKey, NotFound
from pointsman.core.ports import Headers, Reply
from pointsman.server.table import Handler

_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
}
_SOURCES = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_POLICY = (
    (b"content-security-policy", _SOURCES),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)

_PAGE = b"text/html"
_DOOR = "door.html"
_KEPT = (b"etag", b"cache-control")


class Files:
    """Handlers of `/` and `/static/…`, and the form for a key before pages that take one."""

    def __init__(self, package: str, root: str = "") -> None:
        self._root = root
        self._files: dict[str, tuple[Headers, bytes, bytes]] = {}
        for entry in resources.files(package).joinpath("static").iterdir():
            kind = _TYPES.get("." + entry.name.rpartition(".")[2])
            if kind is not None:
                body = entry.read_bytes()
                tag = b'"%s"' % hashlib.sha256(body).hexdigest()[:16].encode()
                self._files[entry.name] = (((b"content-type", kind), (b"etag", tag), *_POLICY), body, tag)

    async def page(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /`. Under a root path without its slash, relative links would point beside it: redirect."""
        if not arrival.path:
            query = f"?{arrival.query}" if arrival.query else ""
            there = f"{self._root}/{query}".encode("latin-1")
            await reply.whole(308, ((b"location", there), (b"cache-control", b"no-cache")), b"")
            return
        await self._send("index.html", arrival, reply)

    async def static(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /static/{name}`."""
        await self._send(arrival.path.rpartition("/")[2], arrival, reply)

    def behind(self, handler: Handler) -> Handler:
        """A handler of a page that takes a key: browsers cannot send one by themselves, and are given a form for it."""

        async def handle(arrival: Arrival, reply: Reply) -> None:
            try:
                await handler(arrival, reply)
            except (MissingKey, InvalidKey) as error:
                if _PAGE not in arrival.lookup.get(b"accept", b""):
                    raise
                headers, body, _ = self._files[_DOOR]
                fresh = [one for one in headers if one[0] not in _KEPT]
                await reply.whole(error.status, (*fresh, (b"cache-control", b"no-store")), body)

        return handle

    async def _send(self, name: str, arrival: Arrival, reply: Reply) -> None:
        found = self._files.get(name)
        if found is None:
            raise NotFound(f"There is no file {name[:60]}")
        headers, body, tag = found
        if arrival.lookup.get(b"if-none-match") == tag:
            await reply.whole(304, headers, b"")
        else:
            await reply.whole(200, headers, body)
