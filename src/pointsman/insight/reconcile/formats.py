"""The formats of exports that are known: which is which, and what their fields mean. The guide has the sources.

Every reader gives input inclusive of cached tokens and money in US dollars, as the ledger has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Literal

from pointsman.core.errors import InvalidRequest
from pointsman.insight.reconcile import figures
from pointsman.insight.reconcile.lines import Line, bad
from pointsman.insight.reconcile.rows import Row, plain_name

Format = Literal["openai", "anthropic", "openrouter", "csv"]
FIELDS = (
    "time",
    "end",
    "model",
    "key",
    "id",
    "kind",
    "requests",
    "input",
    "cache_read",
    "cache_write",
    "output",
    "cost",
    "currency",
)
"""What columns of any other CSV can be mapped to. `input` holds cached tokens."""

Reader = Callable[[Row], Iterator[Line]]
_DAY = 86_400 * figures.NANO
_CENTS = Decimal(100)
_OPENAI_ALSO = ("project_id", "user_id", "organization_id", "batch", "service_tier", "api_source", "quantity_unit")
_ANTHROPIC_ALSO = (
    "workspace_id",
    "workspace",
    "usage_type",
    "context_window",
    "service_tier",
    "inference_geo",
    "speed",
    "cost_type",
    "description",
    "account_id",
    "service_account_id",
)


def detected(columns: set[str]) -> Format | None:
    """Which format columns of CSV, or fields of a row of JSON, are of; None where it is none that is known."""
    if {"generation_id", "cost_total"} <= columns or {"model_permaslug", "usage"} <= columns:
        return "openrouter"
    if {"date", "slug", "usage"} <= columns or {"native_tokens_prompt", "total_cost"} <= columns:
        return "openrouter"
    if "usage_date_utc" in columns or {"starting_at", "results"} <= columns:
        return "anthropic"
    if {"start_time", "results"} <= columns or {"start_time", "end_time"} <= columns:
        return "openai"
    return None


def mapped(columns: set[str], fields: Mapping[str, str]) -> dict[str, str]:
    """Which column each field is read from: as told, else the one of its own name.

    Args:
        columns: that there are.
        fields: columns to fields, as `--map` has them.

    Raises:
        InvalidRequest: no such column or field, or nothing to compare.
    """
    found: dict[str, str] = {}
    for column, field in fields.items():
        if field not in FIELDS:
            raise InvalidRequest(f"`{field[:40]}` is no field", hint=f"fields are {', '.join(FIELDS)}")
        if plain_name(column) not in columns:
            there = ", ".join(sorted(columns)[:30])
            raise InvalidRequest(f"there is no column `{column[:60]}`", hint=f"columns are {there}")
        found[field] = plain_name(column)
    for field in FIELDS:
        if field not in found and field in columns:
            found[field] = field
    if "time" not in found or not {"cost", "input", "output", "requests"} & set(found):
        hint = "say which column is which: --map date=time --map model=model --map usd=cost …"
        raise InvalidRequest("no column for `time`, or none for `cost`, `input`, `output` or `requests`", hint=hint)
    return found


def openai(row: Row) -> Iterator[Line]:
    """Usage and costs of an organisation, from the API (buckets with results) or the dashboard's CSV."""
    for one, start, end in _results(row, "start_time", "end_time"):
        item = one.text("line_item")
        model, kind = _line_item(item) if item else (one.text("model"), "")
        currency = one.text("amount_currency")
        amount = one.money("amount_value", "cost")
        nested = one.fields.get("amount")
        if isinstance(nested, dict):
            inner = Row(nested, one.place.at("amount.value"), one.style)
            amount, currency = inner.money("value"), inner.text("currency")
        elif nested not in (None, ""):
            amount = one.money("amount")
        _dollars(one, currency)
        yield Line(
            file=one.place.file,
            line=one.place.line,
            start=start,
            end=end,
            model=model,
            key=one.text("api_key_id"),
            kind=kind,
            also="\x1f".join((*(one.text(name) for name in _OPENAI_ALSO), item, "" if amount is None else "$")),
            requests=one.count("num_model_requests"),
            input=one.count("input_tokens"),
            cache_read=one.count("input_cached_tokens"),
            cache_write=one.count("input_cache_write_tokens"),
            output=one.count("output_tokens"),
            cost=amount,
        )


