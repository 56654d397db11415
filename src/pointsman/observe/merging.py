"""One exposition from several processes': counters and histograms add up, a gauge of health is as bad as the worst."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

_LOWEST = ("gw_ledger_up",)
_HIGHEST = ("gw_breaker_state{", "gw_loop_lag_seconds")
_LASTING_TYPES = frozenset({"counter", "histogram"})
_LASTING_GAUGES = frozenset({"gw_ledger_dropped_rows"})  # only ever rises, like a counter


def merge(expositions: Iterable[bytes]) -> bytes:
    """Merge Prometheus texts of the same metrics; series that only some have are kept."""
    values: dict[str, Decimal] = {}
    shown: dict[str, None] = {}
    for text in expositions:
        for line in text.decode().splitlines():
            if line.startswith("#"):
                shown.setdefault(line)
                continue
            series, _, number = line.rpartition(" ")
            value = Decimal(number)  # as money is written: sums in binary would have digits of their own
            values[series] = _both(series, values[series], value) if series in values else value
            shown.setdefault(series)
    lines = [entry if entry.startswith("#") else f"{entry} {_number(values[entry])}" for entry in _by_family(shown)]
    return ("\n".join(lines) + "\n").encode()


def _both(series: str, one: Decimal, other: Decimal) -> Decimal:
    """The value of a series in two processes."""
    if series.startswith(_LOWEST):
        return min(one, other)
    return max(one, other) if series.startswith(_HIGHEST) else one + other


def lasting(exposition: bytes) -> bytes:
    """What of a Prometheus text stays true when its process is gone: what was counted, not what was measured."""
    kept = []
    lasts = False
    for line in exposition.decode().splitlines(keepends=True):
        if line.startswith("# HELP "):
            continue  # whoever merges has it from a living process
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            lasts = kind in _LASTING_TYPES or name in _LASTING_GAUGES
        if lasts:
            kept.append(line)
    return "".join(kept).encode()


def _by_family(shown: Iterable[str]) -> list[str]:
    """Lines in order, each series behind the head of its family."""
    families: dict[str, list[str]] = {}
    for line in shown:
        name = line.split(" ", 3)[2] if line.startswith("#") else line.partition("{")[0]
        for suffix in ("_bucket", "_sum", "_count"):
            if name.endswith(suffix) and name.removesuffix(suffix) in families:
                name = name.removesuffix(suffix)
        families.setdefault(name, []).append(line)
    return [line for lines in families.values() for line in lines]


def _number(value: Decimal) -> str:
    return str(int(value)) if value == int(value) else f"{value.normalize():f}"
