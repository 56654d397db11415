"""What look-ups return: one provider, one model. Frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from pointsman.core.errors import ConfigError
from pointsman.core.model import Ability, Price, Tier

_VARIABLE = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")


ZeroRetention = Literal["", "default", "setting", "agreement"]
"""How nothing at all is kept: by default, by a setting or header of the customer, by contract or on approval."""
Country = Annotated[str, msgspec.Meta(pattern=r"^([A-Z]{2})?$")]
"""ISO 3166 alpha-2, or `EU` for a region; empty unknown."""


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """The page that says so, and the ISO date of the page, else of the day on which it was read."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https://")]
    date: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class ServicePrice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider asks for serving a request in another way than the usual one.

    Attributes:
        name: as in `core.usage.Usage.service`, e.g. `batch`.
        models: ids it holds for, a `*` at the end stands for any text; empty is all of the provider's.
        factor: of every price per token, decimal text; empty where `prices` says all.
        prices: US dollars per million tokens by kind, decimal text; kinds left out fall back as usual. They hold for
            requests of any length.
        joins: also holds together with any other service, on top of it.
        since: ISO date from which it holds; empty as far back as the source knows. Of several that hold for a model
            the last one counts.
        source, date: the page, and its ISO date, else that of the day on which it was read.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]+$")]
    models: tuple[str, ...] = ()
    factor: str = ""
    prices: dict[str, str] = {}
    joins: bool = False
    since: str = ""
    source: Annotated[str, msgspec.Meta(pattern=r"^https://")]
    date: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class FeePrice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider asks for something by the piece.

    Attributes:
        name: as in `core.usage.Usage.fees`, e.g. `web_search`.
        usd: US dollars for one, decimal text.
        models, since, source, date: as in `ServicePrice`.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z_]+$")]
    usd: str
    models: tuple[str, ...] = ()
    since: str = ""
    source: Annotated[str, msgspec.Meta(pattern=r"^https://")]
    date: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class ProviderRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who answers.

    Attributes:
        name: the name in configuration, lower case.
        title: the name for people.
        dialect: wire format, e.g. `openai-chat`, `anthropic-messages`, `gemini`, `bedrock-converse`, `cohere-v2`.
        base_url: without a trailing slash, `/v1` included where the provider has it; may hold `{VARIABLE}`s, which
            are environment variables, with their default in `defaults` if there is one.
        also: other dialects that it speaks, each with its base URL, where the key goes as `authorization: Bearer`
            (`api-key` on Azure).
        api_key_env: environment variable with the key; empty where none is needed.
        key_aliases: other variables people use for the same key, in order of preference.
        auth_header, auth_prefix: how the key is sent. An empty header means that the dialect signs (Bedrock).
        headers: sent with every request (`anthropic-version`).
        stream_usage: takes `stream_options.include_usage`; False where it is known to be refused.
        refused_params: body fields known to be refused.
        jurisdiction: country of the company that the customer contracts with, ISO 3166 alpha-2; empty unknown.
        group: country of the group's head office where it is another; empty: the same, or unknown.
        regions: countries where it is hosted, or `EU`, as far as published; empty unknown.
        retention: what is published about keeping prompts and answers, in words; empty unknown.
        retention_days: how long they are kept by default, in days; 0 not at all, but for exceptions that `retention`
            names; None where no number is published.
        zero_retention: how to have nothing kept; empty where no way is published.
        citations: where `jurisdiction`, `group`, `regions` and `retention` (with its days) come from, by field name.
            A fact without one was put down by hand without its page.
        docs, pricing: pages.
        aliases: other names for it.
        private: data sent there never leave the premises, as long as the URL is this one; see `keeps_home`.
        elsewhere: endings of names of models that a private provider only passes on (Ollama's cloud models).
        local: runs on this machine and is discovered on its usual port.
        shares: providers whose prices hold here for models that this one has no price for.
        feed: the provider's id in the price feed; empty where it has none.
        defaults: values of `{VARIABLE}`s that are not set.
        services: what other ways of serving a request cost.
        fees: what is billed by the piece costs, where the price feed does not say.
    """

    name: str
    title: str
    dialect: str
    base_url: str
    also: dict[str, str] = {}
    api_key_env: str = ""
    key_aliases: tuple[str, ...] = ()
    auth_header: str = "authorization"
    auth_prefix: str = "Bearer "
    headers: dict[str, str] = {}
    stream_usage: bool = True
    refused_params: tuple[str, ...] = ()
    jurisdiction: Country = ""
    group: Country = ""
    regions: tuple[Country, ...] = ()
    retention: str = ""
    retention_days: Annotated[int, msgspec.Meta(ge=0)] | None = None
    zero_retention: ZeroRetention = ""
    citations: dict[str, Citation] = {}
    docs: str = ""
    pricing: str = ""
    aliases: tuple[str, ...] = ()
    private: bool = False
    elsewhere: tuple[str, ...] = ()
    local: bool = False
    shares: tuple[str, ...] = ()
    feed: str = ""
    defaults: dict[str, str] = {}
    services: tuple[ServicePrice, ...] = ()
    fees: tuple[FeePrice, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Environment variables that the URL needs."""
        return tuple(_VARIABLE.findall(self.base_url))

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Environment variables that may hold the key, first choice first."""
        return (self.api_key_env, *self.key_aliases) if self.api_key_env else ()

    def keeps_home(self, model_id: str) -> bool:
        """Whether data sent to this model stay on the premises."""
        return self.private and not model_id.lower().endswith(self.elsewhere)

    def url(self, environment: Mapping[str, str], dialect: str = "") -> str:
        """The base URL, for the row's own dialect or another of `also`, with its variables filled in.

        Raises:
            KeyError: it does not speak that dialect.
            ConfigError: a variable is not set and has no default.
        """
        base_url = self.base_url if dialect in ("", self.dialect) else self.also[dialect]

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            value = environment.get(name, "") or self.defaults.get(name, "")
            if not value:
                raise ConfigError(f"provider {self.name} needs ${name} in its URL {base_url}", hint=f"set {name}")
            return value

        return _VARIABLE.sub(fill, base_url).rstrip("/")


class Quotas(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider publishes as the limits of its lowest tier; an account may have others. 0 unknown.

    Attributes:
        rpm, rpd: requests per minute and per day.
        tpm, tpd: tokens per minute and per day, input and output together.
        input_tpm, output_tpm: tokens per minute where the two are counted apart.
        tier: the provider's name for the tier, e.g. `Tier 1` or `free plan`.
        source: URL of the page.
        date: ISO date of the page, else of the day on which it was read.
    """

    rpm: int = 0
    tpm: int = 0
    rpd: int = 0
    tpd: int = 0
    input_tpm: int = 0
    output_tpm: int = 0
    tier: str = ""
    source: str = ""
    date: str = ""


class PriceTier(msgspec.Struct, frozen=True, kw_only=True):
    """The whole price of a request with more than `above` input tokens."""

    above: int
    price: Price


class HourPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A price at certain hours: minutes of the day in UTC, `start` included, `end` not; may span midnight."""

    start: int
    end: int
    price: Price

    def holds(self, minute: int) -> bool:
        """Whether it holds at a minute of the day, 0 to 1439."""
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """A model of a provider.

    Attributes:
        provider: the provider's name.
        id: the name to send upstream: as asked for, if the provider knows that spelling.
        base: the row's own id; differs from `id` for dated names, aliases and fine-tuned models.
        fine_tuned: `id` is a fine-tuned model, whose facts come from `base`.
        kind: `chat`, `embeddings`, `rerank`, `image`, `audio`, `video`, `moderation`, `ocr`.
        context, max_output: tokens; 0 unknown.
        abilities: all that it is not known to lack, so that a filter never drops a model for want of data; None
            where nothing is known.
        known: the abilities that a source states.
        tier: by the rule in docs/reference/catalogue.md; None where nothing is known.
        strengths, weaknesses: tasks, by the rule in docs/reference/catalogue.md.
        price: in force on the catalogue's day, for short inputs; None is unpriced, which is never free. Where the
            price depends on the hour, the dearest: a bill must not come out too low.
        tiers: prices for long inputs, ascending.
        hours: prices of certain hours, where it depends on them; `otherwise` is that of all other hours.
        other_prices: what is billed in other units than tokens.
        full: the price with all that a bill needs: tiers, hours, services and fees; None where `price` is.
        pieces: of a model without a price per token: what it costs by the piece, such as a page or a second of sound.
            It holds only for answers that state these; None where there is none.
        announced: whole prices that will hold from a later day on, the nearest first; see their `since`.
        deprecated, retires, replaced_by: the end, where announced; `retires` is an ISO date.
    """

    provider: str
    id: str
    base: str
    title: str = ""
    fine_tuned: bool = False
    kind: str = "chat"
    aliases: tuple[str, ...] = ()
    context: int = 0
    max_output: int = 0
    abilities: Ability | None = None
    known: Ability = Ability(0)
    tier: Tier | None = None
    strengths: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()
    quotas: Quotas = Quotas()
    price: Price | None = None
    tiers: tuple[PriceTier, ...] = ()
    hours: tuple[HourPrice, ...] = ()
    otherwise: Price | None = None
    other_prices: dict[str, str] = {}
    full: Price | None = None
    pieces: Price | None = None
    announced: tuple[Price, ...] = ()
    deprecated: bool = False
    retires: str = ""
    replaced_by: str = ""

    def price_for(self, input_tokens: int) -> Price | None:
        """The price of a request with so many input tokens."""
        price = self.price
        for tier in self.tiers:
            if input_tokens > tier.above:
                price = tier.price
        return price

    def price_at(self, minute: int) -> Price | None:
        """The price at a minute of the day in UTC, 0 to 1439, for short inputs."""
        if not self.hours:
            return self.price
        return next((each.price for each in reversed(self.hours) if each.holds(minute)), self.otherwise)


class Retirement(msgspec.Struct, frozen=True, kw_only=True):
    """A model's end, seen from a day.

    Attributes:
        state: `soon` from 30 days before, `over` from the day itself.
        on: ISO date of the end.
        replaced_by: the successor's id at the same provider; empty if none is named.
        text: a sentence for a warning.
    """

    state: Literal["soon", "over"]
    on: str
    replaced_by: str
    text: str
