"""What a reconciliation answers: frozen values; money is exact US dollars as text."""

from __future__ import annotations

from typing import Literal

import msgspec

from pointsman.insight.reconcile.comparing import Figures, Verdict

By = Literal["id", "bucket"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference, by its name.

    Attributes:
        verdict: `missing_here` (the ledger has nothing of it), `missing_there` (the export has nothing), `doubled` (the
            export has it twice), `differing`, `border` (it differs, and the neighbouring stretch by as much the other
            way: requests at the border that the provider counts on its other side).
        start, end: the bucket, or the moment of a single request (then equal); nanoseconds since the epoch.
        model, key: as the ledger has them, else as the export does.
        id: of the answer; `call`: ours.
        place: where in the export: file and line; empty where it is missing there.
        here, there: figures of both sides; None where that side has nothing.
        fields: those that differ.
        lacks: kinds of tokens that no line bills.
    """

    verdict: Verdict
    start: int
    end: int
    model: str
    key: str
    id: str
    call: str
    place: str
    here: Figures | None
    there: Figures | None
    fields: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """All that belongs to one day, model or key: sums of both sides, and how many of it match or not."""

    name: str
    here: Figures
    there: Figures
    matched: int
    missing_here: int
    missing_there: int
    doubled: int
    differing: int
    border: int


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer.

    Attributes:
        provider: whose attempts were compared; empty: all.
        start, end: the stretch of time that was compared, nanoseconds since the epoch.
        by: what was matched: single requests by their id, or buckets of `width` nanoseconds by model and key.
        rows: lines of the export that were compared; `outside` lie outside the stretch, `others` are of other keys.
        paired: of `matched`, requests whose ids differ and that were found by model, tokens and time.
        findings: in order of time, at most 10,000; `unnamed` more are counted and not named.
        of: what drift is of: money where the export has any, else tokens, else requests.
        drift: what the export has more than the ledger, as a share of the export; None where the ledger has something
            and the export nothing, as `gross`.
        gross: differences in both directions added up, as the same share: what cancels out in `drift` does not here.
        alarm: one of both is above `tolerance`.
        notes: what else has to be known.
    """

    files: tuple[str, ...]
    format: str
    provider: str
    start: int
    end: int
    by: By
    width: int
    rows: int
    outside: int
    others: int
    others_cost: str
    matched: int
    paired: int
    missing_here: int
    missing_there: int
    doubled: int
    differing: int
    border: int
    findings: tuple[Finding, ...]
    unnamed: int
    here: Figures
    there: Figures
    of: Literal["money", "tokens", "requests"]
    drift: float | None
    gross: float | None
    tolerance: float
    alarm: bool
    notes: tuple[str, ...]
    by_day: tuple[Part, ...]
    by_model: tuple[Part, ...]
    by_key: tuple[Part, ...]
