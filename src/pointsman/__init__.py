"""Pointsman: a gateway that sends every request to the cheapest model that will answer it well."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Gateway", "__version__"]

if TYPE_CHECKING:
    from pointsman.library import Gateway


def __getattr__(name: str) -> object:
    """Load the library's façade on first use, so that `import pointsman` stays cheap."""
    if name == "Gateway":
        from pointsman.library import Gateway  # noqa: PLC0415 - lazy on purpose

        return Gateway
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
