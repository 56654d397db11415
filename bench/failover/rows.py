"""The rows: what goes wrong, where it goes wrong, and which line of the table of failures it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pointsman.core.failure import RULES, FailureKind
from pointsman.testing import FAULTS

Asked = Literal["two", "alone", "once"]
Place = Literal["simulator", "closed", "nowhere", "plain", "stranger", "full", "keyless"]
"""Where a provider is: a port that refuses, a name that does not resolve, TLS asked of a port without it, TLS with a
certificate of nobody's, a port whose queue is full, and one for which we have no key."""
FORMS = (False, True)
CALLERS = ("openai-chat", "openai-responses", "anthropic-messages")
ASKED: tuple[Asked, ...] = ("two", "alone", "once")
TOLD = 1.0  # seconds that a provider asks for, within a route's patience
FAR = 30.0  # seconds beyond it


@dataclass(frozen=True)
class Row:
    """One way to fail.

    `whole` and `stream` say whether it is a failure at all in that form; `midway`, whether content has gone out before
    it strikes a stream. `begun`: the caller asks to go on from a begun answer. `warm`: calls made before the one that
    counts.
    """

    name: str
    kind: FailureKind | None
    meaning: str
    fault: str = ""
    place: Place = "simulator"
    status: int = 0
    seconds: float | None = None
    told: float | None = None
    whole: bool = True
    stream: bool = True
    midway: bool = False
    begun: bool = False
    warm: int = 0

    def fails(self, *, stream: bool) -> bool:
        """Whether there is a failure in this form."""
        return self.stream if stream else self.whole


@dataclass(frozen=True)
class Cell:
    """One call to be made: a row, a form, a caller's dialect, who could answer besides, and what providers speak."""

    row: Row
    stream: bool
    dialect: str
    asked: Asked
    number: int
    primary: str
    secondary: str

    @property
    def name(self) -> str:
        return f"c{self.number}"

    @property
    def first(self) -> str:
        return f"{self.name}a"

    @property
    def second(self) -> str:
        return f"{self.name}b"


def _of_fault(name: str) -> Row:
    fault = FAULTS[name]
    return Row(
        name=name,
        kind=fault.failure,
        meaning=fault.meaning,
        fault=name,
        status=fault.status,
        seconds=TOLD if fault.retry_after else None,
        told=TOLD if fault.retry_after else None,
        whole=fault.failure is not None and (fault.begun or fault.whole != "deliver"),
        stream=fault.failure is not None and (fault.begun or fault.stream != "deliver"),
        midway=fault.failure is not None and fault.stream == "error",
        begun=fault.begun,
    )


_SLOW = ("slow_first", "slow_token", "slow_drip")
_NOT_HERE = {*_SLOW, "huge", "broken_arguments"}
_BEYOND = {"status": 429, "seconds": FAR, "told": FAR}
_OTHERS = (
    Row("slow_first", "silent", "The first byte takes longer than its limit.", "slow_first", seconds=6.0),
    Row("slow_token", "silent", "Headers at once, the first content later than its limit.", "slow_token", seconds=6.0),
    Row("slow_drip", "too_long", "It drips on beyond the total limit.", "slow_drip", seconds=0.15, midway=True),
    Row("rate_limit_far", "rate_limited", "The wait is beyond patience.", "rate_limit_seconds", **_BEYOND),
    Row("resting", "resting", "It asked for a long pause a moment ago.", "rate_limit_seconds", **_BEYOND, warm=1),
    Row("closed_port", "no_connection", "Nobody listens.", place="closed"),
    Row("no_address", "no_address", "The name does not resolve.", place="nowhere"),
    Row("tls_plain", "tls", "TLS asked of a port that speaks none.", place="plain"),
    Row("tls_stranger", "tls", "A certificate that nobody trusts.", place="stranger"),
    Row("connect_silent", "connect_timeout", "The port's queue is full: no connection comes about.", place="full"),
    Row("no_key", "not_asked", "We have no key for it.", place="keyless"),
)
_FAULTS = (_of_fault(name) for name in FAULTS if name not in _NOT_HERE)
ROWS: dict[str, Row] = {row.name: row for row in (*_FAULTS, *_OTHERS)}
"""Every row, in the order of `FAULTS`, then those that take limits, a second call or a place of their own."""


def cells(
    rows: list[Row], callers: tuple[str, ...], primary: str = "same", secondary: str = "openai-chat"
) -> list[Cell]:
    """Every call to be made. Those where nothing is owed a second time are not made with `once`.

    `primary` and `secondary` are the dialects of the providers; `same` is the caller's.
    """
    made: list[Cell] = []
    for row in rows:
        for stream in FORMS:
            for asked in ASKED:
                if asked == "once" and not _heals(row, stream=stream):
                    continue
                for dialect in callers:
                    first, second = (dialect if spoken == "same" else spoken for spoken in (primary, secondary))
                    made.append(Cell(row, stream, dialect, asked, len(made), first, second))
    return made


def _heals(row: Row, *, stream: bool) -> bool:
    """Whether the table asks the same provider once more, and the simulator can be well by then."""
    if row.kind is None or row.place != "simulator" or row.warm or not row.fails(stream=stream):
        return False
    again = RULES[row.kind].again
    return again == "quick" or (again == "told" and (row.told or 0.0) < FAR)
