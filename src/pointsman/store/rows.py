"""Outcomes flattened to rows, in the order of `columns.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import astuple

from pointsman.core.labels import cut_label
from pointsman.core.outcome import Attempt, Outcome
from pointsman.core.plan import Needs
from pointsman.core.usage import Fees, Usage
from pointsman.store.decisions import Decisions, plan_row
from pointsman.store.price_book import price_row
from pointsman.store.text import DETAIL_CHARS, clip, plain, scrub

Row = tuple[Any, ...]
ContentRow = tuple[str, int, bytes | None, bytes | None]
_Usage = tuple[Row, str | None]
_COLUMNS = 9
"""So many of the fields of `Usage` have a column of their own; the others are rare and share one, as JSON."""
_FLAG = _COLUMNS - 1
"""Whether it is estimated: written as a number, for which no driver has to look for an adapter."""
_NO_USAGE: _Usage = ((None,) * _COLUMNS, None)
_NO_NEEDS: Row = (None,) * 9


class MoreUsage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What of `Usage` has no column of its own."""

    cache_audio: int = 0
    input_image: int = 0
    output_image: int = 0
    service: str = ""
    fees: Fees = ()


_NO_MORE = astuple(Usage())[_COLUMNS:]
_MORE = MoreUsage.__struct_fields__


class Batch(msgspec.Struct, kw_only=True):
    """Rows that are written in one transaction, by table."""

    plans: list[Row] = msgspec.field(default_factory=list)
    prices: list[Row] = msgspec.field(default_factory=list)
    calls: list[Row] = msgspec.field(default_factory=list)
    attempts: list[Row] = msgspec.field(default_factory=list)
    contents: list[ContentRow] = msgspec.field(default_factory=list)

    def scrubbed(self) -> Batch:
        """The same, with every value made storable."""
        return Batch(
            plans=[scrub(row) for row in self.plans],
            prices=[scrub(row) for row in self.prices],
            calls=[scrub(row) for row in self.calls],
            attempts=[scrub(row) for row in self.attempts],
            contents=self.contents,
        )

    def singles(self) -> list[Batch]:
        """One batch for each call, plans and prices first; for when one row spoils the rest."""
        attempts: dict[str, list[Row]] = {}
        for row in self.attempts:
            attempts.setdefault(row[0], []).append(row)
        contents = {row[0]: row for row in self.contents}
        shared = [Batch(plans=[row]) for row in self.plans] + [Batch(prices=[row]) for row in self.prices]
        return shared + [
            Batch(
                calls=[row],
                attempts=attempts.get(row[0], []),
                contents=[contents[row[0]]] if row[0] in contents else [],
            )
            for row in self.calls
        ]


def flatten(outcomes: Iterable[Outcome], decisions: Decisions, content_ttl_ns: int = 0) -> Batch:
    """Rows for these outcomes. Bodies become rows only with a time to live (nanoseconds)."""
    batch = Batch()
    calls, attempts = batch.calls, batch.attempts
    fresh: set[str] = set()
    for outcome in outcomes:
        plan = outcome.plan
        digest = None
        if plan is not None:
            digest = decisions.digest(plan)
            if not decisions.is_stored(digest) and digest not in fresh:
                fresh.add(digest)
                batch.plans.append(plan_row(plan, digest, outcome.started))
        usage = _usage(outcome.usage)
        calls.append(_call(outcome, digest, usage))
        for attempt in outcome.attempts:
            price, billed_by = attempt.price, None
            if price is not None:
                billed_by = decisions.prices.digest(price)
                if not decisions.is_stored(billed_by) and billed_by not in fresh:
                    fresh.add(billed_by)
                    batch.prices.append(price_row(price, billed_by, outcome.started))
            used = usage if attempt.usage is outcome.usage else _usage(attempt.usage)
            attempts.append(_attempt(outcome.id, attempt, billed_by, used))
        if content_ttl_ns and (outcome.request_body is not None or outcome.answer_body is not None):
            expires = outcome.started + content_ttl_ns
            batch.contents.append((outcome.id, expires, outcome.request_body, outcome.answer_body))
    return batch


def _call(outcome: Outcome, digest: str | None, usage: _Usage) -> Row:
    plan, needs, detail = outcome.plan, outcome.needs, outcome.detail
    used, more = usage
    served = outcome.served_by
    route = "" if plan is None else plan.route
    provider, model, upstream = ("", "", "") if served is None else (served.provider, served.model, served.upstream)
    asked, finish, answer_id = outcome.asked, outcome.finish, outcome.answer_id
    session, tags, user = outcome.session, outcome.tags, outcome.user
    if not plain(f"{detail}{asked}{finish}{answer_id}{session}{tags}{user}{route}{provider}{model}{upstream}"):
        detail = clip(detail, DETAIL_CHARS)
        session, user = cut_label(session), cut_label(user)
        asked, finish, answer_id, session, tags, user, route, provider, model, upstream = map(
            clip, (asked, finish, answer_id, session, tags, user, route, provider, model, upstream)
        )
    row = (
        outcome.id,
        outcome.started,
        outcome.duration,
        outcome.overhead,
        outcome.first_byte,
        outcome.surface,
        outcome.dialect,
        asked,
        outcome.status,
        outcome.http_status,
        outcome.error,
        detail,
        outcome.key,
        route,
        digest,
        None if plan is None else plan.propensity,
        outcome.draw,
        provider,
        model,
        upstream,
        len(outcome.attempts),
        outcome.cost,
        *used,
        finish,
        answer_id,
        session,
        tags,
        user,
        *(_NO_NEEDS if needs is None else _needs(needs)),
    )
    if more is None and not outcome.team and not outcome.project:
        return row
    return (*row, more, outcome.team or None, outcome.project or None)


def _needs(needs: Needs) -> Row:
    # A flag is a class of its own, which the drivers adapt slowly or not at all: `+ 0` is the number.
    return (
        needs.abilities + 0,
        needs.input_tokens,
        needs.output_tokens,
        needs.messages,
        needs.tools,
        needs.images,
        needs.stream + 0,
        needs.choices,
        needs.body_bytes,
    )


def _usage(usage: Usage | None) -> _Usage:
    """Usage as the columns of its own, and what of it shares one."""
    if usage is None:
        return _NO_USAGE
    fields = astuple(usage)
    used, rest = (*fields[:_FLAG], fields[_FLAG] + 0), fields[_COLUMNS:]
    if rest == _NO_MORE:
        return used, None
    more = MoreUsage(**dict(zip(_MORE, rest, strict=True)))
    return used, msgspec.json.encode(more).decode()


def _attempt(call_id: str, attempt: Attempt, billed_by: str | None, usage: _Usage) -> Row:
    provider, model, upstream, detail = attempt.provider, attempt.model, attempt.upstream, attempt.detail
    if not plain(f"{provider}{model}{upstream}{detail}"):
        provider, model, upstream = clip(provider), clip(model), clip(upstream)
        detail = clip(detail, DETAIL_CHARS)
    used, more = usage
    row = (
        call_id,
        attempt.number,
        provider,
        model,
        upstream,
        attempt.started,
        attempt.duration,
        attempt.first_byte,
        attempt.status,
        attempt.error,
        detail,
        attempt.cost,
        *used,
        attempt.purpose,
        billed_by,
    )
    if more is None and not attempt.form and not attempt.key_env:
        return row
    return (*row, attempt.form or None, attempt.key_env or None, more)
