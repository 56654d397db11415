"""The address to bind: taken as it is meant, or refused."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.compose.reach import is_loopback, plain_host
from pointsman.core.errors import ConfigError


@given(st.ip_addresses())
def test_an_address_in_full_stays_as_it_is_with_or_without_brackets(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert plain_host(str(address)) == str(address)
    assert plain_host(f"[{address}]") == str(address)
    assert is_loopback(str(address)) == address.is_loopback


@pytest.mark.parametrize("name", ["localhost", "db1", "a1.example", "10gbit.example", "0x.example", "fe80::1%eth0"])
def test_a_name_is_a_name(name: str) -> None:
    assert plain_host(name) == name


@given(st.lists(st.integers(min_value=0, max_value=2**32).map(lambda n: f"{n:#x}" if n % 2 else str(n)), max_size=3))
def test_a_number_in_an_old_spelling_is_refused(parts: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"empty|in full"):
        plain_host(".".join(parts))


@given(st.text(max_size=20))
def test_any_other_text_is_taken_or_refused(text: str) -> None:
    try:
        taken = plain_host(text)
    except ConfigError:
        return
    assert taken in (text, text[1:-1])
