"""How far a model may go with a request, as far as that follows from the model: computed once for each."""

from __future__ import annotations

from collections.abc import Iterable
from operator import ge
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from pointsman.core.model import Model
    from pointsman.core.price import Rates

SILENT = frozenset({"flex", "priority", "scale", "provisioned", "us"})
"""How a provider may serve a request that says nothing of it: as the account's project or workspace is set up. `fast`,
`performance` and `batch` are got by nobody who does not ask for them."""
UNKNOWN_OUTPUT = 16_384
"""Where nobody says how long an answer may become and the model's limit is unknown: then it is told this one."""
_NO_WINDOW = 2**62
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_WAYS = ("service_tier", "serviceTier", "speed", "inference_geo")
_CONFIGS = ("generationConfig", "generation_config")
_UNBOUNDED = frozenset({"tools", "web_search_options", "plugins", "search_parameters", "n", "best_of", "mcp_servers"})
"""Default parameters that bring in what no bound is known of."""


Quick = tuple[int, int, int, int, int, int]


class Reach(NamedTuple):
    """What bounds the cost of a model's answers, as it is looked at in each call.

    Attributes:
        context: its window in tokens; 0 unknown.
        added: tokens at most of what it is told besides the caller's words.
        output: its longest answer where the request does not say one, in tokens.
        told: that limit has to be told, since nobody knows of another.
        deaf: it is not told the request's own limit.
        rates: what it asks at most, however it serves a request that says nothing of it; None is unpriced.
        ways: what its own parameters ask for besides.
        unbounded: a parameter of its own that has no bound; empty where there is none.
        quick: window, added and longest answer as above (no window is a huge one), and what a token read, a token
            written and a request cost; None where that depends on the length, or anything else is not as usual.
    """

    context: int = 0
    added: int = 0
    output: int = UNKNOWN_OUTPUT
    told: bool = False
    deaf: bool = False
    rates: Rates | None = None
    ways: frozenset[str] = frozenset()
    unbounded: str = ""
    quick: Quick | None = None


NO_REACH = Reach()


def widest(reaches: Iterable[Reach]) -> tuple[Quick, ...] | None:
    """How far any of several may go, without those that go no farther than another; None where one is not told so."""
    found: list[Quick] = []
    for reach in reaches:
        quick = reach.quick
        if quick is None:
            return None
        if any(all(map(ge, other, quick)) for other in found):
            continue
        found = [other for other in found if not all(map(ge, quick, other))]
        found.append(quick)
    return tuple(found)


def reach_of(model: Model) -> Reach:
    """How far a model may go."""
    params = {name: _value(raw) for name, raw in model.params}
    limits = [params.get(name) for name in _LIMITS]
    configs = [config for name in _CONFIGS if isinstance(config := params.get(name), dict)]
    limits += [config.get(name) for config in configs for name in ("maxOutputTokens", "max_output_tokens")]
    said = [limit for limit in limits if isinstance(limit, int) and limit > 0]
    price, refused, template = model.price, model.refused_params, model.template
    ways = frozenset(word for name in _WAYS if isinstance(word := params.get(name), str))
    several = any("candidateCount" in config or "candidate_count" in config for config in configs)
    reach = Reach(
        context=model.context,
        added=0 if template is None else 4 * len(template.before + template.after + template.json),
        output=max(said, default=0) or model.max_output or min(model.context or UNKNOWN_OUTPUT, UNKNOWN_OUTPUT),
        told=not said and not model.max_output,
        deaf=refused.issuperset(_LIMITS[:2]) or "max_output_tokens" in refused,
        rates=None if price is None else price.rates(SILENT | ways),
        ways=ways,
        unbounded="candidateCount" if several else next((name for name in params if name in _UNBOUNDED), ""),
    )
    if reach.rates is None or len(reach.rates) > 1 or reach.deaf or reach.unbounded:
        return reach
    return reach._replace(quick=(reach.context or _NO_WINDOW, reach.added, reach.output, *reach.rates[0][1:]))


def _value(raw: msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
