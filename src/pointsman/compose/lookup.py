"""What the catalogue says to the configuration's checks; satisfies `config.check.LookUp`."""

from __future__ import annotations

import datetime as dt

from pointsman.catalog import Catalog
from pointsman.compose.endpoints import spoken
from pointsman.config.check import End
from pointsman.config.names import nearest
from pointsman.core.dialects import TRANSLATED


class CatalogueLookUp:
    """The catalogue, asked by provider and model name."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def key_variable(self, provider: str) -> str:
        """The variable that usually holds the provider's key; empty where it needs none or is unknown."""
        row = self._catalog.provider(provider)
        return row.api_key_env if row is not None else ""

    def unspoken(self, provider: str, said: str) -> str:
        """The dialect to be spoken with the provider, where this version cannot; `said` is the configuration's."""
        row = self._catalog.provider(provider)
        dialect = said or (spoken(row) if row is not None else "")
        return "" if dialect in TRANSLATED else dialect

    def private(self, provider: str) -> bool:
        """Whether data sent there stay on the premises."""
        row = self._catalog.provider(provider)
        return row is not None and row.private

    def priced(self, provider: str, model: str) -> bool:
        """Whether a price is known."""
        row = self._catalog.model(provider, model)
        return row is not None and row.price is not None

    def nearest(self, provider: str, model: str) -> str | None:
        """None where the model is known, or may run on this machine; else what was probably meant, or empty."""
        row = self._catalog.provider(provider)
        if row is None:
            return ""
        if row.local or self._catalog.model(provider, model) is not None:
            return None
        return nearest(model, [one.id for one in self._catalog.models(row.name)])

    def end(self, provider: str, model: str) -> End | None:
        """When a model is retired, where that is announced."""
        row = self._catalog.model(provider, model)
        if row is None or not row.retires:
            return None
        return End(day=dt.date.fromisoformat(row.retires), successor=row.replaced_by)
