"""How far a provider may go with a request: what it can use at most, before it is asked.

    what the request says (`Extent`), what the model is like (`Reach`) -> money and tokens at most (`Most`)

A bound is one that a provider who keeps to its own documented rules cannot pass. What has none is said by name, so that
a hard budget can refuse it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pointsman.core.model import Ability, Model
from pointsman.core.money import PICOS_PER_NANO
from pointsman.core.price import Price, Rates
from pointsman.core.reach import SILENT

if TYPE_CHECKING:
    from pointsman.core.plan import Needs

LEAST_OUTPUT = 256
"""Tokens; an answer is not cut to less than that to fit a budget."""
OVERHEAD = 1_024
"""Tokens that a provider may add to what was sent: the frame of messages, a system text of its own."""
OVERHEAD_OF_TOOLS = 2_048
"""Tokens that it may add where tools are offered: the words that tell a model how to call them."""
FILES = int(Ability.VISION | Ability.AUDIO_INPUT | Ability.DOCUMENTS)
_EMBEDDINGS = int(Ability.EMBEDDINGS)


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of how far a provider may go with it, besides its size and the length of its answers.

    Attributes:
        ways: how it may be served besides the usual way, as parts of `Usage.service`.
        open: it leaves that to the provider, and can be told to be served the usual way.
        kept: something stands in it that its bytes say nothing of: a file, a kept conversation.
        added: tokens read besides its bytes: what a provider adds for tools, signs that are spelled out.
        written: tokens that may be written besides its limit of length.
        answers: how many answers are written at most, where those are more than it gets back.
        tools: those that run at the provider, by the names that the request gives them.
        uses: how often they are used at most, all together; None is without a bound.
        settable: they can be told how often.
        rounds: how often all is read again, with what tools have brought.
        fees: what may be billed by the piece, by the names of which the dearest counts, and how often at most.
        counted: tokens that a model reads of it at most, by the provider's name of the model.
    """

    ways: frozenset[str] = SILENT
    open: bool = False
    kept: bool = False
    added: int = 0
    written: int = 0
    answers: int = 0
    tools: tuple[str, ...] = ()
    uses: int | None = 0
    settable: bool = False
    rounds: int = 0
    fees: tuple[tuple[tuple[str, ...], int], ...] = ()
    counted: tuple[tuple[str, int], ...] = ()


PLAIN = Extent()
"""Of a request that says nothing of all that."""
OPEN = Extent(open=True)
"""The same, where it can be told to be served the usual way."""


class Most(NamedTuple):
    """What an answer can use at most.

    Attributes:
        usd: nano-dollars; None where no bound is known.
        read: tokens that are read; None likewise.
        written: tokens that are written, if a missing limit is set to what is assumed here.
        why: what has no bound, for people.
        setting: of the model in the configuration, which would give it one; empty where none would.
    """

    usd: int | None
    read: int | None
    written: int
    why: str = ""
    setting: str = ""


def most_of(model: Model, needs: Needs, extent: Extent = PLAIN, *, output: int | None = None) -> Most:
    """What an answer of a model to a request can use at most.

    Args:
        model: who answers.
        needs: the request's size, and how long its answers may be.
        extent: what else it says.
        output: tokens of all answers instead of what they could be.
    """
    reach = model.reach
    read, written = _read(model, needs, extent), _written(model, needs, extent) if output is None else output
    rates = rates_of(model, needs, extent)
    if rates is None:
        return Most(None, read, written, "unpriced", "price")
    if reach.unbounded:
        return Most(None, read, written, f"`{reach.unbounded}` among its own parameters has no bound")
    if extent.uses is None:
        return Most(None, read, written, f"`{extent.tools[0]}` has no bound")
    if read is None:
        return Most(None, read, written, "its input has no bound", "context")
    fees = _fees(model, extent)
    if isinstance(fees, str):
        return Most(None, read, written, f"the fee for `{fees}` is unpriced", f"price.fees.{fees}")
    return Most(-(-(picos(rates, read, written) + fees) // PICOS_PER_NANO), read, written)


def picos(rates: Rates, read: int, written: int) -> int:
    """Pico-dollars at most for so many tokens."""
    most = 0
    for above, each_read, each_written, request in rates:
        if read > above:
            most = max(most, read * each_read + written * each_written + request)
    return most


def rates_of(model: Model, needs: Needs, extent: Extent) -> Rates | None:
    """What a model asks at most for a request; None is unpriced."""
    reach, price = model.reach, model.price
    if extent.ways is SILENT or price is None:
        return reach.rates
    # What a dialect cannot say is not said to the provider, which then serves as it is set up to.
    heard = model.provider.dialect == needs.dialect and "service_tier" not in model.refused_params
    return price.rates(reach.ways | (extent.ways if heard else extent.ways | SILENT))


def most_input(model: Model, needs: Needs) -> int | None:
    """Tokens that a provider can count as the input of a plain request, at most; None where nothing bounds it."""
    return _read(model, needs, PLAIN)


def _read(model: Model, needs: Needs, extent: Extent) -> int | None:
    """No tokenizer makes more tokens of a text than it has bytes.

    What stands for something else (a file, a kept conversation) is bounded by the context window alone, and so is what
    tools bring, each time that all is read again.
    """
    reach, context = model.reach, model.context
    most: int | None = None
    if not (extent.kept or int(needs.abilities) & FILES):
        most = needs.body_bytes + OVERHEAD + reach.added + extent.added + (OVERHEAD_OF_TOOLS if needs.tools else 0)
    for name, counted in extent.counted:
        if name == model.upstream:
            whole = counted + reach.added + extent.added
            most = whole if most is None else min(most, whole)
    if context:
        most = context if most is None else min(most, context)
    if not extent.rounds or most is None:
        return most
    return most + extent.rounds * context if context else None


def _written(model: Model, needs: Needs, extent: Extent) -> int:
    if int(needs.abilities) & _EMBEDDINGS:
        return 0
    reach = model.reach
    limit = needs.output_tokens or reach.output
    if reach.deaf:
        limit = max(limit, reach.output)
    return limit * max(needs.choices, extent.answers) + extent.written


def most_output(model: Model, needs: Needs) -> int:
    """Tokens of all answers to a plain request, at most, if a missing limit is set to what is assumed here."""
    return _written(model, needs, PLAIN)


def _fees(model: Model, extent: Extent) -> int | str:
    """Pico-dollars of what is billed by the piece, at most; or the name of what has no price."""
    if not extent.fees or model.price is None:
        return 0
    known = _known_fees(model.price)
    sum_of = 0
    for names, times in extent.fees:
        prices = [known[name] for name in names if name in known]
        if not prices:
            return names[0]
        sum_of += max(prices) * times
    return sum_of


def _known_fees(price: Price) -> dict[str, int]:
    """The dearest price of each fee, however long the request and however it is served."""
    known = dict(price.fees)
    others = [one for _, one in (*price.services, *price.tiers)] + [one for _, _, one in price.hours]
    for other in others:
        for name, each in _known_fees(other).items():
            known[name] = max(each, known.get(name, 0))
    return known
