"""What became of a call: one `Outcome` with its `Attempt`s; the ledger keeps it, every observer reads it."""

from __future__ import annotations

from typing import Literal

import msgspec

from pointsman.core.errors import Outpaced
from pointsman.core.model import Price
from pointsman.core.plan import Needs, Plan
from pointsman.core.usage import Usage

Status = Literal["ok", "refused", "failed", "cancelled", "stale"]
Form = Literal["", "ok", "broken"]
"""Whether an answer has the form that was asked for; empty where none was, or where nothing can be said."""

Purpose = Literal["answer", "hedge", "continuation", "check"]
"""What an attempt was for: to answer, to be quicker than another, to go on with a broken stream, to see who is well."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One real request to a provider.

    Attributes:
        number: 1-based order within the call.
        provider, model, upstream: who was asked, our name for it, its own name for it.
        started: nanoseconds since the epoch.
        duration: nanoseconds until its end.
        first_byte: nanoseconds until the first content byte; None if none came.
        status: HTTP status of the provider; 0 where none came.
        error: `code` of our error tree; empty when it succeeded.
        usage: tokens, where known.
        cost: nano-dollars; None is unpriced or unknown.
        form: whether the JSON that was asked for is what came.
        key_env: the variable of the key that it was asked with, where the provider has several.
        purpose: what it was for.
        price: what it is billed by, as the model's price was when it began; None is unpriced.
    """

    number: int
    provider: str
    model: str
    upstream: str
    started: int
    duration: int
    first_byte: int | None = None
    status: int = 0
    error: str = ""
    detail: str = ""
    usage: Usage | None = None
    cost: int | None = None
    form: Form = ""
    key_env: str = ""
    purpose: Purpose = "answer"
    price: Price | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One call from its first byte in to its last byte out.

    Attributes:
        id: the call's id, also `x-request-id`.
        started: nanoseconds since the epoch.
        duration: nanoseconds, whole call.
        overhead: nanoseconds spent in the gateway itself until content went out, or until the end where none did.
        first_byte: nanoseconds from the call's arrival until the first content byte left us; None if none did.
        surface: what was called, e.g. `chat.completions`.
        asked: the model name that the caller wrote.
        key: id of the caller's key; empty without keys.
        status: `ok`; `refused` (our no, or the provider's no to this request); `failed` (nobody could answer);
            `cancelled` (caller left); `stale` (nobody could answer, and an old answer stood in: no attempt is its, and
            `error` says why nobody could).
        http_status: what the caller saw.
        error: `code` of our error tree, empty when ok.
        plan: the decision; None when it was refused before there was one.
        draw: the random number that the planner was given, in [0, 1); None where there was no plan.
        needs: the features that the decision was made from.
        attempts: in order.
        usage: of the answer that was delivered.
        cost: nano-dollars over all attempts; None where the answering model is unpriced.
        finish: the provider's finish reason.
        answer_id: the id inside the answer, for look-ups by callers.
        session, tags, user: as the caller labelled it.
        team, project: of the key, when the call was made.
        smooth: it was answered by the plan's first step, at once.
    """

    id: str
    started: int
    duration: int
    surface: str
    dialect: str
    asked: str
    status: Status
    http_status: int
    overhead: int = 0
    first_byte: int | None = None
    key: str = ""
    error: str = ""
    detail: str = ""
    plan: Plan | None = None
    draw: float | None = None
    needs: Needs | None = None
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    cost: int | None = None
    finish: str = ""
    answer_id: str = ""
    session: str = ""
    tags: str = ""
    user: str = ""
    team: str = ""
    project: str = ""
    smooth: bool = False
    request_body: bytes | None = None
    answer_body: bytes | None = None

    @property
    def failed_over(self) -> bool:
        """Whether somebody failed before it was answered; who was only slower, did not."""
        return any(attempt.error not in ("", Outpaced.code) for attempt in self.attempts[:-1])

    @property
    def served_by(self) -> Attempt | None:
        """The attempt whose answer was delivered, whole or in part."""
        if not self.attempts or self.status in ("refused", "failed", "stale"):
            return None
        return self.attempts[-1]
