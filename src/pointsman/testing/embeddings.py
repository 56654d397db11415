"""Embeddings from the provider's side: `POST /v1/embeddings`, a surface of `openai-chat`.

A vector depends on the model and the text alone. Texts that share words and parts of words lie near each other, so
that caches and routers have something to measure.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from collections import Counter
from typing import Any

import msgspec

from pointsman.core.usage import Usage
from pointsman.testing.dialect import Answer, Ask, Refusal
from pointsman.testing.openai_common import within
from pointsman.testing.script import SimModel

_encode = msgspec.json.Encoder().encode
_MOST_TEXTS = 2048
_MOST_DIMENSIONS = 3072
_WORDS = re.compile(r"\w+")
_OWN = 0.2  # the part of a vector that only the very same text has


def read_embeddings(fields: dict[str, Any]) -> Ask:
    """Read a request for vectors.

    Raises:
        Refusal: as OpenAI refuses it.
        TypeError, ValueError: the input is of no kind that there is.
    """
    texts = _texts(fields["input"])
    if not texts or len(texts) > _MOST_TEXTS or "" in texts:
        raise Refusal(400, "invalid_value", "'$.input' is invalid. Please check the API reference.", "input")
    form = fields.get("encoding_format") or "float"
    if form not in {"float", "base64"}:
        raise Refusal(400, "invalid_value", f"Invalid value: '{form}'. Use 'float' or 'base64'.", "encoding_format")
    return Ask(
        surface="embeddings",
        model=str(fields["model"]),
        text=texts[-1],
        prompt="\n".join(texts),
        choices=0,
        cache="none",
        texts=texts,
        dimensions=within(fields, "dimensions", 1, _MOST_DIMENSIONS) or 0,
        packed=form == "base64",
        fields=frozenset(fields),
    )


def _texts(given: Any) -> tuple[str, ...]:
    """Every text that a vector is wanted of; tokens stand for themselves."""
    if isinstance(given, str):
        return (given,)
    if given and all(isinstance(item, int) for item in given):
        return (_of_tokens(given),)
    return tuple(item if isinstance(item, str) else _of_tokens(item) for item in given)


def _of_tokens(numbers: list[int]) -> str:
    return " ".join(str(int(number)) for number in numbers)


def print_embeddings(ask: Ask, answer: Answer, model: SimModel) -> bytes:
    """The list of vectors."""
    size = ask.dimensions or model.dimensions
    data = []
    for index, text in enumerate(ask.texts):
        numbers = vector(model.name, text, size)
        value = base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode() if ask.packed else numbers
        data.append({"object": "embedding", "index": index, "embedding": value})
    body: dict[str, Any] = {"object": "list", "data": data, "model": ask.model}
    if answer.usage is not None:
        body["usage"] = _usage(answer.usage, answer.cost)
    return _encode(body)


def _usage(usage: Usage, cost: float | None) -> dict[str, Any]:
    body: dict[str, Any] = {"prompt_tokens": usage.input, "total_tokens": usage.input}
    return body if cost is None else {**body, "cost": cost}


def vector(model: str, text: str, size: int) -> list[float]:
    """Numbers of length 1 altogether: words and parts of words of the text, each in a place of its own."""
    made = [0.0] * size
    for piece, count in _pieces(text).items():
        place, sign = _place(model, piece, size)
        made[place] += sign * math.sqrt(count)
    length = math.sqrt(sum(number * number for number in made)) or 1.0
    place, sign = _place(model, f"\x00{text}", size)
    made[place] += sign * _OWN * length
    length = math.sqrt(sum(number * number for number in made)) or 1.0
    return [number / length for number in made]


def _pieces(text: str) -> Counter[str]:
    pieces: Counter[str] = Counter()
    for word in _WORDS.findall(text.lower()):
        pieces[word] += 2
        padded = f"<{word}>"
        pieces.update(padded[start : start + 3] for start in range(len(padded) - 2))
    return pieces


def _place(model: str, piece: str, size: int) -> tuple[int, float]:
    digest = hashlib.blake2b(f"{model}\x1f{piece}".encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big")
    return (number >> 1) % size, 1.0 if number & 1 else -1.0
