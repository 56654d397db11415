"""What the ledger says was used, by scope: the questions that budgets which come late ask."""

from __future__ import annotations

from pointsman.core.budget import SCOPES
from pointsman.core.clock import SystemClock
from pointsman.store.database import open_database
from pointsman.store.location import locate
from pointsman.store.past_spend import PastSpend

_WHOSE = {"organisation": (), "user": ("red", "ann"), "session": ("k", "s")}
_NAMES = {"team": ("red",), "project": ("p",), "key": ("k",), "route": ("r",)}
_SET = {"cost_nanousd": 7, "input_tokens": 2, "output_tokens": 3, "attempts": 1, "started_ns": 2_000 * 10**9}
_SET |= {"team": "red", "project": "p", "key_id": "k", "route": "r", "end_user": "ann", "session": "s"}


def test_every_scope_is_added_up_since_a_moment(store_url: str) -> None:
    past = PastSpend(store_url, SystemClock())
    assert past.every("team", 0) == {}
    database = open_database(locate(store_url))
    texts = {"surface", "dialect", "asked", "status", "error", "detail", "provider", "model", "upstream", "finish"}
    row = dict.fromkeys((*texts, "answer_id", "tags"), "")
    row |= dict.fromkeys(("duration_ns", "overhead_ns", "http_status"), 0) | _SET
    for number in ("7zzzzzzzzzzzzzzzzzzzzzzzz1", "7zzzzzzzzzzzzzzzzzzzzzzzz2"):
        names, marks = ", ".join(["id", *row]), ", ".join("?" * (len(row) + 1))
        database.run(database.sql(f"INSERT INTO calls ({names}) VALUES ({marks})"), (number, *row.values()))
    database.close()
    for scope in SCOPES:
        whose = (_WHOSE | _NAMES)[scope]
        assert past.every(scope, 1_000 * 10**9)[whose] == (14, 10, 2)
        assert past.every(scope, 3_000 * 10**9).get(whose, (0, 0, 0)) == (0, 0, 0)
        if scope in ("organisation", *_NAMES):
            assert past.of(scope, whose, 1_000 * 10**9) == (14, 10, 2)
    past.close()
