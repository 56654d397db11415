"""Rules that derive a tier, strengths and weaknesses from facts, so that nobody's taste stands in the data.

Stated in docs/reference/catalogue.md; a test holds the two together by example. Prices say what a vendor asks, not
how good a model is: a learned router replaces these with measurements as soon as it has some.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from pointsman.catalog.compiling import in_force
from pointsman.catalog.document import FileModel, FilePrice, amount
from pointsman.core.model import Tier

ECONOMY_BELOW: Final = Decimal("1.5")
"""Blended US dollars per million tokens, three parts input to one part output."""
FRONTIER_FROM: Final = Decimal(4)
LONG_CONTEXT: Final = 400_000
SHORT_CONTEXT: Final = 32_000

_KINDS: Final = (
    ("embeddings", re.compile(r"embed|\bbge-|voyage-(?!.*rerank)|\be5-|\bgte-")),
    ("rerank", re.compile(r"rerank")),
    ("moderation", re.compile(r"moderation|guard\b|guard-|content-safety|safeguard")),
    ("ocr", re.compile(r"\bocr")),
    ("video", re.compile(r"\bsora|\bveo-|video-gen|\bwan2|\bkling")),
    ("image", re.compile(r"gpt-image|dall-e|\bimagen|stable-diffusion|\bflux|seedream|image-gen|\bimage-\d")),
    ("audio", re.compile(r"whisper|\btts|-tts|transcri|realtime|\bvoxtral|\bsonic|-audio\b|-voice-|gpt-live|lyria")),
)
_CODE: Final = re.compile(r"cod(?:e|er|ex|ing)(?:\b|[-_.\d])|codestral|devstral|\bcomposer")
_SEARCH: Final = re.compile(r"\bsonar|-search\b|search-preview|deep-research")


def kind_of(model_id: str, outputs: frozenset[str] = frozenset({"text"})) -> str:
    """What a model is for: by its name, else by what it puts out when that is no text."""
    name = model_id.lower()
    for kind, pattern in _KINDS:
        if pattern.search(name):
            return kind
    if "text" in outputs or not outputs:
        return "chat"
    return next((kind for kind in ("video", "image", "audio") if kind in outputs), "chat")


def blended(price: FilePrice) -> Decimal | None:
    """US dollars per million tokens, three parts input to one part output; None without an input price."""
    if price.input is None:
        return None
    return (3 * amount(price.input) + amount(price.output or "0")) / 4


def tier_of(model: FileModel, day: str) -> Tier | None:
    """The tier by kind and by the price on an ISO day; superseded models are at most `workhorse`."""
    if model.kind != "chat" or _SEARCH.search(model.id.lower()):
        return "specialised"
    price = in_force(model.prices, day)
    cost = blended(price) if price else None
    if cost is None:
        return None
    if cost < ECONOMY_BELOW:
        return "economy"
    superseded = model.deprecated or bool(model.replaced_by)
    return "frontier" if cost >= FRONTIER_FROM and not superseded else "workhorse"


def strengths_of(model: FileModel) -> tuple[str, ...]:
    """Tasks that the facts speak for."""
    have = frozenset(model.abilities or ())
    name = model.id.lower()
    rules = (
        ("code", bool(_CODE.search(name))),
        ("reasoning", "reasoning" in have),
        ("agents", {"tools", "reasoning"} <= have),
        ("extraction", "json_schema" in have),
        ("long-documents", model.context >= LONG_CONTEXT),
        ("images", "vision" in have),
        ("documents", "documents" in have),
        ("speech", "audio_input" in have or "audio_output" in have),
        ("search", bool(_SEARCH.search(name))),
        (model.kind, model.kind != "chat"),
    )
    return tuple(task for task, holds in rules if holds)


def weaknesses_of(model: FileModel) -> tuple[str, ...]:
    """Tasks that the facts speak against; nothing where nothing is known."""
    if model.abilities is None or model.kind != "chat":
        return ()
    have = frozenset(model.abilities + model.unsure)
    rules = (
        ("agents", "tools" not in have),
        ("reasoning", "reasoning" not in have and model.tier == "economy"),
        ("long-documents", 0 < model.context < SHORT_CONTEXT),
        ("images", "vision" not in have),
    )
    return tuple(task for task, holds in rules if holds)
