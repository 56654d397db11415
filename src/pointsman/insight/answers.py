"""What questions are answered with: frozen values; `to_json` makes them JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from pointsman.core.billed import Billed
from pointsman.core.outcome import Form, Purpose, Status
from pointsman.core.plan import Dropped, Needs
from pointsman.core.usage import Fees, Usage
from pointsman.store.decisions import StepRecord

Period = Literal["day", "month"]
"""In UTC."""


def to_json(value: Any) -> bytes:
    """JSON of any answer of this room."""
    return msgspec.json.encode(value)


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls; empty is all.

    Attributes:
        route, model, provider, key, team, project: exact names (`key` is a key's id); model and provider are those
            that answered.
        status: `ok`, `refused`, `failed`, `cancelled` or `stale`.
        since: nanoseconds since the epoch.
        id_prefix: first characters of the call's id.
    """

    route: str = ""
    model: str = ""
    provider: str = ""
    status: Status | None = None
    key: str = ""
    team: str = ""
    project: str = ""
    since: int = 0
    id_prefix: str = ""


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """A call in a list. Times in nanoseconds, cost in nano-dollars; `provider` and `model` are empty if none answered.

    `usage` is None where it is unknown, `cost` where there is no price. `estimated_cost` is the part of `cost` that
    stands on tokens counted by us, those of attempts that were called off included. `unpriced`: it was answered or used
    tokens, or may have, and has no cost; without that no `cost` means that nothing was billed that is known.
    """

    id: str
    started: int
    duration: int
    overhead: int
    first_byte: int | None
    surface: str
    dialect: str
    asked: str
    status: Status
    http_status: int
    error: str
    detail: str
    key: str
    route: str
    provider: str
    model: str
    upstream: str
    attempts: int
    cost: int | None
    usage: Usage | None
    finish: str
    answer_id: str
    session: str
    tags: str
    user: str
    team: str = ""
    project: str = ""
    estimated_cost: int = 0
    unpriced: bool = False


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Calls in the order in which the store got them.

    Attributes:
        calls: oldest first.
        next: where to go on: the place of the last call that this answer has looked at.
        more: whether others are there already.
        gap: whether calls before these may be missing: the store was replaced, or so old an order is forgotten.
    """

    calls: tuple[CallRow, ...]
    next: int
    more: bool = False
    gap: bool = False


class AttemptRow(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, as `core.outcome.Attempt`.

    Attributes:
        price_digest: the price that it was billed by, in the table `prices`; empty where it is unpriced, or older than
            that table.
        cost_details: nano-dollars by kind, which add up to `cost`; None where it was not billed by its tokens.
        unpriced: what was used besides and has no price: it is not in `cost`.
        bill: the same line by line, with counts and prices, and how it stands in the books.
    """

    number: int
    provider: str
    model: str
    upstream: str
    started: int
    duration: int
    first_byte: int | None
    status: int
    error: str
    detail: str
    cost: int | None
    usage: Usage | None
    form: Form = ""
    key_env: str = ""
    purpose: Purpose = "answer"
    price_digest: str = ""
    cost_details: dict[str, int] | None = None
    unpriced: Fees = ()
    bill: Billed = Billed(state="unknown")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of a call: what was chosen, what was left out and why, and by what chance."""

    digest: str
    route: str
    strategy: str
    policy: str
    reason: str
    steps: tuple[StepRecord, ...]
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...]
    propensity: float | None
    draw: float | None


class CallDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One call in full. `request` and `answer` are there only where content was stored and is not yet expired."""

    call: CallRow
    attempts: tuple[AttemptRow, ...]
    decision: Decision | None
    needs: Needs | None
    request: bytes | None = None
    answer: bytes | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in nanoseconds over the newest answered calls; `calls` says how many they stand on."""

    calls: int = 0
    p50: int | None = None
    p95: int | None = None


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a set of calls.

    Attributes:
        calls: all of them; each is also in exactly one of ok, refused, failed, cancelled, stale.
        input_tokens: cached ones included; `cached_tokens` are those read from a cache.
        cost: nano-dollars of the calls that have a price.
        unpriced: calls that used tokens, or were answered, and have no cost: their money is not in `cost`.
        estimated, estimated_cost: calls of which tokens were counted by us, because a provider states none or an
            attempt was called off, and the nano-dollars that stand on these; a part of `calls` and `cost`.
        attempts: requests to providers.
        duration, first_byte: of calls that were answered.
    """

    calls: int = 0
    ok: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0
    stale: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost: int = 0
    unpriced: int = 0
    estimated: int = 0
    estimated_cost: int = 0
    attempts: int = 0
    duration: Latency = Latency()
    first_byte: Latency = Latency()


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Totals since a moment (nanoseconds since the epoch), over all and by name, most calls first."""

    since: int
    all: Sums
    by_model: dict[str, Sums]
    by_provider: dict[str, Sums]
    by_route: dict[str, Sums]


class Conformance(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a model's answers to requests for JSON were what was asked for.

    Attributes:
        model: our name of it; empty names do not occur.
        asked: answers that were judged.
        ok: those of them that were JSON, and had what the schema demands at its top.
        share: of `ok` in `asked`, 0 to 1.
        since: when the first of them was asked for, nanoseconds since the epoch.
    """

    model: str
    asked: int
    ok: int
    share: float
    since: int


