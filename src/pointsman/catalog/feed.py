"""Read the price feed that the genai-prices project publishes (`data.json`) into a document of ours.

Pure: JSON in, document out, no package needed. What the feed knows (prices, names, context windows) replaces ours;
what it does not (abilities, retirements, provider facts) stays. Rules of the feed that match by likeness become names
of ours that match exactly, so that a model which the feed has never heard of stays unpriced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from pointsman.catalog import names
from pointsman.catalog.document import (
    KINDS,
    Document,
    FileModel,
    FilePrice,
    FileTier,
    Source,
    amount,
    encode_models,
)
from pointsman.catalog.rows import ProviderRow
from pointsman.catalog.rules import kind_of, strengths_of, tier_of, weaknesses_of
from pointsman.core.errors import ConfigError

SOURCE: Final = "genai-prices"
"""Key of the feed in a document's `sources`."""

_FEED_KINDS: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
}


# The feed has no price for these; a source that says nothing for everything is then believed.
_FREE: Final = re.compile(r"[:-]free$")


class FeedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the feed; fields we have no use for are skipped."""

    id: str
    match: dict[str, Any]
    name: str | None = None
    context_window: int | None = None
    deprecated: bool | None = None
    prices: dict[str, Any] | list[dict[str, Any]] = {}


class FeedProvider(msgspec.Struct, frozen=True, kw_only=True):
    """A provider in the feed."""

    id: str
    name: str
    models: list[FeedModel] = []


# Numbers as Decimal: a price must not pass through a float.
_FEED = msgspec.json.Decoder(list[FeedProvider], strict=False)


def is_feed(plain: bytes) -> bool:
    """Whether unpacked bytes are the feed's JSON (an array) rather than a catalogue (an object)."""
    return plain.lstrip()[:1] == b"["


def decode_feed(plain: bytes) -> list[FeedProvider]:
    """Read the feed.

    Raises:
        ConfigError: it is not of the published shape.
    """
    try:
        return _FEED.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"price feed: {error}") from None


def merge(document: Document, providers: tuple[ProviderRow, ...], feed: list[FeedProvider], source: Source) -> Document:
    """A new document: `document` with the feed's prices and names.

    Raises:
        ConfigError: the feed holds a price that is none.
    """
    by_feed = {provider.id: provider for provider in feed}
    models = dict(document.models)
    for owner in providers:
        provider = by_feed.get(owner.feed) if owner.feed else None
        if provider is not None:
            merged = _merge_provider(document.models_of(owner.name), provider, source.date)
            models[owner.name] = encode_models(merged)
    return Document(
        format=document.format,
        date=max(document.date, source.date),
        sources={**document.sources, SOURCE: source},
        models=models,
    )


def _merge_provider(current: tuple[FileModel, ...], provider: FeedProvider, day: str) -> tuple[FileModel, ...]:
    known: dict[str, FileModel] = {}
    for model in current:
        for name in (model.id, *model.aliases, *model.loose):
            known.setdefault(names.plain(name), model)
    merged: dict[str, FileModel] = {}
    absorbed: set[str] = set()
    for fresh in provider.models:
        made = derive(_merge_model(fresh, known, provider.id), day)
        merged[made.id] = made
        absorbed.update(names.plain(name) for name in (made.id, *made.aliases, *made.loose))
    _fold_fine_tuned(merged)
    whole = {names.plain(name): model for model in merged.values() for name in (*model.aliases, *model.loose)}
    for model in current:
        ours = not any(price.source == SOURCE for price in model.prices)
        plain = names.plain(model.id)
        if ours and plain not in absorbed:
            merged.setdefault(model.id, model)
        elif model.retires and plain in whole and model.id not in merged:
            # A name with an end of its own keeps its row, at the price of the row that the feed has it in.
            merged[model.id] = msgspec.structs.replace(model, prices=whole[plain].prices)
    return tuple(sorted(merged.values(), key=lambda model: model.id))


def _fold_fine_tuned(merged: dict[str, FileModel]) -> None:
    """The feed's `ft:` rows are prices of fine-tuned models: hang them on their base models."""
    for tuned in [model for model in merged.values() if model.id.startswith("ft:")]:
        del merged[tuned.id]
        base = merged.get(tuned.id.removeprefix("ft:").rstrip("-"))
        if base is not None and tuned.prices:
            merged[base.id] = msgspec.structs.replace(base, fine_tuned=tuned.prices[-1])


