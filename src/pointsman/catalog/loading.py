"""Which file is used: the user's refreshed prices where they are sound and not older, else those that ship."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pointsman.catalog.catalogue import Catalog
from pointsman.catalog.document import decode
from pointsman.catalog.shipped import shipped_models, shipped_providers
from pointsman.catalog.versions import Versions
from pointsman.core.errors import ConfigError


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue and what has to be said about how it was found."""

    catalog: Catalog
    warnings: tuple[str, ...] = ()


def load(directory: Path | None = None, *, today: str = "") -> Loaded:
    """The catalogue to use; never fails for a broken refreshed file.

    Args:
        directory: where refreshed prices are kept; None uses what ships.
        today: ISO date on which prices have to hold; empty takes the data's own date.
    """
    book = shipped_providers()
    warnings: tuple[str, ...] = ()
    if directory is not None:
        try:
            found = Versions(directory).current()
            if found is not None:
                document = decode(found.data)
                if document.date >= book.date:
                    origin = str(found.path)
                    return Loaded(catalog=Catalog(document, book.providers, today=today, origin=origin))
        except ConfigError as error:
            warnings = (f"refreshed prices are not used: {error.message}; using those of {book.date} that ship",)
    return Loaded(catalog=Catalog(shipped_models(), book.providers, today=today, origin="shipped"), warnings=warnings)