def anthropic(row: Row) -> Iterator[Line]:
    """Usage and cost report of the Admin API (buckets with results), or the console's CSV of tokens or costs."""
    if row.has("usage_date_utc"):
        start = row.moment("usage_date_utc")
        whole_day = figures.is_date(row.fields.get("usage_date_utc"))
        yield _console(row, start, start + (_DAY if whole_day else _DAY // 24))
        return
    for one, start, end in _results(row, "starting_at", "ending_at"):
        _dollars(one, one.text("currency"))
        cents = one.money("amount")
        writes = one.fields.get("cache_creation")
        written = None
        if isinstance(writes, dict):
            inner = Row(writes, one.place, one.style)
            written = sum(inner.count(name) or 0 for name in writes if name.endswith("_input_tokens"))
        fresh, read = one.count("uncached_input_tokens"), one.count("cache_read_input_tokens")
        yield Line(
            file=one.place.file,
            line=one.place.line,
            start=start,
            end=end,
            model=one.text("model") or ("" if one.text("cost_type") in ("", "tokens") else one.text("cost_type")),
            key=one.text("api_key_id"),
            kind=kind_of(one.text("token_type")),
            also="\x1f".join((*(one.text(name) for name in _ANTHROPIC_ALSO), one.text("token_type"))),
            input=None if fresh is None else fresh + (read or 0) + (written or 0),
            cache_read=read,
            cache_write=written,
            output=one.count("output_tokens"),
            cost=None if cents is None else figures.EXACT.divide(cents, _CENTS),
        )


def _console(row: Row, start: int, end: int) -> Line:
    writes = [row.count(f"usage_input_tokens_cache_write_{ttl}") for ttl in ("5m", "1h")]
    fresh, read = row.count("usage_input_tokens_no_cache"), row.count("usage_input_tokens_cache_read")
    written = None if writes == [None, None] else sum(one or 0 for one in writes)
    return Line(
        file=row.place.file,
        line=row.place.line,
        start=start,
        end=end,
        model=row.text("model_version", "model"),
        key=row.text("api_key_id", "api_key"),
        kind=kind_of(row.text("token_type")),
        also="\x1f".join((*(row.text(name) for name in _ANTHROPIC_ALSO), row.text("token_type"))),
        input=None if fresh is None else fresh + (read or 0) + (written or 0),
        cache_read=read,
        cache_write=written,
        output=row.count("usage_output_tokens"),
        cost=row.money("cost_usd"),
    )


def openrouter(row: Row) -> Iterator[Line]:
    """Activity: one row a generation (CSV, or `/generation`), or sums by day and model (`/activity`, or CSV of them).

    Money is what OpenRouter takes and, with one's own provider key, what that provider does: the price of both.
    """
    if isinstance(row.fields.get("data"), dict):
        row = Row(row.fields["data"], row.place, row.style)
    single = row.text("generation_id") or (row.text("id") if row.has("total_cost") else "")
    start = row.moment("created_at", "date")
    taken = row.money("cost_total", "total_cost", "usage")
    beside = row.money("byok_usage_inference", "upstream_inference_cost", "byok_usage")
    variant = row.text("variant")
    model = row.text("model", "model_permaslug", "slug")
    yield Line(
        file=row.place.file,
        line=row.place.line,
        start=start,
        end=start if single else start + _DAY,
        model=f"{model}:{variant}" if variant not in ("", "standard") and ":" not in model else model,
        key=row.text("api_key_name"),
        id=single,
        also="" if single else "\x1f".join(row.text(name) for name in ("endpoint_id", "provider_name", "app_name")),
        requests=1 if single else row.count("requests"),
        input=row.count("native_tokens_prompt", "tokens_prompt", "prompt_tokens"),
        cache_read=row.count("native_tokens_cached", "tokens_cached"),
        output=row.count("native_tokens_completion", "tokens_completion", "completion_tokens"),
        cost=taken if beside is None else figures.EXACT.add(taken or Decimal(0), beside),
    )


def generic(columns: Mapping[str, str]) -> Reader:
    """A reader of any other table, by which column each field is in."""
    known = frozenset(columns.values())

    def read(row: Row) -> Iterator[Line]:
        single = row.text(columns["id"]) if "id" in columns else ""
        start = row.moment(columns["time"])
        whole_day = figures.is_date(row.fields.get(columns["time"]))
        end = start + (_DAY if whole_day else 3_600 * figures.NANO)
        if "end" in columns and row.has(columns["end"]):
            end = row.moment(columns["end"])
        counts = {
            name: row.count(columns[name])
            for name in ("requests", "input", "cache_read", "cache_write", "output")
            if name in columns
        }
        cost = row.money(columns["cost"]) if "cost" in columns else None
        if cost is not None and "currency" in columns:
            _dollars(row, row.text(columns["currency"]))
        said = row.text(columns["kind"]) if "kind" in columns else ""
        rest = "" if single else "\x1f".join(row.text(name) for name in row.fields if name not in known)
        yield Line(
            file=row.place.file,
            line=row.place.line,
            start=start,
            end=start if single else end,
            model=row.text(columns["model"]) if "model" in columns else "",
            key=row.text(columns["key"]) if "key" in columns else "",
            id=single,
            kind=kind_of(said),
            also=f"{rest}\x1f{said}",
            cost=cost,
            **counts,
        )

    return read


READERS: dict[str, Reader] = {"openai": openai, "anthropic": anthropic, "openrouter": openrouter}


def kind_of(text: str) -> str:
    """The kind of tokens that a row bills, from the provider's word for it; empty where it is none of ours."""
    said = plain_name(text)
    if "cache" in said and ("write" in said or "creation" in said):
        return "cache_write"
    if "cache" in said and "no_cache" not in said and "uncached" not in said:
        return "cache_read"
    return "output" if "output" in said else "input" if "input" in said else ""


def _line_item(text: str) -> tuple[str, str]:
    """`gpt-4o-2024-08-06, cached input` as model and kind."""
    model, mark, rest = text.rpartition(", ")
    return (model, kind_of(rest)) if mark else (text, "")


def _results(row: Row, first: str, last: str) -> Iterator[tuple[Row, int, int]]:
    """The rows of a bucket with its times; a row of CSV is its own."""
    start = row.moment(first)
    end = row.moment(last) if row.has(last) else start + _DAY
    if end <= start:
        raise bad(row.place.at(last), f"it lies before `{first}`")
    results = row.fields.get("results")
    if results is None:
        yield row, start, end
        return
    if not isinstance(results, list):
        raise bad(row.place.at("results"), "a list has to be here")
    for one in results:
        if not isinstance(one, dict):
            raise bad(row.place.at("results"), "it holds something else than objects")
        yield Row(one, row.place, row.style), start, end


def _dollars(row: Row, currency: str) -> None:
    if currency and currency.upper() != "USD":
        hint = "convert it first: the ledger is in US dollars"
        raise bad(row.place.at("currency"), f"the amount is in {currency[:10]}", hint)
