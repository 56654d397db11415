"""The facts that are kept by hand with their pages, laid over the rows that `build_catalogue.py` makes.

A developer's module: `catalogue/cited.toml` for providers, `catalogue/quotas.toml` for limits of models.
"""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from pointsman.catalog.document import FileModel
from pointsman.catalog.rows import Quotas

FACTS = Path(__file__).parent / "catalogue"
_FIELDS = {
    "jurisdiction": {"is": "jurisdiction", "group": "group"},
    "regions": {"are": "regions"},
    "retention": {"text": "retention", "days": "retention_days", "zero": "zero_retention"},
}
_PAGE = ("url", "date")


def cited() -> dict[str, dict[str, Any]]:
    """Fields of provider rows by provider, each fact with its citation.

    Raises:
        SystemExit: a fact or a part of one that is none.
    """
    found = tomllib.loads((FACTS / "cited.toml").read_text(encoding="utf-8"))
    return {provider: _fields(provider, facts) for provider, facts in found.items()}


def _fields(provider: str, facts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    citations = {}
    for fact, parts in facts.items():
        known = _FIELDS.get(fact, {})
        unknown = parts.keys() - known.keys() - set(_PAGE)
        if not known or unknown:
            raise SystemExit(f"cited.toml: {provider}.{fact}: unknown {', '.join(sorted(unknown)) or 'fact'}")
        fields |= {known[part]: value for part, value in parts.items() if part in known}
        citations[fact] = {part: parts[part] for part in _PAGE}
    return {**fields, "citations": citations}


def limits() -> dict[str, dict[str, Any]]:
    """Published limits by provider, as written."""
    return tomllib.loads((FACTS / "quotas.toml").read_text(encoding="utf-8"))


def limit(rows: dict[str, FileModel], by_name: dict[str, str], provider: str, entry: dict[str, Any]) -> None:
    """Write a provider's published limits into its models' rows; says so where a name finds none.

    Args:
        rows: the models by id; changed in place.
        by_name: the id for each plain name.
        provider: whose.
        entry: its part of quotas.toml.
    """
    page = {"tier": entry["tier"], "source": entry["url"], "date": entry["date"]}
    for group in entry["models"]:
        figures = {name: value for name, value in group.items() if name != "ids"}
        quotas = msgspec.convert({**figures, **page}, Quotas)
        for wanted in group["ids"]:
            found = [by_name[wanted.lower()]] if wanted.lower() in by_name else fnmatch.filter(rows, wanted)
            if not found:
                print(f"quotas.toml: {provider}/{wanted} is in no source, left out")
            for model_id in found:
                rows[model_id] = msgspec.structs.replace(rows[model_id], quotas=quotas)
