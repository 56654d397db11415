"""Whatever a call was, the ledger gives it back: outcome to rows to detail."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.clock import SystemClock
from pointsman.core.model import Ability, Model, Price, Provider
from pointsman.core.outcome import Attempt, Outcome
from pointsman.core.plan import Dropped, Needs, Plan, Step
from pointsman.core.usage import Usage
from pointsman.insight.queries import Questions
from pointsman.store.decisions import Decisions, content_digest
from pointsman.store.ledger import Ledger
from pointsman.store.settings import LedgerSettings
from pointsman.store.text import DETAIL_CHARS, NAME_CHARS, clip

COUNTS = st.integers(0, 2**53)
NANOS = st.integers(0, 2**63 - 1)
TEXT = st.text(max_size=300)
NAME = st.text(min_size=1, max_size=40)
SHARE = st.floats(0, 1, exclude_max=True)
COUNTED = [name for name in Usage.__struct_fields__ if name not in ("estimated", "service", "fees")]
USAGE = st.builds(
    Usage,
    **dict.fromkeys(COUNTED, COUNTS),
    estimated=st.booleans(),
    service=st.sampled_from(["", "flex", "batch+us"]),
    fees=st.sampled_from([(), (("web_search", 3),), (("web_search", 1), ("x_search", 2))]),
)
MODEL = st.builds(
    Model,
    name=NAME,
    provider=st.builds(Provider, name=NAME, dialect=st.just("openai-chat"), base_url=st.just("http://127.0.0.1")),
    upstream=NAME,
    price=st.none() | st.builds(Price, input=COUNTS, output=COUNTS),
)
PLANS = st.builds(
    Plan,
    route=NAME,
    strategy=st.sampled_from(["fixed", "chain", "cheapest"]),
    steps=st.lists(st.builds(Step, model=MODEL), min_size=1, max_size=3).map(tuple),
    dropped=st.lists(st.builds(Dropped, model=NAME, reason=st.just("context"), detail=TEXT), max_size=3).map(tuple),
    reason=TEXT,
    propensity=SHARE,
    policy=NAME,
    warnings=st.lists(TEXT, max_size=2).map(tuple),
)
NEEDS = st.builds(
    Needs,
    dialect=st.just("openai-chat"),
    abilities=st.integers(0, 4095).map(Ability),
    **dict.fromkeys(("input_tokens", "output_tokens", "messages", "tools", "images", "choices", "body_bytes"), COUNTS),
    stream=st.booleans(),
)
ATTEMPT = st.builds(
    Attempt,
    number=st.integers(1, 9),
    provider=NAME,
    model=NAME,
    upstream=NAME,
    started=NANOS,
    duration=NANOS,
    first_byte=st.none() | NANOS,
    status=st.integers(0, 599),
    error=st.sampled_from(["", "upstream_timeout"]),
    detail=TEXT,
    usage=st.none() | USAGE,
    cost=st.none() | NANOS,
    form=st.sampled_from(["", "ok", "broken"]),
    key_env=st.sampled_from(["", "KEY_A"]),
)
OUTCOME = st.builds(
    Outcome,
    id=st.just(""),
    started=NANOS,
    duration=NANOS,
    surface=st.just("chat.completions"),
    dialect=st.just("openai-chat"),
    asked=TEXT,
    status=st.sampled_from(["ok", "refused", "failed", "cancelled"]),
    http_status=st.integers(100, 599),
    overhead=NANOS,
    first_byte=st.none() | NANOS,
    key=st.sampled_from(["", "k1"]),
    error=st.sampled_from(["", "no_candidate"]),
    detail=st.text(max_size=3_000),
    plan=st.none() | PLANS,
    draw=st.none() | SHARE,
    needs=st.none() | NEEDS,
    attempts=st.lists(ATTEMPT, max_size=3, unique_by=lambda one: one.number).map(
        lambda found: tuple(sorted(found, key=lambda one: one.number))
    ),
    usage=st.none() | USAGE,
    cost=st.none() | NANOS,
    finish=TEXT,
    answer_id=TEXT,
    session=TEXT,
    tags=TEXT,
    user=TEXT,
    request_body=st.none(),
    answer_body=st.none(),
)


@given(one=OUTCOME)
def test_a_plans_digest_is_of_its_content(one):
    if one.plan is None:
        return
    decisions = Decisions()
    assert decisions.digest(one.plan) == decisions.digest(one.plan) == content_digest(one.plan)


def test_what_was_recorded_is_what_is_read(store_url, make):
    ledger = Ledger(store_url, SystemClock(), LedgerSettings(interval=0.001))
    ledger.start()
    ledger.ready()
    questions = Questions(store_url)

    @settings(max_examples=examples(50), deadline=None)
    @given(found=st.lists(OUTCOME, min_size=1, max_size=4))
    def holds(found) -> None:
        found = [msgspec.structs.replace(one, id=make.IDS.new(one.started)) for one in found]
        for one in found:
            ledger.record(one)
        assert ledger.flush(20)
        for one in found:
            same(one, questions.call(one.id))

    holds()
    questions.close()
    assert ledger.close()
    assert ledger.stats().dropped == 0


def same(one: Outcome, detail) -> None:
    call = detail.call
    assert call.detail == clip(one.detail, DETAIL_CHARS)
    for mine, theirs in ((call.asked, one.asked), (call.session, one.session), (call.tags, one.tags)):
        assert mine == clip(theirs, NAME_CHARS)
    assert (call.user, call.finish, call.answer_id) == (clip(one.user), clip(one.finish), clip(one.answer_id))
    assert (call.status, call.http_status, call.error, call.key) == (one.status, one.http_status, one.error, one.key)
    assert (call.overhead, call.first_byte) == (one.overhead, one.first_byte)
    assert (call.usage, call.cost, detail.needs) == (one.usage, one.cost, one.needs)
    served = one.served_by
    assert call.model == ("" if served is None else clip(served.model))
    assert len(detail.attempts) == call.attempts == len(one.attempts)
    for row, attempt in zip(detail.attempts, one.attempts, strict=True):
        assert (row.number, row.provider, row.model) == (attempt.number, clip(attempt.provider), clip(attempt.model))
        assert (row.usage, row.cost, row.detail) == (attempt.usage, attempt.cost, clip(attempt.detail, DETAIL_CHARS))
        assert (row.started, row.duration, row.first_byte) == (attempt.started, attempt.duration, attempt.first_byte)
    if one.plan is None:
        assert detail.decision is None
        return
    decision = detail.decision
    assert (decision.propensity, decision.draw) == (one.plan.propensity, one.draw)
    assert [step.model for step in decision.steps] == [clip(step.model.name) for step in one.plan.steps]
    assert [step.dialect for step in decision.steps] == [clip(step.dialect) for step in one.plan.steps]
    assert [step.price for step in decision.steps] == [step.model.price for step in one.plan.steps]
    assert [gone.detail for gone in decision.dropped] == [clip(gone.detail, DETAIL_CHARS) for gone in one.plan.dropped]
