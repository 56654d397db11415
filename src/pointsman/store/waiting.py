"""What waits on disk for a database that cannot take it, as whoever asks from outside sees it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pointsman.store.location import Location


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """Calls in spools, of gateways that run and of such that are gone.

    Attributes:
        folder: where they lie.
        calls: how many; what a gateway is writing right now may be among them.
        since: nanoseconds since the epoch, when the oldest spool was begun; 0 if none waits.
    """

    folder: Path
    calls: int = 0
    since: int = 0


class _Batch(msgspec.Struct, frozen=True):
    calls: tuple[msgspec.Raw, ...] = ()


class _Line(msgspec.Struct, frozen=True):
    batch: _Batch = _Batch()


_decoder = msgspec.json.Decoder(_Line)


def spool_folder(location: Location) -> Path:
    """Where the rows of a store wait, unless the ledger's settings name another folder."""
    return Path(f"{location.path}.spool") if location.path else Path("pointsman.spool").absolute()


def waiting(folder: Path) -> Waiting:
    """Count what waits in a spool's folder. Never fails: what cannot be read is not counted, half a line neither."""
    calls, since = 0, 0
    for path in sorted(folder.glob("*.jsonl")):
        found = _count(path)
        if found and not calls:
            since = _begun(path)
        calls += found
    return Waiting(folder=folder, calls=calls, since=since)


def _begun(path: Path) -> int:
    stamp = path.name.partition("-")[0]
    return int(stamp) if stamp.isascii() and stamp.isdigit() else 0


def _count(path: Path) -> int:
    calls = 0
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    calls += len(_decoder.decode(line).batch.calls)
                except msgspec.DecodeError:
                    continue
    except OSError:  # written and removed meanwhile, or not for our eyes
        return calls
    return calls
