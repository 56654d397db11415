"""Filters: may this model serve this request at all? A reason for every no."""

from __future__ import annotations

from pointsman.core.dialects import TRANSLATED
from pointsman.core.extent import LEAST_OUTPUT, Extent, most_of
from pointsman.core.model import Ability, Model, Provider
from pointsman.core.money import usd_text
from pointsman.core.plan import Dropped, Facts, Needs
from pointsman.core.scope import Allow, permits
from pointsman.routing.directory import Route

_WORDS = {
    Ability.TOOLS: "tools",
    Ability.VISION: "images",
    Ability.JSON_SCHEMA: "JSON schema output",
    Ability.JSON_MODE: "JSON output",
    Ability.AUDIO_INPUT: "audio input",
    Ability.AUDIO_OUTPUT: "audio output",
    Ability.IMAGE_OUTPUT: "image output",
    Ability.REASONING: "reasoning",
    Ability.LOGPROBS: "log probabilities",
    Ability.DOCUMENTS: "documents",
    Ability.COMPLETIONS: "the old completions endpoint",
    Ability.EMBEDDINGS: "embeddings",
}
_COUNTED = ~int(Ability.LOGPROBS | Ability.COMPLETIONS | Ability.JSON_MODE)
"""All abilities but those that no catalogue records reliably, which are never a reason to drop a model."""

_OWN_DIALECT_ONLY = int(Ability.COMPLETIONS | Ability.EMBEDDINGS)


def lacking(model: Model, needs: Needs, facts: Facts) -> Dropped | None:
    """Why `model` cannot serve `needs` now; None if it can."""
    if facts.allow and not may_use(facts.allow, model):
        return _drop(model, "permission", "this key may not use it")
    return _unfit(model, needs, facts)


def _unfit(model: Model, needs: Needs, facts: Facts) -> Dropped | None:
    provider = model.provider
    if not spoken(provider, needs):
        return _drop(model, "dialect", f"speaks {provider.dialect}, the caller {needs.dialect}")
    if facts.unavailable:
        reason = facts.unavailable.get(provider.name)
        if reason is not None:
            return _drop(model, "credentials" if "$" in reason else "unavailable", reason)
    if model.retires and model.retires <= facts.today:
        return _drop(model, "retired", f"retired on {model.retires}, no successor known")
    if model.abilities is not None:
        # Plain integers: an operation on enum flags costs a microsecond, and this runs per model and call.
        missing = int(needs.abilities) & ~int(model.abilities) & _COUNTED
        if missing:
            words = ", ".join(word for ability, word in _WORDS.items() if ability & missing)
            return _drop(model, "ability", f"cannot do {words}")
    if model.context and needs.input_tokens > window_limit(model):
        return _drop(model, "context", f"context of {model.context:,} tokens is too small")
    return None if facts.funds is None else _unaffordable(model, needs, facts.extent, facts.funds)


def _unaffordable(model: Model, needs: Needs, extent: Extent, funds: int) -> Dropped | None:
    """Why a call may not be made on what is left of its budgets (nano-dollars)."""
    can_be_set = not needs.output_tokens and not model.reach.deaf
    least = LEAST_OUTPUT * max(needs.choices, extent.answers) + extent.written if can_be_set else None
    most = most_of(model, needs, extent, output=least)
    if most.usd is None:
        return _drop(model, "budget", most.why)
    return _drop(model, "budget", f"may cost up to ${usd_text(most.usd)}") if most.usd > funds else None


def may_use(allow: Allow, model: Model) -> bool:
    """Whether a key that is allowed so much may use a model: by its name here, or as its provider names it."""
    return permits(allow, model.name, f"{model.provider.name}/{model.upstream}")


def opens(allow: Allow, route: Route) -> bool:
    """Whether a key that is allowed so much may call a route: by its name, or as far as its models go."""
    return permits(allow, route.name) or any(may_use(allow, model) for model in route.models)


def spoken(provider: Provider, needs: Needs) -> str:
    """The dialect to ask a provider in: the caller's own if it can be, else one that can be translated; else empty.

    In its own dialect a request passes untouched, so that nothing can be lost on the way.
    """
    own = needs.dialect
    if own == provider.dialect or (provider.also and provider.takes(own)):
        return own
    if own not in TRANSLATED or int(needs.abilities) & _OWN_DIALECT_ONLY:
        return ""
    if provider.dialect in TRANSLATED:
        return provider.dialect
    return next((one.dialect for one in provider.also if one.dialect in TRANSLATED), "")


def window_limit(model: Model) -> int:
    """Estimated tokens above which a request is too large for a model with a known context window.

    A quarter above the window: tokens are only estimated here, so the provider decides the close cases.
    """
    return model.context * 5 // 4


def _drop(model: Model, reason: str, detail: str) -> Dropped:
    return Dropped(model=model.name, reason=reason, detail=detail)  # type: ignore[arg-type]
