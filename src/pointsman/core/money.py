"""Money in exact integers: prices in pico-dollars per unit, sums in nano-dollars.

A price list speaks of US dollars per million tokens with up to six decimals. A millionth of a millionth of a dollar
(a pico-dollar, 1e-12) makes every such price a whole number per token, so that a sum of tokens times prices is exact;
it is rounded once, half to even, to nano-dollars (1e-9), which is what the ledger keeps.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache

NANOS_PER_USD = 1_000_000_000
PICOS_PER_NANO = 1_000
_MICRO = Decimal(1_000_000)


def usd(value: str | float | Decimal) -> Decimal:
    """Read an amount of US dollars exactly as it was written (a float by its shortest text).

    Raises:
        ValueError: not a finite number.
    """
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"not an amount of money: {value!r}") from None
    if not amount.is_finite():
        raise ValueError(f"not a finite amount of money: {value!r}")
    return amount


def picos_per_token(usd_per_million: str | float | Decimal) -> int:
    """Pico-dollars per token from US dollars per million tokens.

    Raises:
        ValueError: negative, not a number, or finer than a pico-dollar per token.
    """
    amount = usd(usd_per_million)
    if amount < 0:
        raise ValueError(f"a price cannot be negative: {usd_per_million}")
    picos = amount * _MICRO
    if picos != picos.to_integral_value():
        picos = picos.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    return int(picos)


def usd_per_million(picos: int) -> Decimal:
    """US dollars per million tokens from pico-dollars per token."""
    return Decimal(picos) / _MICRO


def nanos(picos: int) -> int:
    """Round pico-dollars to nano-dollars, half to even, once, at settlement."""
    whole, rest = divmod(picos + PICOS_PER_NANO // 2, PICOS_PER_NANO)
    return whole - 1 if not rest and whole & 1 else whole


@lru_cache(maxsize=64)  # an answer says it twice, in its header and in its body
def usd_text(amount_nanos: int) -> str:
    """Nano-dollars as a plain decimal string of dollars without trailing zeros: `0.0000041`."""
    if amount_nanos < 0:
        return f"-{usd_text(-amount_nanos)}"
    return usd_line(amount_nanos).decode()


def usd_line(amount_nanos: int) -> bytes:
    """The same for a header, of an amount that is not below 0 and told once."""
    whole, rest = divmod(amount_nanos, NANOS_PER_USD)
    return (b"%d.%09d" % (whole, rest)).rstrip(b"0") if rest else b"%d" % whole
