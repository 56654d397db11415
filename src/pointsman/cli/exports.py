"""How exports are read, and what they are compared with: the options of `pointsman reconcile`, as two thoughts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from pointsman.insight.periods import Period
    from pointsman.insight.reconcile.reading import Export
    from pointsman.insight.reconcile.reconciling import Ask

FORMATS = ("auto", "openai", "anthropic", "openrouter", "csv")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The files, and how they are to be read: form, columns, decimal mark, time zone."""

    files: tuple[Path, ...]
    told: str
    columns: tuple[str, ...]
    decimal: str | None
    timezone: str

    def exports(self) -> list[Export]:
        """The same for the comparison.

        Raises:
            click.UsageError: a column or the time zone is none.
        """
        from pointsman.insight.reconcile.reading import Export
        from pointsman.insight.reconcile.rows import Style

        style, columns = Style(self.decimal or "", _zone(self.timezone)), _pairs(self.columns, "--map")
        form: Any = None if self.told == "auto" else self.told
        return [Export(path, form, columns, style) for path in self.files]


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """Which attempts of the ledger they are compared with, by which names, and how far both may drift apart."""

    provider: str | None
    models: tuple[str, ...]
    keys: tuple[str, ...]
    period: str | None
    since: str | None
    until: str | None
    tolerance: str

    def ask(self, now: int) -> Ask:
        """The same for the comparison; `now` is nanoseconds since the epoch.

        Raises:
            click.UsageError: one of the options is none.
            InvalidRequest: the period is none.
        """
        from pointsman.insight.reconcile.reconciling import Ask

        return Ask(
            provider=self.provider,
            keys=_pairs(self.keys, "--key"),
            models=_pairs(self.models, "--model"),
            period=_period(self.period, self.since, self.until, now),
            tolerance=_share(self.tolerance),
        )


def _options(name: str, made: Any, options: Sequence[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options that are handed to a command as one value."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def command(**said: Any) -> None:
            value = made(**{field: said.pop(field) for field in made.__struct_fields__})
            function(**{name: value}, **said)

        for option in reversed(options):
            command = option(command)
        return command

    return decorate


reading_options = _options(
    "reading",
    Reading,
    (
        click.argument(
            "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False)
        ),
        click.option(
            "--format", "told", type=click.Choice(FORMATS), default="auto", show_default=True, help="Of the files."
        ),
        click.option("--map", "columns", metavar="COLUMN=FIELD", multiple=True, help="Which column of a CSV is which."),
        click.option("--decimal", type=click.Choice((".", ",")), help="The decimal mark; else seen where it is plain."),
        click.option(
            "--timezone", metavar="ZONE", default="UTC", show_default=True, help="Of times that do not say theirs."
        ),
    ),
)
"""`files` and how they are read, handed to the command as one `reading`."""
against_options = _options(
    "against",
    Against,
    (
        click.option("--provider", metavar="NAME", help="Its name in the configuration; else that of the format."),
        click.option("--model", "models", metavar="THEIRS=OURS", multiple=True, help="A model by another name."),
        click.option(
            "--key", "keys", metavar="THEIRS=VARIABLE", multiple=True, help="A key; lines of others are set aside."
        ),
        click.option("--period", metavar="PERIOD", help="As in `bill`; else what the files cover."),
        click.option("--since", metavar="TIME", help="From this date or time."),
        click.option("--until", metavar="TIME", help="Up to this date (its end) or time."),
        click.option(
            "--tolerance", metavar="SHARE", default="1%", show_default=True, help="The most drift without an alarm."
        ),
    ),
)
"""What the files are compared with, handed to the command as one `against`."""


def _zone(name: str) -> Any:
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise click.UsageError(f"`{name}` is no time zone; write UTC, Europe/Berlin …") from None


def _pairs(said: Sequence[str], option: str) -> dict[str, str]:
    from pointsman.core.secret import is_secret

    found = {}
    for one in said:
        name, mark, value = one.rpartition("=")
        if option == "--key" and any(map(is_secret, (one, name, value))):
            raise click.UsageError(
                "--key takes names, and what was given looks like a secret: THEIRS is what the export calls the key, "
                "VARIABLE the one that holds it here"
            )
        if not mark or not name.strip() or not value.strip():
            raise click.UsageError(f"{option} takes THEIRS=OURS, not `{one}`")
        found[name.strip()] = value.strip()
    return found


def _share(text: str) -> Decimal:
    from pointsman.insight.reconcile.figures import Unreadable, money

    try:
        share = money(text.strip().removesuffix("%"), ".") / (100 if text.strip().endswith("%") else 1)
    except Unreadable:
        share = Decimal(-1)
    if not 0 <= share <= 1:
        raise click.UsageError(f"`{text}` is no share: write 1% or 0.01")
    return share


def _period(period: str | None, since: str | None, until: str | None, now: int) -> Period | None:
    from pointsman.insight import periods

    if period and (since or until):
        raise click.UsageError("--period, or --since and --until")
    if period:
        return periods.period(period, now)
    return periods.between(since or "1970-01-01", until or "", now) if since or until else None
