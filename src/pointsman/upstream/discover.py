"""Find model servers on this machine: Ollama, LM Studio, vLLM and llama.cpp, where they usually listen.

A port alone proves nothing (half the world's web servers listen on 8000 and 8080), so an answer counts only when it
has what that server's answers have and others' have not.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from pointsman.core.errors import PointsmanError
from pointsman.core.model import Provider, TimeLimits
from pointsman.core.ports import Carrier, UpstreamRequest
from pointsman.wire.parse import BAD_JSON

PATIENCE = 0.3
"""Seconds for each look."""

_MAX_ANSWER = 4 * 1024 * 1024
_MAX_SHOWN = 32  # models of one Ollama that are asked about one by one
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,12})\b", re.MULTILINE | re.ASCII)
_DIGITS = 12  # more in a number of tokens is none
T = TypeVar("T")


class FoundModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a server offers. `context` in tokens, as the server told it; 0 where it did not."""

    name: str
    context: int = 0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A server and its models."""

    provider: Provider
    models: tuple[FoundModel, ...]


async def discover(
    carrier: Carrier, environment: Mapping[str, str], *, patience: float = PATIENCE
) -> tuple[Found, ...]:
    """Every server found, in a fixed order; takes at most about twice `patience` seconds; never raises.

    Args:
        carrier: how to ask.
        environment: `OLLAMA_HOST`, `LM_STUDIO_API_BASE`, `HOSTED_VLLM_API_BASE`, `LLAMA_ARG_HOST` and
            `LLAMA_ARG_PORT` say where else to look.
        patience: seconds for each look.
    """
    ask = _Asker(carrier, patience)
    found = await asyncio.gather(
        _ollama(ask, environment),
        _lm_studio(ask, environment),
        _vllm(ask, environment),
        _llama_cpp(ask, environment),
    )
    return tuple(one for one in found if one is not None and one.models)


class _Asker:
    def __init__(self, carrier: Carrier, patience: float) -> None:
        self._carrier = carrier
        self._limits = TimeLimits(connect=patience, first_byte=patience, between_bytes=patience, total=patience)

    async def ask(self, url: str, shape: type[T], body: bytes = b"") -> T | None:
        """A 200 of that shape, or None."""
        request = UpstreamRequest(
            method="POST" if body else "GET",
            url=url,
            headers=((b"accept", b"application/json"), (b"content-type", b"application/json")),
            body=body,
            limits=self._limits,
            max_answer=_MAX_ANSWER,
        )
        try:
            response = await self._carrier.send(request)
            try:
                if response.status != 200:
                    return None
                return msgspec.json.decode(await response.read(), type=shape, strict=False)
            finally:
                await response.aclose()
        except (PointsmanError, *BAD_JSON):
            return None  # nobody there, or not the one we are looking for


def _found(name: str, base: str, models: list[FoundModel]) -> Found:
    here = _is_loopback(base)
    provider = Provider(name=name, dialect="openai-chat", base_url=f"{base}/v1", private=here, local=here)
    return Found(provider=provider, models=tuple(models))


def _is_loopback(base: str) -> bool:
    host = urlsplit(base).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name, wherever it leads


def _base(value: str, port: int) -> str:
    """A base URL from what people write into such variables: host, host:port, or a URL, with or without `/v1`."""
    value = value.strip().rstrip("/").removesuffix("/v1")
    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        host, given = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        host, given, parts = "127.0.0.1", None, urlsplit("http://127.0.0.1")
    if host in ("0.0.0.0", "::"):  # where it listens, not where one reaches it
        host = "127.0.0.1"
    if given is None:
        given = {"https": 443}.get(parts.scheme, port)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{given}{parts.path}"


# Ollama


class _Tag(msgspec.Struct):
    name: str
    digest: str
    remote_host: str = ""


class _Tags(msgspec.Struct):
    models: list[_Tag]


class _Show(msgspec.Struct):
    model_info: dict[str, msgspec.Raw] = {}
    parameters: str = ""
    capabilities: list[str] = []


async def _ollama(ask: _Asker, environment: Mapping[str, str]) -> Found | None:
    base = _base(environment.get("OLLAMA_HOST", ""), 11434)
    tags = await ask.ask(f"{base}/api/tags", _Tags)
    if tags is None:
        return None
    # Ollama also lists models that it forwards to its own cloud: those are not on this machine.
    names = [tag.name for tag in tags.models if not tag.remote_host and not tag.name.endswith(("-cloud", ":cloud"))]
    window = environment.get("OLLAMA_CONTEXT_LENGTH", "")
    default = _tokens(window)

    async def look(name: str) -> FoundModel | None:
        shown = await ask.ask(f"{base}/api/show", _Show, msgspec.json.encode({"model": name}))
        if shown is None:
            return FoundModel(name=name)
        if shown.capabilities and "completion" not in shown.capabilities:
            return None  # an embedding model
        return FoundModel(name=name, context=_ollama_context(shown, default))

    looked = await _each(look, names[:_MAX_SHOWN])
    models = [model for model in looked if model is not None]
    return _found("ollama", base, models + [FoundModel(name=name) for name in names[_MAX_SHOWN:]])


def _ollama_context(shown: _Show, default: int) -> int:
    """The window it will really use where that is set, else the one the model was made for."""
    own = _NUM_CTX.search(shown.parameters)
    trained = 0
    for key, value in shown.model_info.items():
        if key.endswith(".context_length"):
            trained = _tokens(bytes(value).decode("latin-1"))
    wanted = int(own[1]) if own else default
    return min(wanted, trained) if wanted and trained else wanted or trained


def _tokens(text: str) -> int:
    """A number of tokens in plain digits; 0 if it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


