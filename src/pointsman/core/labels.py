"""Labels that callers send, as they are kept: bounded, and still apart from each other."""

from __future__ import annotations

import hashlib

LABEL_CHARS = 256
_BEGINNING = 180
_DIGEST = 16


def cut_label(text: str) -> str:
    """The name of an end user or session as it is kept: of a long one the beginning, and a digest that tells it apart.

    The same for the same name always, so that whoever has the name in full finds what is kept of it.
    """
    if len(text) <= LABEL_CHARS:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:_BEGINNING]}…{digest[:_DIGEST]}"
