"""What the table of failures promises for a cell, and what of it did not come."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.failover.caller import Got, Heard
from bench.failover.rows import FAR, TOLD, Cell

from pointsman.core.failure import RULES

LONGEST = 15.0  # seconds; beyond it a call hangs
MOST_ATTEMPTS = 10
HAMMERING = 1.5  # seconds, in which a provider that limits its callers is asked at most twice
_QUICK = (0.15, 0.9)  # seconds before a quick second try; the upper end leaves room for a busy machine
_UNANSWERED = ("refused", "reset", "closed")
"""A kept connection that ends before any answer may just have been closed for being idle: each attempt is made anew on
a fresh one, which the provider sees."""
_LATE = 0.5  # seconds by which a wait that was told may be longer


@dataclass(frozen=True)
class Owed:
    """What should come.

    Attributes:
        answer: a whole answer, by the first (`a`) or the second (`b`) provider; empty: an error.
        statuses: of the error; any error where empty.
        retry_after: the error says when to come again.
        firsts, seconds: attempts at each provider, as they see it; the least and the most.
        gap: seconds before the second attempt at the first provider.
    """

    answer: str = ""
    statuses: tuple[int, ...] = ()
    retry_after: bool = False
    firsts: tuple[int, int] = (1, 1)
    seconds: tuple[int, int] = (0, 0)
    gap: tuple[float, float] | None = None


def owed(cell: Cell) -> Owed:
    """By `core.failure.RULES`."""
    row = cell.row
    if row.kind is None or not row.fails(stream=cell.stream):
        return Owed(answer="a")
    rule = RULES[row.kind]
    sent = 0 if row.place != "simulator" or row.warm else 1
    twice = 2 if row.fault in _UNANSWERED else 1
    if cell.asked == "two" and rule.elsewhere != "no":
        return Owed(answer="b", firsts=(sent, sent * twice), seconds=(1, 1))
    again = cell.asked != "two" and (
        rule.again == "quick" or (rule.again == "told" and (row.told is None or row.told < FAR))
    )
    firsts = ((1 + again) * sent, (1 + again) * sent * twice)
    gap = _gap(cell) if again and sent else None
    if cell.asked == "once":
        return Owed(answer="a", firsts=firsts, gap=gap)
    told = "`retry-after`" in rule.caller and row.told is not None
    midway = cell.stream and row.midway
    if midway:  # whether a begun answer is gone on from by the one that broke it is no matter of the table
        firsts = (min(firsts[0], 1), 2)
    return Owed(statuses=() if midway else _statuses(cell), retry_after=told and not midway, firsts=firsts, gap=gap)


def _gap(cell: Cell) -> tuple[float, float]:
    row = cell.row
    if row.told is not None:
        early = 1.0 if row.name == "rate_limit_date" else 0.0  # dates have no parts of a second
        return row.told - early - 0.01, row.told + _LATE
    return (TOLD - 0.1, TOLD + _LATE) if row.kind == "rate_limited" else _QUICK


def _statuses(cell: Cell) -> tuple[int, ...]:
    """Statuses that the table's words for the caller allow."""
    row = cell.row
    caller = RULES[row.kind].caller if row.kind else ""
    if found := re.findall(r"\b\d{3}\b", caller):
        return tuple(map(int, found))
    if "status" not in caller:
        return ()
    return (500, 502) if row.status in (0, 200) else (row.status,)


@dataclass(frozen=True)
class Result:
    """What came of one cell. Times in seconds; `gaps` between the end of an attempt and the next one's beginning.

    `by` is who answered by the ledger (`a`, `b` or nobody), `row` the ledger's call with its attempts.
    """

    cell: Cell
    heard: Heard
    got: Got
    wanted: str
    firsts: tuple[float, ...]
    seconds: tuple[float, ...]
    gaps: tuple[float, ...]
    by: str
    ledger: dict[str, object]
    attempts: tuple[dict[str, object], ...]
    prices: tuple[dict[str, int], dict[str, int]]
    names: tuple[str, str]
    alive: bool

    @property
    def whole(self) -> bool:
        """Whether the caller takes what it has for the whole answer: a proper end and no error."""
        return self.heard.status == 200 and self.heard.ended and not self.got.error

    @property
    def continued(self) -> bool:
        """Whether the answer came from more than one attempt."""
        return self.whole and self.cell.stream and self.cell.row.midway and len(self.attempts) > 1

    @property
    def text(self) -> str:
        """How much of the text came."""
        if self.got.text == self.wanted:
            return "whole"
        if not self.got.text:
            return "none"
        return f"first {len(self.got.text)}" if self.wanted.startswith(self.got.text) else "WRONG"


