"""Read one HTTP/1.x answer from bytes in any split. No I/O: the connection feeds it, tests too.

`httptools` (llhttp, compiled) does the parsing. What stands here is what a client has to decide beside it: where the
body ends, what is too large, whether the connection is clean enough for the next request.
"""

from __future__ import annotations

from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from pointsman.core.errors import UpstreamCut, UpstreamError, UpstreamGarbage
from pointsman.upstream.decoding import KNOWN, DecodingError, Inflater

MAX_HEAD = 64 * 1024
"""Bytes of a head, of trailers, or of chunk framing without a byte of body, that are still HTTP to us."""

HIGHEST_STATUS = 599
"""RFC 9110, section 15: what is above is no status, and callers' libraries choke on it."""

_REWRITTEN = frozenset((b"content-encoding", b"content-length"))


class AnswerReader:
    """One answer, read-only for others.

    Attributes:
        status: HTTP status, 0 before the head is there.
        headers: lines as received, names in lower case; without encoding and length where we decompress.
        head_done: the final head (not a 1xx) has arrived.
        chunks, unread: body bytes that nobody has taken yet, and how many.
        complete: the message has ended as it should.
        reusable: after it, the connection may carry another request.
        error: what went wrong; at most one, final.
        touched: at least one byte has arrived.
    """

    __slots__ = (
        "_fields",
        "_inflater",
        "_interim",
        "_label",
        "_limit",
        "_parser",
        "_silent",
        "_size",
        "_until_eof",
        "_without_body",
        "chunks",
        "complete",
        "error",
        "head_done",
        "headers",
        "reusable",
        "status",
        "touched",
        "unread",
    )

    def __init__(self, label: str, limit: int, *, without_body: bool = False) -> None:
        self.chunks: list[bytes] = []
        self.complete = False
        self.error: UpstreamError | None = None
        self.head_done = False
        self.headers: list[tuple[bytes, bytes]] = []
        self.reusable = False
        self.status = 0
        self.touched = False
        self.unread = 0
        self._fields: dict[bytes, bytes] = {}
        self._inflater: Inflater | None = None
        self._interim = False
        self._label = label
        self._limit = limit
        self._silent = 0
        self._size = 0
        self._until_eof = False
        self._without_body = without_body
        self._parser: Any = HttpResponseParser(self)  # None once the answer is over

    def header(self, name: bytes) -> bytes:
        """First value of a header (name in lower case), or empty."""
        return self._fields.get(name, b"")

    def take(self) -> bytes:
        """Every body byte that has arrived and was not taken."""
        chunks = self.chunks
        self.unread = 0
        if len(chunks) == 1:
            return chunks.pop()
        data = b"".join(chunks)
        chunks.clear()
        return data

    def take_some(self, most: int) -> bytes:
        """About as many of them: the first pieces as they came, and a large one in parts."""
        chunks = self.chunks
        if len(chunks[0]) > most:
            data, chunks[0] = chunks[0][:most], chunks[0][most:]
        else:
            size = number = 0
            while size < most and number < len(chunks):
                size += len(chunks[number])
                number += 1
            data = b"".join(chunks[:number])
            del chunks[:number]
        self.unread -= len(data)
        return data

    def feed(self, data: bytes) -> None:
        """Bytes from the connection. Never raises; look at `error`."""
        if self.complete or self.error is not None:
            self.reusable = False  # nobody asked for these
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        self.touched = True
        self._silent += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            if self.complete:
                self.reusable = False  # the answer is whole, what follows it is not ours
            else:
                self._refuse(f"did not speak HTTP: {error}")
        except HttpParserUpgrade:
            self._refuse("switched to another protocol")
        if self._silent > MAX_HEAD and not self.complete:
            self._refuse(f"sent more than {MAX_HEAD // 1024} KB of head or framing")
        if self.complete or self.error is not None:
            self._parser = None  # parser and reader hold each other; let both go now, not at the next collection

    def feed_eof(self, reason: str = "") -> None:
        """The connection has ended."""
        self._parser = None
        if self.complete or self.error is not None:
            return
        if self.head_done and self._until_eof and not reason:
            self._end()
            return
        self.reusable = False
        when = "before the answer began"
        if self.touched:
            when = "before the head was complete"
        if self.head_done:
            when = f"after {self._size} bytes of the body, before its end"
        why = f" ({reason})" if reason else ""
        self.error = UpstreamCut(f"{self._label} closed the connection {when}{why}", headed=self.head_done)

    # Called by the parser, in the order of the message.

    def on_message_begin(self) -> None:
        """Another message starts: ours after a 1xx, else one that nobody asked for."""
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line; those after the head are trailers, which nobody here needs."""
        if not self.head_done:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """A head is complete."""
        if self.head_done:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self.headers.clear()
            self._interim = True
            return
        self.status = status
        self.head_done = True
        if status > HIGHEST_STATUS:
            self._refuse(f"sent the status {status}, which HTTP does not have")
        self.reusable = self._parser.should_keep_alive()
        # Reversed, so that the first of several values wins.
        fields = self._fields = dict(reversed(self.headers))
        coding = fields.get(b"transfer-encoding")
        self._until_eof = coding is None and b"content-length" not in fields
        if coding is not None and coding.lower() != b"chunked":
            self._refuse(f"sent transfer-encoding {coding[:80].decode('latin-1')!r}, which we did not offer")
        length = fields.get(b"content-length", b"0")
        if not self._without_body and int(length) > self._limit:
            self._refuse(f"announced {int(length)} bytes; an answer may have {self._limit}")
        if self._silent > MAX_HEAD and sum(len(n) + len(v) + 4 for n, v in self.headers) > MAX_HEAD:
            self._refuse(f"sent a head of more than {MAX_HEAD // 1024} KB")
        if b"content-encoding" in fields:
            self._decode(fields[b"content-encoding"])
        if self._without_body:
            # The parser does not know that the request was HEAD: it would wait for a body. So end here.
            self.reusable = False
            self.complete = True

    def _decode(self, encoding: bytes) -> None:
        encoding = encoding.strip().lower()
        if encoding in KNOWN:
            self._inflater = Inflater(encoding, self._limit)
            self.headers = [line for line in self.headers if line[0] not in _REWRITTEN]
            self._fields = {name: value for name, value in self._fields.items() if name not in _REWRITTEN}
        elif encoding not in (b"", b"identity"):
            shown = encoding[:80].decode("latin-1")
            self._refuse(f"sent content-encoding {shown!r} though asked for identity")

    def on_body(self, data: bytes) -> None:
        """Bytes of the body, without chunk framing."""
        self._silent = 0
        if self.complete or self.error is not None:
            return
        self._size += len(data)
        if self._size > self._limit:
            self._refuse(f"sent more than the {self._limit} bytes that an answer may have")
            return
        if self._inflater is not None:
            try:
                data = self._inflater.feed(data)
            except DecodingError as error:
                self._refuse(f"sent what cannot be read: {error}")
                return
            if not data:
                return
        self.chunks.append(data)
        self.unread += len(data)

    def on_message_complete(self) -> None:
        """The message has ended."""
        if self._interim:
            self._interim = False
        elif not self.complete:
            self._end()

    def _end(self) -> None:
        if self.error is not None:
            return
        if self._inflater is not None:
            try:
                self._inflater.finish()
            except DecodingError as error:
                self._refuse(f"sent what cannot be read: {error}")
                return
        self.complete = True

    def _refuse(self, what: str) -> None:
        if self.error is None:
            self.reusable = False
            self.error = UpstreamGarbage(f"{self._label} {what}")
