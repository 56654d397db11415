"""Undo `content-encoding`. We ask for `identity`; some servers compress all the same."""

from __future__ import annotations

import zlib

KNOWN = frozenset((b"gzip", b"x-gzip", b"deflate"))
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_ZLIB_HEAD = 2  # bytes


class DecodingError(Exception):
    """The bytes are not in the encoding that the head promised, or grow too large; stays inside this room."""


class Inflater:
    """gzip and deflate, fed in any split, with a bound on what comes out.

    `deflate` means the zlib format (RFC 9110, 8.4.1.2), yet some servers send raw deflate: the first two bytes tell.
    """

    __slots__ = ("_gzip", "_held", "_left", "_object", "_seen")

    def __init__(self, encoding: bytes, limit: int) -> None:
        self._gzip = encoding != b"deflate"
        self._held = b""
        self._left = limit
        self._object = zlib.decompressobj(_GZIP) if self._gzip else None
        self._seen = False

    def feed(self, data: bytes) -> bytes:
        """Decoded bytes so far not returned; perhaps none.

        Raises:
            DecodingError: not that encoding, or more than the limit.
        """
        self._seen = self._seen or bool(data)
        if self._object is None:
            data = self._held + data
            if len(data) < _ZLIB_HEAD:
                self._held = data
                return b""
            self._object = zlib.decompressobj(_ZLIB if _is_zlib(data) else _RAW)
        out = []
        while data:
            piece, data = self._step(self._object, data)
            out.append(piece)
        return b"".join(out)

    def _step(self, inflate: zlib._Decompress, data: bytes) -> tuple[bytes, bytes]:
        """One call of zlib: what came out, and what is left to feed."""
        if inflate.eof:
            if not self._gzip:
                raise DecodingError("bytes follow the end of the compressed body")
            # gzip may have several members (RFC 1952, 2.2).
            inflate = self._object = zlib.decompressobj(_GZIP)
        try:
            piece = inflate.decompress(data, self._left + 1)
        except zlib.error as error:
            raise DecodingError(f"the body does not decompress ({error})") from error
        self._left -= len(piece)
        if self._left < 0:
            raise DecodingError("the decompressed body is larger than allowed")
        return piece, inflate.unconsumed_tail or inflate.unused_data

    def finish(self) -> None:
        """The body has ended.

        Raises:
            DecodingError: in the middle of the compressed data.
        """
        if self._seen and (self._object is None or not self._object.eof):
            raise DecodingError("the compressed body ends too early")


def _is_zlib(data: bytes) -> bool:
    """Whether two bytes are a zlib header (RFC 1950, 2.2)."""
    return data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
