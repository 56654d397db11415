"""What a fork does to what lives in a process: told before it, and after it on both sides."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Protocol


class Forks(Protocol):
    """What wants to know of forks. All three are called in the thread that forks."""

    def before_fork(self) -> None:
        """The process is about to fork."""
        ...

    def after_fork(self) -> None:
        """It has; this is the parent."""
        ...

    def after_fork_in_child(self) -> None:
        """It has; this is the child, where no other thread lives."""
        ...


def watch_forks(whom: Forks) -> None:
    """Tell it of every fork of this process and of its children, for as long as it lives.

    Hooks cannot be taken back, so they hold it weakly. Starting another program (`subprocess`) is no fork here.
    """
    found = weakref.ref(whom)

    def telling(say: Callable[[Forks], None]) -> Callable[[], None]:
        def hook() -> None:
            it = found()
            if it is not None:
                say(it)

        return hook

    os.register_at_fork(
        before=telling(lambda it: it.before_fork()),
        after_in_parent=telling(lambda it: it.after_fork()),
        after_in_child=telling(lambda it: it.after_fork_in_child()),
    )
