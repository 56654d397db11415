"""Names of the columns that the writer fills, in the order in which `rows.py` builds its parameters.

Those that are mostly empty come last: a batch that has nothing in them leaves them out. sqlite3 looks for an adapter
for each None, which costs as much as five columns of text.

A test holds them equal to `tables.py`. They stand apart because the writer must not import SQLAlchemy.
"""

from __future__ import annotations

_USAGE = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "usage_estimated",
)

CALLS = (
    "id",
    "started_ns",
    "duration_ns",
    "overhead_ns",
    "first_byte_ns",
    "surface",
    "dialect",
    "asked",
    "status",
    "http_status",
    "error",
    "detail",
    "key_id",
    "route",
    "plan_digest",
    "propensity",
    "draw",
    "provider",
    "model",
    "upstream",
    "attempts",
    "cost_nanousd",
    *_USAGE,
    "finish",
    "answer_id",
    "session",
    "tags",
    "end_user",
    "need_abilities",
    "need_input_tokens",
    "need_output_tokens",
    "need_messages",
    "need_tools",
    "need_images",
    "need_stream",
    "need_choices",
    "need_body_bytes",
    "usage_more",
    "team",
    "project",
)

ATTEMPTS = (
    "call_id",
    "number",
    "provider",
    "model",
    "upstream",
    "started_ns",
    "duration_ns",
    "first_byte_ns",
    "http_status",
    "error",
    "detail",
    "cost_nanousd",
    *_USAGE,
    "purpose",
    "price_digest",
    "form",
    "key_env",
    "usage_more",
)

PLANS = ("digest", "route", "strategy", "policy", "reason", "steps", "dropped", "warnings", "first_ns")

PRICES = ("digest", "price", "source", "since", "first_ns")

CONTENTS = ("call_id", "expires_ns", "request", "answer")

TABLES: dict[str, tuple[str, ...]] = {
    "plans": PLANS,
    "prices": PRICES,
    "calls": CALLS,
    "attempts": ATTEMPTS,
    "contents": CONTENTS,
}
"""Every table that the writer fills, in the order in which it fills them."""

FLAGS = frozenset(("usage_estimated", "need_stream"))
"""Numbers 0 and 1 in the rows, which PostgreSQL wants as booleans."""

_BIGINT_ENDS = ("_ns", "_tokens", "_nanousd", "_status")
_KINDS = {
    "attempts": "bigint",
    "number": "bigint",
    "propensity": "double precision",
    "draw": "double precision",
    "usage_estimated": "boolean",
    "need_stream": "boolean",
    "need_abilities": "bigint",
    "need_messages": "bigint",
    "need_tools": "bigint",
    "need_images": "bigint",
    "need_choices": "bigint",
    "need_body_bytes": "bigint",
    "request": "bytea",
    "answer": "bytea",
}


def kind(column: str) -> str:
    """A column's type in PostgreSQL's words; text unless said otherwise."""
    return "bigint" if column.endswith(_BIGINT_ENDS) else _KINDS.get(column, "text")
