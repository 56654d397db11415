"""The machine: Python, clock, disk, limits, what is installed."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import platform
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from pointsman import __version__
from pointsman.cli import figures
from pointsman.cli.doctor.finding import Found, bad, note, ok, warning

_LITTLE = 1_000_000_000
_HARDLY_ANY = 100_000_000
_FEW_FILES = 4096
_EXTRAS = (("local", "xllamacpp", "the embedded model"), ("postgres", "psycopg", "a ledger on PostgreSQL"))


def version() -> Found:
    """Of the package, of Python, of the system."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return ok("version", f"pointsman {__version__}, Python {platform.python_version()}, {system}")


def clock(now: int, made: str) -> Found:
    """Whether the time can be right: it is not before the price list was made.

    Args:
        now: nanoseconds since the epoch.
        made: ISO date.
    """
    shown = figures.moment(now)
    if shown[:10] < made:
        hint = "set it (`timedatectl set-ntp true`): certificates, expiry of keys and prices depend on it"
        return bad("clock", f"{shown} is before this version's price list was made ({made})", hint)
    return ok("clock", f"{shown}, local offset {_offset()}")


def _offset() -> str:
    return dt.datetime.now().astimezone().strftime("%z")


def disk(folders: Iterable[Path]) -> Iterator[Found]:
    """Room where we write; each disk once."""
    seen: set[int] = set()
    for folder in folders:
        here = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
        try:
            device, free = here.stat().st_dev, shutil.disk_usage(here).free
        except OSError as error:
            yield bad("disk", f"{here}: {error.strerror or error}")
            continue
        if device in seen:
            continue
        seen.add(device)
        text = f"{figures.size(free)} free at {here}"
        if free < _HARDLY_ANY:
            yield bad("disk", text, "make room: the ledger cannot grow")
        else:
            yield warning("disk", text, "make room soon") if free < _LITTLE else ok("disk", text)


def files() -> Found:
    """How many files and connections this process may have open."""
    try:
        import resource
    except ImportError:  # not on Windows
        return note("open files", "no limit is known on this system")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return ok("open files", "no limit")
    text = f"at most {soft:,}: about {max(soft - 64, 0) // 2:,} calls at once"
    if soft < _FEW_FILES:
        most = "65536" if hard == resource.RLIM_INFINITY or hard >= 65536 else str(hard)
        return warning("open files", text, f"`ulimit -n {most}` before `pointsman serve`")
    return ok("open files", text)


def extras() -> Found:
    """Which extras are installed."""
    have, lack = [], []
    for extra, package, what in _EXTRAS:
        try:
            have.append(f"{extra} ({package} {importlib.metadata.version(package)})")
        except importlib.metadata.PackageNotFoundError:
            lack.append(f"{extra} ({what})")
    text = "; ".join(
        part
        for part in (
            "installed: " + ", ".join(have) if have else "",
            "not installed: " + ", ".join(lack) if lack else "",
        )
        if part
    )
    return ok("extras", text) if not lack else note("extras", text)