def broken(result: Result) -> list[str]:
    """What must never be; each fails the run."""
    cell, heard, got = result.cell, result.heard, result.got
    odd = cell.row.name == "empty"
    said = []
    if heard.ending == "hang" or heard.took > LONGEST:
        said.append(f"hangs: {heard.took:.1f} s")
    if result.whole and not odd and (got.text != result.wanted or (got.last or result.wanted) != result.wanted):
        said.append(f"shown as whole, and is not: {result.text}, {len(got.text)} of {len(result.wanted)} letters")
    if not odd and result.text == "WRONG":
        said.append("text repeated, lost or changed")
    if not heard.status or (not heard.ended and not got.error):
        said.append(f"the connection ends without an error ({heard.ending or 'no head'})")
    count = max(len(result.firsts) + len(result.seconds), len(result.attempts))
    if count > MOST_ATTEMPTS:
        said.append(f"{count} attempts")
    if cell.row.kind == "rate_limited" and result.firsts:
        early = sum(at - result.firsts[0] < HAMMERING for at in result.firsts)
        if early > 2:
            said.append(f"hammers: {early} attempts in {HAMMERING} s")
    if not result.ledger:
        said.append("missing from the ledger")
    said += _billed(result)
    if not result.alive:
        said.append("no healthy answer afterwards")
    return said


def _billed(result: Result) -> list[str]:
    """Failed attempts are not billed as answers, and the one that answered is billed at its own price.

    What broke in the middle of a stream is billed for what had come.
    """
    in_part = result.cell.stream and result.cell.row.midway
    said = [
        f"the failed attempt at {attempt['provider']} is billed"
        for attempt in result.attempts
        if attempt["error"] and attempt["cost"] and not in_part
    ]
    usage = result.ledger.get("usage")
    if result.whole and result.by and isinstance(usage, dict) and not result.continued:
        price = result.prices["ab".index(result.by)]
        cost = 1000 * (usage["input"] * price["input"] + usage["output"] * price["output"])
        if result.ledger["cost"] != cost and not usage["cache_read"]:
            said.append(f"billed {result.ledger['cost']}, not {cost}")
    return said


def differing(result: Result) -> list[str]:
    """Where it is not as the table of failures says."""
    due, heard = owed(result.cell), result.heard
    said = []
    if due.answer and not result.whole:
        said.append(f"{_outcome(result)} where {due.answer} should have answered")
    elif due.answer and result.by != due.answer:
        said.append(f"{result.by or 'nobody'} answered, not {due.answer}")
    elif not due.answer and result.whole:
        said.append(f"{result.by} answered where an error is due")
    elif not due.answer and due.statuses and heard.status not in due.statuses:
        said.append(f"{heard.status}, not {' or '.join(map(str, due.statuses))}")
    if due.retry_after and "retry-after" not in heard.headers:
        said.append("no retry-after")
    for name, times, (least, most) in (("a", result.firsts, due.firsts), ("b", result.seconds, due.seconds)):
        if not least <= len(times) <= most:
            said.append(f"{len(times)} attempts at {name}, not {least if least == most else f'{least} to {most}'}")
    if due.gap is not None and result.gaps and not due.gap[0] <= result.gaps[0] <= due.gap[1]:
        said.append(f"asked again after {result.gaps[0]:.2f} s, not {due.gap[0]:.2f} to {due.gap[1]:.2f}")
    if result.whole and result.by and result.cell.row.name != "usage_missing":
        said += _told(result)
    return said


def _told(result: Result) -> list[str]:
    """Model and usage of the one that answered, to the caller and in the ledger alike."""
    usage = result.ledger.get("usage")
    if not isinstance(usage, dict):
        return ["no usage in the ledger"]
    said = []
    model = result.names["ab".index(result.by)]
    if result.got.model != model and not result.continued:
        said.append(f"the answer says {result.got.model!r}, not {model!r}")
    if result.got.output != usage["output"]:
        said.append(f"usage of {result.got.output}, {usage['output']} in the ledger")
    return said


def _outcome(result: Result) -> str:
    return f"{result.heard.status} {result.got.error or result.heard.ending}".strip()
