"""Figures as people read them: money, tokens, times, sizes."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

_NANO = 1_000_000_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_STEP = 1024
_MS = 1_000_000
_KINDS = {
    "cache_read": "cached input",
    "cache_write_1h": "cache write, 1 h",
    "input_audio": "audio input",
    "cache_audio": "cached audio",
    "output_audio": "audio output",
    "input_image": "image input",
    "output_image": "image output",
}


def price(per_million: Decimal | None) -> str:
    """US dollars per million tokens; None is unpriced."""
    if per_million is None:
        return "-"
    if not per_million:
        return "0"
    text = f"{per_million.normalize():f}"
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest:0<2}"


def kind(name: str) -> str:
    """What is billed, by its name for people: `cached input` for `cache_read`."""
    return _KINDS.get(name, name.replace("_", " "))


def per_million(picos: int) -> str:
    """Pico-dollars for a token, as dollars for a million."""
    from pointsman.core.money import usd_per_million

    return f"${price(usd_per_million(picos))} per million"


def each(picos: int) -> str:
    """Pico-dollars for a piece, as dollars."""
    return f"${price(Decimal(picos).scaleb(-12))} each"


def clock(minute: int) -> str:
    """A minute of the day: `16:30`; the end of a day is `24:00`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def cost(nanos: int | None) -> str:
    """Nano-dollars as dollars; None is unpriced."""
    if nanos is None:
        return "unpriced"
    from pointsman.core.money import usd_text

    return f"${usd_text(nanos)}"


def decimals(nanos: int) -> int:
    """How many decimals show an amount of nano-dollars in full, in US dollars."""
    return len(f"{nanos % _NANO:09d}".rstrip("0"))


def seconds(nanos: int | None) -> str:
    """A duration in nanoseconds, in the unit that suits it."""
    if nanos is None:
        return "-"
    if nanos < _NANO:
        return f"{nanos / _MS:.0f} ms" if nanos >= 10 * _MS else f"{nanos / _MS:.2f} ms"
    return f"{nanos / _NANO:.2f} s"


def tokens(count: int) -> str:
    """A context window: `128k`, `1M`, `4096`; `-` where unknown."""
    if not count:
        return "-"
    if count >= 1_000_000:
        return f"{count / 1_000_000:.2f}".rstrip("0").rstrip(".") + "M"
    return f"{count / 1000:.0f}k" if count >= 10_000 else f"{count:,}"


def size(count: int) -> str:
    """Bytes: `92.9 MB` counts in 1,000, as disks and downloads do."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def memory(count: int) -> str:
    """Bytes of memory, in 1,024, as memory is sold."""
    return f"{count / _STEP**3:.1f} GiB" if count >= _STEP**3 else f"{count / _STEP**2:.0f} MiB"


def moment(nanos: int) -> str:
    """A moment in UTC."""
    return dt.datetime.fromtimestamp(nanos / _NANO, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(text: str) -> int:
    """Seconds from `90s`, `15m`, `1h`, `7d`, `2w`.

    Raises:
        ValueError: it is none of these.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"`{text}` is no length of time: write 90s, 15m, 1h, 7d or 2w")
    return int(found[1]) * _UNITS[found[2]]
