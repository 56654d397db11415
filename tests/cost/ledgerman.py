"""A second reader of usage, and a second price list: what an answer costs, worked out without the gateway's code.

Written from the providers' documentation of their usage objects and from the catalogue's file as it lies there. Each
reader returns how many there were of each kind, no token twice; money is `Decimal`, never an integer of pico-dollars.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, NamedTuple

CATALOGUE = Path(__file__).parents[2] / "src" / "pointsman" / "catalog" / "data"
TIERS_WITH_A_PRICE = ("flex", "priority", "batch", "scale", "performance", "fast")
KINDS = [
    "input",
    "cache_read",
    "cache_audio",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
]
PARENT = {
    "cache_read": "input",
    "cache_audio": "cache_read",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "input_audio": "input",
    "input_image": "input",
    "reasoning": "output",
    "output_audio": "output",
    "output_image": "output",
}


class Counted(NamedTuple):
    """How many of each kind, how it was served, what was done besides, and the total that the provider states."""

    kinds: dict[str, int]
    service: str = ""
    fees: tuple[tuple[str, int], ...] = ()
    stated_total: int | None = None

    @property
    def read(self) -> int:
        """All that was read."""
        return sum(n for kind, n in self.kinds.items() if not kind.startswith(("output", "reasoning")))

    @property
    def total(self) -> int:
        """All tokens."""
        return sum(self.kinds.values())


def count(dialect: str, objects: list[dict[str, Any]]) -> Counted | None:
    """What the objects of an answer say: one of a whole answer, the events of a stream."""
    reader = {
        "anthropic-messages": anthropic,
        "gemini-generateContent": google,
        "openai-responses": responses,
    }.get(dialect, chat)
    return reader(objects)


def split(whole: int, *parts: int) -> list[int]:
    """Parts of a whole, none larger than what those before it have left, and what is left of it."""
    out = []
    for part in parts:
        out.append(max(0, min(part, whole)))
        whole -= out[-1]
    return [*out, whole]


def number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0


def openai_kinds(usage: dict[str, Any]) -> dict[str, int]:
    """The kinds of a chat or Responses usage object; the total decides what stands beside the sums."""
    asked = number(usage.get("prompt_tokens")) or number(usage.get("input_tokens"))
    wrote = number(usage.get("completion_tokens")) or number(usage.get("output_tokens"))
    inside = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    within = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    cached = (
        number(inside.get("cached_tokens"))
        or number(usage.get("prompt_cache_hit_tokens"))
        or number(usage.get("cached_tokens"))
        or number(usage.get("num_cached_tokens"))
        or number(usage.get("cache_read_input_tokens"))
    )
    made = (
        number(inside.get("cache_write_tokens"))
        or number(inside.get("cache_creation_tokens"))
        or number(usage.get("cache_creation_input_tokens"))
    )
    hour = min(number((usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens")), made)
    thought = number(within.get("reasoning_tokens")) or number(usage.get("reasoning_tokens"))
    sound = number(inside.get("audio_tokens"))
    total = number(usage.get("total_tokens"))
    if cached + made > asked:
        if max(cached, made) <= asked and total <= asked + wrote:  # read and written at once, and billed as both
            asked = asked - max(cached, made) + cached + made
        else:
            asked += cached + made
    beside = total - asked - wrote
    if beside > 0 and beside == sound:
        asked += sound
    elif beside > 0:
        wrote, thought = wrote + beside, thought or beside
    parts = (cached, made - hour, hour, sound, number(inside.get("image_tokens")))
    names = ("cache_read", "cache_write", "cache_write_1h", "input_audio", "input_image", "input")
    kinds = dict(zip(names, split(asked, *parts), strict=True))
    said = (thought, number(within.get("audio_tokens")), number(within.get("image_tokens")))
    kinds |= dict(zip(("reasoning", "output_audio", "output_image", "output"), split(wrote, *said), strict=True))
    return kinds


def tool_counts(usage: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    found: Counter[str] = Counter()
    names = {
        "web_search_requests": "web_search",
        "web_search_calls": "web_search",
        "x_search_calls": "x_search",
        "code_interpreter_calls": "code_execution",
        "file_search_calls": "file_search",
    }
    for key in ("server_tool_use", "server_tool_use_details", "server_side_tool_usage_details"):
        for name, n in (usage.get(key) or {}).items():
            if name in names and n:
                found[names[name]] = n
    if usage.get("num_search_queries"):
        found["web_search"] = usage["num_search_queries"]
    if usage.get("prompt_audio_seconds"):
        found["audio_second"] = usage["prompt_audio_seconds"]
    return tuple(sorted(found.items()))


def tier(word: Any) -> str:
    return word if word in TIERS_WITH_A_PRICE else ""


def chat(objects: list[dict[str, Any]]) -> Counted | None:
    usage, served = None, ""
    for one in objects:
        found = one.get("usage") or (one.get("x_groq") or {}).get("usage")
        usage = found or usage
        served = tier(one.get("service_tier")) or served
    if not usage:
        return None
    if "embedding" in str(objects[-1].get("data"))[:200]:  # nothing but input, which Voyage states as a total alone
        asked = number(usage.get("prompt_tokens")) or number(usage.get("total_tokens"))
        return Counted({"input": asked}, "", (), usage.get("total_tokens"))
    return Counted(openai_kinds(usage), served, tool_counts(usage), usage.get("total_tokens"))


def responses(objects: list[dict[str, Any]]) -> Counted | None:
    last = None
    for one in objects:
        response = one.get("response") if "response" in one else one
        if isinstance(response, dict) and response.get("usage"):
            last = response
    if last is None:
        return None
    usage = last["usage"]
    fees = Counter(dict(tool_counts(usage)))
    if not fees:
        rooms = set()
        for item in last.get("output") or []:
            kind = item.get("type")
            if kind == "web_search_call" and (item.get("action") or {}).get("type", "search") == "search":
                fees["web_search"] += 1
            elif kind == "file_search_call":
                fees["file_search"] += 1
            elif kind == "image_generation_call":
                fees["image_generation"] += 1
            elif kind == "code_interpreter_call":
                rooms.add(item.get("container_id"))
        if rooms:
            fees["container"] = len(rooms)
    served = tier(last.get("service_tier"))
    return Counted(openai_kinds(usage), served, tuple(sorted(fees.items())), usage.get("total_tokens"))


def anthropic(objects: list[dict[str, Any]]) -> Counted | None:
    usage: dict[str, Any] = {}
    for one in objects:
        stated = (one.get("message") or {}).get("usage") if one.get("type") == "message_start" else one.get("usage")
        usage |= {name: value for name, value in (stated or {}).items() if value is not None}
    if not usage:
        return None
    kinds: Counter[str] = Counter()
    rounds = [usage, *(one for one in usage.get("iterations") or [] if one.get("type") == "compaction")]
    for one in rounds:
        made = number(one.get("cache_creation_input_tokens"))
        hour = min(number((one.get("cache_creation") or {}).get("ephemeral_1h_input_tokens")), made)
        wrote = number(one.get("output_tokens"))
        thought = min(number((one.get("output_tokens_details") or {}).get("thinking_tokens")), wrote)
        kinds += Counter(
            input=number(one.get("input_tokens")),
            cache_read=number(one.get("cache_read_input_tokens")),
            cache_write=made - hour,
            cache_write_1h=hour,
            reasoning=thought,
            output=wrote - thought,
        )
    words = [tier(usage.get("service_tier")), tier(usage.get("speed"))]
    words += ["us"] if usage.get("inference_geo") == "us" else []
    return Counted(dict(kinds), "+".join(filter(None, words)), tool_counts(usage))


def google(objects: list[dict[str, Any]]) -> Counted | None:
    usage, model, searches = None, "", {}
    for one in objects:
        usage = one.get("usageMetadata") or usage
        model = model or one.get("modelVersion") or ""
        for at, candidate in enumerate(one.get("candidates") or []):
            asked = (candidate.get("groundingMetadata") or {}).get("webSearchQueries") or []
            place = candidate.get("index", at)
            searches[place] = max(len(asked), searches.get(place, 0))
    if not usage or not {"promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount"} & usage.keys():
        return None

    def modality(field: str, name: str, number_of_it: int) -> int:
        details = usage.get(field) or []
        return sum(d.get("tokenCount", 0) for d in details if d.get("modality") in (name, number_of_it))

    tools, thought = number(usage.get("toolUsePromptTokenCount")), number(usage.get("thoughtsTokenCount"))
    asked, total = number(usage.get("promptTokenCount")), number(usage.get("totalTokenCount"))
    said = usage.get("candidatesTokenCount")
    said = max(total - tools - thought - asked, 0) if said is None else said
    old = min(number(usage.get("cachedContentTokenCount")), asked)
    inputs = ("promptTokensDetails", "toolUsePromptTokensDetails")
    old_sound = modality("cacheTokensDetails", "AUDIO", 4)
    sound = max(sum(modality(field, "AUDIO", 4) for field in inputs) - old_sound, 0)
    seen = max(sum(modality(field, "IMAGE", 2) for field in inputs) - modality("cacheTokensDetails", "IMAGE", 2), 0)
    cached_sound, cached = split(old, old_sound)
    heard, pictures, text = split(asked + tools - old, sound, seen)
    spoken, drawn, wrote = split(
        said, modality("candidatesTokensDetails", "AUDIO", 4), modality("candidatesTokensDetails", "IMAGE", 2)
    )
    kinds = {
        "input": text,
        "cache_read": cached,
        "cache_audio": cached_sound,
        "input_audio": heard,
        "input_image": pictures,
        "output": wrote,
        "reasoning": thought,
        "output_audio": spoken,
        "output_image": drawn,
    }
    traffic = usage.get("trafficType")
    served = tier(usage.get("serviceTier")) or {
        "ON_DEMAND_FLEX": "flex",
        "ON_DEMAND_PRIORITY": "priority",
        "PROVISIONED_THROUGHPUT": "provisioned",
        2: "provisioned",
    }.get(traffic, "")
    queries = sum(searches.values())
    if model.startswith(("gemini-1", "gemini-2")):
        queries = min(queries, 1)
    return Counted(kinds, served, (("web_search", queries),) if queries else (), total or None)


# Money


class PriceList:
    """Prices by kind in US dollars per million tokens, and what is added once or by the piece in US dollars."""

    def __init__(self, kinds: dict[str, Decimal], fees: dict[str, Decimal], request: Decimal = Decimal(0)) -> None:
        self.kinds, self.fees, self.request = kinds, fees, request

    def of(self, kind: str) -> Decimal:
        """A kind's own price, else its parent's."""
        while kind not in self.kinds:
            kind = PARENT[kind]
        return self.kinds[kind]

    def nanos(self, counted: Counted) -> int:
        """What an answer costs, in nano-dollars, rounded once."""
        dollars = sum((self.of(kind) * n for kind, n in counted.kinds.items() if n), Decimal(0)) / 1_000_000
        dollars += sum((self.fees.get(name, Decimal(0)) * n for name, n in counted.fees), Decimal(0)) + self.request
        return int((dollars * 1_000_000_000).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def list_price(provider: str, names: list[str], counted: Counted, day: str) -> PriceList | None:
    """The catalogue's price for an answer, straight from its file; None where there is none for certain.

    Hours, fine-tuned and shared prices are left to other tests; services by factor only.
    """
    row = next((one for name in names if (one := by_name(provider).get(name))), None)
    prices = [] if row is None else [one for one in row.get("prices", ()) if one.get("since", "") <= day]
    if row is None or not prices or any(one.get("hours") for one in prices) or "input" not in prices[-1]:
        return None
    price = dict(prices[-1])
    for step in price.get("tiers", ()):
        if counted.read > step["above"]:
            price |= step
    other = price.get("other", {})
    kinds = {kind: Decimal(price[kind]) for kind in KINDS if kind in price}
    more = {"cache_audio": "cache_audio_read_mtok"}
    more |= {"input_image": "input_image_mtok", "output_image": "output_image_mtok"}
    kinds |= {ours: Decimal(other[theirs]) for ours, theirs in more.items() if theirs in other}
    fees = {"web_search": "web_searches_kcount", "file_search": "storage_searches_kcount"}
    per_piece = {ours: Decimal(other[theirs]) / 1000 for ours, theirs in fees.items() if theirs in other}
    if "input_audio_hours" in other:  # sound by its time, to the pico-dollar a second, and not by its tokens
        per_piece["audio_second"] = round(Decimal(other["input_audio_hours"]) / 3600, 12)
        kinds.setdefault("input_audio", Decimal(0))
    owner = providers().get(provider, {})
    per_piece |= {one["name"]: Decimal(one["usd"]) for one in owner.get("fees", ())}
    if counted.service:
        same = [one for one in owner.get("services", ()) if one["name"] == counted.service and not one.get("models")]
        if not same or "factor" not in same[-1]:
            return None
        kinds = {kind: each * Decimal(same[-1]["factor"]) for kind, each in kinds.items()}
    return PriceList(kinds, per_piece, Decimal(price.get("request", "0")))


_ROWS: dict[str, dict[str, Any]] = {}
_PROVIDERS: dict[str, Any] = {}
_MODELS: dict[str, Any] = {}


def by_name(provider: str) -> dict[str, Any]:
    if not _MODELS:
        _MODELS.update(json.loads(gzip.decompress((CATALOGUE / "models.json.gz").read_bytes()))["models"])
    if provider not in _ROWS:
        rows = _MODELS.get(provider, [])
        found = {name: row for row in rows for name in row.get("aliases", ())}
        _ROWS[provider] = found | {row["id"]: row for row in rows}
    return _ROWS[provider]


def providers() -> dict[str, Any]:
    if not _PROVIDERS:
        book = json.loads((CATALOGUE / "providers.json").read_text(encoding="utf-8"))
        _PROVIDERS.update({row["name"]: row for row in book["providers"]})
    return _PROVIDERS


_PRIMES = (101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151)
ODD = PriceList(
    {kind: Decimal(prime) / 100 for kind, prime in zip(KINDS, _PRIMES, strict=True)},
    {"web_search": Decimal("0.0101"), "file_search": Decimal("0.0103"), "x_search": Decimal("0.0107")},
    Decimal("0.000000007"),
)
"""A price at which every kind costs something else, so that no token can be taken for another."""
