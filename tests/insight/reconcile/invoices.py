"""A made-up ledger and the invoices that its provider would send for it, in every format; and how to spoil them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import random
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from pointsman.core.usage import Usage

NANO = 1_000_000_000
HOUR, DAY = 3_600 * NANO, 86_400 * NANO
START = 1_793_491_200 * NANO  # 2026-11-01T00:00Z
DAYS = 40
MODELS = {
    "alpha-1-2026-09-09": (250_000, 25_000, 312_500, 1_000_000),
    "beta-2": (3_000_000, 300_000, 3_750_000, 15_000_007),
}
KEYS = {"key_main": "LAB_KEY", "key_batch": "LAB_KEY_2"}
KINDS = ("input", "cache_read", "cache_write", "output")


class Row(NamedTuple):
    """One request as the provider booked it; `parts` are exact dollars by kind."""

    at: int
    model: str
    key: str
    id: str
    tokens: dict[str, int]  # of each kind, so that none is in another
    parts: dict[str, Decimal]


class Bucket(NamedTuple):
    """The rows of one model and key in a stretch."""

    start: int
    model: str
    key: str
    rows: tuple[Row, ...]

    @property
    def name(self) -> tuple[int, str, str]:
        return self.start, self.model, self.key

    def tokens(self, kind: str) -> int:
        return sum(row.tokens[kind] for row in self.rows)

    def cost(self, kind: str) -> Decimal:
        return sum((row.parts[kind] for row in self.rows), Decimal(0))

    @property
    def whole(self) -> int:
        return sum(self.tokens(kind) for kind in KINDS[:3])

    @property
    def total(self) -> Decimal:
        return sum((self.cost(kind) for kind in KINDS), Decimal(0))


def outcomes(make, count: int, *, seed: int = 3, provider: str = "lab", days: int = DAYS) -> list:
    """Calls over some days; some fail first, some were hedged."""
    rng, made = random.Random(seed), []
    for number in range(count):
        at = START + rng.randrange(days * 86_400 - 60) * NANO + rng.randrange(NANO)
        tries = []
        if rng.random() < 0.1:
            tries.append(
                make.attempt(1, provider=provider, started=at, status=500, error="upstream_cut", usage=None, cost=0)
            )
        if rng.random() < 0.1:
            tries.append(_tried(make, rng, len(tries) + 1, provider, at, error="outpaced"))
        tries.append(_tried(make, rng, len(tries) + 1, provider, at + rng.randrange(5) * NANO))
        made.append(make.outcome(now=at, attempts=tuple(tries), answer_id=f"gen-{at // NANO}-{number:06d}"))
    return made


def _tried(make, rng, number: int, provider: str, at: int, **more: Any):
    model = rng.choice(list(MODELS))
    read, write, fresh = rng.randrange(5_000), rng.randrange(3_000), rng.randrange(1, 90_000)
    usage = Usage(input=fresh + read + write, cache_read=read, cache_write=write, output=rng.randrange(1, 30_000))
    picos = sum(count * price for count, price in zip((fresh, read, write, usage.output), MODELS[model], strict=True))
    nanos = round(Decimal(picos) / 1_000)
    key = rng.choice(list(KEYS.values()))
    return make.attempt(
        number, provider=provider, upstream=model, started=at, usage=usage, cost=nanos, key_env=key, **more
    )


def booked(made: Iterable[Any]) -> list[Row]:
    """What the provider books of them: every attempt that brought tokens, whatever became of its call."""
    rows, keys = [], {env: key for key, env in KEYS.items()}
    for one in made:
        for tried in one.attempts:
            used = tried.usage
            if used is None:
                continue
            fresh = used.input - used.cache_read - used.cache_write
            tokens = dict(zip(KINDS, (fresh, used.cache_read, used.cache_write, used.output), strict=True))
            prices = dict(zip(KINDS, MODELS[tried.upstream], strict=True))
            parts = {kind: Decimal(count * prices[kind]).scaleb(-12) for kind, count in tokens.items()}
            delivered = tried.number == len(one.attempts)
            single = one.answer_id if delivered else f"gen-other-{one.id}"
            rows.append(Row(tried.started, tried.upstream, keys[tried.key_env], single, tokens, parts))
    return sorted(rows)


def bucketed(rows: Iterable[Row], width: int) -> list[Bucket]:
    found: dict[tuple[int, str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.at // width * width, row.model, row.key), []).append(row)
    return [Bucket(*name, tuple(each)) for name, each in sorted(found.items())]


class Spoiled(NamedTuple):
    """Which things of an invoice were left out, put in twice, and priced wrongly."""

    missing: set[Any]
    doubled: set[Any]
    mispriced: set[Any]


def spoil(names: list[Any], seed: int = 5, share: float = 0.01) -> Spoiled:
    count = max(2, round(len(names) * share))
    drawn = random.Random(seed).sample(names, 3 * count)
    return Spoiled(set(drawn[:count]), set(drawn[count : 2 * count]), set(drawn[2 * count :]))


def doubled(written: list[Any], name: Any, spoiled: Spoiled) -> list[Any]:
    return [] if name in spoiled.missing else written * 2 if name in spoiled.doubled else written


def wrong(amount: Decimal, name: Any, spoiled: Spoiled) -> Decimal:
    return amount * Decimal("1.25") if name in spoiled.mispriced else amount


def more(count: int, name: Any, spoiled: Spoiled) -> int:
    return count + count // 4 + 1 if name in spoiled.mispriced else count


# The formats: from buckets or rows to text


def openai_usage_json(buckets: list[Bucket], spoiled: Spoiled) -> str:
    return _pages(
        buckets,
        spoiled,
        lambda one: {"object": "bucket", "start_time": one.start // NANO, "end_time": (one.start + HOUR) // NANO},
        lambda one: [
            {
                "object": "organization.usage.completions.result",
                "input_tokens": more(one.whole, one.name, spoiled),
                "output_tokens": one.tokens("output"),
                "input_cached_tokens": one.tokens("cache_read"),
                "input_audio_tokens": 0,
                "output_audio_tokens": 0,
                "num_model_requests": len(one.rows),
                "project_id": None,
                "user_id": None,
                "api_key_id": one.key,
                "model": one.model,
                "batch": False,
            }
        ],
    )


def openai_costs_json(buckets: list[Bucket], spoiled: Spoiled) -> str:
    names = {"input": "input", "cache_read": "cached input", "cache_write": "cache write input", "output": "output"}
    return _pages(
        buckets,
        spoiled,
        lambda one: {"object": "bucket", "start_time": one.start // NANO, "end_time": (one.start + DAY) // NANO},
        lambda one: [
            {
                "object": "organization.costs.result",
                "amount": {"value": float(wrong(one.cost(kind), one.name, spoiled)), "currency": "usd"},
                "line_item": f"{one.model}, {names[kind]}",
                "project_id": "proj_1",
                "api_key_id": one.key,
            }
            for kind in KINDS
        ],
    )


def openai_costs_csv(buckets: list[Bucket], spoiled: Spoiled) -> str:
    head = _head(
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,"
        "user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source"
    )
    rows = []
    for one in buckets:
        start, end = one.start // NANO, (one.start + DAY) // NANO
        each = [
            [
                start,
                end,
                _iso(start),
                _iso(end),
                wrong(one.cost(kind), one.name, spoiled),
                "usd",
                "",
                "",
                f"{one.model}, {kind}",
                "",
                one.key,
                "proj_1",
                *("org", "P", "O", "", ""),
            ]
            for kind in KINDS
        ]
        rows += doubled(each, one.name, spoiled)
    empty = [[START // NANO, START // NANO + 86_400, "", "", *[""] * 13]]
    return _csv(head, rows + empty)


def openai_usage_csv(buckets: list[Bucket], spoiled: Spoiled) -> str:
    head = (
        "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch"
    )
    rows = []
    for one in buckets:
        start, end = one.start // NANO, (one.start + HOUR) // NANO
        each = [start, end, _iso(start), _iso(end), "p", f"{len(one.rows)}.0", "", one.key, one.model, "False"]
        tokens = [more(one.whole, one.name, spoiled), one.tokens("output"), one.tokens("cache_read")]
        rows += doubled([[*each, *(f"{count}.0" for count in tokens)]], one.name, spoiled)
    return _csv([*head.split(","), "input_tokens", "output_tokens", "input_cached_tokens"], rows)


def anthropic_usage_json(buckets: list[Bucket], spoiled: Spoiled) -> str:
    return _pages(
        buckets,
        spoiled,
        lambda one: {"starting_at": _iso(one.start // NANO), "ending_at": _iso((one.start + HOUR) // NANO)},
        lambda one: [
            {
                "uncached_input_tokens": more(one.tokens("input"), one.name, spoiled),
                "cache_creation": {
                    "ephemeral_1h_input_tokens": 0,
                    "ephemeral_5m_input_tokens": one.tokens("cache_write"),
                },
                "cache_read_input_tokens": one.tokens("cache_read"),
                "output_tokens": one.tokens("output"),
                "server_tool_use": {"web_search_requests": 0},
                "api_key_id": one.key,
                "workspace_id": None,
                "model": one.model,
                "service_tier": "standard",
                "context_window": "0-200k",
            }
        ],
    )


def anthropic_cost_json(buckets: list[Bucket], spoiled: Spoiled) -> str:
    types = (
        "uncached_input_tokens",
        "cache_read_input_tokens",
        "cache_creation.ephemeral_5m_input_tokens",
        "output_tokens",
    )
    return _pages(
        buckets,
        spoiled,
        lambda one: {"starting_at": _iso(one.start // NANO), "ending_at": _iso((one.start + DAY) // NANO)},
        lambda one: [
            {
                "amount": f"{wrong(one.cost(kind), one.name, spoiled) * 100:f}",
                "currency": "USD",
                "cost_type": "tokens",
                "description": f"{one.model} Usage - {token_type}",
                "model": one.model,
                "token_type": token_type,
                "service_tier": "standard",
                "context_window": "0-200k",
                "workspace_id": one.key,
            }
            for kind, token_type in zip(KINDS, types, strict=True)
        ],
    )


def anthropic_tokens_csv(buckets: list[Bucket], spoiled: Spoiled) -> str:
    head = _head(
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
        "usage_output_tokens,web_search_count,inference_geo,speed"
    )
    rows = []
    for one in buckets:
        tokens = [more(one.tokens("input"), one.name, spoiled), one.tokens("cache_write"), 0, one.tokens("cache_read")]
        each = [_iso(one.start // NANO)[:10], one.model, one.key, "Default", "standard", "≤ 200k", *tokens]
        rows += doubled([[*each, one.tokens("output"), 0, "not_available", ""]], one.name, spoiled)
    return _csv(head, rows)


def anthropic_cost_csv(buckets: list[Bucket], spoiled: Spoiled) -> str:
    """As the console exports it: to cents."""
    head = _head(
        "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,"
        "inference_geo,speed,api_key_id,api_key_status"
    )
    types = ("input_no_cache", "input_cache_read", "input_cache_write_5m", "output")
    rows = []
    for one in buckets:
        each = [_iso(one.start // NANO)[:10], one.model, "Default", "a name", "message", "≤ 200k"]
        for kind, token_type in zip(KINDS, types, strict=True):
            amount = f"{wrong(one.cost(kind), one.name, spoiled):.2f}"
            row = [*each, token_type, amount, amount, "token", "global", "", one.key, "active"]
            rows += doubled([row], one.name, spoiled)
    return _csv(head, rows)


def openrouter_csv(rows: list[Row], spoiled: Spoiled) -> str:
    head = _head(
        "generation_id,created_at,cost_total,cost_web_search,cost_cache,cost_file_processing,byok_usage_inference,"
        "tokens_prompt,tokens_completion,tokens_reasoning,tokens_cached,model_permaslug,provider_name,variant,cancelled,"
        "streamed,user,finish_reason_raw,finish_reason_normalized,generation_time_ms,time_to_first_token_ms,"
        "api_key_disabled,api_key_name,app_name"
    )
    written = []
    for one in rows:
        fresh = sum(one.tokens[kind] for kind in KINDS[:3])
        each = [
            one.id,
            _iso(one.at // NANO).replace("T", " ")[:19] + ".713",
            wrong(sum(one.parts.values()), one.id, spoiled),
        ]
        each += [0, 0, 0, 0, fresh, one.tokens["output"], 0, one.tokens["cache_read"], one.model, "Lab", "standard"]
        each += ["false", "true", "", "stop", "stop", 900, 100, "false", one.key, "app"]
        written += doubled([each], one.id, spoiled)
    return _csv(head, written)


def openrouter_activity_json(buckets: list[Bucket], spoiled: Spoiled) -> str:
    data = []
    for one in buckets:
        row = {
            "date": _iso(one.start // NANO)[:10],
            "model": one.model,
            "model_permaslug": one.model,
            "endpoint_id": one.key,
            "provider_name": "Lab",
            "usage": float(wrong(one.total, one.name, spoiled)),
            "byok_usage_inference": 0,
            "requests": len(one.rows),
            "prompt_tokens": one.whole,
            "completion_tokens": one.tokens("output"),
            "reasoning_tokens": 0,
        }
        data += doubled([row], one.name, spoiled)
    return json.dumps({"data": data})


def openrouter_activity_csv(buckets: list[Bucket], spoiled: Spoiled) -> str:
    rows = []
    for one in buckets:
        each = [
            _iso(one.start // NANO)[:10] + " 00:00:00",
            one.model,
            wrong(one.total, one.name, spoiled),
            0,
            len(one.rows),
        ]
        rows += doubled([[*each, one.whole, one.tokens("output"), 0]], one.name, spoiled)
    head = ["Date", "Slug", "Usage", "BYOK Usage", "Requests", "Prompt Tokens", "Completion Tokens", "Reasoning Tokens"]
    return _csv(head, rows)


GENERIC_MAP = {
    "Tag": "time",
    "Modell": "model",
    "Schlüssel": "key",
    "Betrag (USD)": "cost",
    "Eingabe": "input",
    "Ausgabe": "output",
}


def generic_csv(buckets: list[Bucket], spoiled: Spoiled) -> str:
    """As a spreadsheet in a country with decimal commas writes it."""
    rows = []
    for one in buckets:
        amount = (
            f"{wrong(one.total, one.name, spoiled):,.12f}".replace(",", "\x00").replace(".", ",").replace("\x00", ".")
        )
        each = [
            _iso(one.start // NANO)[:10],
            one.model,
            one.key,
            f"{one.whole:,}".replace(",", "."),
            one.tokens("output"),
            amount,
        ]
        rows += doubled([each], one.name, spoiled)
    return "\ufeffsep=;\r\n" + _csv(["Tag", "Modell", "Schlüssel", "Eingabe", "Ausgabe", "Betrag (USD)"], rows, ";")


def generic_by_id_csv(rows: list[Row], spoiled: Spoiled) -> str:
    written = []
    for one in rows:
        each = [one.id, one.at // 1_000_000, one.model, wrong(sum(one.parts.values()), one.id, spoiled)]
        written += doubled([each], one.id, spoiled)
    return _csv(["request", "when_ms", "model", "usd"], written)


def _pages(buckets: list[Bucket], spoiled: Spoiled, head: Callable, results: Callable) -> str:
    """Pages of the API, one after the other as a script would write them; a bucket of time a page's element."""
    by_start: dict[int, list[Bucket]] = {}
    for one in buckets:
        by_start.setdefault(one.start, []).append(one)
    data = []
    for each in by_start.values():
        found = [row for one in each for row in doubled(results(one), one.name, spoiled)]
        data.append({**head(each[0]), "results": found})
    pages = [data[at : at + 31] for at in range(0, len(data), 31)]
    texts = [
        json.dumps({"object": "page", "data": page, "has_more": page is not pages[-1], "next_page": None}, indent=1)
        for page in pages
    ]
    return "\n".join(texts)


def _csv(head: list[str], rows: list[list[Any]], separator: str = ",") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(head)
    writer.writerows([[f"{cell:f}" if isinstance(cell, Decimal) else cell for cell in row] for row in rows])
    return out.getvalue()


def _head(text: str) -> list[str]:
    return text.split(",")


def _iso(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
