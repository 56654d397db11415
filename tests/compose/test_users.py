"""One end user's data deleted: contents, stored responses, the name; sums stay."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from keeping import CHAT, QUESTION, flushed, key
from pointsman.testing import Simulator

KEPT = {"store_content": True, "responses": {"store": True}}
SECRET = "the-dog-is-called-Bartholomew"


def stored(served: Any) -> bytes:
    """Every byte of the store's files."""
    path = Path(str(served.house.pieces.url).removeprefix("sqlite:///"))
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*") if file.is_file())


async def test_a_users_data_are_gone_and_the_sums_are_not(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim, **KEPT)) as served:
        admin, app = await key(served, "admin", admin=True), await key(served, "app")
        said = {"model": "small", "messages": [{"role": "user", "content": SECRET}]}
        for user in ("ann-the-user", "ann-the-user", "ben-the-user"):
            assert (await ask(served, "POST", CHAT, {**said, "user": user}, app)).status == 200
        body = {"model": "small", "input": SECRET, "user": "ann-the-user"}
        response = (await ask(served, "POST", "/v1/responses", body, app)).json["id"]
        assert (await ask(served, "GET", f"/v1/responses/{response}", None, app)).status == 200
        await flushed(served)
        before = (await ask(served, "GET", "/api/totals", None, admin)).json

        gone = await ask(served, "DELETE", "/api/users/ann-the-user", None, admin)
        assert {name: gone.json[name] for name in ("calls", "contents", "responses")} == {
            "calls": 3,
            "contents": 3,
            "responses": 1,
        }
        assert gone.json["label"].startswith("deleted-")
        after = (await ask(served, "GET", "/api/totals", None, admin)).json
        assert after["all"] == before["all"], "no sum changes"
        assert (await ask(served, "GET", f"/v1/responses/{response}", None, app)).status == 404
        calls = (await ask(served, "GET", "/api/calls", None, admin)).json["calls"]
        assert sorted(call["user"] for call in calls) == ["ben-the-user"] + [gone.json["label"]] * 3
        for call in calls:
            shown = (await ask(served, "GET", f"/api/calls/{call['id']}", None, admin)).json
            assert (shown["request"] is None) is (call["user"] != "ben-the-user")
        assert b"ann-the-user" not in stored(served), "overwritten, in the log too"
        again = await ask(served, "DELETE", "/api/users/ann-the-user", None, admin)
        assert again.status == 404


async def test_a_user_of_one_team_is_not_another_teams(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        keys = {team: await key(served, team, team=team) for team in ("red", "blue")}
        for one in keys.values():
            await ask(served, "POST", CHAT, {**QUESTION, "user": "1"}, one)
        gone = await ask(served, "DELETE", "/api/users/1?team=red", None, admin)
        assert gone.json["calls"] == 1
        users = {
            team: (await ask(served, "GET", "/api/calls", None, one)).json["calls"][0]["user"]
            for team, one in keys.items()
        }
        assert users == {"red": gone.json["label"], "blue": "1"}


async def test_texts_of_errors_that_quote_the_user_go_too(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        sim.inject("bad_request", provider="one")
        failed = await ask(served, "POST", CHAT, {**QUESTION, "model": "small", "user": "ann"}, admin)
        assert failed.status == 400
        await flushed(served)
        path = f"/api/calls/{failed.headers['x-request-id']}"
        assert (await ask(served, "GET", path, None, admin)).json["call"]["detail"]
        assert (await ask(served, "DELETE", "/api/users/ann", None, admin)).status == 200
        shown = (await ask(served, "GET", path, None, admin)).json
        assert shown["call"]["detail"] == ""
        assert {one["detail"] for one in shown["attempts"]} == {""}
        assert shown["call"]["error"] == failed.error["code"] or shown["call"]["error"], "what kind it was stays"


async def test_many_calls_of_one_user(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    """More than fit into one transaction, some of them still waiting to be written when it is asked for."""
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        await ask(served, "POST", CHAT, {**QUESTION, "user": "ann"}, admin)
        await flushed(served)
        path = str(served.house.pieces.url).removeprefix("sqlite:///")

        def multiply() -> None:
            with sqlite3.connect(path) as connection:
                names = [row[1] for row in connection.execute("PRAGMA table_info(calls)")][1:]
                columns = ", ".join(f'"{name}"' for name in names)
                for number in range(500):
                    connection.execute(
                        f"INSERT INTO calls (id, {columns}) SELECT id || ?, {columns} FROM calls LIMIT 1",
                        (f"x{number}",),
                    )
            connection.close()

        await asyncio.to_thread(multiply)
        await ask(served, "POST", CHAT, {**QUESTION, "user": "ann"}, admin)
        assert (await ask(served, "DELETE", "/api/users/ann", None, admin)).json["calls"] == 502


async def test_a_user_leaves_budgets_too_and_long_names_are_apart(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim, budgets=[{"each": "user", "limit": "3usd/month"}])) as served:
        admin, app = await key(served, "admin", admin=True), await key(served, "app")
        one, other = "y" * 300 + "1", "y" * 300 + "2"
        for said in ({"user": "ann-the-user"}, {"user": one}, {"safety_identifier": other}):
            assert (await ask(served, "POST", CHAT, {**QUESTION, **said}, app)).status == 200
        await flushed(served)
        for user in ("ann-the-user", one):
            assert (await ask(served, "DELETE", f"/api/users/{user}", None, admin)).json["calls"] == 1
        shown = (await ask(served, "GET", "/api/budgets", None, admin)).body
        assert b"ann-the-user" not in shown
        assert (shown.count(b"deleted-"), shown.count(b"yyy\xe2\x80\xa6") + shown.count(b"y\\u2026")) == (2, 1)
        assert b'["user", "usd", "month", "each", "ann-the-user' not in stored(served)


async def test_a_number_as_user_is_refused_by_name_and_nobody_is_asked(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    """As several wrappers of libraries send it; OpenAI refuses it so."""
    async with serving(config(sim, budgets=[{"each": "user", "limit": "3usd/month"}])) as served:
        app = await key(served, "app")
        refused = await ask(served, "POST", CHAT, {**QUESTION, "user": 5}, app)
        assert (refused.status, refused.error["param"]) == (400, "user")
        assert refused.error["message"] == "`user` has to be a string, not 5."
        anthropic = {**QUESTION, "max_tokens": 9, "metadata": {"user_id": 5}}
        said = await ask(served, "POST", "/v1/messages", anthropic, app)
        assert (said.status, said.json["type"]) == (400, "error")
        assert "`metadata.user_id` has to be a string" in said.json["error"]["message"]
        await flushed(served)
        calls = (await ask(served, "GET", "/api/calls", None, app)).json["calls"]
        assert [(one["http_status"], one["user"], one["attempts"]) for one in calls] == [(400, "", 0)] * 2
