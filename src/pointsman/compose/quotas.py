"""What a provider allows an account: the configuration's word first, else the limits that the provider publishes."""

from __future__ import annotations

from typing import Any

from pointsman.catalog import Catalog, Quotas
from pointsman.config.names import find_model
from pointsman.config.schema import Config
from pointsman.core.model import Model

_NAMES = ("rpm", "rpd", "tpm", "tpd", "input_tpm", "output_tpm")
_NONE = Quotas()


def quotas_of(config: Config, catalog: Catalog, model: Model) -> dict[str, Any] | None:
    """A model's limits as plain data, requests and tokens per minute and per day; None where nothing is known.

    `configured` names those that the configuration states; `tier`, `source` and `date` belong to the others.
    """
    row = catalog.model(model.provider.name, model.upstream)
    known = row.quotas if row is not None else _NONE
    entry = find_model(config, model.name)
    said = entry[1].quotas if entry is not None else None
    own = {name: value for name in _NAMES if (value := getattr(said, name, None)) is not None}
    published = {name: value for name in _NAMES if name not in own and (value := getattr(known, name))}
    if not own and not published:
        return None
    page = known if published else _NONE
    return {
        **{name: own.get(name, published.get(name)) for name in _NAMES},
        "configured": list(own),
        "tier": page.tier or None,
        "source": page.source or None,
        "date": page.date or None,
    }
