"""Writes that wait for the end of the loop's round."""

from __future__ import annotations

import asyncio

import pytest

from pointsman.core.outbox import Outbox


async def test_writes_go_out_after_what_was_ready_and_in_their_order() -> None:
    loop = asyncio.get_running_loop()
    outbox, seen = Outbox(loop), list[bytes]()
    outbox.put(seen.append, b"1")
    loop.call_soon(outbox.put, seen.append, b"2")
    assert not seen
    await asyncio.sleep(0)
    assert seen == [b"1"]
    await asyncio.sleep(0)
    assert seen == [b"1", b"2"]


async def test_a_flush_is_at_once_and_leaves_nothing_to_be_written_twice() -> None:
    outbox, seen = Outbox(asyncio.get_running_loop()), list[bytes]()
    outbox.put(seen.append, b"1")
    outbox.put(seen.append, b"2")
    outbox.flush()
    assert seen == [b"1", b"2"]
    await asyncio.sleep(0)
    assert seen == [b"1", b"2"]


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
