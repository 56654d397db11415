"""Secrets of every kind, planted; then all that the gateway prints, answers and keeps is searched for them."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import harness
from forking import Nursery
from keeping import CHAT, QUESTION, bearer
from pointsman.testing import Simulator

PLANTED = {
    "ONE_KEY": "sk-planted-provider-one-0123456789",
    "TWO_KEY_A": "planted-two-first-0123456789abcdef",
    "TWO_KEY_B": "planted-two-other-0123456789abcdef",
    "HOOK_URL": "http://127.0.0.1:9/planted-hook-url-0123456789",
    "HOOK_SECRET": "planted-hook-secret-0123456789",
    "PAGER_KEY": "planted-pager-routing-0123456789",
    "FILE_KEY": "planted-key-of-the-file-0123456789",
    "FILE_OLD": "planted-old-key-of-the-file-0123456789",
}
READ = (
    "/api/status", "/api/calls", "/api/totals", "/api/conformance", "/api/reliability", "/api/keys", "/api/budgets",
    "/metrics", "/v1/models", "/", "/health", "/ready", "/static/app.js", "/nothing/here",
)  # fmt: skip
VERBS = (
    ("keys", "list"),
    ("keys", "list", "--json"),
    ("keys", "show", "app", "--json"),
    ("check", "--json"),
    ("logs", "--json"),
    ("models", "--json"),
    ("budgets", "--json"),
    ("doctor", "--json"),
    ("alerts", "test"),
    ("env", "--json"),
)


def said(sim: Simulator, config: Any) -> dict[str, Any]:
    """A configuration with a secret in every place that takes one."""
    made = dict(config(sim))
    made["providers"]["one"]["api_key_env"] = "ONE_KEY"
    made["providers"]["two"]["api_key_envs"] = ["TWO_KEY_A", "TWO_KEY_B"]
    made["alerts"] = {
        "channels": {
            "hook": {"type": "webhook", "url_env": "HOOK_URL", "secret_env": "HOOK_SECRET"},
            "pager": {"type": "pagerduty", "key_env": "PAGER_KEY", "url": "http://127.0.0.1:9/x"},
        }
    }
    file = {"name": "file", "env": "FILE_KEY", "old_env": "FILE_OLD", "role": "admin", "budgets": ["9usd/day"]}
    made["keys"] = [file]
    for route in made["routes"].values():
        route["patience"] = 0
    made["log"] = {"level": "debug"}
    return made


def told_by(nursery: Nursery, running: harness.Running, *arguments: str) -> str:
    """All that a verb prints."""
    env = {**os.environ, **PLANTED, "NO_COLOR": "1"}
    _, out, err = nursery.run((*arguments, "--config", str(running.config)), Path(running.folder), env=env)
    return out + err


def test_no_secret_is_printed_answered_or_kept(sim_thread: Simulator, config: Any) -> None:
    heard: list[str] = []
    with Nursery() as nursery, harness.gateway(said(sim_thread, config), env=PLANTED) as running:

        def ask(method: str, path: str, body: Any = None, secret: str = PLANTED["FILE_KEY"]) -> Any:
            status, headers, answer = harness.request(running.port, method, path, body=body, headers=bearer(secret))
            heard.append(f"{method} {path.partition('?')[0]} {status} {headers} {answer.decode('utf-8', 'replace')}")
            return status, answer

        shown = json.loads(told_by(nursery, running, "keys", "create", "app", "--json").partition("\nhint")[0])["key"]
        rotated = json.loads(ask("POST", "/api/keys/app/rotate", {"overlap": "1h"})[1])["key"]
        heard.pop()  # this answer alone has it
        made = json.loads(ask("POST", "/api/keys", {"name": "other", "budgets": ["1usd/day"]})[1])["key"]
        heard.pop()
        secrets = {**PLANTED, "shown": shown, "rotated": rotated, "made": made}

        for fault in ("", "bad_key", "no_money", "reset", "html_502", "bad_request", "cut_reset", "unavailable"):
            if fault:
                sim_thread.inject(fault, times=3)
            ask("POST", CHAT, QUESTION, made)
            ask("POST", CHAT, {**QUESTION, "stream": True}, PLANTED["FILE_OLD"])
            ask("GET", f"/passthrough/one/v1/models?key={rotated}", None, rotated)
        for secret in secrets.values():  # a key of ours in the wrong place, and the providers' as if they were ours
            ask("POST", f"{CHAT}?key={secret}", b"no json", secret)
            ask("POST", "/v1/messages", {"model": "no-such"}, secret)
            ask("GET", "/v1/models/x", None, f"{secret}x")
            ask("GET", "/api/keys/nobody", None, secret)
        ask("PATCH", "/api/keys/other", {"allow": ["small"]})
        ask("DELETE", "/api/keys/other")
        ask("DELETE", "/api/users/nobody")
        for path in READ:
            ask("GET", path)
        for call in json.loads(ask("GET", "/api/calls?limit=200")[1])["calls"]:
            ask("GET", f"/api/calls/{call['id']}")
        running.config.write_text(running.config.read_text() + f"\nstore_env: {PLANTED['ONE_KEY']}\n")
        end = time.monotonic() + 5
        while not json.loads(ask("GET", "/api/status")[1])["config"]["rejected"]:
            assert time.monotonic() < end
            time.sleep(0.1)
        heard += [" ".join(verb) + told_by(nursery, running, *verb) for verb in VERBS]
        log, folder = running.log(), running.folder
        heard.append(log)
        assert len(heard) > 100
        assert "was rotated by key file:file" in log, "what is done is in the log, by ids"
        for file in folder.glob("ledger.db*"):
            heard.append(f"{file} {file.read_bytes().decode('latin-1')}")
        assert {name: [text[:200] for text in heard if secret in text] for name, secret in secrets.items()} == {
            name: [] for name in secrets
        }
        sent = {line for entry in sim_thread.journal for _, line in entry.headers}
        assert any(PLANTED["ONE_KEY"] in line for line in sent), "the provider did get its own"
        ours = [secrets[name] for name in ("FILE_KEY", "FILE_OLD", "shown", "rotated", "made")]
        assert not [line for line in sent if any(one in line for one in ours)], "and none of ours"
        assert not [entry.path for entry in sim_thread.journal if any(one in entry.path for one in ours)]
