from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from importlib import resources

import pytest
from browser import Browser, Page

from harness import Running, gateway
from pointsman.core.model import Ability

STATIC = resources.files("pointsman.dashboard").joinpath("static")
FILES = sorted(entry.name for entry in STATIC.iterdir())
TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
ROWS = "document.querySelectorAll('#rows tr').length"


def ask(gate: Running, model: str = "small", **more: object) -> dict[str, str]:
    return gate.post("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "hi"}], **more})[
        1
    ]


@pytest.fixture
def fresh(config) -> Iterator[Running]:
    with gateway(config) as running:
        yield running


def visit(browser: Browser, gate: Running, place: str = "", **size: int) -> Page:
    page = browser.open(f"{gate.root_url}/{place}", **size)
    page.wait("!document.getElementById('content').hidden && document.getElementById('status').innerText")
    return page


@pytest.mark.parametrize("path", ["/", *(f"/static/{name}" for name in FILES)])
def test_every_file_is_served_with_its_type_and_a_policy_that_allows_nothing_foreign(served, path):
    status, headers, body = served.get(path)
    name = path.rpartition("/")[2] or "index.html"
    assert status == 200
    assert headers["content-type"].startswith(TYPES[name.rpartition(".")[2]])
    assert body == STATIC.joinpath(name).read_bytes()
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host_or_takes_data_for_markup(name):
    text = STATIC.joinpath(name).read_text(encoding="utf-8")
    found = [url for url in re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text) if url != "http://www.w3.org"]
    assert not found
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=\"", text)


def test_each_page_loads_every_module_of_its_own_at_once():
    def loaded(page: str) -> set[str]:
        text = STATIC.joinpath(page).read_text(encoding="utf-8")
        return {name for name in modules if f'href="static/{name}"' in text or f'src="static/{name}"' in text}

    modules = {name for name in FILES if name.endswith(".js")}
    assert loaded("index.html") == modules - {"door.js"}
    assert loaded("door.html") == {"door.js", "api.js", "dom.js"}


def test_abilities_have_the_names_that_the_core_gives_them():
    text = STATIC.joinpath("detail.js").read_text(encoding="utf-8")
    said = " ".join(re.findall(r'"([^"]+)"', text.partition("const ABILITIES = (")[2].partition(").split")[0]))
    assert said.split() == [str(ability.name).lower() for ability in Ability]


