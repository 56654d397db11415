"""What a model's name says: which generation of Gemini it is, and so which form of a request it takes."""

from __future__ import annotations

import re

from pointsman.core.model import Model
from pointsman.wire.gemini.names import DIALECT

_NUMBER = re.compile(r"gemini-(\d{1,3})(?:\.(\d{1,3}))?(?![\d.])")
_NEWEST = (99, 0)
_UNKNOWN = (0, 0)


def generation(model: Model) -> tuple[int, int]:
    """`(2, 5)` of gemini-2.5-flash; one without a number (`gemini-flash-latest`) is of the newest; others: unknown."""
    found = _NUMBER.search(model.upstream)
    if found:
        return int(found[1]), int(found[2] or 0)
    return _NEWEST if "gemini-" in model.upstream else _UNKNOWN


def of_3(model: Model) -> bool:
    """Whether it is of the third generation or newer: signatures are demanded, thinking has levels."""
    return generation(model)[0] >= 3


def before_3(model: Model) -> bool:
    """Whether it is known to be older than the third generation."""
    return 0 < generation(model)[0] < 3


def on_vertex(model: Model) -> bool:
    """Whether the provider is Vertex AI, whose counting of tokens takes another form."""
    endpoint = model.provider.takes(DIALECT) or model.provider.endpoint
    return "aiplatform" in endpoint.base_url or "/publishers/" in endpoint.base_url