def _merge_model(fresh: FeedModel, known: dict[str, FileModel], provider: str) -> FileModel:
    exact, loose = _names(fresh)
    old = next((m for name in (fresh.id, *exact, *loose) if (m := known.get(names.plain(name)))), None)
    try:
        prices = tuple(_prices(fresh))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ConfigError(f"price feed: {provider}/{fresh.id}: {error}") from None
    own_id = _callable_id(fresh.id)
    base = old or FileModel(id=own_id, kind=kind_of(own_id))
    aliases = dict.fromkeys([*exact, *base.aliases, base.id, fresh.id])
    return msgspec.structs.replace(
        base,
        id=own_id,
        title=base.title or fresh.name or "",
        aliases=tuple(name for name in aliases if name != own_id),
        loose=tuple(dict.fromkeys([*loose, *base.loose])),
        context=fresh.context_window or base.context,
        deprecated=bool(fresh.deprecated) or base.deprecated,
        prices=prices or (base.prices if _FREE.search(fresh.id) else ()),
    )


def derive(model: FileModel, day: str) -> FileModel:
    """The model with tier, strengths and weaknesses by the rules, from its price on an ISO day."""
    tiered = msgspec.structs.replace(model, tier=tier_of(model, day) or "")
    return msgspec.structs.replace(tiered, strengths=strengths_of(tiered), weaknesses=weaknesses_of(tiered))


def _callable_id(feed_id: str) -> str:
    """The feed's name where it can be sent upstream; its `regional.` stands for Bedrock's `us.`, `eu.` and so on."""
    return f"us.{feed_id.removeprefix('regional.')}" if feed_id.startswith("regional.") else feed_id


def _names(fresh: FeedModel) -> tuple[list[str], list[str]]:
    exact: list[str] = []
    loose: list[str] = []
    for clause, text in _clauses(fresh.match):
        if clause in {"equals", "starts_with"}:
            exact.append(text.rstrip("-@:"))
        elif clause in {"contains", "ends_with"}:
            loose.append(text.strip("/-@:"))
    return [name for name in exact if name], [name for name in loose if name]


def _clauses(match: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(match, dict):
        return
    for clause, value in match.items():
        if isinstance(value, str):
            yield clause, value
        elif isinstance(value, list):
            for inner in value:
                yield from _clauses(inner)


def _prices(fresh: FeedModel) -> Iterator[FilePrice]:
    entries = fresh.prices if isinstance(fresh.prices, list) else [{"prices": fresh.prices}]
    for entry in entries:
        kinds = entry["prices"]
        if not kinds:
            continue
        constraint = entry.get("constraint") or {}
        hours = ""
        if "start_time" in constraint:
            hours = f"{_clock(constraint['start_time'])}-{_clock(constraint['end_time'])}"
        yield _price(kinds, str(constraint.get("start_date", "")), hours)


def _clock(text: str) -> str:
    return str(text)[:5]


def _price(kinds: dict[str, Any], since: str, hours: str) -> FilePrice:
    base: dict[str, str] = {}
    steps: dict[int, dict[str, str]] = {}
    other: dict[str, str] = {}
    request: str | None = None
    for feed_kind, value in kinds.items():
        kind = _FEED_KINDS.get(feed_kind)
        if feed_kind == "requests_kcount":
            request = _text(Decimal(_text(value)) / 1000)
        elif kind is None:
            other[feed_kind] = _text(value["base"] if isinstance(value, dict) else value)
        elif isinstance(value, dict):
            base[kind] = _text(value["base"])
            for step in value["tiers"]:
                steps.setdefault(int(step["start"]), {})[kind] = _text(step["price"])
        else:
            base[kind] = _text(value)
    tiers = tuple(FileTier(above=above, **steps[above]) for above in sorted(steps))
    return FilePrice(since=since, hours=hours, source=SOURCE, request=request, tiers=tiers, other=other, **_known(base))


def _known(base: dict[str, str]) -> dict[str, str]:
    return {kind: base[kind] for kind in KINDS if kind in base}


def _text(value: Any) -> str:
    """A number as plain decimal text: `0.075`, never `7.5E-2`. Floats by their shortest text, as JSON wrote them."""
    text = format(amount(str(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
