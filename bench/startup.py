"""How long Pointsman takes to be imported and to be built, in fresh processes; the best of some tries each."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.subjects import ENV, Place, config

from bench import machine

TRIES = 7
# Each prints milliseconds. The interpreter's own start is not in them.
_TIMED = "import time; t = time.perf_counter(); {what}; print((time.perf_counter() - t) * 1e3)"
WHAT = {
    "import_ms": _TIMED.format(what="import pointsman"),
    "import_gateway_ms": _TIMED.format(what="from pointsman import Gateway"),
    "gateway_ms": "from pointsman import Gateway; " + _TIMED.format(what="g = Gateway({config!r})"),
}


def best(code: str, folder: Path) -> float | str:
    """The smallest number of milliseconds that some fresh processes print, or what went wrong."""
    seen = []
    for _ in range(TRIES):
        done = subprocess.run(
            [sys.executable, "-c", code],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder)} | ENV,
        )
        if done.returncode != 0:
            return done.stderr.strip().splitlines()[-1][:300] if done.stderr.strip() else "it failed without a word"
        seen.append(float(done.stdout.split()[-1]))
        time.sleep(0.05)
    return min(seen)


def measure(folder: Path) -> dict[str, Any]:
    place = Place(folder / "startup", machine.free_port(), machine.free_port())
    path = str(config(place))
    return {name: best(code.replace("{config!r}", repr(path)), place.folder) for name, code in WHAT.items()}
