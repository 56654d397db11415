"""Instructions per call, counted by valgrind: a figure without noise, for comparing one change with the next.

python -m bench.instructions [REF] [--with FEATURE] [--keep FOLDER]

A whole gateway answers a counted number of calls under callgrind, after some that warm it up: user space alone, the
kernel's part does not show. It is no time: a cache miss counts as much as an addition. With REF, an earlier commit is
counted too; with a feature of `bench.feature` this checkout is counted once more, with that on: what a gateway does by
the second weighs more there, as valgrind is slow. Needs valgrind and nginx.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.against import checkout
from bench.answers import request
from bench.feature import FEATURES, Json
from bench.subjects import ENV, ROOT, Missing, Place, config, create_key

from bench import machine, upstream

WARM_UP, CALLS = 200, 1000
CONNECTIONS = 1  # more of them share rounds of the event loop, now in one way and now in another
DRAIN_S = 3.0  # until the last rows are written, at valgrind's pace
START_S, CALL_S, STOP_S = 120.0, 10.0, 60.0


async def _calls(port: int, key: str, count: int) -> None:
    """Send `count` calls over a few connections, one at a time on each.

    Raises:
        RuntimeError: an answer was not 200.
    """
    body = request("auto")
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode()

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(number):
            writer.write(head + body)
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), CALL_S)
            found = re.search(rb"content-length: (\d+)", answer)
            if not answer.startswith(b"HTTP/1.1 200 ") or found is None:
                raise RuntimeError(f"the gateway answered {answer[:200]!r}")
            await asyncio.wait_for(reader.readexactly(int(found[1])), CALL_S)
        writer.close()

    await asyncio.gather(*(one(count // CONNECTIONS) for _ in range(CONNECTIONS)))


def _count(sources: Path, folder: Path, more: Json) -> dict[str, int]:
    """Instructions of the counted calls by thread; the event loop's is the first."""
    folder.mkdir(parents=True)
    provider_port, port = machine.free_port(), machine.free_port()
    binary, valgrind = upstream.nginx(), shutil.which("valgrind")
    if binary is None or valgrind is None:
        raise Missing("valgrind or nginx is missing (Debian: apt-get install valgrind nginx-light)")
    path = config(Place(folder, port, provider_port), more)
    key = create_key(path, sources)
    out = folder / "callgrind"
    argv = [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", "--separate-threads=yes"]
    argv += ["--instr-atstart=no", sys.executable, "-m", "pointsman", "serve", "--config", str(path)]
    env = ENV | {"PYTHONPATH": str(sources), "PYTHONHASHSEED": "0"}
    with machine.ended([]) as processes:
        provider = upstream.launch(binary, folder / "nginx", provider_port)
        processes.append(machine.start("nginx", provider, machine.cores()[1], folder))
        machine.wait_listening(processes[0], provider_port, 10)
        processes.append(machine.start("gateway", machine.Launch(argv, env), machine.cores()[0], folder))
        gateway = processes[1]
        machine.wait_listening(gateway, port, START_S)
        asyncio.run(_calls(port, key, WARM_UP))
        time.sleep(DRAIN_S)
        _counting(gateway.pid, "on")
        asyncio.run(_calls(port, key, CALLS))
        time.sleep(DRAIN_S)
        _counting(gateway.pid, "off")
        gateway.popen.send_signal(signal.SIGTERM)
        gateway.popen.wait(STOP_S)
    return {file.name: _total(file) for file in sorted(folder.glob("callgrind-*"))}


def _counting(pid: int, word: str) -> None:
    subprocess.run(["callgrind_control", "-i", word, str(pid)], check=True, capture_output=True, timeout=30)


def _total(file: Path) -> int:
    found = re.search(r"^totals: (\d+)", file.read_text(errors="replace"), re.MULTILINE)
    return int(found[1]) if found else 0


def measure(sources: Path, folder: Path, more: Json) -> tuple[float, float]:
    """Thousands of instructions per call: on the event loop's thread, and on all others."""
    counts = _count(sources, folder, more)
    loop = counts[min(counts)]
    return loop / CALLS / 1e3, (sum(counts.values()) - loop) / CALLS / 1e3


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench-instructions", description=__doc__)
    parser.add_argument("ref", nargs="?", help="a commit to compare with")
    parser.add_argument("--with", dest="feature", choices=sorted(FEATURES), help="on in another count of this checkout")
    parser.add_argument("--keep", type=Path, help="keep callgrind's files there, for callgrind_annotate")
    args = parser.parse_args(argv)
    folder = Path(tempfile.mkdtemp(prefix="pointsman-instructions-"))
    try:
        sides: dict[str, tuple[Path, Json]] = {"now": (ROOT / "src", {})}
        if args.feature:
            sides[f"with {args.feature}"] = (ROOT / "src", FEATURES[args.feature].on.config)
        if args.ref:
            sides[args.ref] = (checkout(args.ref, folder / "sources"), {})
        for name, (sources, more) in sides.items():
            loop, others = measure(sources, folder / name.replace(" ", "-"), more)
            print(f"{name}: {loop:.1f} thousand instructions per call on the loop, {others:.1f} on other threads")
        if args.keep:
            shutil.copytree(folder, args.keep, dirs_exist_ok=True)
    except (Missing, RuntimeError) as broken:
        print(f"bench-instructions: {broken}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main(sys.argv[1:]))
