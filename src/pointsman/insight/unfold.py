"""Rows back to values."""

from __future__ import annotations

import msgspec
from sqlalchemy.engine import RowMapping as Row

from pointsman.core.billed import billed
from pointsman.core.model import Ability, Price
from pointsman.core.plan import Dropped, Needs
from pointsman.core.usage import Usage
from pointsman.insight.answers import AttemptRow, CallRow, Decision
from pointsman.insight.recount import parts_of
from pointsman.store.decisions import StepRecord
from pointsman.store.rows import MoreUsage

_MORE = msgspec.json.Decoder(MoreUsage)


def call_row(row: Row) -> CallRow:
    """A row of `calls`, with its `estimated_cost` and whether it is `unpriced`."""
    return CallRow(
        id=row["id"],
        started=row["started_ns"],
        duration=row["duration_ns"],
        overhead=row["overhead_ns"],
        first_byte=row["first_byte_ns"],
        surface=row["surface"],
        dialect=row["dialect"],
        asked=row["asked"],
        status=row["status"],
        http_status=row["http_status"],
        error=row["error"],
        detail=row["detail"],
        key=row["key_id"],
        route=row["route"],
        provider=row["provider"],
        model=row["model"],
        upstream=row["upstream"],
        attempts=row["attempts"],
        cost=row["cost_nanousd"],
        usage=usage_of(row),
        finish=row["finish"],
        answer_id=row["answer_id"],
        session=row["session"],
        tags=row["tags"],
        user=row["end_user"],
        team=row["team"] or "",
        project=row["project"] or "",
        estimated_cost=int(row["estimated_cost"]),
        unpriced=bool(row["unpriced"]),
    )


def attempt_row(row: Row, price: Price | None, surface: str) -> AttemptRow:
    """A row of `attempts`, with the price that it names; of a call to this surface."""
    usage = usage_of(row)
    failed = bool(row["error"]) and surface != "passthrough"  # what is passed through tells its use at no end
    bill = billed(price, usage, row["started_ns"], row["cost_nanousd"], failed=failed)
    cost_details, unpriced = parts_of(bill)
    return AttemptRow(
        number=row["number"],
        provider=row["provider"],
        model=row["model"],
        upstream=row["upstream"],
        started=row["started_ns"],
        duration=row["duration_ns"],
        first_byte=row["first_byte_ns"],
        status=row["http_status"],
        error=row["error"],
        detail=row["detail"],
        cost=row["cost_nanousd"],
        usage=usage,
        form=row["form"] or "",
        key_env=row["key_env"] or "",
        purpose=row["purpose"] or "answer",
        price_digest=row["price_digest"] or "",
        cost_details=cost_details,
        unpriced=unpriced,
        bill=bill,
    )


def usage_of(row: Row) -> Usage | None:
    """Tokens; None where they are unknown."""
    if row["input_tokens"] is None:
        return None
    return Usage(
        input=row["input_tokens"],
        cache_read=row["cache_read_tokens"],
        cache_write=row["cache_write_tokens"],
        cache_write_1h=row["cache_write_1h_tokens"],
        output=row["output_tokens"],
        reasoning=row["reasoning_tokens"],
        input_audio=row["input_audio_tokens"],
        output_audio=row["output_audio_tokens"],
        estimated=row["usage_estimated"],
        **(msgspec.structs.asdict(_MORE.decode(row["usage_more"])) if row["usage_more"] else {}),
    )


def needs_of(row: Row) -> Needs | None:
    """The features of a call; None where it was refused before there were any."""
    if row["need_choices"] is None:
        return None
    return Needs(
        dialect=row["dialect"],
        abilities=Ability(row["need_abilities"]),
        input_tokens=row["need_input_tokens"],
        output_tokens=row["need_output_tokens"],
        messages=row["need_messages"],
        tools=row["need_tools"],
        images=row["need_images"],
        stream=row["need_stream"],
        choices=row["need_choices"],
        body_bytes=row["need_body_bytes"],
    )


def decision(row: Row, plan: Row | None) -> Decision | None:
    """The decision of a call from its row and the plan's."""
    if plan is None:
        return None
    return Decision(
        digest=plan["digest"],
        route=plan["route"],
        strategy=plan["strategy"],
        policy=plan["policy"],
        reason=plan["reason"],
        steps=msgspec.json.decode(plan["steps"], type=tuple[StepRecord, ...]),
        dropped=msgspec.json.decode(plan["dropped"], type=tuple[Dropped, ...]),
        warnings=msgspec.json.decode(plan["warnings"], type=tuple[str, ...]),
        propensity=row["propensity"],
        draw=row["draw"],
    )
