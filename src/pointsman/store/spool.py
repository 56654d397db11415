"""Rows on disk while the database cannot take them: one file per process, one batch per line, written later in order.

A process holds a lock on the file it writes, so that whoever finds a file without a lock knows that its owner is gone
and may take it over. Lines are JSON with the columns' names: a spool from before an upgrade can still be read, and so
can people. A line is written twice at most if a process dies between the database's commit and the file's removal;
the primary keys make that harmless.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from pointsman.store.columns import TABLES
from pointsman.store.rows import Batch, Row

_NEWLINE = b"\n"
_CHUNK = 1024 * 1024


class SpoolLine(msgspec.Struct, frozen=True, kw_only=True):
    """One batch and the names of its columns at the time."""

    columns: dict[str, tuple[str, ...]]
    batch: Batch


_decoder = msgspec.json.Decoder(SpoolLine)


class SpoolFull(Exception):
    """No room: the limit is reached or the disk refuses."""


class Spool:
    """The spool of one process. Not shared between threads.

    Args:
        folder: where the files lie; made when first needed.
        limit: the most bytes that this process keeps there.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._file: int | None = None
        self._path = folder
        self._size = 0
        self._written_to = 0
        self.calls = 0

    def append(self, batch: Batch) -> None:
        """Keep a batch.

        Raises:
            SpoolFull: it was not kept.
        """
        line = msgspec.json.encode(SpoolLine(columns=TABLES, batch=batch)) + _NEWLINE
        if self._size + len(line) > self._limit:
            raise SpoolFull(f"the spool {self._folder} holds its limit of {self._limit} bytes")
        try:
            whole = os.write(self._open(), line) == len(line)
            trouble = "" if whole else "the disk took only a part"
        except OSError as error:
            trouble = str(error)
        if trouble:
            if self._file is not None:
                with suppress(OSError):  # never leave half a line
                    os.ftruncate(self._file, self._size)
            raise SpoolFull(f"the spool {self._folder} cannot be written: {trouble}")
        self._size += len(line)
        self.calls += len(batch.calls)

    def _open(self) -> int:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / f"{time.time_ns():020d}-{os.getpid()}-{id(self):x}.jsonl"
            hidden = path.with_suffix(".new")  # nobody adopts it before it is locked
            self._file = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            hidden.rename(path)
            self._path = path
        return self._file

    def adopt(self, write: Callable[[Batch], None]) -> None:
        """Write what processes that are gone left behind. Whatever `write` raises ends it; the file stays."""
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob("*.jsonl")):
            if path == self._path:
                continue
            with suppress(OSError), path.open("rb") as file:
                try:
                    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # its owner lives
                for batch, _ in _lines(file.fileno(), 0):
                    write(batch)
                path.unlink(missing_ok=True)

    def replay(self, write: Callable[[Batch], None]) -> None:
        """Write what this process kept, oldest first, then let go of the file."""
        if self._file is None:
            return
        for batch, end in _lines(self._file, self._written_to):
            write(batch)
            self._written_to = end  # a later failure begins again here
            self.calls -= len(batch.calls)
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._file, self._path, self._size, self._written_to, self.calls = None, self._folder, 0, 0, 0
        with suppress(OSError):  # the last one out removes the folder
            self._folder.rmdir()

    def close(self) -> None:
        """Let go of the file and leave it for the next process."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _lines(descriptor: int, start: int) -> Iterator[tuple[Batch, int]]:
    """The batches of a file from an offset on, each with the offset of its end; also those appended meanwhile.

    `pread`, because appending moves the descriptor's own position. A last line without its end was torn by a crash
    while it was written, and a line that cannot be read was damaged from outside; the rest is good.
    """
    position, rest = start, b""
    while chunk := os.pread(descriptor, _CHUNK, position):
        position += len(chunk)
        *lines, rest = (rest + chunk).split(_NEWLINE)
        for line in lines:
            start += len(line) + 1
            try:
                found = _decoder.decode(line)
            except msgspec.DecodeError:
                continue
            yield _today(found), start


def _today(line: SpoolLine) -> Batch:
    """A batch with today's columns: those that have gone are left out, those that are new are empty."""
    if line.columns == TABLES:
        return line.batch
    tables: dict[str, list[Row]] = {}
    for table, columns in TABLES.items():
        then = line.columns.get(table, ())
        places = [then.index(column) if column in then else None for column in columns]
        rows: list[Row] = getattr(line.batch, table)
        tables[table] = (
            rows
            if then == columns
            else [tuple(None if at is None or at >= len(row) else row[at] for at in places) for row in rows]
        )
    return msgspec.convert(tables, Batch)
