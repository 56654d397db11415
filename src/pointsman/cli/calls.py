"""Calls of the ledger as lines for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from pointsman.cli import figures
from pointsman.cli.table import Table
from pointsman.cli.terminal import paint, plain
from pointsman.core.usage import Usage
from pointsman.insight.answers import AttemptRow, CallDetail, CallRow, Decision

HEAD = ("WHEN", "STATUS", "ASKED", "ANSWERED BY", "TRIES", "TIME", "IN", "OUT", "COST", "ID")
_NUMBERS = frozenset({4, 5, 6, 7, 8})
_KEPT = frozenset({0, 1, 5, 8, 9})
_SPARE = (4, 6, 7, 2)
_SHORT_ID = 14  # time and 20 random bits: enough to name a call by
_WIDE = ("", "cancelled", "", "provider/a-model", "", "999 ms", "≈99999", "≈9999", "≈$0.00000001", "")
_STATUS = {"ok": "green", "refused": "yellow", "failed": "red", "cancelled": "yellow", "stale": "yellow"}


def table(rows: Sequence[CallRow], *, more: bool = False) -> Table:
    """The layout for these calls; `more` leaves room for others."""
    lines = [row(one) for one in rows]
    return Table(HEAD, [*lines, _WIDE] if more else lines, right=_NUMBERS, keep=_KEPT, spare=_SPARE)


def row(call: CallRow) -> tuple[str, ...]:
    """One line of the list; what went wrong stands in the place of who answered."""
    usage = call.usage
    people = sys.stdout.isatty()  # who has the year in mind, and copies as little as possible
    return (
        figures.moment(call.started)[5:-1] if people else figures.moment(call.started),
        paint(call.status, _STATUS[call.status]),
        plain(call.asked) or "-",
        plain(call.model or call.error or "-"),
        str(call.attempts),
        figures.seconds(call.duration),
        "-" if usage is None else _about(usage) + str(usage.input),
        "-" if usage is None else _about(usage) + str(usage.output),
        _cost_of(call),
        call.id[:_SHORT_ID] if people else call.id,
    )


def head(found: CallDetail) -> Iterator[str]:
    """One call and its decision, without its attempts."""
    call = found.call
    yield f"{paint(call.id, 'bold')}  {paint(call.status, _STATUS[call.status])}  HTTP {call.http_status}"
    yield from _pairs(
        ("when", figures.moment(call.started)),
        ("surface", f"{call.surface} ({call.dialect})" if call.dialect else call.surface),
        ("asked", plain(call.asked)),
        ("answered by", plain(f"{call.model} ({call.provider}: {call.upstream})") if call.model else ""),
        ("error", plain(f"{call.error}: {call.detail}") if call.error else ""),
        ("time", _times(call.duration, call.first_byte) + f", {figures.seconds(call.overhead)} of it in the gateway"),
        ("tokens", _tokens(call.usage)),
        ("cost", _cost_of(call).removeprefix("-")),
        ("finish", plain(call.finish)),
        ("answer id", plain(call.answer_id)),
        ("key", plain(call.key)),
        ("session", plain(call.session)),
        ("tags", plain(call.tags)),
        ("user", plain(call.user)),
    )
    if found.decision is not None:
        yield ""
        yield from _decided(found.decision, call.dialect)
    yield ""


def whole(found: CallDetail) -> Iterator[str]:
    """One call in full."""
    yield from head(found)
    yield paint("attempts", "dim") if found.attempts else paint("no attempts: nothing was sent", "dim")
    for attempt in found.attempts:
        yield _attempt(attempt)
        if attempt.cost_details:
            yield f"     {_parts(attempt)}"
    for name, text in (("request", found.request), ("answer", found.answer)):
        if text is not None:
            yield ""
            yield paint(name, "dim")
            yield plain(text.decode("utf-8", "replace"))


def _rough(call: CallRow) -> str:
    """The mark of its cost: where that of one attempt is estimated, so is the sum."""
    return "≈" if call.estimated_cost else _about(call.usage)


def _decided(decision: Decision, dialect: str) -> Iterator[str]:
    yield paint("decision", "dim")
    chance = "" if decision.propensity in (None, 1.0) else f", drawn with probability {decision.propensity}"
    yield f"  route {plain(decision.route)}, {decision.strategy}: {plain(decision.reason)}{chance} ({decision.policy})"
    for number, step in enumerate(decision.steps, 1):
        across = f"  translated to {plain(step.dialect)}" if step.dialect not in ("", dialect) else ""
        yield f"  {number}. {plain(step.model)}{across}"
    for left in decision.dropped:
        yield f"  x  {plain(left.model)}  dropped  {plain(left.detail)}"
    for warning in decision.warnings:
        yield f"  !  {plain(warning)}"


def _attempt(attempt: AttemptRow) -> str:
    said = f"HTTP {attempt.status}" if attempt.status else "no answer"
    key = f", ${plain(attempt.key_env)}" if attempt.key_env else ""
    key += f", {attempt.purpose}" if attempt.purpose != "answer" else ""
    parts = [
        f"  {attempt.number}. {plain(attempt.model)} ({plain(attempt.provider)}{key})",
        said,
        _times(attempt.duration, attempt.first_byte),
    ]
    if attempt.usage is not None:
        parts += [_tokens(attempt.usage), _about(attempt.usage) + figures.cost(attempt.cost)]
    elif attempt.bill.state == "unpriced":
        parts.append(figures.cost(None))
    if attempt.form:
        parts.append("JSON" if attempt.form == "ok" else paint("broken JSON", "yellow"))
    if attempt.error:
        parts.append(paint(plain(f"{attempt.error}: {attempt.detail}" if attempt.detail else attempt.error), "red"))
    return "  ".join(parts)


def _parts(attempt: AttemptRow) -> str:
    """What the cost is made of, and what was used that has no price."""
    parts = [f"{name.replace('_', ' ')} {figures.cost(nanos)}" for name, nanos in (attempt.cost_details or {}).items()]
    parts += [f"{count} {name.replace('_', ' ')} unpriced" for name, count in attempt.unpriced]
    if attempt.usage is not None and attempt.usage.service:
        parts.append(f"served as {plain(attempt.usage.service)}")
    return paint(plain(", ".join(parts)), "dim")


def _pairs(*pairs: tuple[str, str]) -> Iterator[str]:
    for name, value in pairs:
        if value:
            yield f"  {name:<12} {value}"


def _times(duration: int, first_byte: int | None) -> str:
    first = "" if first_byte is None else f" (first byte {figures.seconds(first_byte)})"
    return figures.seconds(duration) + first


def _tokens(usage: Usage | None) -> str:
    if usage is None:
        return ""
    extra = [
        f"{count} {name}"
        for count, name in (
            (usage.cache_read, "from cache"),
            (usage.cache_write + usage.cache_write_1h, "to cache"),
            (usage.reasoning, "reasoning"),
        )
        if count
    ]
    more = f" ({', '.join(extra)})" if extra else ""
    return f"{usage.input} in, {usage.output} out{more}" + (", estimated" if usage.estimated else "")


def _cost_of(call: CallRow) -> str:
    """What it cost; where nothing was answered there is nothing to price."""
    if call.cost is None:
        return figures.cost(None) if call.unpriced else "-"
    return _rough(call) + figures.cost(call.cost)


def _about(usage: Usage | None) -> str:
    """The mark of figures that stand on an estimate."""
    return "≈" if usage is not None and usage.estimated else ""
