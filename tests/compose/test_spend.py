"""`GET /api/spend` and `GET /bill`: over HTTP, each key its own."""

from __future__ import annotations

import asyncio
from typing import Any

from pointsman.core.key_terms import Terms

QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


async def made_key(served: Any, name: str, **terms: Any) -> tuple[str, dict[str, str]]:
    key = await asyncio.to_thread(served.house.pieces.keys.create, name, Terms(**terms))
    await asyncio.to_thread(served.house.pieces.keys.refresh)
    return key.row.id, {"authorization": f"Bearer {key.secret}"}


async def counted(ask: Any, served: Any, path: str, calls: int, headers: dict[str, str] | None = None) -> Any:
    """The answer, once the ledger has so many calls."""
    for _ in range(200):
        found = (await ask(served, "GET", path, None, headers)).json
        if found["total"]["calls"] >= calls:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(found)


async def test_spend_by_any_name_over_http(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        for model, tags in (("small", "nightly"), ("large", ""), ("unpriced", "nightly, eu")):
            headers = {"x-pointsman-session": f"s-{model}", "x-pointsman-tags": tags}
            done = await ask(served, "POST", "/v1/chat/completions", {"model": model, **QUESTION}, headers)
            assert done.status == 200
        found = await counted(ask, served, "/api/spend?period=2d", 3)
        lines = {tuple(line["names"]): line["spend"] for line in found["lines"]}
        assert set(lines) == {("one", "small"), ("two", "large"), ("two", "unpriced")}
        assert (lines["two", "unpriced"]["unpriced"], lines["two", "unpriced"]["cost"]) == (1, 0)
        assert sum(line["cost"] for line in lines.values()) == found["total"]["cost"] > 0
        by_session = await counted(ask, served, "/api/spend?by=session&from=2026-01-01", 3)
        assert {line["names"][0] for line in by_session["lines"]} == {"s-small", "s-large", "s-unpriced"}
        by_tag = await counted(ask, served, "/api/spend?by=tag&period=2d", 3)
        assert {line["names"][0]: line["spend"]["calls"] for line in by_tag["lines"]} == {"nightly": 2, "eu": 1, "": 1}
        limited = await counted(ask, served, "/api/spend?by=session&period=2d&limit=2", 3)
        assert (len(limited["lines"]), limited["others"]) == (2, 2)
        page = await ask(served, "GET", "/bill?period=2d&by=model")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert b">unpriced</td>" in page.body


async def test_what_is_asked_wrongly_is_said(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        for query, param in (
            ("by=colour", "by"),
            ("period=soon", "period"),
            ("from=x", "from"),
            ("from=2026-11-02&to=2026-11-01", "period"),
            ("limit=0", "limit"),
        ):
            for path in ("/api/spend", "/bill"):
                refused = await ask(served, "GET", f"{path}?{query}")
                assert (refused.status, refused.error["param"]) == (400, param)


async def test_a_key_sees_its_own_spend_and_nobody_sees_any_without(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim, keys="required")) as served:
        for path in ("/api/spend", "/bill"):
            assert (await ask(served, "GET", path)).status == 401
        (one, first), (_, second) = await made_key(served, "ci"), await made_key(served, "desk")
        for headers in (first, first, second):
            await ask(served, "POST", "/v1/chat/completions", {"model": "small", **QUESTION}, headers)
        found = await counted(ask, served, "/api/spend?by=key&period=2d", 2, first)
        assert [(line["names"], line["labels"], line["spend"]["calls"]) for line in found["lines"]] == [
            ([one], ["ci"], 2)
        ]
        assert (await counted(ask, served, "/api/spend?period=2d", 1, second))["total"]["calls"] == 1


async def test_an_admin_sees_what_every_team_and_project_spends(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim, keys="required")) as served:
        _, search = await made_key(served, "ranker", team="search", project="ranking")
        _, ads = await made_key(served, "bidder", team="ads")
        _, boss = await made_key(served, "boss", role="admin")
        for headers in (search, search, ads, boss):
            await ask(served, "POST", "/v1/chat/completions", {"model": "small", **QUESTION}, headers)
        found = await counted(ask, served, "/api/spend?by=team,project&period=2d", 4, boss)
        lines = {tuple(line["names"]): line["spend"]["calls"] for line in found["lines"]}
        assert lines == {("search", "ranking"): 2, ("ads", ""): 1, ("", ""): 1}
        assert sum(line["spend"]["cost"] for line in found["lines"]) == found["total"]["cost"]
        own = await counted(ask, served, "/api/spend?by=team&period=2d", 1, ads)
        assert [line["names"] for line in own["lines"]] == [["ads"]]
