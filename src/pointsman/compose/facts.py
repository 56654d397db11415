"""From configuration and catalogue to core values: one provider, one model. The configuration's word wins."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec

from pointsman.catalog import Catalog, ModelRow, ProviderRow
from pointsman.compose.billing import price_of
from pointsman.compose.endpoints import endpoints
from pointsman.config import schema
from pointsman.core import rent
from pointsman.core.model import Ability, HealthCheck, Model, Price, Provider, Template, TimeLimits
from pointsman.core.money import NANOS_PER_USD
from pointsman.core.rent import HOURS_A_MONTH, Rent, Use

T = TypeVar("T")
_HOURS = Decimal(str(HOURS_A_MONTH))


def provider_of(
    name: str, said: schema.Provider, row: ProviderRow | None, env: Mapping[str, str]
) -> tuple[Provider, str]:
    """A provider, and why it cannot be asked now (empty if it can).

    Raises:
        ConfigError: neither the configuration nor the catalogue says where it is.
    """
    asked = endpoints(name, said, row, env)
    main, lacking = asked.main, asked.lacking
    variables = (said.api_key_env,) if said.api_key_env is not None else (row.key_variables if row else ())
    keys = tuple(variable for variable in said.api_key_envs if env.get(variable))
    variables = keys or said.api_key_envs or variables
    variable = next((v for v in variables if v and env.get(v)), variables[0] if variables else "")
    if variable and not env.get(variable) and said.credentials == "own" and not lacking:
        lacking = f"${variable} is not set"
    provider = Provider(
        name=name,
        dialect=main.dialect,
        base_url=main.base_url,
        api_key_env=variable,
        keys=keys if len(keys) > 1 else (),
        auth_header=main.auth_header,
        auth_prefix=main.auth_prefix,
        credentials=said.credentials,
        query=tuple(said.query.items()),
        headers=main.headers,
        also=asked.also,
        private=_either(said.private, row.private and not said.base_url if row else False),
        cache_marks=said.cache_marks,
        stream_usage=_either(said.stream_usage, row.stream_usage if row else True),
        jurisdiction=_first(said.jurisdiction, row.jurisdiction if row else None, ""),
        regions=said.regions if said.regions is not None else (row.regions if row else ()),
        retention=_first(said.retention, row.retention if row else None, ""),
        local=bool(row and row.local),
        ca_file=said.ca_file or "",
        proxy=said.proxy or "",
        limits=limits_of(said.timeouts, TimeLimits()),
        check=check_of(said.health_check),
    )
    return provider, lacking


def check_of(said: schema.HealthCheck | None) -> HealthCheck | None:
    """How a provider is asked whether it is well; None where nothing is said."""
    if said is None:
        return None
    return HealthCheck(
        when=said.when, kind=said.kind, interval=said.interval, timeout=said.timeout, path=said.path or ""
    )


def limits_of(said: schema.Timeouts, default: TimeLimits) -> TimeLimits:
    """Time limits, what is not said taken from `default`."""
    return TimeLimits(
        connect=_first(said.connect, None, default.connect),
        first_byte=_first(said.first_byte, None, default.first_byte),
        between_bytes=_first(said.between_bytes, None, default.between_bytes),
        total=_first(said.total, None, default.total),
    )


def model_of(provider: Provider, upstream: str, catalog: Catalog, row: ProviderRow | None) -> Model:
    """A model by `provider/model`, with what the catalogue knows of it."""
    known = catalog.model(row.name, upstream) if row is not None else None
    refused = frozenset(row.refused_params) if row is not None else frozenset()
    name = f"{provider.name}/{upstream}"
    if known is None:
        return Model(name=name, provider=provider, upstream=upstream, refused_params=refused)
    return from_row(name, provider, upstream, known, refused)


def from_row(name: str, provider: Provider, upstream: str, row: ModelRow, refused: frozenset[str]) -> Model:
    """A catalogue row as a model."""
    return Model(
        name=name,
        provider=provider,
        upstream=upstream,
        tier=row.tier,
        context=row.context,
        max_output=row.max_output,
        abilities=row.abilities,
        price=row.full,
        refused_params=refused,
        deprecated=row.deprecated,
        retires=row.retires,
        replaced_by=row.replaced_by,
    )


def override(model: Model, name: str, said: schema.Model, use: Use | None = None) -> Model:
    """A model with what the configuration says of it; `use` is what it was used for, where its machine is rented."""
    return msgspec.structs.replace(
        model,
        name=name,
        tier=said.tier or model.tier,
        context=said.context or model.context,
        max_output=said.max_output or model.max_output,
        abilities=abilities_of(said.abilities) if said.abilities is not None else model.abilities,
        price=_priced(said, use) or model.price,
        params=tuple(said.params.items()),
        extra_headers=tuple(said.extra_headers.items()),
        refused_params=frozenset(said.refuses) if said.refuses is not None else model.refused_params,
        param_policy=said.unsupported,
        template=template_of(said.template),
    )


def _priced(said: schema.Model, use: Use | None) -> Price | None:
    if said.rent is not None:
        return rent.price_of(rent_of(said.rent), use)
    return None if said.price is None else price_of(said.price)


def rent_of(said: schema.Rent) -> Rent:
    """What a machine costs, from the configuration, which has been checked."""
    by_hour = said.gpu_hour is not None
    usd_an_hour = Decimal(str(said.gpus)) * (said.gpu_hour or 0) if by_hour else (said.month or 0) / _HOURS
    return Rent(
        hour=round(usd_an_hour * NANOS_PER_USD),
        tokens_per_hour=said.tokens_per_hour,
        output_weight=said.output_weight,
    )


def template_of(said: schema.Template) -> Template | None:
    """A template; None where it says nothing, so that it costs nothing."""
    if said == schema.Template():
        return None
    return Template(before=said.before, after=said.after, json=said.json, unfence=said.unfence)


def abilities_of(words: tuple[str, ...]) -> Ability:
    """A set of abilities from their names."""
    found = Ability(0)
    for word in words:
        found |= Ability[word.upper()]
    return found


def _either(said: bool | None, default: bool) -> bool:
    return default if said is None else said


def _first(said: T | None, second: T | None, default: T) -> T:
    return said if said is not None else (second if second is not None else default)
