"""The command: makes every call, prints the table, and fails where something came that must never be."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from bench.failover.bed import raised
from bench.failover.calling import call
from bench.failover.owed import Result, broken, differing
from bench.failover.report import render
from bench.failover.rows import CALLERS, ROWS, Cell, cells

AT_ONCE = 12
BATCH = 150  # cells of one gateway


def main() -> int:
    """Run it; 1 where something is broken (with --strict also where the table is not kept)."""
    asked = _arguments()
    rows = [ROWS[name] for name in asked.row or ROWS]
    made = cells(rows, tuple(asked.dialect or CALLERS), asked.primary, asked.second)
    began = time.perf_counter()
    results = [
        result for start in range(0, len(made), BATCH) for result in asyncio.run(run(made[start : start + BATCH]))
    ]
    print(render(results, markdown=asked.markdown, each=asked.all))
    print(f"\n{len(results)} calls in {time.perf_counter() - began:.0f} s")
    wrong = any(broken(result) for result in results)
    return int(wrong or (asked.strict and any(differing(result) for result in results)))


async def run(made: list[Cell]) -> list[Result]:
    """Make the calls of these cells, some at a time, against one gateway. Results are in their order."""
    places = asyncio.Semaphore(AT_ONCE)
    async with raised(made) as bed:

        async def one(cell: Cell) -> Result:
            async with places:
                return await call(bed, cell)

        return list(await asyncio.gather(*map(one, made)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description=__doc__)
    spoken = (*CALLERS, "gemini")
    parser.add_argument("--row", action="append", choices=list(ROWS), metavar="NAME", help="only this row (repeatable)")
    parser.add_argument("--dialect", action="append", choices=CALLERS, help="only callers of this dialect (repeatable)")
    parser.add_argument("--primary", default="same", choices=("same", *spoken), help="dialect of the first provider")
    parser.add_argument("--second", default="openai-chat", choices=("same", *spoken), help="dialect of the second")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--all", action="store_true", help="a line for each call, not one for dialects that agree")
    parser.add_argument("--strict", action="store_true", help="fail also where the table of failures is not kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
