"""One call of the ledger, by whatever a person has of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pointsman.insight.answers import CallDetail
    from pointsman.insight.queries import Questions

_ID = re.compile(r"0[0-9a-z]{9,25}", re.IGNORECASE)
"""Ids, or their beginnings as a terminal shows them: they begin with the time, so with a nought for fifty years."""


def named(which: str) -> bool:
    """Whether a text can be nothing but the id of a call, or the beginning of one."""
    return _ID.fullmatch(which) is not None


def one_call(questions: Questions | None, which: str) -> CallDetail:
    """The call of that id, of an id that begins so, or of that id inside its answer; no questions: there are no calls.

    Raises:
        NotFound: there is none, or several begin so.
    """
    from pointsman.core.errors import NotFound
    from pointsman.insight.answers import Filters

    found = None
    if questions is not None:
        found = questions.call(which) or questions.by_answer_id(which)
        if found is None:
            near = questions.calls(2, filters=Filters(id_prefix=which.lower()))
            if len(near) > 1:
                raise NotFound(f"several calls begin with `{which}`", hint="give more of the id")
            found = questions.call(near[0].id) if near else None
    if found is None:
        raise NotFound(f"there is no call `{which}`", hint="`pointsman logs` lists the recent ones")
    return found
