"""A caller's Gemini request as the chosen model's provider gets it: untouched but for what routing must change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from pointsman.core.chat import Dropped
from pointsman.core.errors import UnsupportedParameter
from pointsman.core.model import Model
from pointsman.wire.capping import with_value
from pointsman.wire.gemini.models import on_vertex
from pointsman.wire.gemini.names import DIALECT, camel, fields_of, null, objects_of, spelled, told
from pointsman.wire.gemini.seals import MARK, SEAL, sealed_by_us
from pointsman.wire.raw import Fields, dump, object_of, text_in, text_of, value_of
from pointsman.wire.trip import Incoming, Outgoing

_encode = msgspec.json.Encoder().encode
_CONFIG = "generationConfig"
_FOLDERS = ("models/", "tunedModels/")
# Names that a configuration may use for fields of `generationConfig`, Google's and everybody's.
_IN_CONFIG = frozenset(
    {
        "maxOutputTokens",
        "temperature",
        "topP",
        "topK",
        "presencePenalty",
        "frequencyPenalty",
        "seed",
        "stopSequences",
        "candidateCount",
        "responseLogprobs",
        "logprobs",
        "thinkingConfig",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "responseModalities",
        "speechConfig",
        "mediaResolution",
        "imageConfig",
    }
)
_CALLED_ELSEWHERE = {
    "maxTokens": "maxOutputTokens",
    "maxCompletionTokens": "maxOutputTokens",
    "stop": "stopSequences",
    "n": "candidateCount",
}


def write_request(incoming: Incoming, model: Model) -> Outgoing:
    """Write a request for a model of this dialect. Raises as `port.BothSides.write_request`."""
    fields: dict[str, Any] = dict(incoming.fields)
    lost: list[Dropped] = []
    _take_off_seals(fields, lost)
    if model.upstream != incoming.model:
        _rename(fields, incoming.model, model.upstream)
    fields, refused = fit(fields, model)
    if incoming.surface == "gemini.count_tokens":
        verb = "countTokens"
        fields = counting(fields, model, vertex=on_vertex(model))
    else:
        verb = "streamGenerateContent" if incoming.stream else "generateContent"
    return Outgoing(
        path=path_of(model, verb, incoming.query),
        body=_encode(fields),
        dropped=(*lost, *refused),
        dialect=DIALECT,
    )


def path_of(model: Model, verb: str, query: str = "") -> str:
    """Where a model is asked, below the base URL. A stream is always asked for as events; `query` is the caller's."""
    name = quote(model.upstream, safe="/@:._-~+")
    path = f"/{name}:{verb}" if name.startswith(_FOLDERS) else f"/models/{name}:{verb}"
    asked = [one for one in query.split("&") if one and not one.startswith(("alt=", "$alt=", "%24alt="))]
    if verb == "streamGenerateContent":
        asked.insert(0, "alt=sse")
    return f"{path}?{'&'.join(asked)}" if asked else path


def _rename(fields: dict[str, Any], called: str, upstream: str) -> None:
    """The model's own name where a body names it too."""
    _rename_one(fields, called, upstream)
    name = told(fields, "generateContentRequest")
    inner = object_of(fields[name]) if name else None
    if inner is not None and _rename_one(inner, called, upstream):
        fields[name] = dump(inner)


def _rename_one(fields: dict[str, Any], called: str, upstream: str) -> bool:
    text = text_of(fields.get("model"))
    if text is None:
        return False
    start = text.removesuffix(called) if text.endswith(called) else "models/"
    if upstream.startswith(_FOLDERS):
        start = ""
    fields["model"] = dump(start + upstream)
    return True


def fit(fields: dict[str, Any], model: Model) -> tuple[dict[str, Any], tuple[Dropped, ...]]:
    """A request's top-level fields as a model takes them, in their order, and what was dropped.

    Args:
        fields: name to raw JSON or anything that can be encoded.
        model: gives its default parameters and those that it refuses.

    Raises:
        UnsupportedParameter: a refused field under the policy `refuse`.
    """
    if not model.params and not model.refused_params:
        return fields, ()
    fields = dict(fields)
    name = told(fields, _CONFIG) or _CONFIG
    found = fields.get(name)
    config: dict[str, Any] = dict(found) if isinstance(found, Mapping) else dict(object_of(found) or {})
    before = len(config), list(config)
    _fill(fields, config, model)
    lost: list[Dropped] = []
    if model.refused_params:
        refused = frozenset(_known_as(one) for one in model.refused_params)
        fields = _without(fields, refused, model, "", lost)
        config = _without(config, refused, model, f"{_CONFIG}.", lost)
    if (len(config), list(config)) != before and name not in {one.path for one in lost}:
        fields[name] = config
    return fields, tuple(lost)


