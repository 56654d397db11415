"""What Claude models take, as far as their names tell.

Generations differ in how thinking is asked for and in what they refuse, and refuse it with 400. A name of another
family (others offer this dialect too) is taken to behave as the dialect did in the beginning.

Sources: platform.claude.com, build-with-claude/thinking, …/effort, …/structured-outputs,
…/mid-conversation-system-messages and the pages on what is new in each model (2026-11); recorded exchanges.
"""

from __future__ import annotations

import functools
import re
from typing import Literal, NamedTuple

Off = Literal["disabled", "omit", "between_tools", "never"]
_NAME = re.compile(r"claude[-.](?:(?P<old>\d)(?:[-.](?P<old_minor>\d))?-)?(?P<family>[a-z]+)?(?:-(?P<tail>[\d.-]+))?")
_NUMBERS = re.compile(r"\d+")
_LARGEST = 99  # of a version's number; more is a date
_LATEST = (99, 0)


class Takes(NamedTuple):
    """What a model takes.

    Attributes:
        known: it is a Claude model.
        effort: `output_config.effort`, and with it adaptive thinking.
        budgets: a budget of tokens for thinking.
        highest: efforts beyond `high` that it has.
        off: how thinking is turned off: with a word, by saying nothing, or not at all.
        thinks: it thinks unless told not to.
        shows: what it thinks is shown unless the request says otherwise.
        samples: temperature, top_p and top_k.
        forces: a choice that forces the call of a tool.
        prefill: a conversation that ends with the beginning of the answer.
        schemas: `output_config.format` and strict tools.
        late_system: system messages after a turn of the user.
    """

    known: bool = False
    effort: bool = False
    budgets: bool = True
    highest: tuple[str, ...] = ()
    off: Off = "disabled"
    thinks: bool = False
    shows: bool = True
    samples: bool = True
    forces: bool = True
    prefill: bool = True
    schemas: bool = False
    late_system: bool = False


_OTHER = Takes()


def version_of(name: str) -> tuple[str, tuple[int, int]] | None:
    """Family and version in a model's name, whatever stands before and behind; None where it is no Claude model.

    `claude-sonnet-4-5-20250929`, `us.anthropic.claude-opus-4-6-v1`, `claude-3-7-sonnet@20250219`, `claude-opus-4.6`.
    A name without a number is the latest of its family.
    """
    found = _NAME.search(name.lower())
    if found is None or (found["old"] is None and found["family"] is None):
        return None
    if found["old"] is not None:
        return found["family"] or "", (int(found["old"]), int(found["old_minor"] or 0))
    numbers = [number for text in _NUMBERS.findall(found["tail"] or "") if (number := int(text)) <= _LARGEST]
    if not numbers:
        return found["family"], _LATEST
    return found["family"], (numbers[0], numbers[1] if len(numbers) > 1 else 0)


@functools.lru_cache(maxsize=256)  # asked for every request that crosses, of few names
def takes(name: str) -> Takes:
    """What the model of a name takes."""
    found = version_of(name)
    if found is None:
        return _OTHER
    family, version = found
    if family == "instant":
        return Takes(known=True)
    always = family in ("fable", "mythos")
    newest = version >= (5, 5)
    adaptive = always or version >= (4, 6)
    return Takes(
        known=True,
        effort=adaptive,
        budgets=not always and version < (4, 7),
        highest=("xhigh", "max") if always or version >= (4, 7) else ("max",) if adaptive else (),
        off=_off(family, version, always=always),
        thinks=always or version >= (5, 0),
        shows=not always and version < (4, 7),
        samples=not always and version < (4, 7),
        forces=not (always and version >= (5, 1)) and not (newest and family in ("opus", "sonnet")),
        prefill=not adaptive,
        schemas=always or version >= (4, 5),
        late_system=always or newest or (family == "opus" and version >= (4, 8)),
    )


def _off(family: str, version: tuple[int, int], *, always: bool) -> Off:
    if always or (family == "opus" and version >= (5, 5)):
        return "never"
    if family == "sonnet" and version >= (5, 5):
        return "between_tools"
    return "omit" if (4, 7) <= version < (5, 0) else "disabled"


def same_model(one: str, other: str) -> bool:
    """Whether two names are of one model: an alias and a dated name of it are."""
    if one == other:
        return True
    first, second = version_of(one), version_of(other)
    if first is None or second is None:
        return one.startswith(other) or other.startswith(one)
    return first == second
