"""Writes that wait for the end of the loop's round."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.core.outbox import Outbox


async def test_the_first_write_of_a_round_is_made_at_once_and_the_others_after_what_was_ready() -> None:
    loop = asyncio.get_running_loop()
    outbox, seen = Outbox(loop), list[bytes]()
    loop.call_soon(outbox.put, seen.append, b"3")
    outbox.put(seen.append, b"1")
    outbox.put(seen.append, b"2")
    assert seen == [b"1"]
    await asyncio.sleep(0)
    assert seen == [b"1", b"2", b"3"]
    outbox.put(seen.append, b"4")
    assert seen[3:] == [b"4"], "another round has begun"


async def test_a_flush_is_at_once_and_leaves_nothing_to_be_written_twice() -> None:
    outbox, seen = Outbox(asyncio.get_running_loop()), list[bytes]()
    for data in (b"1", b"2", b"3"):
        outbox.put(seen.append, data)
    outbox.flush()
    assert seen == [b"1", b"2", b"3"]
    await asyncio.sleep(0)
    assert seen == [b"1", b"2", b"3"]


async def test_a_write_that_fails_takes_no_other_with_it() -> None:
    def broken(_: bytes) -> None:
        raise RuntimeError

    outbox, seen = Outbox(asyncio.get_running_loop()), list[bytes]()
    for write in (seen.append, broken, seen.append):
        outbox.put(write, b"x")
    with pytest.raises(RuntimeError):
        outbox.flush()
    await asyncio.sleep(0)
    assert seen == [b"x", b"x"]
