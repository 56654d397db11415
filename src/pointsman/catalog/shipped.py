"""The files that ship with the package."""

from __future__ import annotations

from pathlib import Path

from pointsman.catalog.document import Document, ProviderBook, decode, decode_providers

_DATA = Path(__file__).parent / "data"  # importlib.resources would cost 6 ms at every start


def shipped_providers() -> ProviderBook:
    """The shipped provider rows."""
    return decode_providers((_DATA / "providers.json").read_bytes())


def shipped_models() -> Document:
    """The shipped models and prices."""
    return decode((_DATA / "models.json.gz").read_bytes())
