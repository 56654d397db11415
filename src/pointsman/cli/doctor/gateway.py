"""The gateway: configuration, port, keys, ledger, prices."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pointsman.cli import figures
from pointsman.cli.doctor.finding import Found, bad, note, ok, warning
from pointsman.cli.houses import WAY_OUT, has_models
from pointsman.cli.ports import bind_error, holder, is_taken
from pointsman.compose import House
from pointsman.config.check import check
from pointsman.config.load import store_url
from pointsman.core.errors import NoCredentials, PointsmanError
from pointsman.store.location import Location, locate

_OLD_DAYS = 60


def configuration(house: House) -> Found:
    """The file in force and what `check` says of it."""
    from pointsman.compose.lookup import CatalogueLookUp

    loaded = house.loaded
    today = dt.datetime.now(tz=dt.UTC).date()
    counts = Counter(one.level for one in check(loaded, house.pieces.env, CatalogueLookUp(house.pieces.catalog), today))
    said = ", ".join(f"{count} {level}{'s' if count > 1 else ''}" for level, count in sorted(counts.items()))
    text = f"{loaded.origin or 'no file: defaults'} ({loaded.version}){f': {said}' if said else ''}"
    if counts["error"]:
        return bad("config", text, "`pointsman check` lists them")
    return warning("config", text, "`pointsman check` lists them") if counts["warning"] else ok("config", text)


def port(house: House) -> Found:
    """Whether the configured port is free, or ours already."""
    said = house.loaded.config.server
    where = f"{said.host}:{said.port}"
    if not said.port:
        return ok("port", f"{said.host}, any free port")
    error = bind_error(said.host, said.port)
    if error is None:
        return ok("port", f"{where} is free")
    if not is_taken(said.host, said.port):
        return bad("port", f"{where} cannot be bound: {error.strerror or error}", "correct `server: {host: …}`")
    who = holder(said.port)
    if who is not None and who.ours:
        return ok("port", f"{where} is in use by {who}: a gateway is running")
    return bad(
        "port",
        f"{where} is taken by {who or 'another process'}",
        "stop it, or set `server: {port: …}` to a free one",
    )


def keys(house: House) -> Iterator[Found]:
    """Each provider's key by the name of its variable; of its value the last four characters."""
    from pointsman.upstream.credentials import Credentials, mask

    credentials = Credentials(house.pieces.env)
    for provider in house.directory.providers.values():
        about = f"key {provider.name}"
        if provider.credentials == "caller":
            yield ok(about, "callers bring their own")
        elif provider.api_key_env:
            try:
                shown = mask(credentials.secret(provider))
            except NoCredentials as error:
                yield warning(about, error.message, error.hint)
            else:
                yield ok(about, f"${provider.api_key_env} is set ({shown})")
        elif lack := house.directory.unavailable.get(provider.name):
            yield warning(about, lack)
    if not has_models(house):
        yield bad("models", "no model is ready", WAY_OUT)
        return
    lacking = house.directory.unavailable
    ready = [model.name for model in house.listed() if model.provider.name not in lacking]
    yield ok("models", f"{len(ready)} listed and ready, {len(house.directory.routes)} routes")


def ledger(house: House) -> Found:
    """Whether the ledger can be opened, how large it is, which schema it has, and what waits to be written."""
    from pointsman.store.waiting import spool_folder, waiting

    try:
        place = locate(store_url(house.loaded.config, house.pieces.env))
        found = _opened(place)
    except PointsmanError as error:
        return bad("ledger", error.message, error.hint)
    late = waiting(spool_folder(place))
    if not late.calls or found.state == "bad":
        return found
    text = f"{found.text}; {late.calls:,} calls wait in {late.folder} since {figures.moment(late.since)}"
    hint = "a gateway could not write them: its log says why; once it can, or at its next start, they are written"
    return warning("ledger", text, hint)


def _opened(place: Location) -> Found:
    from pointsman.store.database import open_database
    from pointsman.store.migrations import NEWEST
    from pointsman.store.migrations import version as schema_version

    if place.engine == "sqlite" and not Path(place.path).exists():
        return _new(place)
    with closing(open_database(place, create=False)) as database:
        found = schema_version(database)
    size = f", {figures.size(_size(place))}" if place.engine == "sqlite" else ""
    text = f"{place.shown}{size}, schema {found}"
    if found < NEWEST:
        return note("ledger", f"{text}; the next start brings it to {NEWEST}")
    return ok("ledger", text)


def ledger_folder(house: House) -> Path | None:
    """The folder that holds the ledger; None if another server does."""
    try:
        place = locate(store_url(house.loaded.config, house.pieces.env))
    except PointsmanError:
        return None
    return Path(place.path).parent if place.engine == "sqlite" else None


def _new(place: Location) -> Found:
    import os

    folder = Path(place.path).parent
    here = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not os.access(here, os.W_OK | os.X_OK):
        return bad("ledger", f"{place.shown} cannot be made: {here} may not be written to", "set `store:` elsewhere")
    return ok("ledger", f"{place.shown}, made at the first start")


def _size(place: Location) -> int:
    """The file, its log and what waits beside it."""
    total = 0
    for suffix in ("", "-wal"):
        path = Path(place.path + suffix)
        if path.exists():
            total += path.stat().st_size
    return total


def prices(house: House) -> Found:
    """How old the price list is."""
    catalog = house.pieces.catalog
    now = dt.datetime.fromtimestamp(house.pieces.clock.now() / 1e9, tz=dt.UTC).date()
    age = (now - dt.date.fromisoformat(catalog.date)).days
    old = "today" if age <= 0 else f"{age} day{'s' if age > 1 else ''} old"
    text = f"of {catalog.date} ({old}), {'shipped' if catalog.origin == 'shipped' else 'refreshed'}"
    if house.pieces.warnings:
        return warning("prices", "; ".join(house.pieces.warnings), "`pointsman prices update`, or `rollback`")
    return warning("prices", text, "`pointsman prices update`") if age > _OLD_DAYS else ok("prices", text)
