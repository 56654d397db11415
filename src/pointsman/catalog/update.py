"""`pointsman prices update`: judge a candidate, say what it would change, install it only if it is sound.

The candidate is bytes, from a file or from a fetcher that is handed in; nothing here speaks HTTP. Accepted are our own
format and the feed of genai-prices. A candidate can change models and prices, never providers: a price list must not
be able to redirect keys.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from pointsman.catalog.changes import Change, Priced, compare, priced_models
from pointsman.catalog.document import Document, FileModel, Source, decode, encode_models, is_date, unpack
from pointsman.catalog.feed import SOURCE, decode_feed, is_feed, merge
from pointsman.catalog.rows import ProviderRow
from pointsman.catalog.versions import Versions
from pointsman.core.errors import ConfigError

FEED_URL: Final = "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
"""Where genai-prices publishes its feed."""

SMALLEST_SHARE: Final = 0.8
"""A candidate with a smaller share of today's priced models is refused."""
_SHOWN = 20


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a candidate would do.

    Attributes:
        before, after: dates of the data.
        priced_before, priced_after: number of priced models.
        problems: why it is refused; empty: it is sound.
        notes: what was left out of it.
        changes: every change, held ones among them.
    """

    before: str
    after: str
    priced_before: int = 0
    priced_after: int = 0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the candidate may be installed."""
        return not self.problems

    def of(self, kind: str) -> tuple[Change, ...]:
        """Changes of one kind: `added`, `removed`, `repriced`, `held`, `retiring`."""
        return tuple(change for change in self.changes if change.kind == kind)

    def text(self, limit: int = _SHOWN) -> str:
        """For people: one line per change, at most `limit` of each kind."""
        lines = [f"prices of {self.before} -> {self.after}: {self.priced_before} -> {self.priced_after} priced models"]
        lines += [f"refused: {problem}" for problem in self.problems]
        lines += [f"note: {note}" for note in self.notes]
        for kind in ("held", "repriced", "retiring", "removed", "added"):
            changes = self.of(kind)
            if changes:
                lines.append(f"{kind}: {len(changes)}")
                lines += [f"  {change.text()}" for change in changes[:limit]]
                if len(changes) > limit:
                    lines.append(f"  … and {len(changes) - limit} more")
        return "\n".join(lines)


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A judged candidate. `document` None: it could not be read."""

    report: Report
    document: Document | None = None


def prepare(
    data: bytes,
    current: Document,
    providers: tuple[ProviderRow, ...],
    *,
    today: str,
    accept_jumps: bool = False,
) -> Proposal:
    """Judge candidate bytes against what is in use; never raises for bad bytes.

    Args:
        data: our own format or the feed, plain or gzipped.
        current: what is in use.
        providers: the provider rows in use; the candidate cannot change them.
        today: ISO date; the date given to a feed, which carries none.
        accept_jumps: take prices that changed more than tenfold, or to nothing; otherwise the old ones are kept.
    """
    before = Report(before=current.date, after="unreadable")
    try:
        document, notes = _read(data, current, providers, today)
        old, new = priced_models(current, today), priced_models(document, today)
    except ConfigError as error:
        return Proposal(report=msgspec.structs.replace(before, problems=(error.message,)))
    changes = compare(old, new)
    held = () if accept_jumps else tuple(change for change in changes if change.jump)
    if held:
        document = _hold(document, old, held)
        new = priced_models(document, today)
        changes = tuple(msgspec.structs.replace(c, kind="held") if c in held else c for c in changes)
    report = Report(
        before=current.date,
        after=document.date,
        priced_before=_count(old),
        priced_after=_count(new),
        problems=tuple(_problems(document, current, old, new)),
        notes=notes,
        changes=changes,
    )
    return Proposal(report=report, document=document)


def install(proposal: Proposal, directory: Path, *, keep: int = 5) -> Path:
    """Write a sound proposal and use it from the next load on.

    Raises:
        ConfigError: the proposal was refused, or the directory cannot be written; nothing has changed then.
    """
    if proposal.document is None or not proposal.report.ok:
        raise ConfigError("these prices were refused: " + "; ".join(proposal.report.problems))
    return Versions(directory, keep=keep).install(proposal.document)


def refresh(
    fetch: Callable[[], bytes], current: Document, providers: tuple[ProviderRow, ...], directory: Path, *, today: str
) -> Report:
    """Fetch, judge and, if sound, install. What `fetch` raises passes through; nothing has changed then.

    Raises:
        ConfigError: the directory cannot be written.
    """
    proposal = prepare(fetch(), current, providers, today=today)
    if proposal.report.ok:
        install(proposal, directory)
    return proposal.report


def _read(
    data: bytes, current: Document, providers: tuple[ProviderRow, ...], today: str
) -> tuple[Document, tuple[str, ...]]:
    plain = unpack(data)
    if is_feed(plain):
        source = Source(title=SOURCE, date=today, licence="MIT", url=FEED_URL)
        return merge(current, providers, decode_feed(plain), source), ()
    document = decode(plain)
    known = {row.name for row in providers}
    unknown = sorted(set(document.models) - known)
    if not unknown:
        return document, ()
    kept = {name: raw for name, raw in document.models.items() if name in known}
    note = f"models of providers that this version does not know are left out: {', '.join(unknown[:_SHOWN])}"
    return msgspec.structs.replace(document, models=kept), (note,)


def _hold(document: Document, old: dict[str, Priced], held: tuple[Change, ...]) -> Document:
    names = {change.name for change in held}
    models = dict(document.models)
    for provider in {name.partition("/")[0] for name in names}:
        rows = tuple(_held(row, provider, old, names) for row in document.models_of(provider))
        models[provider] = encode_models(rows)
    return msgspec.structs.replace(document, models=models)


def _held(row: FileModel, provider: str, old: dict[str, Priced], names: set[str]) -> FileModel:
    name = f"{provider}/{row.id}"
    return msgspec.structs.replace(row, prices=old[name].model.prices) if name in names else row


def _count(models: dict[str, Priced]) -> int:
    return sum(1 for each in models.values() if each.price is not None)


def _problems(document: Document, current: Document, old: dict[str, Priced], new: dict[str, Priced]) -> list[str]:
    problems = []
    if document.date < current.date:
        problems.append(f"it is older ({document.date}) than what is in use ({current.date})")
    before, after = _count(old), _count(new)
    if after < SMALLEST_SHARE * before:
        problems.append(f"it prices {after} models, fewer than {SMALLEST_SHARE:.0%} of the {before} in use")
    if after and not any(each.price is not None and (each.price.input or each.price.output) for each in new.values()):
        problems.append("every price in it is zero")
    bad_dates = [
        name
        for name, each in new.items()
        if any(date and not is_date(date) for date in (each.model.retires, *(p.since for p in each.model.prices)))
    ]
    if bad_dates:
        problems.append(f"dates that are none: {', '.join(bad_dates[:_SHOWN])}")
    return problems
