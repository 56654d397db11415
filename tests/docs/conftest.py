"""Makes the helpers beside this file importable, under names that no other folder uses."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
