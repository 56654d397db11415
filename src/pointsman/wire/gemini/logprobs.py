"""Log probabilities: Gemini's `logprobsResult`, and the form of `openai-chat` that core holds."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.wire.parse import as_dict, as_list, as_text
from pointsman.wire.raw import dump, value_of


def read_logprobs(result: Any) -> msgspec.Raw | None:
    """`logprobsResult` as chat's `content`; None where no token was told."""
    fields = as_dict(result)
    tops = as_list(fields.get("topCandidates"))
    content = []
    for at, one in enumerate(as_list(fields.get("chosenCandidates"))):
        chosen = _read_token(as_dict(one))
        others = as_list(as_dict(tops[at]).get("candidates")) if at < len(tops) else []
        content.append({**chosen, "top_logprobs": [_read_token(as_dict(other)) for other in others]})
    return dump({"content": content}) if content else None


def _read_token(fields: dict[str, Any]) -> dict[str, Any]:
    token = as_text(fields.get("token"))
    probability = fields.get("logProbability")
    said = isinstance(probability, int | float) and not isinstance(probability, bool)
    return {"token": token, "logprob": probability if said else 0.0, "bytes": list(token.encode("utf-8", "replace"))}


def write_logprobs(raw: msgspec.Raw) -> dict[str, Any] | None:
    """Chat's `content` as `logprobsResult`; None where no token was told."""
    tokens = [as_dict(one) for one in as_list(as_dict(value_of(raw)).get("content"))]
    if not tokens:
        return None
    tops = [
        {"candidates": [_write_token(as_dict(other)) for other in as_list(token.get("top_logprobs"))]}
        for token in tokens
    ]
    return {"chosenCandidates": [_write_token(token) for token in tokens], "topCandidates": tops}


def _write_token(fields: dict[str, Any]) -> dict[str, Any]:
    return {"token": as_text(fields.get("token")), "logProbability": fields.get("logprob")}
