"""Look-ups over one catalogue document. Providers at once, models when they are first asked for."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec

from pointsman.catalog import names
from pointsman.catalog.compiling import compile_model, compile_price
from pointsman.catalog.document import Document, FileModel, Source, decode
from pointsman.catalog.rows import ModelRow, ProviderRow, Retirement
from pointsman.catalog.services import with_services
from pointsman.catalog.shipped import shipped_providers
from pointsman.core.errors import ConfigError

WARN_DAYS = 30
"""How long before its end a model is warned about."""
_KEPT = 4096


class _Index:
    """One provider's models by every name that finds them."""

    def __init__(self, models: tuple[FileModel, ...]) -> None:
        self.models = models
        self._exact: dict[str, FileModel] = {}
        self._loose: dict[str, FileModel] = {}
        for model in models:
            self._exact.setdefault(names.plain(model.id), model)
        for model in models:  # after all ids: an alias never hides a model of that name
            for alias in model.aliases:
                self._exact.setdefault(names.plain(alias), model)
            for alias in model.loose:
                self._exact.setdefault(names.plain(alias), model)
                self._loose.setdefault(names.plain(alias), model)

    def find(self, name: str) -> FileModel | None:
        for spelling in names.spellings(name):
            found = self._exact.get(spelling)
            if found is None and self._loose:
                found = next((m for tail in names.tails(spelling) if (m := self._loose.get(tail))), None)
            if found is not None:
                return found
        return None


