"""Outcomes flattened to rows, in the order of `columns.py`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import astuple

from pointsman.core.outcome import Attempt, Outcome
from pointsman.store.decisions import Decisions, plan_row
from pointsman.store.text import DETAIL_CHARS, clip, plain, scrub

Row = tuple[Any, ...]
ContentRow = tuple[str, int, bytes | None, bytes | None]
_NO_USAGE: Row = (None,) * 9
_NO_NEEDS: Row = (None,) * 9


class Batch(msgspec.Struct, kw_only=True):
    """Rows that are written in one transaction, by table."""

    plans: list[Row] = msgspec.field(default_factory=list)
    calls: list[Row] = msgspec.field(default_factory=list)
    attempts: list[Row] = msgspec.field(default_factory=list)
    contents: list[ContentRow] = msgspec.field(default_factory=list)

    def scrubbed(self) -> Batch:
        """The same, with every value made storable."""
        return Batch(
            plans=[scrub(row) for row in self.plans],
            calls=[scrub(row) for row in self.calls],
            attempts=[scrub(row) for row in self.attempts],
            contents=self.contents,
        )

    def singles(self) -> list[Batch]:
        """One batch for each call, plans first; for when one row spoils the rest."""
        attempts: dict[str, list[Row]] = {}
        for row in self.attempts:
            attempts.setdefault(row[0], []).append(row)
        contents = {row[0]: row for row in self.contents}
        return [Batch(plans=[row]) for row in self.plans] + [
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
        calls.append(_call(outcome, digest))
        for attempt in outcome.attempts:
            attempts.append(_attempt(outcome.id, attempt))
        if content_ttl_ns and (outcome.request_body is not None or outcome.answer_body is not None):
            expires = outcome.started + content_ttl_ns
            batch.contents.append((outcome.id, expires, outcome.request_body, outcome.answer_body))
    return batch


def _call(outcome: Outcome, digest: str | None) -> Row:
    plan, needs, usage, detail = outcome.plan, outcome.needs, outcome.usage, outcome.detail
    served = outcome.served_by
    route = "" if plan is None else plan.route
    provider, model, upstream = ("", "", "") if served is None else (served.provider, served.model, served.upstream)
    asked, finish, answer_id = outcome.asked, outcome.finish, outcome.answer_id
    session, tags, user = outcome.session, outcome.tags, outcome.user
    if not plain(f"{detail}{asked}{finish}{answer_id}{session}{tags}{user}{route}{provider}{model}{upstream}"):
        detail = clip(detail, DETAIL_CHARS)
        asked, finish, answer_id, session, tags, user, route, provider, model, upstream = map(
            clip, (asked, finish, answer_id, session, tags, user, route, provider, model, upstream)
        )
    return (
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
        *(_NO_USAGE if usage is None else astuple(usage)),
        finish,
        answer_id,
        session,
        tags,
        user,
        # A flag set is a class of its own, which the drivers adapt slowly or not at all: `+ 0` is the number.
        *(_NO_NEEDS if needs is None else (needs.abilities + 0, *astuple(needs)[2:])),
        outcome.team or None,
        outcome.project or None,
    )


def _attempt(call_id: str, attempt: Attempt) -> Row:
    provider, model, upstream, detail = attempt.provider, attempt.model, attempt.upstream, attempt.detail
    if not plain(f"{provider}{model}{upstream}{detail}"):
        provider, model, upstream = clip(provider), clip(model), clip(upstream)
        detail = clip(detail, DETAIL_CHARS)
    usage = attempt.usage
    return (
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
        *(_NO_USAGE if usage is None else astuple(usage)),
        attempt.form or None,
        attempt.key_env or None,
    )