def test_an_empty_page_shows_what_fills_it(browser, fresh):
    page = visit(browser, fresh)
    page.wait("document.querySelectorAll('#empty code').length === 2")
    ours, curl = page.run("[...document.querySelectorAll('#empty code')].map(code => code.innerText)")
    assert ours.startswith("pointsman ask ")
    done = subprocess.run(["sh", "-c", f"{curl} -s"], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 127:  # no curl here
        assert json.loads(done.stdout)["choices"]
        page.wait(f"{ROWS} === 1")


def test_calls_appear_and_one_opens_with_its_decision(browser, served):
    page = visit(browser, served)
    made = ask(served, "chain")["x-request-id"]
    row = page.wait(f"document.querySelector('[data-id=\"{made}\"]').innerText")
    assert "chain" in row
    assert "small" in row
    assert re.search(r"\$0\.0000\d", row)
    page.run("document.querySelector('#rows a').focus()")
    page.press("Enter")
    page.wait("document.querySelectorAll('#panel .steps').length === 2")
    said = page.text("#panel")
    assert made in said
    assert re.search(r"broken at lab\s+failed", said)
    assert re.search(r"small at lab\s+answered\s+\$0\.15 in, \$0\.6 out per million", said)
    assert "openai/gpt-5 credentials: $OPENAI_API_KEY is not set" in said
    assert "Overloaded" in said
    assert re.search(r"1\. answer: broken at lab\s+not billed: it brought nothing\s+\$0", said)
    booked = served.json(f"/api/calls/{made}")["attempts"][-1]
    for line in booked["bill"]["lines"]:
        usd = {"input": "0.15", "output": "0.6"}[line["kind"]]
        assert re.search(rf"{line['kind']}\s+{line['count']}\s+\${usd} per million\s+\$0\.0000\d+", said)
    assert re.search(rf"Total\s+\${Decimal(booked['cost']).scaleb(-9).normalize():f}", said)
    assert page.run("location.hash") == f"#call={made}"
    assert page.run("document.activeElement.id") == "panel-title"
    page.press("Escape")
    page.wait("document.getElementById('panel').hidden")
    assert page.run("document.activeElement.closest('tr').dataset.id") == made
    again = visit(browser, served, f"#call={made}")
    again.wait("document.querySelectorAll('#panel .steps').length === 2")


def test_a_call_says_that_it_was_translated_and_whether_its_json_came(browser, served):
    body = {"model": "small", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    form = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}
    made = served.post("/v1/messages", {**body, "output_config": form})[1]["x-request-id"]
    page = visit(browser, served, f"#call={made}")
    page.wait("document.querySelectorAll('#panel .steps').length > 0")
    assert "translated to openai-chat" in page.text("#panel")
    assert re.search("JSON as asked|not the JSON that was asked for", page.text("#panel"))


def test_totals_count_what_happened(browser, fresh):
    for model in ("small", "small", "broken", "nobody"):
        ask(fresh, model)
    ask(fresh, "lab/small-1")
    page = visit(browser, fresh)
    page.wait(f"{ROWS} === 5")
    page.wait("document.querySelector('#totals dd')?.innerText.startsWith('$')")
    said = dict(page.run("[...document.querySelectorAll('#totals > div')].map(d => d.innerText.split('\\n', 2))"))
    assert (said["Calls"], said["Failed"], said["Refused"], said["Cancelled"]) == ("5", "1", "1", "0")
    assert re.fullmatch(r"\$0\.0000\d+\*", said["Spend"])
    assert re.search(r"\d ms|\d s", said["Latency, p95"])
    assert "unpriced" in page.text("#rows")
    assert "$0\n" not in page.text("#rows").replace("\t", "\n") + "\n"
    page.run("document.querySelector('#totals .bad a').click()")
    page.wait(f"{ROWS} === 1 && document.getElementById('filter').value === 'failed'")


def test_a_hostile_name_is_text(browser, served, hostile):
    made = ask(served, f"lab/{hostile}")["x-request-id"]
    ask(served, hostile)
    page = visit(browser, served)
    page.wait(f"document.querySelector('[data-id=\"{made}\"] a').click() || true")
    page.wait("document.querySelectorAll('#panel .steps').length > 0")
    assert hostile in page.text("#panel")
    assert page.run("document.querySelectorAll('img').length") == 1
    assert page.complaints() == []


def test_the_table_holds_still_and_offers_what_is_new(browser, served):
    ask(served)
    page = visit(browser, served)
    before = page.wait(ROWS)
    page.run("document.getElementById('live').click()")
    ask(served)
    ask(served)
    page.wait("document.getElementById('new').innerText === '2 new'")
    assert page.run(ROWS) == before
    page.wait("document.getElementById('said').innerText.includes('new call')")
    page.run("document.getElementById('new').click()")
    assert page.run(ROWS) == before + 2
    assert page.run("document.activeElement === document.querySelector('#rows a')")
    order = page.run("[...document.querySelectorAll('#rows tr')].map(row => row.dataset.id)")
    assert order == sorted(order, reverse=True)
    assert page.run("document.getElementById('new').hidden")


def test_older_calls_come_on_request_and_none_twice(browser, fresh):
    for _ in range(60):
        ask(fresh)
    page = visit(browser, fresh)
    page.wait(f"{ROWS} === 50")
    page.run("document.getElementById('older').click()")
    page.wait(f"{ROWS} === 60")
    assert page.run("new Set([...document.querySelectorAll('#rows tr')].map(row => row.dataset.id)).size") == 60
    assert page.run("document.getElementById('older').hidden")


def test_a_call_that_ends_long_after_others_that_began_later_is_not_missed(browser, fresh):
    page = visit(browser, fresh)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, fresh, "lab/slow-1")
        time.sleep(0.3)
        for _ in range(60):
            ask(fresh)
        page.wait(f"{ROWS} > 50")
        late = slow.result(20)["x-request-id"]
    page.wait(f"document.querySelector('[data-id=\"{late}\"]') && {ROWS} === 61")
    order = page.run("[...document.querySelectorAll('#rows tr')].map(row => row.dataset.id)")
    assert order == sorted(order, reverse=True)
    assert order[-1] == late


def test_older_calls_join_what_is_shown_also_below_one_that_took_long(browser, fresh):
    with ThreadPoolExecutor(5) as pool:
        slow = pool.submit(ask, fresh, "lab/slow-1")
        time.sleep(0.3)
        list(pool.map(lambda _: ask(fresh), range(55)))
        page = visit(browser, fresh)
        page.wait(f"{ROWS} === 50")
        late = slow.result(20)["x-request-id"]
    page.wait(f"document.querySelector('[data-id=\"{late}\"]') && {ROWS} === 51")
    page.run("document.getElementById('older').click()")
    page.wait(f"{ROWS} === 56")
    order = page.run("[...document.querySelectorAll('#rows tr')].map(row => row.dataset.id)")
    assert order == sorted(set(order), reverse=True)


def test_more_calls_than_are_kept_make_the_table_anew(browser, fresh):
    ask(fresh)
    page = visit(browser, fresh)
    page.wait(f"{ROWS} === 1")
    page.run("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})")
    page.run("document.dispatchEvent(new Event('visibilitychange'))")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ask(fresh), range(1100)))  # a look under way may take the first of them
    page.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait(f"{ROWS} === 50")
    page.run("document.getElementById('older').click()")
    page.wait(f"{ROWS} === 100")
    order = page.run("[...document.querySelectorAll('#rows tr')].map(row => row.dataset.id)")
    assert order == [one["id"] for one in fresh.json("/api/calls?limit=100")["calls"]]


