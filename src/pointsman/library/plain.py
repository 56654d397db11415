"""Python's values that JSON has no word for: refused by name, or put exactly into one that it has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pointsman.core.errors import ConfigError, InvalidRequest


def demand_finite(value: Any, name: str) -> None:
    """Refuse numbers that are none, however deep: encoders write `null` for them, which says something else.

    Args:
        value: what will be written as JSON.
        name: the argument's, for the error.

    Raises:
        InvalidRequest: there is a NaN or an infinity; `param` says where.
    """
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise InvalidRequest(f"`{name}` is {value}, which JSON cannot say", param=name)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            demand_finite(inner, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            demand_finite(inner, f"{name}[{place}]")


def without_decimals(value: Any) -> Any:
    """A configuration with each `Decimal` as the whole number or the float that is written with the same digits.

    Floats keep 15 digits; an amount of the configuration has fewer.

    Raises:
        ConfigError: there is no such number, or the configuration contains itself.
    """
    try:
        return _without_decimals(value, "")
    except RecursionError:
        raise ConfigError("the configuration is not plain data: it contains itself") from None


def _without_decimals(value: Any, name: str) -> Any:
    if isinstance(value, Decimal):
        return _number(value, name)
    if isinstance(value, Mapping):
        return {key: _without_decimals(inner, f"{name}.{key}" if name else str(key)) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [_without_decimals(inner, f"{name}[{place}]") for place, inner in enumerate(value)]
    return value


def _number(value: Decimal, name: str) -> int | float:
    if not value.is_finite():
        raise ConfigError(f"`{name}` is {value}, which is no amount")
    near = float(value)
    if Decimal(repr(near)) == value:
        return near
    if value == value.to_integral_value():
        return int(value)
    raise ConfigError(f"`{name}`: {value} has more digits than can be kept", hint="write at most 15 digits")
