from __future__ import annotations

import datetime as dt
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from pointsman.catalog.document import encode
from pointsman.catalog.shipped import shipped_models
from pointsman.cli import fetching
from pointsman.core.clock import SystemClock
from pointsman.core.errors import ConfigError, UpstreamError
from pointsman.core.model import TimeLimits

TODAY = dt.datetime.now(tz=dt.UTC).date().isoformat()


class Web(http.server.BaseHTTPRequestHandler):
    """Answers a path with what it is told to."""

    pages: ClassVar[dict[str, tuple[int, bytes]]] = {}

    def do_GET(self) -> None:
        status, body = self.pages.get(self.path, (404, b"not here"))
        self.send_response(status)
        if status == 302:
            self.send_header("location", "https://elsewhere.example/list.json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(5)


@pytest.fixture(scope="module")
def newer() -> bytes:
    """The list that ships, a day younger and with one price changed."""
    shipped = shipped_models()
    models = dict(shipped.models)
    rows = list(shipped.models_of("mistral"))
    for at, row in enumerate(rows):
        if row.prices and row.prices[-1].input not in (None, "0"):
            price = msgspec.structs.replace(row.prices[-1], input="1.2345")
            rows[at] = msgspec.structs.replace(row, prices=(*row.prices[:-1], price))
            break
    models["mistral"] = msgspec.Raw(msgspec.json.encode(rows))
    return encode(msgspec.structs.replace(shipped, models=models, date="2099-01-01"))


def test_a_configured_price(invoke, lab):
    said = invoke("prices", "show", "small")
    assert said.code == 0
    assert "  input            $0.15 per million tokens\n" in said.out
    assert "  source           configuration\n" in said.out


def test_a_catalogue_price_with_its_source(invoke, lab):
    value = json.loads(invoke("prices", "show", "anthropic/claude-sonnet-4-5", "--json").out)[0]
    assert value["price"]["input"] == "3"
    assert value["source"].startswith("genai-prices")
    assert value["tiers"][0]["above"] == 200000


EVERY = """\
  many: {provider: lab, model: sim-1, price: {input: 1.25, output: 10, cached_input: 0.125, request: 0.001,
    fees: {web_search: 0.01}, above: {200000: {input: 2.5}}, hours: {"00:00-08:00": {input: 0.5}},
    services: {flex: {factor: 0.5}}}}
"""


def test_every_service_length_and_hour_with_its_source_and_what_is_charged_now(invoke, lab, monkeypatch):
    path = Path(lab)
    path.write_text(path.read_text(encoding="utf-8").replace("routes:\n", f"{EVERY}routes:\n"), encoding="utf-8")
    for hour, charged in ((7, "$0.50"), (8, "$1.25")):
        monkeypatch.setattr(SystemClock, "now", lambda _self, hour=hour: hour * 3_600 * 10**9)
        said = invoke("prices", "show", "many")
        assert f"charged now, at {hour:02}:00 UTC, up to 200,000 input tokens, served as standard" in said.out
        assert f"  input            {charged} per million tokens\n" in said.out
    assert "  request          $0.001 each\n  web search       $0.01 each\n" in said.out
    rows = [re.split(r"  +", line) for line in said.out.splitlines() if line.startswith(("standard", "flex"))]
    assert [row[:3] for row in rows] == [
        [service, length, hours]
        for service in ("standard", "flex")
        for hours in ("other", "00:00-08:00")
        for length in ("up to 200,000", "above 200,000")
    ]
    assert [row[-5:] for row in rows if "now" in row][2] == ["0.625", "0.0625", "5.00", "-", "configuration"]
    assert "served in any other way it costs as `standard`" in said.err
    shown = json.loads(invoke("prices", "show", "many", "--json").out)[0]["prices"]
    assert [(one["service"], one["above"], one["input"]) for one in shown if one["now"]] == [
        ("standard", None, "1.25"), ("standard", 200000, "2.5"), ("flex", None, "0.625"), ("flex", 200000, "1.25")
    ]  # fmt: skip
    assert {one["fees"]["web_search"] for one in shown} == {"0.01"}


def test_a_service_names_its_own_page_at_every_length_and_what_is_announced_is_told(invoke, lab):
    shown = json.loads(invoke("prices", "show", "anthropic/claude-sonnet-4-5", "--json").out)[0]
    batch = [one for one in shown["prices"] if one["service"] == "batch"]
    assert len(batch) == 2
    assert all(one["source"].startswith("https://platform.claude.com/") for one in batch)
    assert shown["other_services"] == "unpriced"
    row = next(one for one in shipped_models().models_of("google") if one.prices and one.prices[-1].since > TODAY)
    assert f"announced, from {row.prices[-1].since} on" in invoke("prices", "show", f"google/{row.id}").out


def test_units_that_no_call_is_billed_by_are_for_the_record(invoke, lab):
    said = invoke("prices", "show", "openai/whisper-1").out
    assert "unpriced" in said
    assert "audio_hours $0.36" in said
    assert "not billed by token" not in invoke("prices", "show", "openai/gpt-5").out, "its searches are billed"


def test_a_bare_name_lists_every_provider(invoke, lab):
    said = invoke("prices", "show", "claude-sonnet-4-5")
    assert said.code == 0
    assert "anthropic/claude-sonnet-4-5" in said.out
    assert len(said.out.splitlines()) > 5


def test_an_unknown_model_and_one_without_a_price(invoke, lab):
    said = invoke("prices", "show", "openai/gpt-5-mino")
    assert (said.code, said.out) == (1, "")
    assert "did you mean `openai/gpt-5-mini`" in said.err
    assert "unpriced" in invoke("prices", "show", "broken").out


def test_update_from_an_address_then_back(invoke, lab, web, newer):
    Web.pages["/new.json"] = (200, newer)
    dry = invoke("prices", "update", "--from", f"{web}/new.json", "--dry-run")
    assert dry.code == 0
    assert "in $1.2345" in dry.out
    assert "nothing was changed" in dry.err
    assert len(json.loads(invoke("prices", "versions", "--json").out)) == 1
    done = invoke("prices", "update", "--from", f"{web}/new.json", "--yes")
    assert done.code == 0
    assert "repriced: 1" in done.out
    listed = json.loads(invoke("prices", "versions", "--json").out)
    assert [one["in_use"] for one in listed] == [False, True]
    assert listed[1]["date"] == "2099-01-01"
    assert invoke("prices", "rollback").err.startswith("in use from the next start on: the prices that ship")
    again = invoke("prices", "rollback")
    assert (again.code, again.out) == (1, "")


def test_update_as_json(invoke, lab, folder, newer):
    (folder / "new.json").write_bytes(newer)
    value = json.loads(invoke("prices", "update", "--from", "new.json", "--json").out)
    assert value["ok"] is True
    assert value["installed"].endswith(".json.gz")


def test_a_list_that_is_none_is_refused(invoke, lab, folder):
    (folder / "junk.json").write_text("{}", encoding="utf-8")
    said = invoke("prices", "update", "--from", "junk.json", "--yes")
    assert said.code == 1
    assert "refused: " in said.out
    assert "those in use stay" in said.err
    assert invoke("prices", "update", "--from", "nowhere.json").code == 2


@pytest.mark.parametrize(
    "address", ["http://example.com/list.json", "ftp://127.0.0.1/x", "file:///etc/hostname", "https:///x", "http://"]
)
def test_what_could_be_changed_on_the_way_is_not_fetched(address):
    with pytest.raises(ConfigError, match="not fetched"):
        fetching.check(address)


def test_an_address_that_moved_or_is_missing(web):
    Web.pages["/moved"] = (302, b"")
    with pytest.raises(UpstreamError, match=r"status 302, it points to https://elsewhere\.example"):
        fetching.read(f"{web}/moved")
    with pytest.raises(UpstreamError, match="status 404"):
        fetching.read(f"{web}/missing")


def test_a_file_that_is_too_large(web, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "MOST_BYTES", 1000)
    Web.pages["/large"] = (200, b"x" * 5000)
    with pytest.raises(UpstreamError):
        fetching.read(f"{web}/large")
    (tmp_path / "large").write_bytes(b"x" * 5000)
    with pytest.raises(ConfigError, match="larger than"):
        fetching.read(str(tmp_path / "large"))


def test_nobody_there_is_said_within_the_time_limit():
    quick = TimeLimits(connect=1.0, first_byte=1.0, between_bytes=1.0, total=2.0)
    with pytest.raises(UpstreamError):
        fetching.read("http://127.0.0.1:9/list.json", limits=quick)
