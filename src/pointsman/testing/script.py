"""What the simulator is told to play: providers, their models, their tempers. A YAML or JSON file has this shape.

Seconds everywhere; prices in US dollars per million tokens; probabilities in 0…1. Unknown keys are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from pointsman.core.errors import ConfigError
from pointsman.testing.bank import Question
from pointsman.testing.distributions import Distribution
from pointsman.testing.faults import FAULTS, Fault


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a named fault strikes, and how it differs from its data in `FAULTS`.

    Attributes:
        fault: name in `FAULTS`.
        probability: for each request.
        first: only the first so many requests of this model; 0 is no limit.
        skip: requests let through before it can strike.
        only: `stream`, `whole` or both.
        after, seconds, size: instead of the fault's own.
    """

    fault: str
    probability: float = 1.0
    first: int = 0
    skip: int = 0
    only: Literal["", "stream", "whole"] = ""
    after: int | None = None
    seconds: float | None = None
    size: int | None = None

    def resolve(self) -> Fault:
        """The fault with this rule's changes.

        Raises:
            ConfigError: no fault of that name.
        """
        try:
            fault = FAULTS[self.fault]
        except KeyError:
            raise ConfigError(f"no fault is called {self.fault!r}", hint=f"one of: {', '.join(FAULTS)}") from None
        changes = {"after": self.after, "seconds": self.seconds, "size": self.size}
        changes = {name: value for name, value in changes.items() if value is not None}
        return msgspec.structs.replace(fault, **changes) if changes else fault


class Outage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time, in seconds since the simulator's start on its clock, during which requests meet one fault.

    `probability` is each request's; `after` and `seconds` stand instead of the fault's own. A port of its own that is
    `refused` stays closed throughout.
    """

    start: float = msgspec.field(name="from", default=0.0)
    end: float = msgspec.field(name="to", default=float("inf"))
    fault: str = "unavailable"
    probability: float = 1.0
    after: int | None = None
    seconds: float | None = None


class Mishap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that chaos may do: a fault, how often beside the others, and how it differs from its data."""

    fault: str
    weight: float = 1.0
    probability: float = 1.0
    after: int | None = None
    seconds: float | None = None


class Chaos(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider that is well and ill by turns, drawn from the script's seed and the provider's name.

    Attributes:
        lasts: seconds from the start until it is well for good.
        well, ill: lengths of the turns, in seconds.
        mishaps: what may be wrong with it; each turn of illness is one of them.
    """

    lasts: float
    well: Distribution = 10.0
    ill: Distribution = 5.0
    mishaps: tuple[Mishap, ...] = (
        Mishap(fault="refused"),  # crashed: with a port of its own also what is under way ends
        Mishap(fault="cut_reset"),
        Mishap(fault="stall"),
        Mishap(fault="rate_limit_seconds", seconds=1.0),
        Mishap(fault="unavailable"),
    )


class Quota(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests and tokens per minute; 0 is no limit. Above it: 429 with the true wait."""

    rpm: int = 0
    tpm: int = 0


class Pace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a stream flows. `events_per_second` 0 sends at once; `jitter` is the part of a gap that varies, 0…1."""

    events_per_second: float = 0.0
    tokens_per_event: int = 1
    jitter: float = 0.0


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars per million tokens; `cache_write` for what a request asks to be kept, in dialects that bill it."""

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None


class Thinking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens of reasoning before the answer, and how they are shown.

    `field` names the field of `openai-chat`; the other dialects have ways of their own. `hidden`: only counted.
    """

    tokens: int
    field: Literal["reasoning_content", "reasoning", "hidden"] = "reasoning_content"


class PromptCache(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prefixes of at least `min_tokens` are found again for `ttl` seconds."""

    min_tokens: int = 1024
    ttl: float = 300.0


class SimModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model and its temper.

    Attributes:
        name: what requests call it.
        first_token: seconds until the first byte of content (of the answer, if it is whole and `total` is unset).
        total: seconds until a whole answer; unset: first token, then the pace.
        pace: flow of streams.
        output_tokens: length of answers that nothing else decides.
        price: billed by the simulator's books; `report_cost` also shows it as `usage.cost`.
        quality: probability of a right answer by `task/level`, `task` or `*`.
        answers: prompt to fixed text.
        recites: tokens of a text that depends on the prompt's last turn alone, the same for every model; 0 is none.
        repeats: letters of a begun answer that are said again when a user's turn asks to go on from it.
        context: window in tokens.
        refuses: body fields answered with 400.
        tools, vision: abilities; without them a request that needs them gets 400.
        thinking: reasoning tokens.
        dimensions: numbers in its vectors.
        stream_usage: `asked` obeys include_usage; `always` sends it unasked; `never`; `refused` 400s the field.
        cache: the simulated prompt cache.
        quota: for this model alone.
        faults: first that strikes wins.
    """

    name: str
    first_token: Distribution = 0.0
    total: Distribution | None = None
    pace: Pace = Pace()
    output_tokens: Distribution = 24.0
    price: Prices | None = None
    report_cost: bool = False
    quality: dict[str, float] = {}
    answers: dict[str, str] = {}
    recites: int = 0
    repeats: int = 0
    context: int = 128_000
    refuses: tuple[str, ...] = ()
    tools: bool = True
    vision: bool = True
    thinking: Thinking | None = None
    dimensions: int = 256
    stream_usage: Literal["asked", "always", "never", "refused"] = "asked"
    cache: PromptCache = PromptCache()
    quota: Quota = Quota()
    faults: tuple[FaultRule, ...] = ()


class SimProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider: answers below `/p/NAME`, by its models' names on the shared port, and on a port of its own.

    Attributes:
        name: in the path.
        dialect: wire format.
        also: further wire formats, each on its own paths.
        models: what it serves.
        api_key: demanded if set.
        own_port: listens on a port of its own, which `refused` can close.
        faults: for all its models, after theirs.
        outages: timetable; before every other fault.
        chaos: more of a timetable, drawn by seed; `outages` come first.
        quota: for all its models together.
    """

    name: str
    dialect: str = "openai-chat"
    also: tuple[str, ...] = ()
    models: tuple[SimModel, ...] = ()
    api_key: str = ""
    own_port: bool = False
    faults: tuple[FaultRule, ...] = ()
    outages: tuple[Outage, ...] = ()
    chaos: Chaos | None = None
    quota: Quota = Quota()


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything one simulator plays.

    Attributes:
        seed: of every draw.
        providers: who is played.
        questions: the question bank; empty takes the built-in one.
        correlation: 0…1, how far all models find the same questions hard.
        journal: requests kept.
        journal_body: bytes kept of each body.
    """

    seed: int = 0
    providers: tuple[SimProvider, ...] = ()
    questions: tuple[Question, ...] = ()
    correlation: float = 0.0
    journal: int = 1000
    journal_body: int = 65_536


def one_model(**model: Any) -> Script:
    """A script of one provider `sim` with one model (`sim-1` unless named); fields as in `SimModel`."""
    return Script(providers=(SimProvider(name="sim", models=(msgspec.convert({"name": "sim-1", **model}, SimModel),)),))


def load_script(path: Path | None) -> Script:
    """Read a script from YAML or JSON; without a path, one model that answers at once.

    Raises:
        ConfigError: cannot be read, or is not a script.
    """
    if path is None:
        return one_model()
    try:
        found = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError, ValueError, RecursionError, AttributeError) as error:
        # PyYAML raises the last three of itself, for bad dates, great depth and odd tags.
        raise ConfigError(f"{path}: {error}") from error
    try:
        return msgspec.convert(found or {}, Script)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from error
