"""How a model is asked to think, or not to, and what that forbids beside it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from pointsman.core.chat import Dropped, Request
from pointsman.core.model import Ability, Model
from pointsman.wire.anthropic_messages.claude import Takes
from pointsman.wire.numbers import whole
from pointsman.wire.raw import Fields, object_of, rest, text_in, value_of

LEAST = 1_024  # tokens of thinking, the fewest that can be asked for
_PATH = "reasoning_effort"
# Shares of the longest answer, as OpenRouter has them (https://openrouter.ai/docs/use-cases/reasoning-tokens).
_SHARES = {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.95, "max": 0.95}
_EFFORTS = ((6_000, "low"), (16_000, "medium"))
_WORDS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}


class Thinking(NamedTuple):
    """What is said about thinking.

    Attributes:
        config: the field `thinking`; None says nothing.
        effort: `output_config.effort`; empty says nothing.
        on: it was asked for.
    """

    config: dict[str, Any] | None = None
    effort: str = ""
    on: bool = False


SILENT = Thinking()


class Bounds(NamedTuple):
    """What stands beside thinking: most tokens of the answer, a call that is forced, a turn whose thinking is lost."""

    tokens: int
    forced: bool = False
    broken: bool = False


def wanted(request: Request) -> bool | None:
    """Whether thinking is wanted; None where the caller does not say."""
    effort, budget = request.reasoning_effort, request.reasoning_budget
    if not effort and budget is None:
        return None
    return effort != "none" and budget != 0


def write_thinking(request: Request, model: Model, takes: Takes, bounds: Bounds, lost: list[Dropped]) -> Thinking:
    """What to say about thinking to a model that takes so much."""
    wish = wanted(request)
    if wish is None:
        return SILENT
    if wish:
        fits = takes.budgets and not bounds.broken and bounds.tokens > LEAST
        exact = fits and (request.reasoning_budget or 0) > 0 and not request.reasoning_effort
        reason = _hindrance(model, takes, bounds)
        if not reason:
            by_effort = takes.effort and not exact
            return _adaptive(request, takes, lost) if by_effort else _budgeted(request, takes, bounds, lost)
        lost.append(Dropped(path=_PATH, reason=reason))
        if not takes.thinks:
            return SILENT
    return _off(model, takes, lost)


def _hindrance(model: Model, takes: Takes, bounds: Bounds) -> str:
    """Why a model cannot think now; empty if it can."""
    if model.abilities is not None and Ability.REASONING not in model.abilities:
        return f"{model.name} does not think"
    if bounds.forced:
        return "a call that is forced leaves no place for thinking"
    if takes.effort:
        return ""
    if bounds.broken:
        return "the turn that called the tools comes without its thinking"
    if bounds.tokens <= LEAST:
        return f"thinking takes more than {LEAST} tokens, and the answer may have {bounds.tokens}"
    return ""


def _off(model: Model, takes: Takes, lost: list[Dropped]) -> Thinking:
    if takes.off == "never":
        lost.append(Dropped(path=_PATH, reason=f"{model.name} always thinks; it is asked for little"))
        return Thinking(effort="low")
    return SILENT if takes.off == "omit" else Thinking(config={"type": takes.off})


def _adaptive(request: Request, takes: Takes, lost: list[Dropped]) -> Thinking:
    config: dict[str, Any] = {"type": "adaptive", **_display(request, takes)}
    return Thinking(config=config, effort=_effort(request, takes, lost), on=True)


def _effort(request: Request, takes: Takes, lost: list[Dropped]) -> str:
    """The word for an effort, also from a budget of tokens."""
    word, budget = request.reasoning_effort, request.reasoning_budget or -1
    if not word:
        return "" if budget < 0 else next((word for most, word in _EFFORTS if budget <= most), "high")
    if word in _WORDS or word in takes.highest:
        return _WORDS.get(word, word)
    lost.append(Dropped(path=_PATH, reason=f"the model has no `{word}`; the nearest is `high`"))
    return "high"


def _budgeted(request: Request, takes: Takes, bounds: Bounds, lost: list[Dropped]) -> Thinking:
    asked = request.reasoning_budget or -1
    share = _SHARES.get(request.reasoning_effort, _SHARES["medium"])
    budget = asked if asked > 0 else int(bounds.tokens * share)
    budget = min(max(budget, LEAST), bounds.tokens - 1)
    if asked > 0 and budget != asked:
        reason = f"has to be from {LEAST} to below the longest answer; {budget} is asked for"
        lost.append(Dropped(path="reasoning_budget", reason=reason))
    config: dict[str, Any] = {"type": "enabled", "budget_tokens": budget}
    return Thinking(config={**config, **_display(request, takes)} if takes.known else config, on=True)


def _display(request: Request, takes: Takes) -> dict[str, str]:
    """Whether thoughts are shown, where that has to be said: it was wished for otherwise than the model does."""
    if request.shows_reasoning is False:
        return {"display": "omitted"}
    return {"display": "summarized"} if request.shows_reasoning and not takes.shows else {}


class ThinkingRead(NamedTuple):
    """What a request says about thinking: effort, budget, whether it is shown, and what only this dialect knows."""

    effort: str = ""
    budget: int | None = None
    shows: bool | None = None
    left: Fields | None = None


_SHOWN = {"summarized": True, "omitted": False}


def read_thinking(raw: msgspec.Raw | None, output: dict[str, Any], *, shown: bool) -> ThinkingRead:
    """Effort and budget from `thinking` and `output_config`.

    `shown`: whether the model that the caller names shows what it thinks where the request does not say. A caller that
    gets that of Anthropic unasked would have to ask others for it.
    """
    effort = output.get("effort")
    effort = effort if isinstance(effort, str) else ""
    fields = object_of(raw)
    if not fields:
        return ThinkingRead(effort=effort)
    kind = text_in(fields, "type")
    tokens = whole(value_of(fields.get("budget_tokens")))
    if kind == "enabled":
        budget = tokens if tokens is not None and tokens > 0 else -1
    elif kind == "adaptive":
        budget = -1
    elif kind in ("disabled", "between_tools"):
        budget = 0
    else:
        return ThinkingRead(effort=effort, left=fields)
    left = rest(fields, ("type", "budget_tokens", "display"))
    display = text_in(fields, "display")
    if "display" in fields and display not in _SHOWN:
        left["display"] = fields["display"]
    usual = True if shown and budget and "display" not in fields else None
    return ThinkingRead(effort=effort, budget=budget, shows=_SHOWN.get(display, usual), left=left or None)
