"""A caller's chat request as the chosen model's provider gets it."""

from __future__ import annotations

import msgspec

from pointsman.core.chat import Dropped
from pointsman.core.errors import UnsupportedParameter
from pointsman.core.model import Model
from pointsman.wire.port import Incoming, Outgoing

_PATHS = {"chat.completions": "/chat/completions", "completions": "/completions"}
_ASK_USAGE = msgspec.Raw(b'{"include_usage":true}')
_OPTIONS = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_TRUE = msgspec.Raw(b"true")
_NAMES = msgspec.json.Encoder()
_TWINS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


def write_request(incoming: Incoming, model: Model) -> Outgoing:
    """Write a request for a model of this dialect. Raises as `port.Dialect.write_request`."""
    fields = dict(incoming.fields)
    fields["model"] = msgspec.Raw(_NAMES.encode(model.upstream))
    for name, value in model.params:
        if name not in fields and _TWINS.get(name) not in fields:
            fields[name] = value
    dropped: tuple[Dropped, ...] = ()
    if model.refused_params and not model.refused_params.isdisjoint(fields):
        fields, dropped = _without_refused(fields, model)
    if incoming.stream and not incoming.shows_usage and model.provider.stream_usage:
        fields["stream_options"] = _asking_usage(fields.get("stream_options"), model)
        if "stream_options" in model.refused_params:
            del fields["stream_options"]
    return Outgoing(path=_PATHS[incoming.surface], body=_NAMES.encode(fields), dropped=dropped)


def _without_refused(
    fields: dict[str, msgspec.Raw], model: Model
) -> tuple[dict[str, msgspec.Raw], tuple[Dropped, ...]]:
    """The fields that the model takes, in place; one length limit may stand in for its twin."""
    refused = model.refused_params
    kept: dict[str, msgspec.Raw] = {}
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


def _asking_usage(options: msgspec.Raw | None, model: Model) -> msgspec.Raw:
    """The caller's stream options with usage asked for."""
    del model
    try:
        known = _OPTIONS.decode(options) if options is not None else None
    except (ValueError, RecursionError):
        known = None
    if not known:
        return _ASK_USAGE
    return msgspec.Raw(_NAMES.encode({**known, "include_usage": _TRUE}))
