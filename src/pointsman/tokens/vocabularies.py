"""Vocabularies of models, from the extra `[tokens]` (splintr-rs). Each is loaded when it is first asked for."""

from __future__ import annotations

import functools
import importlib.util
import threading
from collections.abc import Callable, Sequence
from typing import Protocol


class Words(Protocol):
    """Counts with one vocabulary."""

    def encode_ordinary(self, text: str) -> list[int]:
        """The tokens of a text; what looks like a mark of the vocabulary's own is text."""
        ...


_WARM = "The first text takes 70 ms, since the vocabulary's rules are compiled then."
Load = Callable[[str], Words]


class Vocabularies:
    """Vocabularies by name.

    Args:
        load: brings one. That and its first use take 50 to 100 ms, and hold the interpreter's lock.
    """

    def __init__(self, load: Load) -> None:
        self._load = load
        self._known: dict[str, Words] = {}
        self._loading: set[str] = set()
        self._lock = threading.Lock()

    def count(self, texts: Sequence[str], name: str) -> int | None:
        """Tokens of texts, each counted alone; None until the vocabulary is there: it comes in a thread of its own."""
        words = self._known.get(name)
        if words is None:
            self._fetch(name)
            return None
        encode = words.encode_ordinary
        return sum([len(encode(text)) for text in texts])

    def ready(self, *names: str) -> None:
        """Load some now, where waiting is allowed."""
        for name in names:
            if name not in self._known:
                words = self._load(name)
                words.encode_ordinary(_WARM)
                self._known[name] = words

    def _fetch(self, name: str) -> None:
        with self._lock:
            if name in self._loading:
                return
            self._loading.add(name)
        threading.Thread(target=self.ready, args=(name,), name=f"vocabulary {name}", daemon=True).start()


def installed() -> Vocabularies | None:
    """Those of the extra `[tokens]`; None without it. Nothing is loaded yet, the package neither."""
    return Vocabularies(_load) if importlib.util.find_spec("splintr") is not None else None


@functools.cache  # it never changes, and a program may have several gateways
def _load(name: str) -> Words:
    import splintr  # noqa: PLC0415 - an extra: 38 MB of code and vocabularies are mapped only when something is counted

    words: Words = splintr.Tokenizer.from_pretrained(name)
    return words
