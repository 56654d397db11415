"""The machine: cores, processes held to one of them, CPU time and memory read from /proc. Linux only."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """The core of the gateways and the core of load and upstream; the same one where there is only one."""
    have = sorted(os.sched_getaffinity(0))
    return have[0], have[-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name: [0] is the state, [1] the parent."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - twice as fast, and it runs between measurements
        if entry.isdigit() and (stat := _stat(int(entry))) is not None:
            parents.setdefault(int(stat[1]), []).append(int(entry))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += parents.get(pid, [])
    return found


def cpu_s(root: int) -> float:
    """CPU seconds (user and system) that a process and its children have used, the reaped ones included."""
    ticks = 0
    for pid in tree(root):
        if (stat := _stat(pid)) is not None:
            ticks += sum(int(value) for value in stat[11:15])
    return ticks / TICK


def memory_mb(root: int) -> float:
    """Resident memory of a process and its children in MB (10^6 bytes)."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
    return total / 1e6


@dataclass(frozen=True)
class Clock:
    """Seconds over all cores since boot: in all, spent working, and stolen by the machine's other guests."""

    total: float
    busy: float
    stolen: float


def clock() -> Clock:
    line = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0]
    user, nice, system, idle, waiting, hard, soft, stolen = (int(value) / TICK for value in line.split()[1:9])
    busy = user + nice + system + hard + soft
    return Clock(busy + idle + waiting + stolen, busy, stolen)


@dataclass
class Process:
    """A program held to one core, in a group of its own, that ends with us."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path
    parked: bool = field(default=False)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def alive(self) -> bool:
        return self.popen.poll() is None

    def park(self) -> None:
        """Stop it without ending it, so that its background work does not disturb the one being measured."""
        if not self.parked and self.alive():
            os.killpg(self.pid, signal.SIGSTOP)
            self.parked = True

    def wake(self) -> None:
        if self.parked and self.alive():
            os.killpg(self.pid, signal.SIGCONT)
            self.parked = False

    def end(self) -> None:
        """End it and everything in its group; gently first."""
        self.wake()
        for sign, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(patience)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe is not None:
                pipe.close()

    def last_words(self) -> str:
        """The last lines of what it wrote, for a message about its failure."""
        with contextlib.suppress(OSError):
            return self.log.read_text(encoding="utf-8", errors="replace")[-600:].strip()
        return ""


@dataclass(frozen=True)
class Launch:
    """How a program is started."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    pipes: bool = False  # stdin and stdout are ours, to talk with it


def start(name: str, launch: Launch, core: int, folder: Path) -> Process:
    """Start a program on one core. It gets a small environment of its own: nothing of ours leaks into a measurement."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    prefix = ["taskset", "-c", str(core)] if shutil.which("taskset") else []
    if shutil.which("setpriv"):
        prefix += ["setpriv", "--pdeathsig", "KILL"]  # it must not outlive a benchmark that was killed
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
    with log.open("wb") as out:
        popen = subprocess.Popen(
            prefix + launch.argv,
            cwd=folder,
            env=kept | {"HOME": str(folder), "PYTHONUNBUFFERED": "1"} | launch.env,
            stdin=subprocess.PIPE if launch.pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if launch.pipes else out,
            stderr=out,
            start_new_session=True,
        )
    return Process(name, popen, log)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_listening(process: Process, port: int, limit_s: float) -> float:
    """Seconds until the port takes a connection, from now on.

    Raises:
        RuntimeError: the program ended, or the limit passed; with its last words.
    """
    begun = time.perf_counter()
    while time.perf_counter() - begun < limit_s:
        if listening(port):
            return time.perf_counter() - begun
        if not process.alive():
            raise RuntimeError(f"{process.name} ended while starting: {process.last_words()}")
        time.sleep(0.002)
    raise RuntimeError(f"{process.name} did not listen within {limit_s:.0f} s: {process.last_words()}")


def settle(process: Process, limit_s: float = 5.0) -> None:
    """Wait until a program has gone quiet (under 5 % of a core for 0.2 s): its work is counted where it belongs."""
    end = time.monotonic() + limit_s
    before = cpu_s(process.pid)
    while time.monotonic() < end:
        time.sleep(0.2)
        now = cpu_s(process.pid)
        if now - before <= 0.01:
            return
        before = now


@contextlib.contextmanager
def ended(processes: list[Process]) -> Iterator[list[Process]]:
    """End all the programs in the list, whatever happens."""
    try:
        yield processes
    finally:
        for process in reversed(processes):
            process.end()
