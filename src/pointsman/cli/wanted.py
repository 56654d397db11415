"""Which calls a person wants to see: five options of `pointsman logs` that are one thought."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

if TYPE_CHECKING:
    from pointsman.core.outcome import Status
    from pointsman.insight.answers import Filters

_STATUSES = ("ok", "refused", "failed", "cancelled", "stale")
_NANO = 1_000_000_000


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls, and which; empty is all. `since` is a length of time up to now, as `figures.span` reads it."""

    count: int
    status: str | None = None
    route: str = ""
    model: str = ""
    since: str | None = None

    @property
    def narrowed(self) -> bool:
        """Whether some calls are left out."""
        return bool(self.status or self.route or self.model or self.since)

    def filters(self) -> Filters:
        """The same for the ledger.

        Raises:
            click.UsageError: `since` is no length of time.
        """
        from pointsman.cli.figures import span
        from pointsman.insight.answers import Filters

        try:
            begun = 0 if self.since is None else time.time_ns() - span(self.since) * _NANO
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        return Filters(route=self.route, model=self.model, status=cast("Status | None", self.status), since=begun)


def wanted_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options, handed to the command as one `wanted`."""

    @wraps(function)
    def command(**options: Any) -> None:
        said = {name: options.pop(name) for name in Wanted.__struct_fields__}
        function(wanted=Wanted(**said), **options)

    options = (
        click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."),
        click.option("--status", type=click.Choice(_STATUSES), help="Only calls that ended so."),
        click.option("--route", default="", help="Only calls of this route."),
        click.option("--model", default="", help="Only calls that this model answered."),
        click.option("--since", metavar="TIME", help="Only calls of the last 90s, 15m, 1h, 7d …"),
    )
    for option in reversed(options):
        command = option(command)
    return command
