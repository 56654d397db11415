"""`generationConfig`, in both directions."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Dropped, Request, ResponseFormat
from pointsman.core.model import Ability, Model
from pointsman.wire.gemini.models import before_3, generation, of_3
from pointsman.wire.gemini.names import camel, fields_of, null, spelled
from pointsman.wire.gemini.schemas import read_openapi, write_schema
from pointsman.wire.numbers import number, untexted, whole
from pointsman.wire.parse import as_dict, as_list, as_text
from pointsman.wire.raw import Fields, rest, text_in, value_of

_MOST_SEED = 1 << 31
_MOST_STOPS = 5
_JSON = "application/json"
_UNDERSTOOD = ("", _JSON, "text/plain")
_FORMAT = frozenset({"responseMimeType", "responseSchema", "responseJsonSchema"})
_NUMBERS = {
    "temperature": "temperature",
    "topP": "top_p",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
_COUNTS = {"maxOutputTokens": "max_output", "topK": "top_k", "seed": "seed"}
_THINKING = ("includeThoughts", "thinkingBudget", "thinkingLevel")
_TAKEN = frozenset(
    {*_NUMBERS, *_COUNTS, "candidateCount", "stopSequences", "responseLogprobs", "logprobs", "thinkingConfig", *_FORMAT}
)


def read_config(raw: msgspec.Raw | None) -> tuple[dict[str, Any], Fields]:
    """The fields of a core request that `generationConfig` says, and what only Gemini understands, dotted."""
    fields = fields_of(raw)
    if not fields:
        return {}, {}
    known, taken = _read_plain(fields), _TAKEN
    if not _FORMAT.isdisjoint(fields):
        kind = text_in(fields, "responseMimeType")
        if kind in _UNDERSTOOD:
            known["response_format"] = _read_format(fields, kind)
        else:
            taken = _TAKEN - _FORMAT  # text/x.enum
    left: Fields = {}
    if not taken.issuperset(fields):
        left = {f"generationConfig.{name}": one for name, one in fields.items() if name not in taken and not null(one)}
        if value_of(left.get("generationConfig.responseModalities")) == ["TEXT"]:
            del left["generationConfig.responseModalities"]  # what everybody answers with
    thinking = rest(fields_of(fields.get("thinkingConfig")) or {}, _THINKING)
    left |= {f"generationConfig.thinkingConfig.{name}": one for name, one in thinking.items() if not null(one)}
    return {name: value for name, value in known.items() if value is not None}, left


def _read_plain(fields: Fields) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for name, one in fields.items():
        if name in _NUMBERS:
            known[_NUMBERS[name]] = number(untexted(value_of(one)))
        elif name == "candidateCount":
            known["choices"] = _whole_of(value_of(one)) or None  # 0 is Google's word for nothing said
        elif name in _COUNTS:
            known[_COUNTS[name]] = _whole_of(value_of(one))
        elif name == "stopSequences":
            known["stop"] = tuple(word for word in as_list(value_of(one)) if isinstance(word, str))
        elif name == "thinkingConfig":
            known |= _read_thinking(spelled(as_dict(value_of(one))))
        elif name == "responseLogprobs" and value_of(one) is True:
            known["logprobs"] = _whole_of(value_of(fields.get("logprobs"))) or 0
    return known


def _read_format(fields: Fields, kind: str) -> ResponseFormat | None:
    if kind not in ("", _JSON):
        return None
    schema = fields.get("responseJsonSchema")
    if schema is None or null(schema):
        old = fields.get("responseSchema")
        schema = None if old is None or null(old) else read_openapi(old, camel)
    if schema is not None:
        return ResponseFormat(kind="json_schema", schema=schema)
    return ResponseFormat(kind="json") if kind else None


def _read_thinking(config: dict[str, Any]) -> dict[str, Any]:
    """What is asked of thinking. Who asks to see thoughts wants some, of which a Gemini needs no telling."""
    shows, budget = config.get("includeThoughts"), _whole_of(config.get("thinkingBudget"))
    level = as_text(config.get("thinkingLevel")).lower()
    level = "" if level.endswith("unspecified") else level
    if shows is True and budget is None and not level:
        budget = -1
    return {
        "shows_reasoning": shows if isinstance(shows, bool) else None,
        "reasoning_budget": budget,
        "reasoning_effort": level or None,
    }


def _whole_of(value: Any) -> int | None:
    return whole(untexted(value))


def write_config(request: Request, model: Model, lost: list[Dropped]) -> dict[str, Any]:
    """`generationConfig` for a model."""
    plain: dict[str, Any] = {
        "maxOutputTokens": request.max_output,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
        "seed": _seed(request.seed, lost),
        "stopSequences": _stops(request.stop, lost) or None,
        "candidateCount": request.choices if request.choices != 1 else None,
        "thinkingConfig": _write_thinking(request, model, lost) or None,
    }
    config = {name: value for name, value in plain.items() if value is not None}
    if request.logprobs is not None:
        config["responseLogprobs"] = True
        config |= {"logprobs": request.logprobs} if request.logprobs else {}
    return config | _write_format(request, model, lost)


def _seed(seed: int | None, lost: list[Dropped]) -> int | None:
    if seed is not None and not -_MOST_SEED <= seed < _MOST_SEED:
        lost.append(Dropped(path="seed", reason="Gemini takes seeds of 32 bits"))
        return None
    return seed


def _stops(stop: tuple[str, ...], lost: list[Dropped]) -> list[str]:
    words = [word for word in stop if word]
    if len(words) > _MOST_STOPS:
        lost.append(Dropped(path="stop", reason=f"Gemini takes {_MOST_STOPS} of them"))
    return words[:_MOST_STOPS]


def _write_format(request: Request, model: Model, lost: list[Dropped]) -> dict[str, Any]:
    wanted = request.response_format
    if wanted is None or wanted.kind == "text":
        return {}
    if before_3(model) and any(not tool.dialect for tool in request.tools):
        lost.append(Dropped(path="response_format", reason=f"{model.name} takes none beside functions"))
        return {}
    config: dict[str, Any] = {"responseMimeType": _JSON}
    if wanted.kind == "json_schema" and wanted.schema is not None:
        config["responseJsonSchema"] = write_schema(wanted.schema, lost, "response_format.schema")
    return config


# Efforts in tokens, as Google's own chat endpoint reads them (https://ai.google.dev/gemini-api/docs/openai#thinking).
_BUDGETS = {"none": 0, "minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
_LEVELS = {"none": "minimal", "xhigh": "high", "max": "high"}
_LEAST_PRO = 128
"""Thinking of a Pro model cannot be switched off."""


def _write_thinking(request: Request, model: Model, lost: list[Dropped]) -> dict[str, Any]:
    effort, budget, shows = request.reasoning_effort, request.reasoning_budget, request.shows_reasoning
    if not effort and budget is None and shows is None:
        return {}
    if not _thinks(model):
        if effort not in ("", "none") or budget:
            lost.append(Dropped(path="reasoning_effort", reason=f"{model.name} does not think"))
        return {}
    config = _level(model, effort, budget) if of_3(model) else _budget(model, effort, budget)
    off = budget == 0 or (budget is None and effort == "none")
    if shows is None:
        shows = bool((effort or budget is not None) and not off)
    if shows or request.shows_reasoning is False:
        config["includeThoughts"] = shows
    return config


def _thinks(model: Model) -> bool:
    if model.abilities is not None:
        return Ability.REASONING in model.abilities
    return not (0, 0) < generation(model) < (2, 5)


def _level(model: Model, effort: str, budget: int | None) -> dict[str, Any]:
    """For Gemini 3 and newer: levels; a number of tokens is still taken, but for none at all."""
    if budget is not None and budget > 0:
        return {"thinkingBudget": budget}
    if budget == 0:
        effort = "none"
    if not effort:
        return {}
    level = _LEVELS.get(effort, effort)
    if "pro" in model.upstream:
        level = "low" if level == "minimal" else level
        if level == "medium" and generation(model) == (3, 0):
            level = "high"  # the first of them knows two levels
    return {"thinkingLevel": level}


def _budget(model: Model, effort: str, budget: int | None) -> dict[str, Any]:
    if budget is None:
        budget = _BUDGETS.get(effort)
    if budget is None:
        return {}
    return {"thinkingBudget": max(budget, _LEAST_PRO) if "pro" in model.upstream and budget >= 0 else budget}
