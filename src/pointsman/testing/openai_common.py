"""What OpenAI's own surfaces have in common: keys, the list of models, errors, headers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.testing.dialect import Headers, Refusal, Request
from pointsman.testing.limits import Left
from pointsman.testing.script import SimModel
from pointsman.wire.parse import BAD_JSON

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_TYPES = {401: "invalid_request_error", 429: "requests", 403: "insufficient_permissions"}
_CODES = {"no_api_key": "invalid_api_key", "model_retired": "model_not_found", "prefill_refused": "invalid_value"}
MOST_TOKENS = 10_000_000


def bearer(request: Request) -> str:
    """The key that came as a bearer token."""
    return request.header(b"authorization").removeprefix("Bearer ")


def read_object(body: bytes) -> dict[str, Any]:
    """The body as an object. Raises Refusal: it is none."""
    try:
        fields = _decode(body)
    except BAD_JSON:
        fields = None
    if not isinstance(fields, dict):
        raise Refusal(400, "", "We could not parse the JSON body of your request.")
    return fields


def needs(fields: dict[str, Any], *names: str) -> None:
    """Raises Refusal: one of these fields is not there, or empty."""
    for name in names:
        if not fields.get(name):
            raise Refusal(400, "missing_required_parameter", f"Missing required parameter: '{name}'.", name)


def within(fields: dict[str, Any], name: str, least: int, most: int) -> int | None:
    """A whole number of the body; None if it is not there. Raises Refusal: out of range."""
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(400, "invalid_type", f"Invalid type for '{name}': expected an integer.", name)
    if not least <= value <= most:
        raise Refusal(400, "invalid_value", f"Invalid '{name}': expected {least} to {most}, got {value}.", name)
    return value


def misread(error: Exception) -> Refusal:
    """What is said to a body of the wrong types."""
    return Refusal(400, "invalid_type", f"Invalid type or value in your request: {error}")


def models_surface(request: Request) -> str:
    """`models` for the list of models, empty for everything else."""
    path = request.path
    return "models" if request.method == "GET" and (path == "/models" or path.startswith("/models/")) else ""


def models_listing(request: Request, models: Sequence[SimModel]) -> bytes:
    """`GET /models` and `/models/{id}`. Raises Refusal: no such model."""
    cards = [{"id": m.name, "object": "model", "created": 1700000000, "owned_by": "simulator"} for m in models]
    wanted = request.path.removeprefix("/models").strip("/")
    if not wanted:
        return _encode({"object": "list", "data": cards})
    for card in cards:
        if card["id"] == wanted:
            return _encode(card)
    raise Refusal(404, "model_not_found", f"The model '{wanted}' does not exist", "model", subject=wanted)


def error_body(refusal: Refusal) -> bytes:
    """`{"error": {message, type, param, code}}`."""
    kind = _TYPES.get(refusal.status, "invalid_request_error" if refusal.status < 500 else "server_error")
    if refusal.code == "insufficient_quota":
        kind = refusal.code
    code = _CODES.get(refusal.code, refusal.code) or None
    error = {"message": refusal.message + refusal.tail, "type": kind, "param": refusal.param, "code": code}
    return _encode({"error": error})


def answer_headers(number: int, left: Sequence[Left]) -> Headers:
    """The request's name and `x-ratelimit-…`."""
    made = [(b"x-request-id", b"req_sim%020d" % number)]
    for each in left:
        kind = each.kind.encode()
        made += [
            (b"x-ratelimit-limit-" + kind, b"%d" % each.limit),
            (b"x-ratelimit-remaining-" + kind, b"%d" % each.left),
            (b"x-ratelimit-reset-" + kind, b"%dms" % int(each.reset * 1000)),
        ]
    return made
