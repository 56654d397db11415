from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pointsman.config import Loaded, Source, Watcher, defaults, load
from pointsman.config.source import read_file
from pointsman.core.errors import ConfigError

INTERVAL = 0.01
OLD = "server: {port: 1}\n"
NEW = "server: {port: 2}\n"
BAD = "server: {prt: 3}\n"


class Ticks:
    def __init__(self):
        self.time = 0

    def now(self):
        self.time += 1
        return self.time

    def monotonic(self):
        return self.now()


class Desk:
    """Where the watcher's callbacks arrive."""

    def __init__(self, file: Path, loaded: Loaded | None = None, path: Path | None = None):
        self.applied: list[Loaded] = []
        self.rejected: list[ConfigError] = []
        self.refusal: Exception | None = None
        loaded = loaded or load(file, {})
        self.watcher = Watcher(
            loaded, Source(path=path or file, env={}), self.apply, self.rejected.append, Ticks(), INTERVAL
        )

    async def apply(self, loaded: Loaded) -> None:
        if self.refusal:
            raise self.refusal
        self.applied.append(loaded)

    @property
    def port(self) -> int:
        return self.watcher.loaded.config.server.port


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the watcher tells by its state
            await asyncio.sleep(INTERVAL / 2)


async def several_looks():
    await asyncio.sleep(INTERVAL * 12)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "pointsman.yaml"
    path.write_text(OLD)
    return path


async def test_a_change_is_in_force_and_told_once(file):
    desk = Desk(file)
    async with desk.watcher as watcher:
        before = watcher.status
        await several_looks()
        assert (desk.applied, watcher.status) == ([], before)
        file.write_text(NEW)
        await until(lambda: desk.port == 2)
        await several_looks()
    assert [loaded.config.server.port for loaded in desk.applied] == [2]
    assert watcher.status.version == desk.applied[0].version != before.version
    assert watcher.status.loaded_at > before.loaded_at
    assert watcher.status.origin == str(file)


async def test_a_bad_change_is_reported_once_and_the_old_one_goes_on(file):
    desk = Desk(file)
    async with desk.watcher as watcher:
        file.write_text(BAD)
        await until(lambda: desk.rejected)
        await several_looks()
        assert [error.where for error in desk.rejected] == [f"{file}:1:10"]
        assert "did you mean `port`" in desk.rejected[0].hint
        assert (desk.port, desk.applied) == (1, [])
        assert "unknown key `prt`" in watcher.status.rejected
        assert watcher.status.rejected_at > 0
        file.write_text(OLD + "# back again\n")
        await until(lambda: not watcher.status.rejected)
        assert desk.applied == []
        file.write_text(NEW)
        await until(lambda: desk.port == 2)
    assert watcher.status.rejected_at == 0


async def test_an_editor_that_replaces_the_file(file):
    desk = Desk(file)
    async with desk.watcher:
        for port in (2, 3, 4):
            other = file.with_suffix(".swp")
            other.write_text(f"server: {{port: {port}}}\n")
            other.replace(file)
            await until(lambda port=port: desk.port == port)
    assert desk.rejected == []


async def test_an_editor_that_removes_first_and_writes_then(file):
    desk = Desk(file)
    async with desk.watcher as watcher:
        file.unlink()
        await until(lambda: desk.rejected)
        assert "is gone" in watcher.status.rejected
        assert desk.port == 1
        file.write_text(NEW)
        await until(lambda: desk.port == 2)
        assert watcher.status.rejected == ""


async def test_a_symbolic_link_that_is_turned_elsewhere(file):
    link, target = file.with_name("link.yaml"), file.with_name("target.yaml")
    target.write_text(NEW)
    link.symlink_to(file)
    desk = Desk(link)
    async with desk.watcher:
        fresh = file.with_name("fresh.yaml")
        fresh.symlink_to(target)
        fresh.replace(link)
        await until(lambda: desk.port == 2)


async def test_an_emptied_file_is_no_wish_for_the_defaults(file):
    desk = Desk(file)
    async with desk.watcher as watcher:
        file.write_text("  \n")
        await until(lambda: desk.rejected)
        assert "is empty" in watcher.status.rejected
        file.write_text("{}\n")
        await until(lambda: desk.port == 4545)


async def test_a_file_written_in_pieces_counts_only_when_it_rests(file):
    """Every prefix is good YAML with fewer models; none of them may come into force."""
    desk = Desk(file)
    lines = ["models:\n", *(f"  m{i}: {{provider: p}}\n" for i in range(30))]
    with file.open("w") as out:
        for line in lines:
            out.write(line)
            out.flush()
            # Its looks may come as close together as they like. The watcher's own are not running yet: on a busy
            # machine the writer could pause for longer than this test's short interval.
            await asyncio.gather(desk.watcher.look(), desk.watcher.look())
    assert desk.applied == []
    async with desk.watcher:
        await until(lambda: desk.applied)
        await several_looks()
    assert [len(loaded.config.models) for loaded in desk.applied] == [30]
    assert desk.rejected == []


