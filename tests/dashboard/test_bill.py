"""The printable bill in a browser: a key is asked for where one is due, and it fits a phone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator

import pytest
from browser import Browser

from harness import Running, gateway, request

LONG = "a-model-with-a-very-long-name-indeed-instruct-2026-11-28"
SHOWN = "document.querySelector('tfoot') !== null && document.styleSheets.length + document.adoptedStyleSheets.length"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def made(gate: Running, name: str, *more: str) -> str:
    """The secret of a new key, which the gateway knows."""
    said = subprocess.run(
        [sys.executable, "-m", "pointsman", "keys", "create", name, "--config", str(gate.config), "--json", *more],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    secret = str(json.loads(said.stdout)["key"])
    for _ in range(200):
        if request(gate.port, "GET", "/llm/bill", headers={"authorization": f"Bearer {secret}"})[0] != 401:
            break
        time.sleep(0.05)
    return secret


def call(gate: Running, model: str, **headers: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    request(gate.port, "POST", "/v1/chat/completions", body=body, headers=headers)


@pytest.fixture(scope="module")
def closed(config: dict[str, object]) -> Iterator[Running]:
    with gateway({**config, "keys": "required", "server": {"root_path": "/llm"}}) as running:
        yield running


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_a_key_is_asked_for_and_opens_the_bill(browser: Browser, closed: Running, width: int, dark: bool) -> None:
    secret = made(closed, f"page-{width}-{dark}")
    call(closed, "chain", authorization=f"Bearer {secret}")
    page = browser.open(f"{closed.root_url}/llm/bill?by=model&period=2d", width=width, dark=dark)
    page.wait("document.activeElement?.id === 'secret'")
    assert page.run("document.documentElement.scrollWidth") <= width
    for given, done in (
        ("pm-wrong", "document.getElementById('key-error').innerText.includes('not valid')"),
        (secret, SHOWN),
    ):
        page.run(f"document.getElementById('secret').value = {given!r}; document.forms[0].requestSubmit()")
        page.wait(done)
    assert "Bill for language models" in page.text("h1")
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("getComputedStyle(document.body).backgroundColor") == (
        "rgb(21, 23, 26)" if dark else "rgb(255, 255, 255)"
    )
    assert all("401" in one["entry"]["text"] for one in page.complaints()), "no policy is broken"
    assert {urllib.parse.urlsplit(url).netloc for url in page.asked_for()} == {f"127.0.0.1:{closed.port}"}
    assert secret not in json.dumps(page.asked_for())
    page.run("window.old = true; location.reload()")
    page.wait(f"!window.old && {SHOWN}")
    page.run("document.getElementById('forget').click()")
    page.wait("document.activeElement?.id === 'secret'")


def test_what_is_asked_wrongly_is_said_beside_the_form(browser: Browser, closed: Running) -> None:
    page = browser.open(f"{closed.root_url}/llm/bill?period=soon")
    page.wait("!document.getElementById('key').hidden")
    secret = made(closed, "wrong")
    page.run(f"document.getElementById('secret').value = {secret!r}; document.forms[0].requestSubmit()")
    page.wait("document.getElementById('trouble').innerText.includes('is no period')")


def test_programs_get_the_error_and_browsers_the_form(closed: Running) -> None:
    status, headers, body = request(closed.port, "GET", "/llm/bill", headers=BROWSER)
    assert (status, headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert b"A key, please" in body
    for accept in ({}, {"accept": "*/*"}, {"accept": "application/json"}):
        status, headers, body = request(closed.port, "GET", "/llm/bill", headers=accept)
        assert (status, json.loads(body)["error"]["code"]) == (401, "missing_api_key")
    secret = made(closed, "metrics", "--role", "metrics")
    status, _, body = request(closed.port, "GET", "/llm/bill", headers={**BROWSER, "authorization": f"Bearer {secret}"})
    assert (status, json.loads(body)["error"]["code"]) == (403, "not_permitted"), "another key is no way out of a typo"


def test_the_first_page_leads_to_the_bill_and_its_key_opens_it(browser: Browser, closed: Running) -> None:
    secret = made(closed, "both")
    page = browser.open(f"{closed.root_url}/llm/")
    page.wait("!document.getElementById('key').hidden")
    page.run(f"document.getElementById('secret').value = {secret!r}; document.forms[0].requestSubmit()")
    page.wait("!document.getElementById('content').hidden")
    page.run("document.querySelector('a[href=bill]').click()")
    page.wait(SHOWN)


def test_a_bill_of_long_names_and_many_columns_fits(browser: Browser, config: dict[str, object]) -> None:
    models = {**config["models"], LONG: {"provider": "lab", "model": "small-1"}}  # type: ignore[dict-item]
    with gateway({**config, "models": models}) as gate:
        for model in (LONG, "chain"):
            call(gate, model)
        for width in (320, 390, 800, 1100):
            page = browser.open(f"{gate.root_url}/bill?by=provider,model,route&period=2d", width=width)
            page.wait(f"{SHOWN} && document.body.innerText.includes('{LONG}')")
            assert page.run("document.documentElement.scrollWidth") <= width
            label = "getComputedStyle(document.querySelector('tbody td:nth-child(6)'), '::before').content"
            assert ("Input" in page.run(label)) is (width < 1024), "without their head, figures say what they are of"
            assert page.complaints() == []
