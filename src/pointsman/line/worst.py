"""What a plan can use at most, in money and tokens: computed before each call that a budget binds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pointsman.core.extent import (
    FILES,
    LEAST_OUTPUT,
    OPEN,
    OVERHEAD,
    OVERHEAD_OF_TOOLS,
    PLAIN,
    Extent,
    Most,
    most_of,
    picos,
    rates_of,
)
from pointsman.core.model import Ability
from pointsman.core.money import PICOS_PER_NANO
from pointsman.core.plan import Needs, Plan, Step
from pointsman.core.price import Rates

_ALMOST_A_NANO = PICOS_PER_NANO - 1
_OTHERS = FILES | int(Ability.EMBEDDINGS)


class Worst(NamedTuple):
    """What an answer can use at most.

    Attributes:
        usd: nano-dollars; of models without a bound nothing.
        tokens: read and written; of input without a bound what it is likely to be.
        likely: the same, with as many as are likely to be read.
        bounded: nothing is without a bound in money.
    """

    usd: int = 0
    tokens: int = 0
    likely: int = 0
    bounded: bool = True


def worst_of_plan(plan: Plan, needs: Needs, extent: Extent) -> Worst:
    """The most of what the steps of a plan can use."""
    return Worst(*(quickly(plan, needs, extent) or _worst_of(plan.steps, needs, extent)))


def quickly(plan: Plan, needs: Needs, extent: Extent) -> tuple[int, int, int, bool] | None:
    """The same as a plain tuple, of a plain request to plain models; None where it has to be looked at more closely.

    `min` and `max` would take as long as all the rest.
    """
    quicks = plan.quick
    if quicks is None or (extent is not OPEN and extent is not PLAIN) or int(needs.abilities) & _OTHERS:
        return None
    text = needs.body_bytes + (OVERHEAD + OVERHEAD_OF_TOOLS if needs.tools else OVERHEAD)
    limit, answers = needs.output_tokens, needs.choices
    usd = tokens = most_written = 0
    for window, added, longest, each_read, each_written, request in quicks:
        read = text + added
        if read > window:  # noqa: PLR1730 - as said
            read = window
        written = limit or longest
        if answers > 1:
            written *= answers
        cost = read * each_read + written * each_written + request
        if cost > usd:  # noqa: PLR1730 - as said
            usd = cost
        if written > most_written:  # noqa: PLR1730 - as said
            most_written = written
        if read + written > tokens:  # noqa: PLR1730 - as said
            tokens = read + written
    likely = needs.input_tokens + most_written
    return (usd + _ALMOST_A_NANO) // PICOS_PER_NANO, tokens, likely if likely < tokens else tokens, True  # noqa: FURB136 - as said


def worst_of_step(step: Step, needs: Needs, extent: Extent) -> Worst:
    """What an answer of one step can use at most."""
    return _worst_of((step,), needs, extent)


def _worst_of(steps: Sequence[Step], needs: Needs, extent: Extent) -> Worst:
    usd = tokens = likely = 0
    bounded = True
    for step in steps:
        most = most_of(step.model, needs, extent)
        bounded = bounded and most.usd is not None
        usd = max(usd, most.usd or 0)
        tokens = max(tokens, (needs.input_tokens if most.read is None else most.read) + most.written)
        likely = max(likely, needs.input_tokens + most.written)
    return Worst(usd, tokens, min(likely, tokens), bounded)


def unbounded_in(plan: Plan, needs: Needs, extent: Extent) -> Most | None:
    """What has no bound in the first step of a plan; None where one of its steps has one."""
    mosts = [most_of(step.model, needs, extent) for step in plan.steps]
    return None if any(most.usd is not None for most in mosts) else mosts[0]


def longest_for(step: Step, needs: Needs, extent: Extent, usd: int | None, tokens: int | None) -> int | None:
    """Tokens that each answer of a step may have where it is told a limit, so that it fits into what there is.

    Args:
        step: who answers.
        needs: the request's; it says no limit.
        extent: what else it says.
        usd: nano-dollars that there are; None is no matter.
        tokens: tokens that there are; None likewise.

    Returns None where too few fit, or where that cannot be told.
    """
    most, reach = most_of(step.model, needs, extent), step.reach
    if needs.output_tokens or reach.deaf or most.read is None:
        return None
    longest = most.written
    if usd is not None:
        rates = rates_of(step.model, needs, extent)
        if rates is None or most.usd is None:
            return None
        fees = most.usd * PICOS_PER_NANO - picos(rates, most.read, most.written)  # and what was rounded up
        longest = min(longest, *_written_for(rates, most.read, usd * PICOS_PER_NANO - max(fees, 0)))
    if tokens is not None:
        longest = min(longest, tokens - most.read)
    cap = (longest - extent.written) // max(needs.choices, extent.answers)
    return cap if cap >= LEAST_OUTPUT else None


def _written_for(rates: Rates, read: int, there: int) -> Iterator[int]:
    """Tokens that can be written for so many pico-dollars, at each rate that holds."""
    for above, each_read, each_written, request in rates:
        if read > above and each_written:
            yield (there - read * each_read - request) // each_written
        elif read > above and there < read * each_read + request:
            yield 0