async def test_a_write_that_keeps_size_and_time_is_seen(file):
    desk = Desk(file)
    stat = file.stat()
    async with desk.watcher:
        await several_looks()
        file.write_text(NEW)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        await until(lambda: desk.port == 2)


async def test_a_change_between_loading_and_watching_is_seen(file):
    desk = Desk(file)
    file.write_text(NEW)
    async with desk.watcher:
        await until(lambda: desk.port == 2)


async def test_a_file_that_appears_later_is_taken(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    file.unlink()
    applied = []

    async def apply(loaded):
        applied.append(loaded)

    watcher = Watcher(defaults(), Source(), apply, applied.append, Ticks(), INTERVAL)
    async with watcher:
        await several_looks()
        assert applied == []
        file.write_text(NEW)
        await until(lambda: applied)
    assert watcher.loaded.config.server.port == 2
    assert watcher.status.origin == "pointsman.yaml"


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (ConfigError("no such dialect", where="x:1:1"), "x:1:1: no such dialect"),
        (ZeroDivisionError("oh"), "ZeroDivisionError: oh"),
    ],
)
async def test_what_cannot_be_put_in_force_is_rejected_and_watching_goes_on(file, refusal, words):
    desk = Desk(file)
    async with desk.watcher as watcher:
        desk.refusal = refusal
        file.write_text(NEW)
        await until(lambda: desk.rejected)
        assert words in watcher.status.rejected
        assert desk.port == 1
        desk.refusal = None
        file.write_text("server: {port: 3}\n")
        await until(lambda: desk.port == 3)
        assert watcher.status.rejected == ""


async def test_racing_writers_end_with_the_last_one(file):
    """Many quick replacements, good and bad: what is in force was always whole, and in the end it is the last."""
    desk = Desk(file)
    async with desk.watcher as watcher:
        for number in range(150):
            other = file.with_suffix(".new")
            other.write_text(BAD if number % 7 == 3 else f"server: {{port: {number + 10}}}\n")
            other.replace(file)
            if number % 5 == 0:
                await asyncio.sleep(INTERVAL)
        await until(lambda: desk.port == 159)
        assert watcher.status.rejected == ""
    assert all(loaded.config.server.port >= 10 for loaded in desk.applied)


async def test_it_stops_and_may_be_closed_twice(file):
    desk = Desk(file)
    async with desk.watcher as watcher:
        pass
    await watcher.aclose()
    file.write_text(NEW)
    await several_looks()
    assert desk.applied == []


async def test_with_its_own_interval_a_change_is_in_force_within_half_a_second(file):
    desk = Desk(file)
    watcher = Watcher(desk.watcher.loaded, Source(path=file), desk.apply, desk.rejected.append, Ticks())
    async with watcher:
        await asyncio.sleep(0.5)
        file.write_text(NEW)
        start = asyncio.get_running_loop().time()
        await until(lambda: desk.applied)
        assert asyncio.get_running_loop().time() - start < 1.5  # 0.5 on a quiet machine


async def test_a_pipe_is_read_once_and_let_alone(file):
    pipe = file.with_name("pipe")
    os.mkfifo(pipe)
    desk = Desk(file, path=pipe)
    async with desk.watcher:
        await several_looks()
    assert (desk.applied, desk.rejected) == ([], [])


@pytest.mark.parametrize(("make", "words"), [(os.mkfifo, "is a pipe"), (os.mkdir, "is a folder")])
async def test_what_is_no_file_in_the_place_of_the_file_is_told_until_a_file_is_back(file, make, words):
    desk = Desk(file)
    async with desk.watcher as watcher:
        await several_looks()
        file.unlink()
        await until(lambda: "is gone" in watcher.status.rejected)
        make(file)
        await until(lambda: words in watcher.status.rejected)
        await several_looks()
        assert words in watcher.status.rejected
        assert str(file) in watcher.status.rejected
        assert desk.port == 1
        (file.rmdir if file.is_dir() else file.unlink)()
        file.write_text(NEW)
        await until(lambda: desk.port == 2)
    assert watcher.status.rejected == ""


def test_reading_can_do_without_waiting_for_the_other_end_of_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert read_file(pipe, wait=False) == b""


async def test_a_folder_that_cannot_be_searched_for_a_while_does_not_end_the_watching(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    away = [False]
    exists = Path.exists

    def search(path: Path) -> bool:
        if away[0]:
            raise PermissionError(13, "Permission denied")
        return exists(path)

    monkeypatch.setattr(Path, "exists", search)
    rejected: list[ConfigError] = []

    async def apply(loaded: Loaded) -> None:
        pass

    async with Watcher(load(None, {}), Source(), apply, rejected.append, Ticks(), INTERVAL) as watcher:
        away[0] = True
        await until(lambda: rejected)
        assert "Permission denied" in watcher.status.rejected
        assert watcher.loaded.config.server.port == 1
        with pytest.raises(ConfigError, match="cannot be looked for"):
            load(None, {})
        away[0] = False
        file.write_text(NEW)
        await until(lambda: watcher.loaded.config.server.port == 2)
    assert watcher.status.rejected == ""
