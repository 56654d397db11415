"""Where a provider is asked in which dialect, and how it wants its key: the configuration's word, the catalogue's."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pointsman.catalog import ProviderRow
from pointsman.config import schema
from pointsman.core.dialects import CHAT, EMBEDDINGS, GEMINI, MESSAGES, MISTRAL, RESPONSES, TRANSLATED
from pointsman.core.errors import ConfigError
from pointsman.core.model import Endpoint

_BEARER = ("authorization", "Bearer ")
_KEYS = {MESSAGES: ("x-api-key", ""), GEMINI: ("x-goog-api-key", "")}
"""How a dialect sends a key, where nobody says otherwise."""
_OWN_HEADER = "api-key"
"""Azure's: a provider with this one has it in every dialect."""


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider is asked: its main dialect, others, and why it cannot be (empty if it can)."""

    main: Endpoint
    also: tuple[Endpoint, ...]
    lacking: str


def spoken(row: ProviderRow) -> str:
    """The dialect to speak with a provider: its own if we have it, else another that it offers and we have."""
    if row.dialect in TRANSLATED:
        return row.dialect
    return next((dialect for dialect in row.also if dialect in TRANSLATED), row.dialect)


def unspoken(dialect: str) -> str:
    """Why a provider of a dialect that this version lacks cannot be asked."""
    return f"speaks {dialect}, which this version does not"


def endpoints(name: str, said: schema.Provider, row: ProviderRow | None, env: Mapping[str, str]) -> Endpoints:
    """Where the provider called `name` is asked.

    Raises:
        ConfigError: neither the configuration nor the catalogue says where it is.
    """
    dialect = said.dialect or (spoken(row) if row else "")
    url, lacking = said.base_url or "", ""
    if not url and row is not None:
        try:
            url = row.url(env, dialect)
        except KeyError:
            offered = " or ".join(f"`{one}`" for one in (row.dialect, *row.also))
            raise ConfigError(
                f"provider `{name}` is not known to speak `{dialect}`",
                hint=f"the catalogue has {offered}; with another, give `base_url` too",
            ) from None
        except ConfigError as error:
            url, lacking = row.base_url, error.bare
    if dialect and dialect not in TRANSLATED:
        lacking = unspoken(dialect)
    if not dialect or not url:
        raise ConfigError(
            f"provider `{name}` is not in the catalogue", hint="give it `dialect` and `base_url`, or correct the name"
        )
    main = _endpoint(dialect, url, said, row)
    others = {other: other_url for other, other_url in said.also.items() if other != dialect}
    if row is not None and not said.base_url and not said.dialect:
        others = _catalogued(row, env, dialect) | others
    also = [_endpoint(other, other_url, said, row) for other, other_url in others.items()]
    known = {dialect: main, **{one.dialect: one for one in also}}
    near = next((known[name] for name in (CHAT, RESPONSES, MISTRAL) if name in known), None)
    if near is not None and EMBEDDINGS not in known:  # whoever speaks OpenAI's dialects has them at the same place
        also.append(msgspec.structs.replace(near, dialect=EMBEDDINGS))
    return Endpoints(main=main, also=tuple(also), lacking=lacking)


def _catalogued(row: ProviderRow, env: Mapping[str, str], main: str) -> dict[str, str]:
    """The other dialects of a provider in the catalogue, with their URLs."""
    found = {}
    for dialect in (row.dialect, *row.also):
        if dialect != main and dialect in TRANSLATED:
            try:
                found[dialect] = row.url(env, dialect)
            except ConfigError:
                continue  # a variable of that URL is missing; the main one is asked
    return found


def _endpoint(dialect: str, url: str, said: schema.Provider, row: ProviderRow | None) -> Endpoint:
    """One of them. What the catalogue says of keys and headers holds for the provider's own dialect."""
    own = row if row is not None and (dialect == row.dialect or row.auth_header == _OWN_HEADER) else None
    header, prefix = (own.auth_header, own.auth_prefix) if own else (_BEARER if row else _KEYS.get(dialect, _BEARER))
    return Endpoint(
        dialect=dialect,
        base_url=url.rstrip("/"),
        auth_header=header if said.auth_header is None else said.auth_header,
        auth_prefix=prefix if said.auth_prefix is None else said.auth_prefix,
        headers=tuple({**(own.headers if own else {}), **said.headers}.items()),
    )
