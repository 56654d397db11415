"""Make or renew a virtual environment from a hash-pinned lock file: `setup_env.py FOLDER LOCK`. Standard library only.

Runs under any Python from 3.11 on, needs no root, and does nothing when the environment already fits the lock.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


def main(folder: Path, lock: Path) -> int:
    """Make `folder` fit `lock`; 0 when it does."""
    if sys.version_info < OLDEST:
        found = sys.version.split()[0]
        return _say(f"Python {found} is too old: 3.11 or newer is needed (PYTHON=/path/to/python3 make …)")
    python = folder / "bin" / "python"
    stamp = folder / "pointsman-lock"
    wanted = f"{sys.version_info[:2]} {sys.base_prefix} {ROOT} {hashlib.sha256(lock.read_bytes()).hexdigest()}"
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return 0
    _say(f"making {folder.name} with Python {sys.version.split()[0]} (once; packages are checked by hash)")
    shutil.rmtree(folder, ignore_errors=True)
    if not _make(folder):
        return 1
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--no-deps"]
    quiet = [] if sys.stderr.isatty() else ["--progress-bar=off", "--quiet"]
    _say(f"installing {_count(lock)} packages from {lock.relative_to(ROOT)}")
    if _run([*pip, *quiet, "--require-hashes", "-r", str(lock)]):
        return _say("the packages could not be installed; the lines above say why")
    if _run([*pip, "--quiet", "--no-build-isolation", "--editable", str(ROOT)]):
        return _say("the package itself could not be installed; the lines above say why")
    stamp.write_text(wanted, encoding="utf-8")
    _say(f"{folder.name} is ready")
    return 0


def _make(folder: Path) -> bool:
    made = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        return True
    # Debian keeps `ensurepip` in a package of its own; an installed pip can fill an environment made without it.
    shutil.rmtree(folder, ignore_errors=True)
    bare = subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=False)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet", "pip"]
    if bare.returncode == 0 and _run(pip) == 0:
        return True
    _say((made.stdout + made.stderr).strip())
    _say("hint: on Debian and Ubuntu `apt install python3-venv` brings what is missing")
    return False


def _run(command: list[str]) -> int:
    return subprocess.run(command, check=False, env={**os.environ, "PIP_NO_INPUT": "1"}).returncode


def _count(lock: Path) -> int:
    return sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())


def _say(text: str) -> int:
    print(f"setup: {text}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(ROOT / sys.argv[1], ROOT / sys.argv[2]))
