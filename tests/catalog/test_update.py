"""Refreshing prices: what is accepted, what is held, what is refused, and the way back."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.catalog import Catalog, load
from pointsman.catalog.document import Document, FileModel, FilePrice, ProviderBook, Source, encode, encode_models
from pointsman.catalog.rows import ProviderRow
from pointsman.catalog.update import Proposal, install, prepare, refresh
from pointsman.catalog.versions import Versions
from pointsman.core.errors import ConfigError
from pointsman.core.money import usd_per_million

TODAY = "2026-11-21"
PROVIDERS = (
    ProviderRow(name="lab", title="Lab", dialect="openai-chat", base_url="https://lab.example/v1", feed="lab-feed"),
    ProviderRow(name="other", title="Other", dialect="openai-chat", base_url="https://other.example/v1"),
)


def model(model_id: str, price: str | None = "1", **fields: Any) -> FileModel:
    prices = () if price is None else (FilePrice(source="s", input=price, output="4"),)
    return FileModel(id=model_id, prices=fields.pop("prices", prices), **fields)


def document(lab: list[FileModel], date: str = "2026-11-01") -> Document:
    return Document(
        format=1,
        date=date,
        sources={"s": Source(title="list", date=date)},
        models={"lab": encode_models(tuple(lab)), "other": encode_models((model("thing"),))},
    )


CURRENT = document([model(f"m{number}") for number in range(10)])


def judge(candidate: Document | bytes, **options: Any) -> Proposal:
    data = candidate if isinstance(candidate, bytes) else encode(candidate)
    return prepare(data, CURRENT, PROVIDERS, today=TODAY, **options)


def price_in(proposal: Proposal, name: str) -> Decimal | None:
    assert proposal.document is not None
    row = Catalog(proposal.document, PROVIDERS).model("lab", name)
    assert row is not None
    return None if row.price is None else usd_per_million(row.price.input)


def test_changes_are_reported() -> None:
    rows = [model("m0", "1.5"), *(model(f"m{n}") for n in range(2, 10)), model("new", "0.1")]
    rows[1] = model("m2", retires="2027-01-31", replaced_by="new")
    proposal = judge(document(rows, "2026-11-20"))
    report = proposal.report
    assert report.ok
    assert [change.name for change in report.of("added")] == ["lab/new"]
    assert [change.name for change in report.of("removed")] == ["lab/m1"]
    assert [change.name for change in report.of("retiring")] == ["lab/m2"]
    assert report.of("repriced")[0].text() == "lab/m0: in $1 out $4 -> in $1.5 out $4"
    text = report.text()
    assert "2026-11-01 -> 2026-11-20" in text
    assert "repriced: 1" in text


def test_a_jump_is_held_and_listed_until_it_is_accepted() -> None:
    rows = [model("m0", "11"), *(model(f"m{n}") for n in range(1, 10))]
    held = judge(document(rows, "2026-11-20"))
    assert held.report.ok
    assert [change.name for change in held.report.of("held")] == ["lab/m0"]
    assert price_in(held, "m0") == 1
    accepted = judge(document(rows, "2026-11-20"), accept_jumps=True)
    assert price_in(accepted, "m0") == 11


@pytest.mark.parametrize("price", ["0", "0.05", None], ids=["free", "twentieth", "gone"])
def test_a_price_that_falls_to_nearly_nothing_is_held(price: str | None) -> None:
    prices = () if price is None else (FilePrice(source="s", input=price, output=price),)
    rows = [model("m0", prices=prices), *(model(f"m{n}") for n in range(1, 10))]
    proposal = judge(document(rows, "2026-11-20"))
    assert [change.name for change in proposal.report.of("held")] == ["lab/m0"]
    assert price_in(proposal, "m0") == 1


@pytest.mark.parametrize(
    ("candidate", "problem"),
    [
        (document([model(f"m{n}") for n in range(7)], "2026-11-20"), "fewer than 80%"),
        (document([model(f"m{n}") for n in range(10)], "2026-10-01"), "older"),
        (document([model("m0", "-1")], "2026-11-20"), "not a price"),
        (document([model("m0", "NaN")], "2026-11-20"), "not a price"),
        (document([model("m0", "Infinity")], "2026-11-20"), "not a price"),
        (document([model(f"m{n}", retires="soon") for n in range(10)], "2026-11-20"), "dates that are none"),
        (b"", "catalogue"),
        (b"\x00\xff", "catalogue"),
        (b"{}", "catalogue"),
        (b"<html>not found</html>", "catalogue"),
        (b'{"format":2,"date":"2026-11-20","models":{}}', "format 2"),
        (b'{"format":1,"date":"yesterday","models":{}}', "ISO date"),
        (b'{"format":1,"date":"2026-11-20","models":{"lab":[{"id":7}]}}', "models of lab"),
        (gzip.compress(b'{"format":1}'), "catalogue"),
        (encode(CURRENT)[:-20], "broken gzip"),
        (b"[]", None),
        (b'[{"id":"lab-feed","name":"x","models":[{"id":"m","match":{},"prices":{"input_mtok":-1}}]}]', "not a price"),
        (b"[" * 100_000, "price feed"),
    ],
    ids=range(18),
)
def test_bad_candidates_are_refused_with_a_reason(candidate: Document | bytes, problem: str | None) -> None:
    proposal = judge(candidate)
    if problem is None:  # an empty feed changes nothing
        assert proposal.report.ok
        return
    assert not proposal.report.ok
    assert problem in "; ".join(proposal.report.problems)
    assert "refused:" in proposal.report.text()


def test_prices_cannot_bring_or_move_providers(tmp_path: Path) -> None:
    raw = json.loads(gzip.decompress(encode(document([model(f"m{n}") for n in range(10)], "2026-11-20"))))
    raw["providers"] = [{"name": "lab", "title": "Lab", "dialect": "openai-chat", "base_url": "https://evil.example"}]
    raw["models"]["evil"] = [{"id": "x"}]
    proposal = judge(json.dumps(raw).encode())
    assert proposal.report.ok
    assert "evil" in proposal.report.notes[0]
    assert proposal.document is not None
    assert "evil" not in proposal.document.models
    row = Catalog(proposal.document, PROVIDERS).provider("lab")
    assert row is not None
    assert row.base_url == "https://lab.example/v1"


def feed(*models: dict[str, Any]) -> bytes:
    return json.dumps([{"id": "lab-feed", "name": "Lab", "extractors": [], "models": list(models)}]).encode()


def test_the_published_feed_is_understood() -> None:
    old = document([model("m0", abilities=("tools",), context=1000, aliases=("m0-2024-01-01",)), model("kept")])
    data = feed(
        {
            "id": "m0",
            "match": {"or": [{"equals": "m0"}, {"starts_with": "m0-turbo-"}, {"contains": "vendor-m0"}]},
            "context_window": 2000,
            "prices": [
                {"prices": {"input_mtok": 2, "output_mtok": 4}},
                {
                    "constraint": {"start_date": "2026-06-01"},
                    "prices": {
                        "input_mtok": {"base": 1.5, "tiers": [{"start": 200000, "price": 3}]},
                        "output_mtok": 0.000001,
                        "cache_read_mtok": 0.15,
                        "cache_write_1h_mtok": 3,
                        "requests_kcount": 5,
                        "web_searches_kcount": 10,
                    },
                },
            ],
        },
        {"id": "ft:m0", "match": {"starts_with": "ft:m0"}, "prices": {"input_mtok": 7, "output_mtok": 8}},
    )
    proposal = prepare(data, old, PROVIDERS, today=TODAY, accept_jumps=True)
    assert proposal.report.problems == ()
    assert proposal.document is not None
    catalog = Catalog(proposal.document, PROVIDERS)
    row = catalog.model("lab", "m0")
    assert row is not None
    assert row.price is not None
    assert (row.context, row.price.input, row.price.output, row.price.cache_read) == (2000, 1_500_000, 1, 150_000)
    assert (row.price.cache_write_1h, row.price.request) == (3_000_000, 5_000_000_000)
    assert row.price_for(300_000) != row.price
    assert row.other_prices == {"web_searches_kcount": "10"}
    assert row.known, "abilities are not in the feed and stay"
    for name in ("m0-turbo", "m0-turbo-2025-01-01", "eu.vendor-m0", "m0-2024-01-01"):
        assert catalog.model("lab", name) is not None, name
    assert catalog.model("lab", "m0-turbo-large") is None
    tuned, kept = catalog.model("lab", "ft:m0:org::1"), catalog.model("lab", "kept")
    assert tuned is not None
    assert tuned.price is not None
    assert tuned.price.input == 7_000_000
    assert kept is not None


def test_a_feed_without_a_price_leaves_the_model_unpriced() -> None:
    data = feed({"id": "m0", "match": {"equals": "m0"}, "prices": {}})
    assert price_in(prepare(data, CURRENT, PROVIDERS, today=TODAY, accept_jumps=True), "m0") is None


def test_refresh_installs_what_is_sound_and_load_prefers_it(tmp_path: Path) -> None:
    shipped = load()
    current, providers = shipped.catalog.document, shipped.catalog.providers()
    newer = msgspec.structs.replace(current, date="2099-01-01")
    report = refresh(lambda: encode(newer), current, providers, tmp_path, today=TODAY)
    assert report.ok
    assert report.changes == ()
    loaded = load(tmp_path)
    assert loaded.catalog.date == "2099-01-01"
    assert str(tmp_path) in loaded.catalog.origin
    assert loaded.warnings == ()


def test_refresh_changes_nothing_when_refused(tmp_path: Path) -> None:
    report = refresh(lambda: b"garbage", CURRENT, PROVIDERS, tmp_path / "prices", today=TODAY)
    assert not report.ok
    assert not (tmp_path / "prices").exists()
    with pytest.raises(ConfigError, match="refused"):
        install(judge(b"garbage"), tmp_path)


def test_an_older_refreshed_file_gives_way_to_what_ships(tmp_path: Path) -> None:
    install(judge(document([model(f"m{n}") for n in range(10)], "2026-11-20")), tmp_path)
    assert load(tmp_path).catalog.origin == "shipped"


@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "strange-pointer", "binary-pointer", "directory"])
def test_a_damaged_file_warns_and_never_stops_a_start(tmp_path: Path, damage: str) -> None:
    path = Versions(tmp_path).install(document([model("m0")], "2099-01-01"))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "gone":
        path.unlink()
    elif damage == "directory":
        path.unlink()
        path.mkdir()
    else:
        (tmp_path / "current").write_bytes(b"../../etc/passwd" if damage == "strange-pointer" else b"\xff\xfe")
    loaded = load(tmp_path)
    assert loaded.catalog.origin == "shipped"
    assert len(loaded.warnings) == 1
    assert str(tmp_path) in loaded.warnings[0]


def test_versions_are_kept_pruned_and_rolled_back(tmp_path: Path) -> None:
    versions = Versions(tmp_path, keep=3)
    dates = [f"2099-01-0{day}" for day in range(1, 6)]
    for date in dates:
        versions.install(document([model("m0")], date))
    assert [name[5:15] for name in versions.names()] == dates[2:]
    assert load(tmp_path).catalog.date == dates[4]
    versions.roll_back()
    assert load(tmp_path).catalog.date == dates[3]
    versions.roll_back()
    assert versions.roll_back() == "", "nothing older is kept: what ships is used again"
    assert load(tmp_path).catalog.origin == "shipped"
    with pytest.raises(ConfigError, match="no refreshed prices"):
        versions.roll_back()
    versions.install(document([model("m0")], "2099-02-01"))
    assert load(tmp_path).catalog.date == "2099-02-01"
    assert not list(tmp_path.glob(".*")), "no half-written files are left"


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(ConfigError, match="cannot"):
        install(judge(document([model(f"m{n}") for n in range(10)], "2026-11-20")), blocked)


def test_the_file_is_the_same_for_the_same_content() -> None:
    assert encode(CURRENT) == encode(CURRENT)
    book = ProviderBook(format=1, date=TODAY, providers=PROVIDERS)
    assert msgspec.json.decode(msgspec.json.encode(book), type=ProviderBook) == book


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "match", "prices", "models", "name", "input_mtok", "base", "tiers", "equals", "or"])
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=examples(150))
@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_break_the_judge(data: bytes) -> None:
    report = judge(data).report
    assert report.ok or report.problems
    assert report.text()


@settings(max_examples=examples(150))
@given(json_values, json_values)
def test_no_feed_breaks_the_judge(prices: Any, match: Any) -> None:
    entry = {"id": "m0", "match": match if isinstance(match, dict) else {}, "prices": prices}
    assert judge(feed(entry)).report.text()


@settings(max_examples=examples(150))
@given(json_values)
def test_no_own_format_breaks_the_judge(models: Any) -> None:
    raw = {"format": 1, "date": TODAY, "models": {"lab": models}}
    assert judge(json.dumps(raw).encode()).report.text()


@settings(max_examples=examples(100))
@given(st.integers(min_value=0), st.binary(min_size=1, max_size=4))
def test_damaged_files_never_pass_for_whole_ones(place: int, junk: bytes) -> None:
    good = encode(document([model(f"m{n}") for n in range(10)], "2026-11-20"))
    place %= len(good)
    damaged = good[:place] + junk + good[place + len(junk) :]
    proposal = judge(damaged)
    if proposal.document is not None and proposal.report.ok:
        assert {name: bytes(raw) for name, raw in proposal.document.models.items()} == {
            name: bytes(raw) for name, raw in CURRENT.models.items()
        }, "only header bytes outside the checksum may differ"
