"""`data:` URLs (RFC 2397): a file in the place of the address of one."""

from __future__ import annotations

import base64
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),(.*)", re.DOTALL | re.IGNORECASE)
_BASE64 = ";base64"


class DataUrl(NamedTuple):
    """What a data URL holds: a media type, empty where it names none, and data in base64."""

    media_type: str
    data: str


def read_data_url(url: str) -> DataUrl | None:
    """A data URL taken apart; None if it is none. What is not in base64 is percent-encoded, and comes out in base64."""
    found = _DATA_URL.fullmatch(url)
    if found is None:
        return None
    media_type, parameters, data = found.groups()
    if not parameters.lower().endswith(_BASE64):
        data = base64.b64encode(unquote_to_bytes(data.encode("utf-8", "replace"))).decode()
    return DataUrl(media_type, data)
