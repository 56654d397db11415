"""The cost of an answer, put into its usage while every other byte of the body stays as it is."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.core.money import usd_text
from pointsman.wire.itemised import opening

_SMALLEST = len(b'{"a":1}')


class UsageField:
    """The field at the top of a body in which a dialect states usage.

    Args:
        name: as it stands there, in quotes.
        read: the usage of a body as it stands there; empty where none can be found.
    """

    __slots__ = ("_name", "_read")

    def __init__(self, name: bytes, read: Callable[[bytes], bytes]) -> None:
        self._name = name
        self._read = read

    def with_cost(self, body: bytes, cost: int | None, mark: bytes = b"") -> bytes:
        """The same JSON object with `cost` in its usage, in US dollars; unchanged without usage or with a cost already.

        Args:
            body: a whole answer or one chunk of a stream.
            cost: nano-dollars; None is unknown and adds nothing.
            mark: what `read_answer` says about the body: it has usage, counts in it, and no cost.
        """
        if cost is None:
            return body
        field = self._name
        name = body.find(field)
        if name < 0:
            return body
        if type(cost) is int:
            new = b'{"cost":%b,' % usd_text(cost).encode()
        else:
            new = opening(cost, plain=body.find(b'"cost_details"') >= 0)
        behind = name + len(field)
        if mark and body.find(field, behind) < 0:  # the only place for usage, if it has a colon and an object
            at = body.find(b"{", behind)
            if body[behind:at].strip() == b":":
                return b"".join((body[:at], new, body[at + 1 :]))
        usage = self._read(body)  # what is wrong with a body that has none, read_answer has told or will tell
        if len(usage) < _SMALLEST or not usage.startswith(b"{"):
            return body
        if usage.find(b'"cost"') >= 0 or not usage[1:-1].strip():
            return body
        return self._insert(body, usage, new + usage[1:])

    def _insert(self, body: bytes, old: bytes, new: bytes) -> bytes:
        """The body with its usage replaced; where the same bytes stand twice, the one that counts is found."""
        at = len(body)
        while (at := body.rfind(old, 0, at + len(old) - 1)) >= 0:
            changed = b"".join((body[:at], new, body[at + len(old) :]))
            if self._read(changed) == new:
                return changed
        return body