def test_a_rejected_change_is_shown_and_goes_when_mended(browser, served):
    page = visit(browser, served)
    assert "openai off: $OPENAI_API_KEY is not set" in page.text("#status")
    good = served.config.read_text()
    served.config.write_text(good + "discovr: false\n")
    page.wait("document.querySelector('#notices .bad')?.innerText.includes('unknown key `discovr`')")
    served.config.write_text(good)
    page.wait("!document.querySelector('#notices .bad')")


def test_where_keys_are_demanded_the_page_asks_for_one_under_a_root_path(browser, config):
    with gateway({**config, "keys": "required", "server": {"root_path": "/llm"}}) as gate:
        made = subprocess.run(
            [sys.executable, "-m", "pointsman", "keys", "create", "page", "--json", "--config", str(gate.config)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        page = browser.open(f"{gate.root_url}/llm#call=nothing")  # without its slash, as people type it
        page.wait("!document.getElementById('key').hidden")
        assert page.run("document.getElementById('panel').hidden")
        for secret, done in (
            ("pm-wrong", "document.getElementById('key-error').innerText.includes('not valid')"),
            (json.loads(made.stdout)["key"], "!document.getElementById('content').hidden"),
        ):
            page.run(f"document.getElementById('secret').value = {secret!r}; document.forms[0].requestSubmit()")
            page.wait(done)
        assert page.run("document.getElementById('key').hidden")
        assert "$POINTSMAN_KEY" in page.wait("document.querySelectorAll('#empty code')[1]?.innerText")
        assert {urllib.parse.urlsplit(url).path.split("/")[1] for url in page.asked_for()} == {"llm"}


def test_nothing_is_asked_for_while_nobody_looks(browser, served):
    page = visit(browser, served)
    page.run("Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})")
    page.run("document.dispatchEvent(new Event('visibilitychange')); new Promise(done => setTimeout(done, 300))")
    before = len(page.asked_for())
    page.run("new Promise(done => setTimeout(done, 1800))")
    assert len(page.asked_for()) == before
    page.run("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait(f"performance.getEntriesByType('resource').length > {before}")


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_it_fits_asks_nobody_else_and_complains_of_nothing(browser, served, width, dark):
    made = ask(served, "chain")["x-request-id"]
    page = visit(browser, served, f"#call={made}", width=width, dark=dark)
    page.wait("document.querySelectorAll('#panel .steps').length === 2")
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run(
        "document.querySelector('#calls table').offsetWidth <= document.getElementById('calls').clientWidth"
    )
    assert page.run("document.getElementById('page').inert") is (width < 600)
    assert {urllib.parse.urlsplit(url).netloc for url in page.asked_for()} == {f"127.0.0.1:{served.port}"}
    assert page.complaints() == []


def test_exact_figures(browser, served):
    page = visit(browser, served)
    script = """import(new URL('static/format.js', location)).then(({ money, exactMoney, duration, cost }) => [
        money(12470350), exactMoney(12470350), money(0), money(1500000000), money(9007199254740993n),
        exactMoney(9007199254740993n), money(4100), money(-12345678), money(99999), duration(480000),
        duration(1113029449), duration(200e9), cost({cost: null, usage: {}, status: 'ok'}).text,
        cost({cost: 0, usage: {}}).text])"""
    assert page.run(script) == [
        "$0.01247",
        "$0.01247035",
        "$0",
        "$1.50",
        "$9,007,000",
        "$9,007,199.254740993",
        "$0.0000041",
        "\u2212$0.01235",
        "$0.0001",
        "0.48 ms",
        "1.11 s",
        "3 min 20 s",
        "unpriced",
        "$0",
    ]


def test_providers_say_how_they_are(browser, fresh):
    for model in ("small", *["broken"] * 4):
        ask(fresh, model)
    page = visit(browser, fresh)
    page.wait("document.querySelector('#targets .mark:is(.open, .half_open)') !== null")
    rows = dict(page.run("[...document.querySelectorAll('#targets tr')].map(r => [r.cells[0].innerText, r.innerText])"))
    assert re.search(r"lab\s+degraded", rows["lab"])
    assert re.search(r"small-1\s+well\s+\d+ s\s+1\s", rows["small-1"])
    assert re.search(
        r"broken-1\s+(open|half open)\s.* failed\s.*\s(3 failures in a row|one call at a)", rows["broken-1"]
    )
    assert re.search(r"openai\s+off\s+\$OPENAI_API_KEY is not set", rows["openai"])
    assert page.complaints() == []
