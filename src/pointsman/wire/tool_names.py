"""Ids of calls and names of tools as another dialect's grammar allows them.

An id stands in the call and in its result, and a history comes back with every turn: so the same id always becomes the
same other one, without memory. Names go out changed and have to come back as they were: so their map travels with the
request (`Outgoing.tool_names`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_OTHER = re.compile(r"[^a-zA-Z0-9_-]")


class Grammar(NamedTuple):
    """What an id or a name may look like.

    Attributes:
        pattern: the whole of it.
        prefix: how one begins that had to be made.
        digits: how many digits (base 36) such a one has behind its prefix.
    """

    pattern: re.Pattern[str]
    prefix: str
    digits: int


ANTHROPIC_ID = Grammar(re.compile(r"[a-zA-Z0-9_-]{1,256}"), "toolu_", 24)
CHAT_ID = Grammar(re.compile(r".{1,40}", re.DOTALL), "call_", 24)
RESPONSES_ID = Grammar(re.compile(r".{1,64}", re.DOTALL), "call_", 24)
MISTRAL_ID = Grammar(re.compile(r"[a-zA-Z0-9]{9}"), "", 9)
PLAIN_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
LONG_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
GEMINI_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_MOST_NAME = 64
_MARK = 6


def fitted_id(call_id: str, grammar: Grammar) -> str:
    """The id itself where the grammar takes it, else one that depends on it alone."""
    if grammar.pattern.fullmatch(call_id):
        return call_id
    return grammar.prefix + _digits(call_id, grammar.digits)


def made_id(name: str, position: int, grammar: Grammar = CHAT_ID) -> str:
    """An id for a call that came without one: the same whenever the same answer is read."""
    return grammar.prefix + _digits(f"{position}:{name}", grammar.digits)


def fitted_names(names: Iterable[str], pattern: re.Pattern[str]) -> Mapping[str, str]:
    """For each name that the pattern does not take, the one to send in its place; no two are the same."""
    names = list(dict.fromkeys(names))
    return {name: _renamed(name, pattern) for name in names if not pattern.fullmatch(name)}


def _renamed(name: str, pattern: re.Pattern[str]) -> str:
    plain = _OTHER.sub("_", name)[: _MOST_NAME - _MARK - 1] or "tool"
    made = f"{plain}_{_digits(name, _MARK)}"
    return made if pattern.fullmatch(made) else f"t_{made}"[:_MOST_NAME]


def _digits(text: str, count: int) -> str:
    number = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).digest(), "big")
    out = ""
    for _ in range(count):
        number, digit = divmod(number, 36)
        out += "0123456789abcdefghijklmnopqrstuvwxyz"[digit]
    return out
