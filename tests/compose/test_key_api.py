"""Keys over the HTTP API: who may, what is shown, rotation, expiry, revocation."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from keeping import CHAT, QUESTION, bearer, flushed, key
from pointsman.config.load import load_mapping
from pointsman.testing import Simulator

EVERYTHING = (
    ("GET", "/api/keys", None),
    ("POST", "/api/keys", {"name": "new"}),
    ("GET", "/api/keys/x", None),
    ("PATCH", "/api/keys/x", {"parallel": 1}),
    ("DELETE", "/api/keys/x", None),
    ("POST", "/api/keys/x/rotate", {}),
    ("DELETE", "/api/users/x", None),
)


async def make(ask: Any, served: Any, admin: dict[str, str], **said: Any) -> dict[str, Any]:
    """A key by the API."""
    answer = await ask(served, "POST", "/api/keys", {"name": "app", **said}, admin)
    assert answer.status == 201, answer.body
    assert len(answer.headers["x-request-id"]) == 26
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json)


async def test_an_ordinary_key_manages_nothing(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        ordinary = await key(served, "ordinary")
        for method, path, body in EVERYTHING:
            for headers, status, code in (
                (ordinary, 403, "not_permitted"),
                ({}, 401, "missing_api_key"),
                (bearer("pm-wrong"), 401, "invalid_api_key"),
            ):
                refused = await ask(served, method, path, body, headers)
                assert (refused.status, refused.error["code"]) == (status, code), (method, path)
        assert [row.name for row in served.house.pieces.keys.list()] == ["ordinary"]


async def test_without_any_key_nothing_is_made_by_whoever_reaches_the_port(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        assert (await ask(served, "GET", "/api/keys")).json == {"keys": []}
        for method, path, body in EVERYTHING:
            if method != "GET":
                refused = await ask(served, method, path, body)
                assert refused.status == 403, (method, path)
                assert "pointsman keys create NAME --role admin" in refused.error["pointsman"]["hint"]
        assert (await ask(served, "POST", CHAT, QUESTION)).status == 200, "calls are as open as before"


async def test_a_key_by_the_api_works_at_once_and_is_shown_whole(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        made = await make(
            ask,
            served,
            admin,
            team="search",
            project="p1",
            allow=["auto"],
            parallel=7,
            expires="24h",
            budgets=["5usd/day", "$20.50/month"],
        )
        secret = made.pop("key")
        assert secret.startswith(made["prefix"])
        assert made["state"] == "active"
        assert made["expires"] > made["created"]
        assert made["budgets"] == ["5usd/day", "20.5usd/month"]
        for which in (made["id"], "app", made["prefix"]):
            shown = await ask(served, "GET", f"/api/keys/{which}", None, admin)
            assert shown.json == made
        listed = await ask(served, "GET", "/api/keys", None, admin)
        assert listed.json["keys"][1] == made
        assert secret not in listed.body.decode()
        assert (await ask(served, "POST", CHAT, QUESTION, bearer(secret))).status == 200
        budgets = served.house.pieces.keys.budgets
        assert {(one.scope, one.subject, one.limit, one.period) for one in budgets} == {
            ("key", made["id"], 5_000_000_000, "day"),
            ("key", made["id"], 20_500_000_000, "month"),
        }
        await flushed(served)
        (call,) = (await ask(served, "GET", f"/api/calls?key={made['id']}", None, admin)).json["calls"]
        assert (call["key"], call["team"], call["project"]) == (made["id"], "search", "p1")
        for said in ("team=search", "project=p1"):
            assert len((await ask(served, "GET", f"/api/calls?{said}", None, admin)).json["calls"]) == 1
        assert (await ask(served, "GET", "/api/calls?team=other", None, admin)).json["calls"] == []


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a", "team": "x" * 101}, "team"),
        ({"name": "a", "allow": ["a b"]}, "a b"),
        ({"name": "a", "allow": "auto"}, "array"),
        ({"name": "a", "allow": ["x"] * 201}, "200"),
        ({"name": "a", "parallel": -1}, "parallel"),
        ({"name": "a", "parallel": "2"}, "parallel"),
        ({"name": "a", "expires": "soon"}, "expires"),
        ({"name": "a", "expires": 0}, "expires"),
        ({"name": "a", "expires": "2020-01-31"}, "past"),
        ({"name": "a", "expires": "2099-01-31T12:00"}, "zone"),
        ({"name": "sk-abcdefghijklmnop0123456789"}, "looks like a secret"),
        ({"name": "a", "budgets": ["much"]}, "not a limit"),
        ({"name": "a", "budgets": ["0usd/day"]}, "above 0"),
        ({"name": "a", "budgets": ["5usd/year"]}, "not a period"),
        ({"name": "a", "budgets": ["5usd/day", "6usd/day"]}, "two budgets"),
        ({"name": "a", "budgets": ["60rpm", "9 requests/minute"]}, "two budgets of requests a minute"),
        ({"name": "a", "role": "boss"}, "caller, viewer, metrics, admin"),
        ({"name": "a", "role": "viewer", "team": "search"}, "calls no model"),
        ({"name": "a", "role": "metrics", "budgets": ["5usd/day"]}, "calls no model"),
        ({"name": "a", "secret": "mine"}, "secret"),
        ({}, "name"),
        (b"no json", "JSON"),
        ([1], "expected"),
    ],
)
async def test_what_is_no_key_is_refused_with_the_reason(
    said: Any, word: str, sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        refused = await ask(served, "POST", "/api/keys", said, admin)
        assert refused.status == 400
        assert word in refused.error["message"] + (refused.error["param"] or "")
        assert len(served.house.pieces.keys.list()) == 1


async def test_a_change_is_in_force_at_once_and_leaves_the_rest(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        made = await make(ask, served, admin, team="t", allow=["small"], parallel=5, budgets=["5usd/day"])
        who, path = bearer(made.pop("key")), f"/api/keys/{made['id']}"
        assert (await ask(served, "POST", CHAT, {**QUESTION, "model": "large"}, who)).status == 403
        changed = await ask(served, "PATCH", path, {"allow": ["large"], "budgets": ["7usd/week"]}, admin)
        assert changed.json == {**made, "allow": ["large"], "budgets": ["7usd/week"]}
        assert (await ask(served, "POST", CHAT, {**QUESTION, "model": "large"}, who)).status == 200
        assert (await ask(served, "POST", CHAT, {**QUESTION, "model": "small"}, who)).status == 403
        assert [(one.limit, one.period) for one in served.house.pieces.keys.budgets] == [(7_000_000_000, "week")]
        for field in ("team", "project", "role", "name", "id"):
            refused = await ask(served, "PATCH", path, {field: "x"}, admin)
            assert refused.status == 400, field
        open_again = await ask(
            served, "PATCH", path, {"allow": [], "parallel": 0, "budgets": [], "expires": None}, admin
        )
        assert open_again.json == {**made, "allow": [], "parallel": 0, "budgets": []}
        assert (await ask(served, "POST", CHAT, {**QUESTION, "model": "small"}, who)).status == 200


async def test_a_rotated_key_has_two_secrets_for_the_overlap_and_one_history(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        made = await make(ask, served, admin, team="t", budgets=["5usd/day"])
        old = bearer(made["key"])
        rotated = (await ask(served, "POST", "/api/keys/app/rotate", {"overlap": "2s"}, admin)).json
        new = bearer(rotated["key"])
        assert rotated["id"] == made["id"]
        assert rotated["budgets"] == made["budgets"], "what it may spend goes on"
        assert [one["prefix"] for one in rotated["former"]] == [made["prefix"]]
        for who in (old, new):
            assert (await ask(served, "POST", CHAT, QUESTION, who)).status == 200
        await flushed(served)
        for who in (old, new):
            calls = (await ask(served, "GET", "/api/calls", None, who)).json["calls"]
            assert [call["key"] for call in calls] == [made["id"]] * 2, "one history under both"
        await asyncio.sleep(2.1)
        refused = await ask(served, "POST", CHAT, QUESTION, old)
        assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
        assert (await ask(served, "POST", CHAT, QUESTION, new)).status == 200
        assert (await ask(served, "GET", "/api/keys/app", None, admin)).json["former"] == []


async def test_rotation_without_overlap_ends_every_earlier_secret(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        secrets = [(await make(ask, served, admin))["key"]]
        for overlap in ("24h", 48, "0"):
            answer = await ask(served, "POST", "/api/keys/app/rotate", {"overlap": overlap}, admin)
            assert answer.status == 200
            secrets.append(answer.json["key"])
            statuses = [(await ask(served, "GET", "/v1/models", None, bearer(one))).status for one in secrets]
            assert statuses == ([200] * len(secrets) if overlap != "0" else [401, 401, 401, 200])
        wrong = await ask(served, "POST", "/api/keys/app/rotate", {"overlap": "-1h"}, admin)
        assert wrong.status == 400
        assert (await ask(served, "POST", "/api/keys/app", {}, admin)).status == 405


async def test_a_revoked_key_opens_nothing_with_none_of_its_secrets(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        first = await make(ask, served, admin, budgets=["5usd/day"])
        second = (await ask(served, "POST", "/api/keys/app/rotate", {}, admin)).json
        gone = await ask(served, "DELETE", "/api/keys/app", None, admin)
        assert (gone.status, gone.json["state"]) == (200, "revoked")
        for one in (first, second):
            refused = await ask(served, "POST", CHAT, QUESTION, bearer(one["key"]))
            assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
            assert one["key"] not in refused.body.decode()
        assert served.house.pieces.keys.budgets == ()
        for method, path in (("DELETE", "/api/keys/app"), ("POST", "/api/keys/app/rotate")):
            assert (await ask(served, method, path, {}, admin)).status == 404
        assert (await ask(served, "PATCH", f"/api/keys/{first['id']}", {"parallel": 1}, admin)).status == 404
        assert (await ask(served, "GET", f"/api/keys/{first['id']}", None, admin)).json["state"] == "revoked"


async def test_an_expired_key_is_refused_from_that_moment_and_can_be_given_more_time(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        made = await make(ask, served, admin, expires="1s")
        who = bearer(made["key"])
        assert (await ask(served, "POST", CHAT, QUESTION, who)).status == 200
        await asyncio.sleep(1.1)
        refused = await ask(served, "POST", CHAT, QUESTION, who)
        assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
        assert (await ask(served, "GET", "/api/keys/app", None, admin)).json["state"] == "expired"
        assert (await ask(served, "PATCH", "/api/keys/app", {"expires": "1h"}, admin)).json["state"] == "active"
        assert (await ask(served, "POST", CHAT, QUESTION, who)).status == 200


async def test_what_is_about_everybody_is_for_admins(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        admin, mine = await key(served, "admin", admin=True), await key(served, "mine")
        await ask(served, "POST", CHAT, QUESTION, mine)
        await flushed(served)
        for path in ("/metrics", "/api/reliability", "/api/keys"):
            assert (await ask(served, "GET", path, None, mine)).status == 403, path
            assert (await ask(served, "GET", path, None, admin)).status == 200, path
        whole = (await ask(served, "GET", "/api/status", None, admin)).json
        part = (await ask(served, "GET", "/api/status", None, await key(served, "small", allow=("small",)))).json
        assert set(part) < set(whole)
        assert ([one["name"] for one in part["models"]], [one["name"] for one in part["providers"]]) == (
            ["small"],
            ["one"],
        )
        assert (part["ledger"], part["providers"][0]) == ({"up": True}, {"name": "one", "ready": True, "lacks": ""})
        assert (await ask(served, "GET", "/api/totals", None, admin)).json["all"]["calls"] == 1
        call = (await ask(served, "GET", "/api/calls", None, admin)).json["calls"][0]
        assert (await ask(served, "GET", f"/api/calls/{call['id']}", None, admin)).status == 200
        assert (await ask(served, "GET", f"/v1/generation?id={call['id']}", None, admin)).status == 200


READ = (
    *(
        "/metrics",
        "/api/status",
        "/api/calls",
        "/api/calls?key=x",
        "/api/totals",
        "/api/conformance",
        "/api/reliability",
    ),
    *("/api/budgets", "/api/keys", "/api/keys/mine", "/api/spend", "/bill", "/v1/models"),
)
DONE = (*EVERYTHING[1:2], *EVERYTHING[3:], ("POST", CHAT, QUESTION), ("POST", "/passthrough/one/v1/x", {}))
STORED = (("GET", "/v1/responses/x", None), ("DELETE", "/v1/responses/x", None))


@pytest.mark.parametrize("role", ["viewer", "metrics"])
async def test_a_role_that_reads_does_nothing_and_calls_nothing(
    role: str, sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        admin, mine = await key(served, "admin", admin=True), await key(served, "mine")
        who = bearer((await make(ask, served, admin, name=role, role=role))["key"])
        for path in ("/health", "/ready"):
            assert (await ask(served, "GET", path, None, who)).status == 200
        await ask(served, "POST", CHAT, QUESTION, mine)
        await flushed(served)
        before = sim.journal.requests
        for path in READ:
            answer = await ask(served, "GET", path, None, who)
            assert answer.status == (200 if role == "viewer" or path == "/metrics" else 403), path
        if role == "viewer":
            assert (await ask(served, "GET", "/api/totals", None, who)).json["all"]["calls"] == 1, "everybody's"
            assert "uptime_seconds" in (await ask(served, "GET", "/api/status", None, who)).json
        for method, path, body in (*DONE, *STORED):
            refused = await ask(served, method, path, body, who)
            assert (refused.status, refused.error["code"]) == (403, "not_permitted"), path
        assert f"role {role}" in (await ask(served, "POST", CHAT, QUESTION, who)).error["message"]
        assert sim.journal.requests == before
        assert (await ask(served, "PATCH", f"/api/keys/{role}", {"parallel": 2}, admin)).status == 400
        assert (await ask(served, "PATCH", f"/api/keys/{role}", {"expires": "1h"}, admin)).json["role"] == role
        turned = (await ask(served, "POST", f"/api/keys/{role}/rotate", {"overlap": 0}, admin)).json["key"]
        statuses = [(await ask(served, "GET", "/metrics", None, one)).status for one in (who, bearer(turned))]
        assert statuses == [401, 200]


FROM_FILE = {"name": "ci", "env": "CI_KEY", "team": "build", "allow": ["small"], "budgets": ["1usd/day"]}
SECRETS = {"CI_KEY": "pm-of-the-file-0123456789", "OLD": "the-one-before-0123456789", "SHORT": "too-short"}


async def test_a_key_of_the_file_opens_with_the_secret_of_its_variable(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    said = config(sim, keys=[{**FROM_FILE, "old_env": "OLD"}, {"name": "boss", "env": "BOSS", "role": "admin"}])
    boss = "an-admin-of-the-file-0123456789"
    async with serving(said, {**SECRETS, "BOSS": boss}) as served:
        assert (await ask(served, "POST", CHAT, QUESTION)).status == 401, "a key in the file is a key"
        for variable in ("CI_KEY", "OLD"):
            assert (await ask(served, "POST", CHAT, QUESTION, bearer(SECRETS[variable]))).status == 200
        refused = await ask(served, "POST", CHAT, {**QUESTION, "model": "large"}, bearer(SECRETS["CI_KEY"]))
        assert refused.status == 403
        await flushed(served)
        call = (await ask(served, "GET", "/api/calls", None, bearer(boss))).json["calls"][1]
        assert (call["key"], call["team"]) == ("file:ci", "build")
        shown = await ask(served, "GET", "/api/keys", None, bearer(boss))
        assert [(one["name"], one["origin"], one["prefix"]) for one in shown.json["keys"]] == [
            ("ci", "file", "$CI_KEY"),
            ("boss", "file", "$BOSS"),
        ]
        assert shown.json["keys"][0]["budgets"] == ["1usd/day"]
        assert not any(secret in shown.body.decode() for secret in (*SECRETS.values(), boss))
        for method, path in (
            ("DELETE", "/api/keys/ci"),
            ("PATCH", "/api/keys/file:ci"),
            ("POST", "/api/keys/ci/rotate"),
        ):
            kept = await ask(served, method, path, {"parallel": 1} if method == "PATCH" else {}, bearer(boss))
            assert kept.status == 400
            assert "stands in the configuration" in kept.error["message"]


async def test_a_key_of_the_file_without_a_good_secret_opens_nothing(
    sim: Simulator, config: Any, serving: Any, ask: Any, caplog: pytest.LogCaptureFixture
) -> None:
    keys = [{"name": "a", "env": "UNSET"}, {"name": "b", "env": "SHORT"}, {"name": "c", "env": "EMPTY"}]
    async with serving(config(sim, keys=keys), {**SECRETS, "EMPTY": ""}) as served:
        for headers in ({}, bearer(SECRETS["SHORT"]), {"x-api-key": ""}):
            assert (await ask(served, "POST", CHAT, QUESTION, headers)).status == 401
    assert "does not open with $SHORT, which has fewer than 20 characters" in caplog.text
    assert "does not open with $UNSET, which is not set" in caplog.text
    assert SECRETS["SHORT"] not in caplog.text


async def test_keys_of_the_file_follow_its_changes(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim, keys=[FROM_FILE]), SECRETS) as served:
        who = bearer(SECRETS["CI_KEY"])
        assert (await ask(served, "POST", CHAT, {**QUESTION, "model": "large"}, who)).status == 403
        said = config(sim, keys=[{**FROM_FILE, "allow": ["large"]}])
        await served.house.apply(load_mapping(json.loads(json.dumps(said))))
        assert (await ask(served, "POST", CHAT, {**QUESTION, "model": "large"}, who)).status == 200
        await served.house.apply(load_mapping(config(sim)))
        assert (await ask(served, "POST", CHAT, QUESTION, who)).status == 200, "no key is left: on loopback all may"


async def test_a_key_that_opens_nothing_is_not_shown_as_active(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    keys = [{"name": "a", "env": "UNSET"}]
    async with serving(config(sim, keys=keys), SECRETS) as served:
        admin = await key(served, "admin", admin=True)
        made = await make(ask, served, admin, allow=["smal"])
        assert (made["state"], made["why"]) == ("closed", "`smal` names no route and no model now")
        edited = await ask(served, "PATCH", "/api/keys/app", {"allow": ["smal", "small"]}, admin)
        assert (edited.json["state"], edited.json["why"]) == ("active", "")
        listed = (await ask(served, "GET", "/api/keys", None, admin)).json["keys"]
        assert [(one["name"], one["state"], one["why"]) for one in listed] == [
            ("a", "closed", "$UNSET is not set here"),
            ("admin", "active", ""),
            ("app", "active", ""),
        ]


async def test_keys_are_good_until_a_date_also_those_of_the_file(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    keys = [{**FROM_FILE, "expires": "2020-01-31"}, {"name": "late", "env": "OLD_ONE", "expires": "2099-01-31"}]
    secrets = {**SECRETS, "OLD_ONE": "another-secret-of-ours-0123456789"}
    async with serving(config(sim, keys=keys), secrets) as served:
        admin = await key(served, "admin", admin=True)
        made = await make(ask, served, admin, expires="2099-01-31")
        assert made["expires"] == "2099-02-01 00:00:00Z"
        moved = await ask(served, "PATCH", "/api/keys/app", {"expires": "2099-01-31T12:00:00+01:00"}, admin)
        assert moved.json["expires"] == "2099-01-31 11:00:00Z"
        assert (await ask(served, "POST", CHAT, QUESTION, bearer(secrets["OLD_ONE"]))).status == 200
        refused = await ask(served, "POST", CHAT, QUESTION, bearer(SECRETS["CI_KEY"]))
        assert refused.status == 401
        assert "expired at 2020-02-01 00:00:00Z" in refused.error["message"]
        listed = (await ask(served, "GET", "/api/keys", None, admin)).json["keys"]
        assert [one["state"] for one in listed] == ["expired", "active", "active", "active"]


async def test_whoever_holds_a_secret_is_told_what_became_of_it_and_nobody_else(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        gone = (await make(ask, served, admin, name="gone"))["key"]
        over = (await make(ask, served, admin, name="over", expires="1s"))["key"]
        old = (await make(ask, served, admin, name="old"))["key"]
        assert (await ask(served, "POST", "/api/keys/old/rotate", {"overlap": "1s"}, admin)).status == 200
        assert (await ask(served, "DELETE", "/api/keys/gone", None, admin)).status == 200
        await asyncio.sleep(1.1)
        said = {}
        for name, secret in (("gone", gone), ("over", over), ("old", old), ("none", f"{gone[:-1]}!")):
            for method, path, body in (("POST", CHAT, QUESTION), ("GET", "/api/calls", None)):
                refused = await ask(served, method, path, body, bearer(secret))
                assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
                assert secret not in refused.body.decode()
                said[name] = refused.error["message"]
        assert f"`{gone[-4:]}` was revoked at 20" in said["gone"]
        assert f"`{over[-4:]}` expired at 20" in said["over"]
        assert f"`{old[-4:]}` was replaced at 20" in said["old"]
        assert said["none"] == f"The API key ending in `{gone[-4:-1]}!` is not valid here"


async def test_a_secret_as_a_keys_name_is_not_repeated(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        admin = await key(served, "admin", admin=True)
        secret = "pm-" + "Ab1" * 13 + "x"
        for method, body in (("GET", None), ("DELETE", None), ("PATCH", {"parallel": 1})):
            refused = await ask(served, method, f"/api/keys/{secret}", body, admin)
            assert refused.status == 400
            assert "looks like a secret" in refused.error["message"]
            assert secret not in refused.body.decode()
