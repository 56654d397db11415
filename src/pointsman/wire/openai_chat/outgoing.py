"""A caller's chat request as the chosen model's provider gets it."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Dropped
from pointsman.core.dialects import CHAT
from pointsman.core.errors import UnsupportedParameter
from pointsman.core.model import Model
from pointsman.wire.trip import Incoming, Outgoing

_PATHS = {"chat.completions": "/chat/completions", "check": "/chat/completions", "completions": "/completions"}
_ASK_USAGE = msgspec.Raw(b'{"include_usage":true}')
_OPTIONS = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_TRUE = msgspec.Raw(b"true")
_ENCODER = msgspec.json.Encoder()
_TWINS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


def write_request(incoming: Incoming, model: Model) -> Outgoing:
    """Write a request for a model of this dialect. Raises as `port.Dialect.write_request`."""
    fields, dropped = fit(incoming.fields, model, asks_usage=_asks_usage(incoming))
    return Outgoing(path=_PATHS[incoming.surface], body=_ENCODER.encode(fields), dropped=dropped, dialect=CHAT)


def _asks_usage(incoming: Incoming) -> bool:
    """Whether a stream is to be asked for its usage: its caller has not done so in the provider's words."""
    return incoming.stream and (incoming.details or not incoming.shows_usage)


def fit(fields: dict[str, Any], model: Model, *, asks_usage: bool) -> tuple[dict[str, Any], tuple[Dropped, ...]]:
    """A request's top-level fields as a model takes them, in their order, and what was dropped.

    Args:
        fields: name to raw JSON or anything that can be encoded.
        model: gives its name, its default parameters and those that it refuses.
        asks_usage: whether usage in the stream is to be asked for, where the provider takes that.

    Raises:
        UnsupportedParameter: a refused field under the policy `refuse`.
    """
    fitted = dict(fields)
    fitted["model"] = msgspec.Raw(_ENCODER.encode(model.upstream))
    for name, value in model.params:
        if name not in fitted and _TWINS.get(name) not in fitted:
            fitted[name] = value
    dropped: tuple[Dropped, ...] = ()
    if model.refused_params and not model.refused_params.isdisjoint(fitted):
        fitted, dropped = _without_refused(fitted, model)
    if asks_usage and model.provider.stream_usage and "stream_options" not in model.refused_params:
        fitted["stream_options"] = _asking_usage(fitted.get("stream_options"))
    return fitted, dropped


def _without_refused(fields: dict[str, Any], model: Model) -> tuple[dict[str, Any], tuple[Dropped, ...]]:
    """The fields that the model takes, in place; one length limit may stand in for its twin."""
    refused = model.refused_params
    kept: dict[str, Any] = {}
    dropped = []
    for name, value in fields.items():
        twin = _TWINS.get(name)
        if name not in refused or name == "model":
            kept[name] = value
        elif twin is not None and twin not in refused:
            if twin not in fields:
                kept[twin] = value
        elif model.param_policy == "refuse":
            raise UnsupportedParameter(
                f"{model.name} does not take `{name}`.",
                param=name,
                hint="Leave it out, name another model, or set the model's parameter policy to `drop`.",
            )
        else:
            dropped.append(Dropped(path=name, reason=f"{model.name} does not take it"))
    return kept, tuple(dropped)


def _asking_usage(options: Any) -> msgspec.Raw:
    """The caller's stream options with usage asked for."""
    try:
        known = _OPTIONS.decode(options) if isinstance(options, msgspec.Raw) else None
    except (ValueError, RecursionError):
        known = None
    if not known:
        return _ASK_USAGE
    return msgspec.Raw(_ENCODER.encode({**known, "include_usage": _TRUE}))
