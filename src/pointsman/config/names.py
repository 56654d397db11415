"""Names: which are taken, which one was probably meant, and what a pattern such as `gpt-*` stands for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

from pointsman.config.schema import Config, Model

PROVIDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MODEL_NAME = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:@+/*-]{0,199}")
_LONGEST = 200  # what is longer is no name, and comparing it costs time


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or empty."""
    if len(word) > _LONGEST:
        return ""
    by_folded = {name.casefold().replace("-", "_"): name for name in known}
    folded = word.casefold().replace("-", "_")
    if folded in by_folded:
        return by_folded[folded]
    found = difflib.get_close_matches(folded, by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint with the nearest name, or empty."""
    name = nearest(word, known)
    return f"did you mean `{name}`?" if name else ""


def carried(pattern: str, name: str) -> str | None:
    """The text that the `*` of a pattern stands for in a name, or None where the name does not fit."""
    head, star, tail = pattern.partition("*")
    if not star:
        return "" if pattern == name else None
    if len(name) < len(head) + len(tail) or not name.startswith(head) or not name.endswith(tail):
        return None
    return name[len(head) : len(name) - len(tail)]


def upstream_name(name: str, model: Model, text: str = "") -> str:
    """A configured model's name at its provider; `text` is what the `*` in its configured name stood for."""
    return (model.model or name).replace("*", text)


def find_model(config: Config, asked: str) -> tuple[str, Model, str] | None:
    """The entry under `models` that answers to a name: its configured name, itself, and the name at the provider.

    An exact name wins, then the pattern with the most letters. An entry whose own name has no `*` but whose `model`
    has one answers to `provider/model` for every model that fits.
    """
    entry = config.models.get(asked)
    if entry is not None and "*" not in asked and "*" not in (entry.model or ""):
        return asked, entry, upstream_name(asked, entry)
    return _find_pattern(config.models, asked)


def _find_pattern(models: Mapping[str, Model], asked: str) -> tuple[str, Model, str] | None:
    provider, _, rest = asked.partition("/")
    found: list[tuple[int, str, Model, str]] = []
    for name, model in models.items():
        text = carried(name, asked) if "*" in name else None
        if text:
            found.append((len(name), name, model, upstream_name(name, model, text)))
        pattern = model.model or name
        if "*" in pattern and model.provider == provider and carried(pattern, rest):
            found.append((len(pattern), name, model, rest))
    if not found:
        return None
    _, name, model, upstream = max(found, key=lambda item: item[0])
    return name, model, upstream
