from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from pointsman.access.keys import KeyRing
from pointsman.core.clock import SystemClock, SystemIds
from pointsman.core.errors import InvalidRequest, NotFound, StoreUnavailable
from pointsman.core.key import Ended
from pointsman.core.key_terms import Terms
from pointsman.core.ports import Principal
from pointsman.store.database import open_database
from pointsman.store.keys import SqlKeyStore
from pointsman.store.location import locate


class SetClock:
    def __init__(self) -> None:
        self.time = time.time_ns()

    def now(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.time


@pytest.fixture
def store(store_url):
    store = SqlKeyStore(store_url, SystemClock())
    yield store
    store.close()


@pytest.fixture
def ring(store):
    return KeyRing(store, SystemClock(), SystemIds())


def test_a_new_key_opens_the_door_under_its_name(ring):
    made = ring.create("ci")
    ring.refresh()
    assert made.secret.startswith("pm-")
    assert len(made.secret) == 43
    assert made.row.prefix == made.secret[:8]
    assert ring.check(made.secret) == Principal(id=made.row.id, name="ci")


@pytest.mark.parametrize("secret", ["", "pm-", "pm-" + "x" * 40, "é\ud800☃", "x" * 1_000_000])
def test_any_other_secret_is_refused(ring, secret):
    ring.create("ci")
    ring.refresh()
    assert ring.check(secret) is None


def test_the_secret_is_nowhere_in_the_store(ring, store_url, tmp_path):
    made = ring.create("ci")
    database = open_database(locate(store_url))
    everything = str(database.rows("SELECT * FROM keys")) + str(database.rows("SELECT * FROM settings"))
    database.close()
    assert made.secret not in everything
    assert made.secret[8:] not in everything
    for file in tmp_path.iterdir():
        assert made.secret[8:].encode() not in file.read_bytes()


def test_a_revoked_key_is_refused_and_the_door_stays_shut(ring):
    made = ring.create("only")
    ring.refresh()
    assert ring.demanded
    gone = ring.revoke("only")
    assert gone.revoked is not None
    ring.refresh()
    assert ring.check(made.secret) is None
    assert ring.demanded


def test_without_keys_nothing_is_demanded_unless_required(store, ring):
    ring.refresh()
    assert not ring.demanded
    strict = KeyRing(store, SystemClock(), SystemIds(), required=True)
    strict.refresh()
    assert strict.demanded


def test_a_server_that_begins_to_demand_keys_says_so_once(store, ring, caplog):
    strict = KeyRing(store, SystemClock(), SystemIds(), required=True)
    for one in (ring, strict):
        one.refresh()
    assert not caplog.records
    ring.create("first")
    for one in (strict, ring):
        one.refresh()
    ring.create("second")
    for one in (strict, ring):
        one.refresh()
    assert [record.getMessage() for record in caplog.records] == [
        "the first key was made: from now on every caller needs one"
    ]
    late = KeyRing(store, SystemClock(), SystemIds())  # a server that starts where keys are: nothing begins
    late.refresh()
    assert len(caplog.records) == 1


def test_a_ring_that_never_read_its_store_lets_nobody_in(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = SqlKeyStore(f"sqlite:///{tmp_path / 'file' / 'l.db'}", SystemClock())
    ring = KeyRing(store, SystemClock(), SystemIds())
    with pytest.raises(StoreUnavailable):
        ring.refresh()
    assert ring.demanded
    with pytest.raises(StoreUnavailable):
        ring.check("pm-" + "x" * 40)


def test_an_expired_key_is_refused_from_that_moment(store):
    clock = SetClock()
    ring = KeyRing(store, clock, SystemIds())
    made = ring.create("short", Terms(expires=clock.time + 10))
    ring.refresh()
    assert ring.check(made.secret) is not None
    clock.time += 10
    assert ring.check(made.secret) is None
    assert not made.row.active(clock.time)


def test_keys_are_revoked_by_id_prefix_or_name_and_doubt_is_told(ring, store_url):
    one, two, three = ring.create("twin"), ring.create("second"), ring.create("other")
    with pytest.raises(InvalidRequest, match=f"already.*{one.row.id}"):
        ring.create("twin ")
    database = open_database(locate(store_url))  # as in stores from before that was refused
    database.run(database.sql("UPDATE keys SET name = ? WHERE id = ?"), ("twin", two.row.id))
    database.close()
    with pytest.raises(InvalidRequest, match=one.row.id):
        ring.revoke("twin")
    ring.revoke(one.row.id)
    ring.revoke("twin")
    ring.revoke(three.row.prefix)
    with pytest.raises(NotFound):
        ring.revoke("other")
    assert [row.revoked is not None for row in ring.list()] == [True] * 3
    assert [row.name for row in ring.list()] == ["twin", "twin", "other"]
    assert two.row.id in [row.id for row in ring.list()]


def test_a_name_is_not_what_another_key_is_found_by(ring):
    row = ring.create("app").row
    for name, why in (
        (row.id, "the id of the key 'app'"),
        (row.prefix, "the beginning of the key"),
        ("file:ci", "file:"),
    ):
        with pytest.raises(InvalidRequest, match=why):
            ring.create(name)
    assert ring.find(row.prefix) == row


def test_of_many_keys_of_one_name_ten_are_listed(ring, store_url):
    ids = [ring.create(f"k{at}").row.id for at in range(13)]
    database = open_database(locate(store_url))  # as in stores from before that was refused
    database.run(database.sql("UPDATE keys SET name = ?"), ("twin",))
    database.close()
    with pytest.raises(InvalidRequest, match=r"13 active keys are called 'twin': .* and 3 more") as refused:
        ring.revoke("twin")
    assert sum(one in refused.value.message for one in ids) == 10


def test_what_became_of_a_secret_is_known_by_that_secret_alone(store):
    clock = SetClock()
    ring = KeyRing(store, clock, SystemIds())
    lost, short, old = ring.create("lost"), ring.create("short", Terms(expires=clock.time + 10)), ring.create("old")
    new = ring.rotate("old", 20)
    revoked = ring.revoke("lost").revoked
    ring.refresh()
    secrets = (lost.secret, short.secret, old.secret, new.secret)
    assert [ring.ended(one) and ring.ended(one).why for one in secrets] == ["revoked", None, None, None]
    assert ring.ended(lost.secret).at == revoked
    clock.time += 10
    assert ring.ended(short.secret) == Ended(at=clock.time, why="expired")
    clock.time += 10
    assert ring.ended(old.secret) == Ended(at=clock.time, why="replaced")
    assert ring.ended(new.secret) is None
    for one in secrets:
        assert ring.ended(one[:-1] + "!") is None
        assert ring.ended(one[:8]) is None
    assert ring.ended("x" * 1_000_000) is None


@pytest.mark.parametrize("name", ["", "   ", "n" * 101, "a\nb"])
def test_a_key_needs_a_name_that_can_be_read(ring, name):
    with pytest.raises(InvalidRequest):
        ring.create(name)


def test_rings_follow_each_other_only_when_something_changed(ring, store_url):
    other_store = SqlKeyStore(store_url, SystemClock())
    other = KeyRing(other_store, SystemClock(), SystemIds())
    assert ring.refresh()
    assert not ring.refresh()
    made = other.create("elsewhere")
    assert ring.refresh()
    assert ring.check(made.secret) is not None
    other.revoke("elsewhere")
    assert ring.refresh()
    assert ring.check(made.secret) is None
    other_store.close()


async def test_a_running_server_knows_within_a_second(ring, store_url):
    watching = asyncio.create_task(ring.watch())
    await asyncio.sleep(0.1)
    code = (
        "import sys\nfrom pointsman.access.keys import KeyRing\n"
        "from pointsman.core.clock import SystemClock, SystemIds\n"
        "from pointsman.store.keys import SqlKeyStore\nstore = SqlKeyStore(sys.argv[1], SystemClock())\n"
        "ring = KeyRing(store, SystemClock(), SystemIds())\n"
        "print(ring.create('cli').secret, flush=True)\nsys.stdin.readline()\nring.revoke('cli')\n"
        "print('done', flush=True)\nstore.close()\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, store_url, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    secret = (await child.stdout.readline()).decode().strip()
    begun = time.monotonic()
    while ring.check(secret) is None:
        assert time.monotonic() - begun < 1
        await asyncio.sleep(0.01)
    child.stdin.write(b"\n")
    await child.stdin.drain()
    assert await child.stdout.readline() == b"done\n"
    begun = time.monotonic()
    while ring.check(secret) is not None:
        assert time.monotonic() - begun < 1
        await asyncio.sleep(0.01)
    await child.communicate()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_a_store_that_goes_away_leaves_the_ring_as_it_was(tmp_path):
    url = f"sqlite:///{tmp_path / 'l.db'}"
    store = SqlKeyStore(url, SystemClock())
    ring = KeyRing(store, SystemClock(), SystemIds())
    made = ring.create("ci")
    ring.refresh()
    store.close()
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "l.db").write_bytes(b"damaged beyond repair" * 100)
    watching = asyncio.create_task(ring.watch(0.01))
    await asyncio.sleep(0.2)
    assert "not a database" in ring.last_error
    assert ring.check(made.secret) is not None
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


def test_keys_of_a_deleted_store_stop_working_and_the_door_stays_shut(tmp_path, caplog):
    path = tmp_path / "l.db"
    store = SqlKeyStore(f"sqlite:///{path}", SystemClock())
    ring = KeyRing(store, SystemClock(), SystemIds())
    ring.refresh()
    assert not ring.demanded
    for _ in range(5):
        made = ring.create("ci")
        ring.refresh()
        assert ring.check(made.secret) is not None
        path.unlink()
        ring.refresh()
        assert ring.check(made.secret) is None
        assert ring.demanded, "who had to show a key before has to show one now"
    assert len([one for one in caplog.records if "deleted or replaced" in one.getMessage()]) == 5
    assert store.load() == []
    store.close()


def test_a_store_that_is_replaced_by_another_brings_its_own_keys(tmp_path):
    urls = [f"sqlite:///{tmp_path / name}" for name in ("one.db", "two.db")]
    secrets = []
    for url in urls:
        store = SqlKeyStore(url, SystemClock())
        secrets.append(KeyRing(store, SystemClock(), SystemIds()).create("ci").secret)
        store.close()
    store = SqlKeyStore(urls[0], SystemClock())
    ring = KeyRing(store, SystemClock(), SystemIds())
    ring.refresh()
    (tmp_path / "two.db").replace(tmp_path / "one.db")
    ring.refresh()
    assert [ring.check(secret) is not None for secret in secrets] == [False, True]
    store.close()