class ModelUse(msgspec.Struct, frozen=True, kw_only=True):
    """What attempts on a model used and were booked at, since a moment.

    `first` is when the first of them began (nanoseconds since the epoch), `cost` nano-dollars.
    """

    model: str
    attempts: int
    input: int
    output: int
    cost: int
    first: int


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time: its start (nanoseconds since the epoch) and what happened in it.

    `cost` (nano-dollars) is without that of `unpriced` calls.
    """

    start: int
    calls: int = 0
    ok: int = 0
    failed: int = 0
    tokens: int = 0
    cost: int = 0
    unpriced: int = 0


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """How reliable one provider or model was over a stretch of time. Times are nanoseconds.

    Attributes:
        start, length: the stretch, `start` since the epoch.
        downtime: within it; what lasts counts up to its end.
        uptime: the share of the stretch without downtime, 0 to 1; None where nothing was asked and nothing was down.
        incidents: those that began in it, and in the first stretch those that it found. `lasting` are not over yet.
        recovery: mean time until they were over; those that last count up to the stretch's end. None without incidents.
        requests, failed: attempts in it, and those of them that failed; over all keys.
    """

    start: int
    length: int
    downtime: int
    uptime: float | None
    incidents: int
    lasting: int
    recovery: int | None
    requests: int
    failed: int


class Uptime(msgspec.Struct, frozen=True, kw_only=True):
    """A provider with its models, or one of these (`name` is then the provider's own name of it).

    Attributes:
        key: the variable of the key, where a provider has several.
        total: over the whole time.
        periods: by day or month, oldest first.
        models: of a provider.
    """

    name: str
    key: str = ""
    total: Stretch
    periods: tuple[Stretch, ...]
    models: tuple[Uptime, ...] = ()


class Failovers(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a route's calls had to leave their first model.

    Attributes:
        calls: answered or failed, with at least one request to a provider.
        failovers: of these, those of more than one attempt, or answered by another model than if all were well.
        share: of `failovers` in `calls`, 0 to 1.
        primary: the model that most of them left; empty where none did.
        advice: what to do about it; empty where nothing is due.
    """

    route: str
    calls: int
    failovers: int
    share: float
    primary: str
    advice: str


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """Providers by name, routes with most calls first; from `since` until `until`, nanoseconds since the epoch."""

    since: int
    until: int
    by: Period
    providers: tuple[Uptime, ...]
    routes: tuple[Failovers, ...]
