"""A gateway as the tests start it: `pointsman serve` as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for `harness`, which is no test and no plugin

from harness import Running, gateway

__all__ = ["Running", "gateway"]