class Catalog:
    """A catalogue as of a day.

    Args:
        document: models and prices.
        providers: provider rows.
        today: ISO date on which prices have to hold; empty takes the document's own date.
        origin: where the file came from, for people.
    """

    def __init__(
        self, document: Document, providers: tuple[ProviderRow, ...], *, today: str = "", origin: str = ""
    ) -> None:
        self._document = document
        self._rows_of_providers = providers
        self._today = today or document.date
        self.origin = origin
        self._providers: dict[str, ProviderRow] = {row.name: row for row in providers}
        self._by_alias = {alias: row for row in providers for alias in row.aliases}
        # Filled on first use; a second thread at worst decodes the same models again.
        self._indexes: dict[str, _Index] = {}
        self._rows: dict[tuple[str, str], ModelRow] = {}

    @classmethod
    def from_file(cls, path: Path, *, today: str = "") -> Catalog:
        """Read a file of models, plain JSON or gzipped; the providers are those that ship.

        Raises:
            ConfigError: it cannot be read or is none; the message names the file.
        """
        try:
            document = decode(path.read_bytes())
        except OSError as error:
            raise ConfigError(f"cannot read: {error.strerror}", where=str(path)) from None
        except ConfigError as error:
            raise ConfigError(error.bare, where=str(path), hint=error.hint) from None
        return cls(document, shipped_providers().providers, today=today, origin=str(path))

    @property
    def document(self) -> Document:
        """The file's content."""
        return self._document

    @property
    def today(self) -> str:
        """ISO date on which prices hold."""
        return self._today

    def at(self, today: str) -> Catalog:
        """The same catalogue with the prices of another ISO day; decoded models are shared."""
        if today == self._today:
            return self
        other = Catalog(self._document, self._rows_of_providers, today=today, origin=self.origin)
        other._indexes = self._indexes  # they hold no prices of a day
        return other

    @property
    def date(self) -> str:
        """ISO date of the data."""
        return self._document.date

    @property
    def sources(self) -> dict[str, Source]:
        """Where the facts come from."""
        return self._document.sources

    def providers(self) -> tuple[ProviderRow, ...]:
        """Every provider, in the file's order (by name)."""
        return self._rows_of_providers

    def provider(self, name: str) -> ProviderRow | None:
        """A provider by name or alias; None if unknown."""
        wanted = name.strip().lower()
        return self._providers.get(wanted) or self._by_alias.get(wanted)

    def model(self, provider: str, model_id: str) -> ModelRow | None:
        """A model by any of its names; None is unknown, hence unpriced.

        Raises:
            ConfigError: the file's models of this provider are broken.
        """
        row = self.provider(provider)
        if row is None or len(model_id) > names.LONGEST:
            return None
        key = (row.name, model_id)
        found = self._rows.get(key)
        if found is None:
            found = self._look_up(row, model_id)
            # Callers choose names, and there is no end of spellings: the memory for them has one.
            if found is not None and len(self._rows) < _KEPT:
                self._rows[key] = found
        return found

    def models(self, provider: str | None = None) -> tuple[ModelRow, ...]:
        """Every model under its own id, of one provider or of all. All of them take a while and some memory."""
        if provider is None:
            return tuple(row for each in self._rows_of_providers for row in self.models(each.name))
        owner = self.provider(provider)
        if owner is None:
            return ()
        return tuple(self._compile(owner, model, model.id) for model in self._index(owner.name).models)

    def nearest(self, name: str, n: int = 3) -> tuple[str, ...]:
        """Up to `n` names that may have been meant: `provider/model` for such names, else providers."""
        owner_name, slash, model_id = name.partition("/")
        if not slash:
            every = [*self._providers, *self._by_alias]
            return names.nearest(name, every, n)
        owner = self.provider(owner_name)
        if owner is None:
            return tuple(f"{found}/{model_id}" for found in self.nearest(owner_name, n))
        known = [model.id for model in self._index(owner.name).models]
        return tuple(f"{owner_name}/{found}" for found in names.nearest(model_id, known, n))

    def retirement(self, row: ModelRow, today: str) -> Retirement | None:
        """What to say of a model's end on an ISO day: nothing until 30 days before."""
        if not row.retires:
            return None
        left = (dt.date.fromisoformat(row.retires) - dt.date.fromisoformat(today)).days
        if left > WARN_DAYS:
            return None
        name = f"{row.provider}/{row.id}"
        successor = f"; it is replaced by {row.replaced_by}" if row.replaced_by else "; no successor is named"
        if left > 0:
            text = f"{name} retires on {row.retires}, in {left} day{'s' if left > 1 else ''}{successor}"
            return Retirement(state="soon", on=row.retires, replaced_by=row.replaced_by, text=text)
        text = f"{name} was retired on {row.retires}{successor}"
        return Retirement(state="over", on=row.retires, replaced_by=row.replaced_by, text=text)

    def successor(self, row: ModelRow, today: str) -> ModelRow | None:
        """The model that serves in a retired model's place on an ISO day, following chains; None if none is due."""
        seen = {row.base}
        current = row
        while True:
            end = self.retirement(current, today)
            if end is None or end.state == "soon":
                return None if current is row else current
            following = self.model(row.provider, current.replaced_by) if current.replaced_by else None
            if following is None or following.base in seen:
                return None
            seen.add(following.base)
            current = following

    def _look_up(self, owner: ProviderRow, model_id: str) -> ModelRow | None:
        found = self._index(owner.name).find(model_id)
        if found is not None:
            return self._compile(owner, found, model_id)
        base = names.fine_tuned_base(model_id)
        if base:
            return self._fine_tuned(owner, model_id, base)
        for other in owner.shares:
            shared = self._index(other).find(model_id)
            if shared is not None:
                return self._compile(owner, _at_another(shared), model_id)
        return None

    def _fine_tuned(self, owner: ProviderRow, model_id: str, base: str) -> ModelRow | None:
        for name in (owner.name, *owner.shares):
            found = self._index(name).find(base)
            if found is not None:
                found = found if name == owner.name else _at_another(found)
                price = compile_price(found.fine_tuned, self.sources) if found.fine_tuned else None
                row = self._compile(owner, found, model_id)
                full = None if price is None else with_services(price, owner, found.id, self._today)
                return msgspec.structs.replace(
                    row, fine_tuned=True, price=price, full=full, tiers=(), hours=(), other_prices={}
                )
        return None

    def _compile(self, owner: ProviderRow, model: FileModel, asked: str) -> ModelRow:
        return compile_model(model, asked, owner, self._document.sources, self._today)

    def _index(self, provider: str) -> _Index:
        index = self._indexes.get(provider)
        if index is None:
            index = self._indexes[provider] = _Index(self._document.models_of(provider))
        return index


def _at_another(model: FileModel) -> FileModel:
    """A vendor's model where another provider serves it: ends and limits are the vendor's own, not that provider's."""
    return msgspec.structs.replace(model, quotas=None, deprecated=False, retires="", replaced_by="")
