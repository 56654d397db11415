"""Which providers and models exist, what they can do and what they cost."""

from pointsman.catalog.catalogue import Catalog
from pointsman.catalog.loading import Loaded, load
from pointsman.catalog.rows import ModelRow, ProviderRow, Quotas, Retirement

__all__ = ["Catalog", "Loaded", "ModelRow", "ProviderRow", "Quotas", "Retirement", "load"]
