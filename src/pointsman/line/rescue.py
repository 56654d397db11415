"""Streams that survive: a stream that breaks after its content has begun is gone on with by another model.

What the caller has had is counted for the provider that broke, as an estimate; the rest is the next one's. Nobody can
go on with a tool call, with several answers at once, or with what only its own provider can read: then the caller is
told of the error, and why nobody went on.
"""

from __future__ import annotations

from pointsman.core.errors import UpstreamError
from pointsman.line.executor import Hunt
from pointsman.line.parts import Won
from pointsman.line.settle import Run
from pointsman.wire.told import Told


class Rescue:
    """For the streams of one call."""

    def __init__(self, run: Run, hunt: Hunt, dialect: str) -> None:
        self._run = run
        self._hunt = hunt
        self._dialect = dialect

    async def __call__(self, error: UpstreamError, told: Told) -> Won | bytes:
        """See `relay.Rescue`."""
        run = self._run
        if run.incoming is None or run.won is None:
            raise error
        standing = run.parts.passages.standing(self._dialect, told, run.incoming)
        if standing.owed is not None:
            return standing.owed
        if standing.reason:
            error.hint = f"{error.hint}; nobody could go on with it: {standing.reason}".removeprefix("; ")
            raise error
        run.broke(error)
        broken = run.won
        await broken.response.aclose()
        run.won = won = await self._hunt.go_on(error, standing, run.trail.spent)
        return won
