"""The schema, as SQLAlchemy Core: the one truth that `migrations.py` must arrive at, and what queries are built from.

Importing this costs 180 ms, so only readers do.
"""

from __future__ import annotations

from sqlalchemy import (
    DOUBLE_PRECISION,
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData()


def _id(name: str, *, key: bool = False) -> Column[str]:
    """An id, compared byte by byte on both engines."""
    kind = Text().with_variant(Text(collation="C"), "postgresql")
    return Column(name, kind, primary_key=key, nullable=False)


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _said(name: str, default: str = "") -> Column[str]:
    """A text that rows from before it was there lack."""
    return Column(name, Text, nullable=False, server_default=text(f"'{default}'"))


def _int(name: str, *, null: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _usage() -> list[Column[int] | Column[bool]]:
    names = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning")
    audio = ("input_audio", "output_audio")
    return [*(_int(f"{name}_tokens") for name in names + audio), Column("usage_estimated", Boolean)]


plans = Table(
    "plans",
    METADATA,
    _id("digest", key=True),
    _text("route"),
    _text("strategy"),
    _text("policy"),
    _text("reason"),
    _text("steps"),
    _text("dropped"),
    _text("warnings"),
    _int("first_ns", null=False),
    sqlite_with_rowid=False,
)

prices = Table(
    "prices",
    METADATA,
    _id("digest", key=True),
    _text("price"),
    _text("source"),
    _text("since"),
    _int("first_ns", null=False),
    sqlite_with_rowid=False,
)

calls = Table(
    "calls",
    METADATA,
    _id("id", key=True),
    _int("started_ns", null=False),
    _int("duration_ns", null=False),
    _int("overhead_ns", null=False),
    _int("first_byte_ns"),
    _text("surface"),
    _text("dialect"),
    _text("asked"),
    _text("status"),
    _int("http_status", null=False),
    _text("error"),
    _text("detail"),
    _text("key_id"),
    _text("route"),
    Column("plan_digest", Text),
    Column("propensity", DOUBLE_PRECISION),
    Column("draw", DOUBLE_PRECISION),
    _text("provider"),
    _text("model"),
    _text("upstream"),
    _int("attempts", null=False),
    _int("cost_nanousd"),
    *_usage(),
    _text("finish"),
    _id("answer_id"),
    _text("session"),
    _text("tags"),
    _text("end_user"),
    _int("need_abilities"),
    _int("need_input_tokens"),
    _int("need_output_tokens"),
    _int("need_messages"),
    _int("need_tools"),
    _int("need_images"),
    Column("need_stream", Boolean),
    _int("need_choices"),
    _int("need_body_bytes"),
    Column("usage_more", Text),
    Column("team", Text),
    Column("project", Text),
    sqlite_with_rowid=False,
)
Index(
    "calls_trouble",
    calls.c.status,
    calls.c.id,
    sqlite_where=text("status <> 'ok'"),
    postgresql_where=text("status <> 'ok'"),
)

attempts = Table(
    "attempts",
    METADATA,
    _id("call_id", key=True),
    Column("number", BigInteger, primary_key=True, nullable=False, autoincrement=False),
    _text("provider"),
    _text("model"),
    _text("upstream"),
    _int("started_ns", null=False),
    _int("duration_ns", null=False),
    _int("first_byte_ns"),
    _int("http_status", null=False),
    _text("error"),
    _text("detail"),
    _int("cost_nanousd"),
    *_usage(),
    Column("form", Text),
    Column("key_env", Text),
    Column("usage_more", Text),
    Column("purpose", Text),
    Column("price_digest", Text),
    sqlite_with_rowid=False,
)
Index(
    "attempts_form",
    attempts.c.model,
    attempts.c.form,
    attempts.c.started_ns,
    sqlite_where=text("form IS NOT NULL"),
    postgresql_where=text("form IS NOT NULL"),
)

contents = Table(
    "contents",
    METADATA,
    _id("call_id", key=True),
    _int("expires_ns", null=False),
    Column("request", LargeBinary),
    Column("answer", LargeBinary),
    Index("contents_expiry", "expires_ns"),
)

responses = Table(
    "responses",
    METADATA,
    _id("id", key=True),
    _id("tenant", key=True),
    _text("call_id"),
    _int("created_ns", null=False),
    _int("expires_ns", null=False),
    _text("model"),
    _text("provider"),
    Column("input", LargeBinary, nullable=False),
    _text("makers"),
    Column("response", LargeBinary, nullable=False),
    Index("responses_expiry", "expires_ns"),
)

written = Table(
    "written",
    METADATA,
    # On SQLite the row's own number, which needs that very type. A trigger fills the table, see `migrations.py`.
    Column("place", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True, nullable=False),
    _id("call_id"),
)

keys = Table(
    "keys",
    METADATA,
    _id("id", key=True),
    _text("name"),
    _text("prefix"),
    _text("digest"),
    _int("created_ns", null=False),
    _int("expires_ns"),
    _int("revoked_ns"),
    _said("team"),
    _said("project"),
    _said("allow", "[]"),
    Column("parallel", BigInteger, nullable=False, server_default=text("0")),
    _said("role", "caller"),
    UniqueConstraint("digest"),
)

former_secrets = Table(
    "former_secrets",
    METADATA,
    _id("digest", key=True),
    _id("key_id"),
    _text("prefix"),
    _int("until_ns", null=False),
)

budgets = Table(
    "budgets",
    METADATA,
    _id("id", key=True),
    _text("scope"),
    _text("subject"),
    _int("amount", null=False),
    _text("period"),
    Column("soft", DOUBLE_PRECISION),
    _text("key_id"),
    _int("created_ns", null=False),
    _int("ended_ns"),
    _said("unit", "usd"),
)

health_events = Table(
    "health_events",
    METADATA,
    _id("id", key=True),
    _int("at_ns", null=False),
    _text("node"),
    _text("provider"),
    _text("upstream"),
    _text("key_env"),
    _text("state_before"),
    _text("state_after"),
    _text("cause"),
    _text("why"),
)

alerts_told = Table(
    "alerts_told",
    METADATA,
    _id("name", key=True),
    _text("state"),
    _text("node"),
    _int("at_ns", null=False),
)

allowances = Table(
    "allowances",
    METADATA,
    _id("account", key=True),
    Column("begin_ns", BigInteger, primary_key=True, nullable=False, autoincrement=False),
    _int("end_ns", null=False),
    _int("granted", null=False),
    _int("spent", null=False),
    _int("doubt", null=False),
    Index("allowances_end", "end_ns"),
)

settings = Table("settings", METADATA, _id("name", key=True), _text("value"))
