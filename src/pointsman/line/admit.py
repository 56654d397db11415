"""Admission: who is calling, and what the caller asks of the gateway itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from pointsman.core.call import Arrival
from pointsman.core.errors import Forbidden, InvalidKey, InvalidRequest, MissingKey
from pointsman.core.key import Why
from pointsman.core.key_view import day
from pointsman.core.ports import NOBODY, Principal
from pointsman.line.parts import NO_WISHES, Parts, Wishes

_LABEL = 200
_SHORT = 12
"""Of a secret no longer than this nothing is shown."""
_QUERY_KEY = re.compile(r"(?:^|&)key=([^&]+)")
_WISHES = frozenset((b"x-pointsman-timeout", b"x-pointsman-retries", b"x-pointsman-session", b"x-pointsman-tags"))


def admit(parts: Parts, arrival: Arrival) -> Principal:
    """Who calls a model.

    Raises:
        MissingKey, InvalidKey: where keys are demanded.
        Forbidden: the key only reads.
        StoreUnavailable: where they are, and could not be read so far.
    """
    if not parts.keys.demanded:
        return NOBODY
    secret = bearer(arrival)
    principal = parts.keys.check(secret)
    if principal is not None:
        return principal
    reader = parts.keys.reader(secret)
    if reader is not None:
        raise Forbidden(
            f"This key has the role {reader.role} and calls no model",
            hint="make one that does with `pointsman keys create NAME`",
        )
    raise _refusal(parts, secret)


def identify(parts: Parts, arrival: Arrival) -> Principal:
    """Who asks, perhaps with a key that only reads. Raises as `admit`, but for `Forbidden`."""
    if not parts.keys.demanded:
        return NOBODY
    secret = bearer(arrival)
    principal = parts.keys.check(secret) or parts.keys.reader(secret)
    if principal is None:
        raise _refusal(parts, secret)
    return principal


_WAYS_OUT: Mapping[Why, str] = {
    "revoked": "it is over for good; make another key: `pointsman keys create NAME`",
    "expired": "have it prolonged: `pointsman keys edit NAME --expires 90d`, or `expires` in the configuration",
    "replaced": "the key has a new secret, from `pointsman keys rotate`: send that one",
}


def _refusal(parts: Parts, secret: str) -> MissingKey | InvalidKey:
    """Why nobody was let in. What has become of a key is told to whoever holds a secret of it, and to nobody else."""
    if not secret:
        return MissingKey(
            "No API key was sent",
            hint="send `Authorization: Bearer KEY`; make a key with `pointsman keys create NAME`",
        )
    key = f"The API key ending in `{secret[-4:]}`" if len(secret) > _SHORT else "The API key"
    ended = parts.keys.ended(secret)
    if ended is None:
        return InvalidKey(f"{key} is not valid here", hint="list keys with `pointsman keys list`")
    done = "expired" if ended.why == "expired" else f"was {ended.why}"
    return InvalidKey(f"{key} {done} at {day(ended.at)}", hint=_WAYS_OUT[ended.why])


def bearer(arrival: Arrival) -> str:
    """The key that the caller sent to us, in any of the usual places."""
    lookup = arrival.lookup
    own = lookup.get(b"x-pointsman-key")
    if own:
        return own.decode("latin-1")
    value = lookup.get(b"authorization")
    if value and (value.startswith(b"Bearer ") or value[:7].lower() == b"bearer "):
        return value[7:].strip().decode("latin-1")
    other = lookup.get(b"x-api-key") or lookup.get(b"x-goog-api-key") or lookup.get(b"api-key")
    if other:
        return other.decode("latin-1")
    found = _QUERY_KEY.search(arrival.query)  # Google's clients may put it there
    return unquote(found[1]) if found else ""


def wishes(arrival: Arrival) -> Wishes:
    """What the caller asks of the gateway by header.

    Raises:
        InvalidRequest: a header is not the number it should be.
    """
    lookup = arrival.lookup
    if _WISHES.isdisjoint(lookup):
        return NO_WISHES
    timeout = _number(lookup.get(b"x-pointsman-timeout"), "x-pointsman-timeout", 3600.0)
    retries = _number(lookup.get(b"x-pointsman-retries"), "x-pointsman-retries", 9.0)
    if retries is not None and retries != int(retries):
        what = "The header x-pointsman-retries must be a whole number from 0 up to 9"
        raise InvalidRequest(what, param="x-pointsman-retries")
    session, tags = lookup.get(b"x-pointsman-session"), lookup.get(b"x-pointsman-tags")
    return Wishes(
        timeout=timeout,
        retries=None if retries is None else int(retries),
        session=session.decode("latin-1")[:_LABEL] if session else "",
        tags=tags.decode("latin-1")[:_LABEL] if tags else "",
    )


def _number(raw: bytes | None, name: str, most: float) -> float | None:
    if raw is None:
        return None
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most or (value == 0 and name.endswith("timeout")):
        least = "above 0" if name.endswith("timeout") else "from 0"
        raise InvalidRequest(f"The header {name} must be a number {least} up to {most:g}", param=name)
    return value
