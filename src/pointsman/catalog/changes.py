"""What differs between two price lists, model by model."""

from __future__ import annotations

from typing import Literal

import msgspec

from pointsman.catalog.compiling import compile_model, compile_price, compile_tiers, in_force
from pointsman.catalog.document import Document, FileModel
from pointsman.catalog.rows import ProviderRow
from pointsman.core.errors import ConfigError
from pointsman.core.model import Price
from pointsman.core.money import usd_per_million

JUMP = 10
"""A price that grows or shrinks by more than this factor is a jump."""

Kind = Literal["added", "removed", "repriced", "held", "retiring"]


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """A model and its price on the day."""

    model: FileModel
    price: Price | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `jump`: by more than a factor of ten, or from something to nothing."""

    kind: Kind
    name: str
    old: str = ""
    new: str = ""
    jump: bool = False

    def text(self) -> str:
        """One line for people."""
        return self.name if not (self.old or self.new) else f"{self.name}: {self.old or '-'} -> {self.new or '-'}"


def priced_models(document: Document, day: str) -> dict[str, Priced]:
    """Every model by `provider/id` with its price on an ISO day. Reads and compiles all prices.

    Raises:
        ConfigError: something in the document is not of the format.
    """
    found: dict[str, Priced] = {}
    for provider in document.models:
        owner = ProviderRow(name=provider, title=provider, dialect="", base_url="")
        for model in document.models_of(provider):
            name = f"{provider}/{model.id}"
            try:
                for each in (*model.prices, *((model.fine_tuned,) if model.fine_tuned else ())):
                    compile_price(each, document.sources)
                    compile_tiers(each, document.sources)
                compile_model(model, model.id, owner, document.sources, day)
                price = in_force(model.prices, day)
                compiled = compile_price(price, document.sources) if price else None
            except (ValueError, OverflowError) as error:
                raise ConfigError(f"catalogue: {name}: {error}") from None
            found[name] = Priced(model=model, price=compiled)
    return found


def compare(old: dict[str, Priced], new: dict[str, Priced]) -> tuple[Change, ...]:
    """Every difference, ordered by name."""
    changes = [
        Change(kind="removed", name=name, old=price_text(old[name].price)) for name in sorted(old.keys() - new.keys())
    ]
    changes += [
        Change(kind="added", name=name, new=price_text(new[name].price)) for name in sorted(new.keys() - old.keys())
    ]
    for name in sorted(old.keys() & new.keys()):
        before, after = old[name], new[name]
        texts = price_text(before.price), price_text(after.price)
        if texts[0] != texts[1]:
            jump = _is_jump(before.price, after.price)
            changes.append(Change(kind="repriced", name=name, old=texts[0], new=texts[1], jump=jump))
        ends = before.model.retires, after.model.retires
        if ends[1] and ends[0] != ends[1]:
            changes.append(Change(kind="retiring", name=name, old=ends[0], new=ends[1]))
        elif after.model.deprecated and not before.model.deprecated:
            changes.append(Change(kind="retiring", name=name, new="deprecated"))
    return tuple(changes)


def price_text(price: Price | None) -> str:
    """A price in one line, for people: US dollars per million tokens."""
    if price is None:
        return "unpriced"
    kinds = {"in": price.input, "out": price.output, "cached": price.cache_read, "written": price.cache_write}
    parts = [f"{kind} ${usd_per_million(picos):f}" for kind, picos in kinds.items() if picos is not None]
    return " ".join([*parts, f"+ ${price.request / 10**12:f}/request"] if price.request else parts)


def _is_jump(before: Price | None, after: Price | None) -> bool:
    if before is None:
        return False
    if after is None:
        return bool(before.input or before.output)
    pairs = ((before.input, after.input), (before.output, after.output), (before.request, after.request))
    return any(_far(one, other) for one, other in pairs)


def _far(one: int, other: int) -> bool:
    if one in (other, 0):  # unchanged, or free until now
        return False
    return other == 0 or one > JUMP * other or other > JUMP * one
