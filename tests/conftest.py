"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of recorded provider exchanges (`$POINTSMAN_DATA/wire`); skips with a word where it is absent."""
    root = Path(os.environ.get("POINTSMAN_DATA", Path(__file__).parents[2] / "shared" / "data"))
    folder = root / "wire"
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: set POINTSMAN_DATA to run the fidelity tests")
    return folder
