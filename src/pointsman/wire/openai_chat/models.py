"""The list of models as callers of this dialect read it, with the fields that OpenRouter's readers know beside it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from pointsman.core.model import Ability, Model, Price

_ENCODER = msgspec.json.Encoder()
_PICOS_PER_USD = Decimal(10) ** 12
_ABILITIES: tuple[tuple[Ability, str], ...] = tuple(
    (ability, ability.name.lower()) for ability in Ability if ability.name is not None
)
_PARAMETERS: tuple[tuple[Ability, tuple[str, ...]], ...] = (
    (Ability.TOOLS, ("tools", "tool_choice")),
    (Ability.JSON_SCHEMA, ("structured_outputs", "response_format")),
    (Ability.JSON_MODE, ("response_format",)),
    (Ability.REASONING, ("reasoning", "include_reasoning")),
    (Ability.LOGPROBS, ("logprobs", "top_logprobs")),
)
_INPUTS = ((Ability.VISION, "image"), (Ability.AUDIO_INPUT, "audio"), (Ability.DOCUMENTS, "file"))
_OUTPUTS = ((Ability.AUDIO_OUTPUT, "audio"), (Ability.IMAGE_OUTPUT, "image"))


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: a model, or a route, which is called like one.

    Attributes:
        id: what callers write in `model`.
        owner: provider's name, or the gateway's for a route.
        model: the model behind it; None for a route.
        created: seconds since the epoch; 0 unknown.
        description: one line for people.
    """

    id: str
    owner: str
    model: Model | None = None
    created: int = 0
    description: str = ""


def models_body(entries: Iterable[Listed]) -> bytes:
    """Body of `GET /v1/models`."""
    return _ENCODER.encode({"object": "list", "data": [_entry(entry) for entry in entries]})


def model_body(entry: Listed) -> bytes:
    """Body of `GET /v1/models/{id}`."""
    return _ENCODER.encode(_entry(entry))


def _entry(entry: Listed) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "id": entry.id,
        "object": "model",
        "created": entry.created,
        "owned_by": entry.owner,
    }
    fields |= {"description": entry.description} if entry.description else {}
    return fields | _facts(entry.model) if entry.model is not None else fields


def _facts(model: Model) -> dict[str, Any]:
    """What is known of a model; nothing is said where nothing is known, and no price is ever taken for free."""
    fields: dict[str, Any] = {"context_length": model.context or None}
    if model.price is not None:
        fields["pricing"] = _pricing(model.price)
    top: dict[str, Any] = {"context_length": model.context or None, "max_completion_tokens": model.max_output or None}
    fields["top_provider"] = top
    if model.abilities is not None:
        fields |= _abilities(model.abilities, model.refused_params)
    fields["provider"] = model.provider.name
    fields["upstream"] = model.upstream
    fields["tier"] = model.tier
    if model.deprecated or model.retires:
        fields |= {"deprecated": True, "retires": model.retires or None, "replaced_by": model.replaced_by or None}
    return fields


def _abilities(abilities: Ability, refused: frozenset[str]) -> dict[str, Any]:
    parameters = {name for ability, names in _PARAMETERS if ability in abilities for name in names}
    parameters |= {"max_tokens", "temperature", "top_p", "stop"}
    return {
        "abilities": [name for ability, name in _ABILITIES if ability in abilities],
        "supported_parameters": sorted(parameters - refused),
        "architecture": {
            "input_modalities": ["text", *(name for ability, name in _INPUTS if ability in abilities)],
            "output_modalities": ["text", *(name for ability, name in _OUTPUTS if ability in abilities)],
        },
    }


def _pricing(price: Price) -> dict[str, str]:
    """US dollars per token (per request for `request`) as decimal strings."""
    kinds = {
        "prompt": price.input,
        "completion": price.output,
        "request": price.request or None,
        "input_cache_read": price.cache_read,
        "input_cache_write": price.cache_write,
        "internal_reasoning": price.reasoning,
        "audio": price.input_audio,
        "audio_output": price.output_audio,
    }
    return {name: _usd(picos) for name, picos in kinds.items() if picos is not None}


def _usd(picos: int) -> str:
    return f"{(Decimal(picos) / _PICOS_PER_USD).normalize():f}"
