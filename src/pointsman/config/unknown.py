"""What was probably meant by a key that the schema does not know."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import inspect as kinds

from pointsman.config.names import did_you_mean
from pointsman.config.problems import KeyPath
from pointsman.config.secret import names_a_key
from pointsman.config.shape import shape, unwrap

USE_ENV = "a key is never in the file: put it into an environment variable and write `api_key_env: NAME_OF_VARIABLE`"
# What people bring along from other gateways, and habits of the hand.
_OTHER_WORDS = {
    "api_base": "base_url",
    "url": "base_url",
    "endpoint": "base_url",
    "model_list": "models",
    "timeout": "timeouts",
    "fallbacks": "try",
    "chain": "try",
    "context_window": "context",
    "max_tokens": "max_output",
    "pricing": "price",
    "database_url": "store",
    "bind": "host",
    "logging": "log",
}


def hint_for(word: str, known: Sequence[str], path: KeyPath) -> str:
    """The way out for an unknown key `word`, where the keys `known` may stand at `path`."""
    other = _OTHER_WORDS.get(word, "")
    if names_a_key(word) and "api_key_env" in known:
        return USE_ENV
    if other in known:
        return f"did you mean `{other}`?"
    if word == "<<":
        return "merge keys are not taken: an alias repeats a whole value"
    return did_you_mean(word, known) or _elsewhere(word, path) or f"known here: {', '.join(known)}"


def _elsewhere(word: str, path: KeyPath) -> str:
    """Whether the key is good, in another section."""
    for field in shape().fields:
        inner, _ = unwrap(field.type)
        if isinstance(inner, kinds.StructType) and word in {f.encode_name for f in inner.fields}:
            return f"`{word}` belongs under `{field.encode_name}`"
        if path and field.encode_name == word:
            return f"`{word}` belongs at the top of the file, without indentation"
    return ""