async def _each(look: Callable[[str], Awaitable[T]], names: list[str]) -> list[T]:
    return list(await asyncio.gather(*(look(name) for name in names)))


# LM Studio


class _StudioModel(msgspec.Struct):
    id: str
    type: str
    state: str
    max_context_length: int
    loaded_context_length: int = 0


class _Studio(msgspec.Struct):
    data: list[_StudioModel]


async def _lm_studio(ask: _Asker, environment: Mapping[str, str]) -> Found | None:
    base = _base(environment.get("LM_STUDIO_API_BASE", ""), 1234)
    listed = await ask.ask(f"{base}/api/v0/models", _Studio)
    if listed is None:
        return None
    models = [
        FoundModel(name=model.id, context=model.loaded_context_length or model.max_context_length)
        for model in listed.data
        if model.type in ("llm", "vlm")
    ]
    return _found("lmstudio", base, models)


# vLLM and llama.cpp: both answer /v1/models, each with its own marks


class _Meta(msgspec.Struct):
    n_ctx_train: int = 0
    n_ctx: int = 0


class _Listed(msgspec.Struct):
    id: str
    owned_by: str
    max_model_len: int | None = None
    meta: _Meta | None = None


class _List(msgspec.Struct):
    data: list[_Listed]


class _Settings(msgspec.Struct):
    n_ctx: int = 0


class _Props(msgspec.Struct):
    default_generation_settings: _Settings


async def _vllm(ask: _Asker, environment: Mapping[str, str]) -> Found | None:
    base = _base(environment.get("HOSTED_VLLM_API_BASE", ""), 8000)
    listed = await ask.ask(f"{base}/v1/models", _List)
    if listed is None or not any(model.owned_by == "vllm" for model in listed.data):
        return None
    return _found("vllm", base, [FoundModel(name=model.id, context=model.max_model_len or 0) for model in listed.data])


async def _llama_cpp(ask: _Asker, environment: Mapping[str, str]) -> Found | None:
    port = environment.get("LLAMA_ARG_PORT", "")
    base = _base(environment.get("LLAMA_ARG_HOST", ""), _tokens(port) or 8080)
    listed = await ask.ask(f"{base}/v1/models", _List)
    if listed is None or not any(model.owned_by == "llamacpp" for model in listed.data):
        return None
    props = await ask.ask(f"{base}/props", _Props)
    # The window that one request may fill; the trained one says only how large it could be made.
    served = 0 if props is None or len(listed.data) > 1 else props.default_generation_settings.n_ctx
    models = []
    for model in listed.data:
        meta = model.meta or _Meta()
        models.append(FoundModel(name=model.id, context=served or meta.n_ctx or meta.n_ctx_train))
    return _found("llamacpp", base, models)
