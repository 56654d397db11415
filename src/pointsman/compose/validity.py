"""From when until when certificates hold: read out of their DER, for `ssl` tells it only of a peer's."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re

import msgspec

_PEM = re.compile(rb"-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----(.*?)-----END", re.DOTALL)
_SEQUENCE, _INTEGER, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0x02, 0xA0, 0x17, 0x18
_WARN_DAYS = 30


class Validity(msgspec.Struct, frozen=True):
    """The two ends, in UTC; both belong to it."""

    since: dt.datetime
    until: dt.datetime

    def wrong(self, now: dt.datetime) -> str:
        """What is wrong with it, or will be within 30 days; empty if nothing."""
        if now < self.since:
            return f"is not valid before {self.since:%Y-%m-%d %H:%M} UTC"
        if now > self.until:
            return f"ran out on {self.until:%Y-%m-%d %H:%M} UTC"
        left = (self.until - now).days
        if left >= _WARN_DAYS:
            return ""
        return f"runs out on {self.until:%Y-%m-%d %H:%M} UTC, in {left} day{'' if left == 1 else 's'}"


def validities(pem: bytes) -> list[Validity]:
    """Those of all certificates in a PEM file, in its order; what cannot be read is left out."""
    found = []
    for body in _PEM.findall(pem):
        try:
            found.append(_of_der(base64.b64decode(b"".join(body.split()), validate=True)))
        except (binascii.Error, _Unreadable):
            continue
    return found


class _Unreadable(ValueError):
    """Not the DER of a certificate."""


def _of_der(data: bytes) -> Validity:
    """X.509: a sequence of a sequence of version (optional), serial number, algorithm, issuer, validity (RFC 5280)."""
    _, certificate, _ = _next(data, _SEQUENCE)
    _, rest, _ = _next(certificate, _SEQUENCE)
    if rest[:1] == bytes([_VERSION]):
        rest = _next(rest, _VERSION)[2]
    for tag in (_INTEGER, _SEQUENCE, _SEQUENCE):
        rest = _next(rest, tag)[2]
    _, validity, _ = _next(rest, _SEQUENCE)
    tag, since, rest = _next(validity)
    until_tag, until, _ = _next(rest)
    return Validity(_time(tag, since), _time(until_tag, until))


def _next(data: bytes, wanted: int | None = None) -> tuple[int, bytes, bytes]:
    """The first element's tag and content, and what follows it."""
    if len(data) < 2 or (wanted is not None and data[0] != wanted):
        raise _Unreadable
    length, begin = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        begin += count
        length = int.from_bytes(data[2:begin], "big")
    if len(data) < begin + length:
        raise _Unreadable
    return data[0], data[begin : begin + length], data[begin + length :]


def _time(tag: int, content: bytes) -> dt.datetime:
    try:
        text = content.decode("ascii")
        if tag == _UTC_TIME:  # two digits for the year: from 50 on they are of the last century
            text = ("19" if text[:2] >= "50" else "20") + text
        elif tag != _GENERALIZED_TIME:
            raise _Unreadable
        return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise _Unreadable from error
