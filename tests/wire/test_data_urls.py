"""Data URLs, which hold the file that they are in the place of."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.data_urls import read_data_url


@pytest.mark.parametrize(
    ("url", "media_type", "data"),
    [
        ("data:image/png;base64,iVBORw0KGgo=", "image/png", b"\x89PNG\r\n\x1a\n"),
        ("DATA:image/png;name=a.png;BASE64,iVBORw0KGgo=", "image/png", b"\x89PNG\r\n\x1a\n"),
        ("data:text/plain,hello", "text/plain", b"hello"),
        ("data:text/plain;charset=utf-8,gr%C3%BC%C3%9Fe,%20du", "text/plain", "grüße, du".encode()),
        ("data:image/svg+xml,<svg xmlns='x'>\n</svg>", "image/svg+xml", b"<svg xmlns='x'>\n</svg>"),
        ("data:,x", "", b"x"),
        ("data:;base64,eA==", "", b"x"),
    ],
)
def test_both_ways_to_write_data(url: str, media_type: str, data: bytes) -> None:
    found = read_data_url(url)
    assert found is not None
    assert (found.media_type, base64.b64decode(found.data)) == (media_type, data)


@pytest.mark.parametrize("url", ["", "data:", "data:text/plain", "http://example.com/,x", "x data:,x"])
def test_what_is_none(url: str) -> None:
    assert read_data_url(url) is None


@given(st.text())
def test_any_text_behind_the_comma_is_data(text: str) -> None:
    found = read_data_url(f"data:,{text}")
    assert found is not None
    base64.b64decode(found.data, validate=True)
