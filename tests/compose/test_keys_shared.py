"""Keys that several workers share over PostgreSQL: all that a key goes through, seen by every worker."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import Running, gateway, request
from keeping import CHAT, QUESTION, bearer
from pointsman.testing import Simulator
from worker_looks import ask_worker, children

ADMIN = "an-admin-of-the-file-0123456789"
WITHIN = 1.0
"""Seconds within which every worker follows a change, as the guide says."""
BUSY = 4.0
"""Seconds more for a machine that is busy with others."""
WORKERS = 3
SMALL = {**QUESTION, "model": "small"}

pytestmark = pytest.mark.slow


@pytest.fixture
def up(sim_thread: Simulator, config: Callable[..., dict[str, Any]], store_url: str) -> Iterator[Running]:
    """Several workers at one database."""
    said = config(
        sim_thread,
        store_env="STORE",
        keys=[{"name": "ops", "env": "OPS", "role": "admin"}],
        server={"workers": WORKERS},
        responses={"store": True},
    )
    with gateway(said, env={"STORE": store_url, "OPS": ADMIN}) as running:
        yield running


def manage(up: Running, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    """What an admin does by the API, at whichever worker."""
    answer = request(up.port, method, path, body=body, headers=bearer(ADMIN))
    assert answer[0] == status, answer
    return dict(json.loads(answer[2]))


def make(up: Running, **said: Any) -> dict[str, Any]:
    return manage(up, "POST", "/api/keys", {"name": "app", **said}, 201)


def statuses(up: Running, secret: str, body: Any = SMALL) -> list[int]:
    """What each worker answers."""
    return [ask_worker(pid, "POST", CHAT, body, bearer(secret))[0] for pid in children(up.process.pid)]


def becomes(up: Running, secret: str, wanted: int, body: Any = SMALL) -> None:
    """All workers answer so, within the time that the guide says and what a busy machine adds to it."""
    deadline = time.monotonic() + WITHIN + BUSY
    while (found := statuses(up, secret, body)) != [wanted] * WORKERS:
        assert time.monotonic() < deadline, (wanted, found)


def at_once(up: Running, secret: str) -> list[int]:
    """What many calls at the same time get."""
    with ThreadPoolExecutor(16) as threads:
        return list(
            threads.map(lambda _: request(up.port, "POST", CHAT, body=SMALL, headers=bearer(secret))[0], range(32))
        )


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_every_worker_follows_a_key_from_its_beginning_to_its_end(up: Running) -> None:
    made = make(up, allow=["small"], budgets=["5usd/day", "900requests/day"])
    secret, path = made["key"], f"/api/keys/{made['id']}"
    becomes(up, secret, 200)
    assert statuses(up, secret, {**QUESTION, "model": "large"}) == [403] * WORKERS, "a wrong scope"
    manage(up, "PATCH", path, {"allow": ["large"]})
    becomes(up, secret, 403)

    manage(up, "PATCH", path, {"allow": [], "budgets": []})
    becomes(up, secret, 200)
    turned = manage(up, "POST", f"{path}/rotate", {"overlap": "24h"})["key"]
    becomes(up, turned, 200)
    assert statuses(up, secret) == [200] * WORKERS, "both, for the overlap"
    latest = manage(up, "POST", f"{path}/rotate", {"overlap": 0})["key"]
    for gone in (secret, turned):
        becomes(up, gone, 401)
    becomes(up, latest, 200)

    manage(up, "PATCH", path, {"parallel": 1})
    deadline = time.monotonic() + WITHIN + BUSY
    while set(at_once(up, latest)) != {200, 429}:
        assert time.monotonic() < deadline, "one may be under way, of many that come at once"
    manage(up, "PATCH", path, {"parallel": 0})
    becomes(up, latest, 200)

    expiring = make(up, name="short", expires="3s")["key"]
    becomes(up, expiring, 200)
    becomes(up, expiring, 401)

    manage(up, "DELETE", path)
    becomes(up, latest, 401)
    for one in (secret, turned, latest):
        assert statuses(up, one) == [401] * WORKERS, "and it stays so"
    for method, where in (("DELETE", path), ("PATCH", path), ("POST", f"{path}/rotate")):
        manage(up, method, where, {}, status=404)
    again = make(up)
    assert again["id"] != made["id"]
    becomes(up, again["key"], 200)
    assert statuses(up, latest) == [401] * WORKERS, "the name is there again, the key is not"


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_an_end_users_data_are_deleted_whichever_worker_had_the_calls(up: Running) -> None:
    secret = make(up)["key"]
    becomes(up, secret, 200, {**SMALL, "user": "ann-the-user"})
    body = {"model": "small", "input": "hello", "user": "ann-the-user"}
    response = json.loads(request(up.port, "POST", "/v1/responses", body=body, headers=bearer(secret))[2])["id"]
    time.sleep(1.5)  # the other workers' rows are on their way for so long
    gone = manage(up, "DELETE", "/api/users/ann-the-user")
    assert gone["calls"] >= WORKERS + 1
    assert gone["responses"] == 1
    assert request(up.port, "GET", f"/v1/responses/{response}", headers=bearer(secret))[0] == 404
    listed = manage(up, "GET", "/api/calls?limit=1000")["calls"]
    assert {one["user"] for one in listed if one["user"]} == {gone["label"]}
    manage(up, "DELETE", "/api/users/ann-the-user", status=404)
