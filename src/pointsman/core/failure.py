"""Every way in which a provider can fail, and what is done about it: one row each.

`docs/reference/failover.md` shows this table and says how the rows are used; a test holds the two equal. Nothing else
decides what a failure means: `line.failover` reads `Rule.elsewhere` and `Rule.again`, the health book `Rule.tells`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

FailureKind = Literal[
    "rate_limited",
    "out_of_credit",
    "bad_key",
    "forbidden",
    "model_gone",
    "context_length",
    "content_filter",
    "unsupported_parameter",
    "prefill_refused",
    "bad_request",
    "server_error",
    "overloaded",
    "no_connection",
    "no_address",
    "tls",
    "reset",
    "connect_timeout",
    "silent",
    "too_long",
    "garbage",
    "cut",
    "stalled",
    "not_asked",
    "resting",
]
Elsewhere = Literal["at_once", "larger_window", "no"]
Again = Literal["quick", "told", "no"]
Billed = Literal["no", "unknown"]
Tells = Literal["nothing", "failure", "provider_failure", "pause", "key_pause", "model_pause"]

State = Literal["closed", "degraded", "open", "half_open"]
"""Of a target. `closed`: well. `degraded`: slow or prone to errors, asked after those that are well. `open`: not asked.
`half_open`: one call at a time is let through to see."""


class Target(NamedTuple):
    """Who is asked: a provider, a model by its name there, and the variable that holds the key (empty: the only one).

    Health is known of targets, and a step of a plan names one.
    """

    provider: str
    upstream: str
    key: str = ""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about one kind of failure.

    Attributes:
        kind: its name.
        meaning: what happened, for people.
        elsewhere: whether other steps of the plan are asked: at once, only models with a larger window, or none.
        again: whether the same target is asked once more where nobody else is left: after a quarter of a second, after
            the time that the provider told (if that is within the route's patience), or not at all.
        tells: what the health book makes of it: nothing; a failure of the target; one of the whole provider; a pause of
            the target for the time told; a long pause of the key; a long pause of the model there.
        caller: what the caller sees if nobody else answers.
        billed: whether the provider takes money for it: `no`, where it refused or never had the request; else nobody
            but the provider knows, for it may have made the answer that we did not get.
    """

    kind: FailureKind
    meaning: str
    elsewhere: Elsewhere = "at_once"
    again: Again = "no"
    tells: Tells = "failure"
    caller: str = "502"
    billed: Billed = "no"


RULES: dict[FailureKind, Rule] = {
    rule.kind: rule
    for rule in (
        Rule(
            kind="rate_limited",
            meaning="429",
            again="told",
            tells="pause",
            caller="429 with `retry-after`",
        ),
        Rule(
            kind="out_of_credit",
            meaning="402, or a 429 that speaks of credit or quota used up",
            tells="key_pause",
            caller="502 for 402, which is our account's; 429 with the provider's words",
        ),
        Rule(kind="bad_key", meaning="401: our key is unknown or revoked", tells="key_pause"),
        Rule(
            kind="forbidden",
            meaning="403: our account may not use the model",
            tells="model_pause",
            caller="403 with the provider's words",
        ),
        Rule(
            kind="model_gone",
            meaning="404: the model was retired, or never was",
            tells="model_pause",
            caller="404 with the provider's words",
        ),
        Rule(
            kind="context_length",
            meaning="400: the request is too long for the model",
            elsewhere="larger_window",
            tells="nothing",
            caller="400 `context_length_exceeded`",
        ),
        Rule(
            kind="content_filter",
            meaning="400: a filter blocked the request",
            elsewhere="no",
            tells="nothing",
            caller="400 with the provider's reason",
        ),
        Rule(
            kind="unsupported_parameter",
            meaning="400: the model does not take a field",
            tells="nothing",
            caller="400 with the provider's words",
        ),
        Rule(
            kind="prefill_refused",
            meaning="400: the model does not go on from a begun answer",
            tells="nothing",
            caller="400 with the provider's words",
        ),
        Rule(
            kind="bad_request",
            meaning="any other 4xx: the request itself is wrong",
            elsewhere="no",
            tells="nothing",
            caller="the provider's status and words",
        ),
        Rule(
            kind="server_error",
            meaning="500, 502, 504, 408 and the like",
            again="quick",
            caller="the status",
        ),
        Rule(
            kind="overloaded",
            meaning="503 or 529",
            again="told",
            caller="503, with `retry-after` where it was told",
        ),
        Rule(
            kind="no_connection",
            meaning="the connection is refused, or the host cannot be reached",
            again="quick",
            tells="provider_failure",
        ),
        Rule(kind="no_address", meaning="the name cannot be resolved", again="quick", tells="provider_failure"),
        Rule(kind="tls", meaning="TLS fails", tells="provider_failure"),
        Rule(kind="reset", meaning="the connection ends before any header", again="quick", billed="unknown"),
        Rule(
            kind="connect_timeout",
            meaning="no connection within its limit",
            again="quick",
            tells="provider_failure",
            caller="504",
        ),
        Rule(
            kind="silent",
            meaning="accepted and silent, headers and then silent, or a first token that takes too long",
            again="quick",
            caller="504",
            billed="unknown",
        ),
        Rule(kind="too_long", meaning="the whole attempt takes longer than its limit", caller="504", billed="unknown"),
        Rule(
            kind="garbage",
            meaning="truncated JSON, a malformed event, a wrong content type, no answer in a 200",
            again="quick",
            billed="unknown",
        ),
        Rule(kind="cut", meaning="the answer is cut, or ends without its end mark", again="quick", billed="unknown"),
        Rule(
            kind="stalled", meaning="the answer begins and stops coming", again="quick", caller="504", billed="unknown"
        ),
        Rule(
            kind="not_asked",
            meaning="no key of ours, or a request that cannot be written for the model: nothing was sent",
            tells="nothing",
            caller="the reason",
        ),
        Rule(
            kind="resting",
            meaning="its breaker is open or its pause not over: nothing was sent",
            again="told",
            tells="nothing",
            caller="503 with `retry-after`",
        ),
    )
}
"""Every row, by name."""
