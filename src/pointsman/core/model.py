"""Providers and models as the rest of the house sees them: compiled, frozen, ready for look-ups."""

from __future__ import annotations

import enum
from functools import cached_property
from typing import Literal

import msgspec

from pointsman.core.price import Price
from pointsman.core.reach import Reach, reach_of

__all__ = [
    "CLOUDS",
    "TIERS",
    "Ability",
    "Credentials",
    "Endpoint",
    "HealthCheck",
    "Model",
    "ParamPolicy",
    "Price",
    "Provider",
    "Template",
    "Tier",
    "TimeLimits",
]

Tier = Literal["economy", "workhorse", "frontier", "specialised"]
TIERS: tuple[Tier, ...] = ("economy", "workhorse", "frontier", "specialised")
ParamPolicy = Literal["drop", "refuse"]
Credentials = Literal["own", "caller", "entra", "google"]
CLOUDS: frozenset[Credentials] = frozenset(("entra", "google"))
"""Credentials that are tokens of some time, got by signing in."""


class Ability(enum.IntFlag):
    """What a model can do and a request can need; a bit set, so that a filter is one `&`."""

    TOOLS = 1
    VISION = 2
    JSON_SCHEMA = 4
    AUDIO_INPUT = 8
    REASONING = 16
    LOGPROBS = 32
    DOCUMENTS = 64
    COMPLETIONS = 128  # the old text completion endpoint
    EMBEDDINGS = 256
    AUDIO_OUTPUT = 512
    IMAGE_OUTPUT = 1024
    JSON_MODE = 2048


class TimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Longest time for each phase of an attempt, in seconds."""

    connect: float = 5.0
    first_byte: float = 60.0
    between_bytes: float = 60.0
    total: float = 600.0


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How the gateway itself asks a provider whether it is well, so that no caller's call has to find out.

    Attributes:
        when: only while something of it rests; always; never.
        kind: `http` is a GET that costs nothing; `completion` asks the model for one token, which costs.
        interval: seconds between two checks, before jitter.
        timeout: seconds for each.
        path: of the provider's host, for `http`; empty is the list of models below its URL.
    """

    when: Literal["resting", "always", "never"] = "resting"
    kind: Literal["http", "completion"] = "http"
    interval: float = 10.0
    timeout: float = 10.0
    path: str = ""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider takes a dialect, and how it wants its key there. As the fields of `Provider` of these names."""

    dialect: str
    base_url: str
    auth_header: str = "authorization"
    auth_prefix: str = "Bearer "
    headers: tuple[tuple[str, str], ...] = ()


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers.

    Attributes:
        name: the configured name.
        dialect: wire format it speaks, e.g. `openai-chat`.
        base_url: where, without a trailing slash; paths such as `/chat/completions` are appended. `{model}` in it
            stands for the model's name there.
        api_key_env: name of the environment variable with the key; empty where none is needed.
        keys: the variables of all its keys, where it has several.
        auth_header, auth_prefix: how the key is sent (`authorization`, `Bearer `).
        credentials: `own` sends our key; `caller` forwards the caller's own; `entra` and `google` sign in for a token.
        query: goes along in every URL, e.g. `api-version`.
        headers: sent with every request.
        private: data sent there never leave the premises.
        also: other dialects that it speaks.
        stream_usage: takes `stream_options.include_usage`.
        cache_marks: takes cache marks in a dialect that has none of its own.
        jurisdiction, regions, retention: where the data go, as far as known.
        local: discovered on this machine or embedded.
        ca_file, proxy: for the connection; empty means the system's.
        check: how it is asked whether it is well; None leaves that to the gateway.
    """

    name: str
    dialect: str
    base_url: str
    api_key_env: str = ""
    keys: tuple[str, ...] = ()
    auth_header: str = "authorization"
    auth_prefix: str = "Bearer "
    credentials: Credentials = "own"
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    private: bool = False
    also: tuple[Endpoint, ...] = ()
    stream_usage: bool = True
    cache_marks: bool = False
    jurisdiction: str = ""
    regions: tuple[str, ...] = ()
    retention: str = ""
    local: bool = False
    ca_file: str = ""
    proxy: str = ""
    limits: TimeLimits = TimeLimits()
    check: HealthCheck | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where it takes its main dialect."""
        return Endpoint(
            dialect=self.dialect,
            base_url=self.base_url,
            auth_header=self.auth_header,
            auth_prefix=self.auth_prefix,
            headers=self.headers,
        )

    def takes(self, dialect: str) -> Endpoint | None:
        """Where it takes a dialect; None where it does not."""
        if dialect in ("", self.dialect):
            return self.endpoint
        return next((one for one in self.also if one.dialect == dialect), None)


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is told besides the caller's words, so that its answers have the form that other models' have.

    Attributes:
        before, after: said before and after the system text of every request.
        json: said after that, where the request asks for JSON.
        unfence: JSON that was asked for comes in a fence of code, and is to be taken out of it.
    """

    before: str = ""
    after: str = ""
    json: str = ""
    unfence: bool = False


class Model(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Something a provider can run, under the name it has in the configuration.

    Attributes:
        name: how callers and records call it: the configured name, else `provider/model`.
        provider: who runs it.
        upstream: the model's name at the provider.
        tier: economy … specialised; None where nothing is known.
        context: context window in tokens; 0 unknown.
        max_output: longest answer in tokens; 0 unknown.
        abilities: what it can do; None where nothing is known (then it is not filtered by ability).
        price: None is unpriced, which is never free.
        params: defaults for body fields that the caller left out.
        extra_headers: sent with every request to this model.
        refused_params: body fields that this model refuses.
        param_policy: what to do when a caller sends one of them.
        demonstration: works, but is not meant for real use (the embedded model); chosen only when nothing else is.
        retires, replaced_by: ISO date of the end and the successor's name at the provider, where announced.
        template: what it is told besides, and how its answers are tidied; None is nothing.
    """

    name: str
    provider: Provider
    upstream: str
    tier: Tier | None = None
    context: int = 0
    max_output: int = 0
    abilities: Ability | None = None
    price: Price | None = None
    params: tuple[tuple[str, msgspec.Raw], ...] = ()
    extra_headers: tuple[tuple[str, str], ...] = ()
    refused_params: frozenset[str] = frozenset()
    param_policy: ParamPolicy = "drop"
    demonstration: bool = False
    deprecated: bool = False
    retires: str = ""
    replaced_by: str = ""
    template: Template | None = None

    @property
    def family(self) -> str:
        """`provider/model`, the name that needs no configuration."""
        return f"{self.provider.name}/{self.upstream}"

    @cached_property
    def free(self) -> bool:
        """Whether it costs nothing, whatever it is asked; unpriced is not free."""
        price = self.price
        return price is not None and not price.fees and not any(any(bound[1:]) for bound in price.bounds)

    @property
    def unseen(self) -> bool:
        """Whether it may have written more than was seen: it is known to think, or its price knows of thoughts.

        Where neither abilities nor price say anything of it, it is taken for one that does not.
        """
        thinks = self.abilities is not None and bool(self.abilities & Ability.REASONING)
        return thinks or (self.price is not None and self.price.reasoning is not None)

    @cached_property
    def reach(self) -> Reach:
        """How far it may go with a request."""
        return reach_of(self)
