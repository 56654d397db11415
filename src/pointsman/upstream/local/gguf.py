"""A look into the head of a GGUF file: what the model calls itself and how long its window is.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Only the key-value part is read, and of that
only numbers and short texts; vocabularies are skipped.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import msgspec

from pointsman.core.errors import ConfigError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_MAX_KEYS = 4096
_MAX_TEXT = 1 << 20
_MAX_ITEMS = 1 << 22


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a GGUF file says of itself; 0 and empty where it says nothing. `context` in tokens."""

    name: str = ""
    architecture: str = ""
    context: int = 0
    licence: str = ""


def read_head(path: Path) -> Head:
    """Read a file's head.

    Raises:
        ConfigError: no such file, not readable, or no GGUF file.
    """
    try:
        with path.open("rb") as file:
            found = _pairs(file)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (struct.error, ValueError, OverflowError) as error:
        raise ConfigError(f"{path} is no GGUF file: {error}", hint="name a model file in llama.cpp's format") from None
    architecture = _text(found.get("general.architecture"))
    context = found.get(f"{architecture}.context_length")
    return Head(
        name=_text(found.get("general.name")),
        architecture=architecture,
        context=context if type(context) is int and context > 0 else 0,
        licence=_text(found.get("general.license")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _pairs(file: BinaryIO) -> dict[str, object]:
    if _exactly(file, 4) != _MAGIC:
        raise ValueError("it does not begin with GGUF")
    version, _, keys = struct.unpack("<IQQ", _exactly(file, 20))
    if version not in _VERSIONS:
        raise ValueError(f"version {version} is not known")
    if keys > _MAX_KEYS:
        raise ValueError(f"{keys} keys")
    found: dict[str, object] = {}
    for _ in range(keys):
        name = _string(file)
        found[name] = _value(file, _number(file, "<I"), 0)
    return found


def _value(file: BinaryIO, kind: int, depth: int) -> object:
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        if kind not in _NUMBERS:
            raise ValueError(f"value of unknown kind {kind}")
        return _number(file, _NUMBERS[kind])
    item, count = _number(file, "<I"), _number(file, "<Q")
    if count > _MAX_ITEMS or depth > 2:
        raise ValueError(f"a list of {count} items, {depth} deep")
    if item in _NUMBERS:
        _exactly(file, struct.calcsize(_NUMBERS[item]) * count)
        return None
    for _ in range(count):
        _value(file, item, depth + 1)
    return None


def _string(file: BinaryIO) -> str:
    length = _number(file, "<Q")
    if length > _MAX_TEXT:
        raise ValueError(f"a text of {length} bytes")
    return _exactly(file, length).decode("utf-8", "replace")


def _number(file: BinaryIO, form: str) -> int:
    value: int = struct.unpack(form, _exactly(file, struct.calcsize(form)))[0]
    return value


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise ValueError("it ends too early")
    return data