def _known_as(name: str) -> str:
    name = camel(name)
    return _CALLED_ELSEWHERE.get(name, name)


def _fill(fields: dict[str, Any], config: dict[str, Any], model: Model) -> None:
    """Add the model's defaults for what is not said."""
    for name, value in model.params:
        known = _known_as(name)
        if known == _CONFIG:
            inner = spelled(object_of(value) or {})
            config.update({one: raw for one, raw in inner.items() if not told(config, one)})
        elif known in _IN_CONFIG:
            if not told(config, known):
                config[known] = value
        elif not told(fields, known):
            fields[known] = value


def _without(
    fields: dict[str, Any], refused: frozenset[str], model: Model, start: str, lost: list[Dropped]
) -> dict[str, Any]:
    """The fields that the model takes.

    Raises:
        UnsupportedParameter: under the policy `refuse`.
    """
    kept: dict[str, Any] = {}
    for name, value in fields.items():
        if camel(name) not in refused or name == "contents":
            kept[name] = value
        elif model.param_policy == "refuse":
            raise UnsupportedParameter(
                f"{model.name} does not take `{start}{name}`.",
                param=start + name,
                hint="Leave it out, name another model, or set the model's parameter policy to `drop`.",
            )
        else:
            lost.append(Dropped(path=start + name, reason=f"{model.name} does not take it"))
    return kept


def counting(fields: dict[str, Any], model: Model, *, vertex: bool) -> dict[str, Any]:
    """A question for a number of tokens in its provider's form.

    Vertex AI takes a request's fields as they are; the Gemini API only `contents`, or a whole request with its model
    under `generateContentRequest`.
    """
    name = told(fields, "generateContentRequest")
    if vertex:
        inner = object_of(fields[name]) if name else None
        if inner is None:
            return fields
        return {**{one: raw for one, raw in fields.items() if one != name}, **_but(inner, "model")}
    if name or not {camel(one) for one in fields} - {"contents", "model"}:
        return fields
    upstream = model.upstream if model.upstream.startswith(_FOLDERS) else f"models/{model.upstream}"
    return {"generateContentRequest": {"model": upstream, **_but(fields, "model")}}


def _but(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {one: raw for one, raw in fields.items() if one != name}


def _take_off_seals(fields: dict[str, Any], lost: list[Dropped]) -> None:
    """Take thinking of other makers, which no Gemini can read, out of the contents. Looked for by how it begins."""
    for name in ("contents", told(fields, "generateContentRequest")):
        raw = fields.get(name) if name else None
        if not isinstance(raw, msgspec.Raw) or bytes(raw).find(MARK) < 0:
            continue
        if name == "contents":
            fields[name] = _unsealed(raw, lost)
        elif (inner := object_of(raw)) is not None and "contents" in inner:
            fields[name] = dump({**inner, "contents": _unsealed(inner["contents"], lost)})


def _unsealed(raw: msgspec.Raw, lost: list[Dropped]) -> msgspec.Raw:
    kept: list[Any] = []
    for at, one in enumerate(objects_of(raw)):
        content = object_of(one) or {}
        parts = objects_of(content.get("parts"))
        left = [part for part in (_part(part, f"contents[{at}]", lost) for part in parts) if part is not None]
        if left or not parts:
            kept.append({**content, "parts": left} if parts else one)
    return dump(kept)


def _part(raw: msgspec.Raw, path: str, lost: list[Dropped]) -> Any:
    """A part without a seal of ours; None if it held nothing else."""
    if bytes(raw).find(MARK) < 0:
        return raw
    fields: Fields = fields_of(raw) or {}
    if not sealed_by_us(text_in(fields, SEAL)):
        return raw
    lost.append(Dropped(path=f"{path}.thinking", reason="thinking is of use only to the model that made it"))
    left = _but(fields, SEAL)
    thinks = value_of(left.get("thought")) is True
    says = any(name not in ("thought", "text") and not null(one) for name, one in left.items())
    return None if thinks or not (says or text_in(left, "text")) else left


def capped(incoming: Incoming, tokens: int) -> Incoming:
    """The request with a limit on the length of each answer, in tokens; it names none itself."""
    name = told(incoming.fields, _CONFIG) or _CONFIG
    config: dict[str, Any] = dict(object_of(incoming.fields.get(name)) or {})
    config[told(config, "maxOutputTokens") or "maxOutputTokens"] = tokens
    return with_value(incoming, name, dump(config), tokens)
