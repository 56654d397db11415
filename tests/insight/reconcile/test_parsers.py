"""Every reader of a file, against anything: lines, or an error with the place; never anything else."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import random
import tracemalloc
from decimal import Decimal

import invoices
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from invoices import DAY, HOUR, Spoiled

import fuzzing
from pointsman.core.errors import InvalidRequest
from pointsman.insight.reconcile import figures, jsonvalues
from pointsman.insight.reconcile.jsonvalues import Values
from pointsman.insight.reconcile.lines import Line
from pointsman.insight.reconcile.reading import Export
from pointsman.insight.reconcile.rows import Style

NOTHING = Spoiled(set(), set(), set())
FORMATS = {
    "openai usage json": (invoices.openai_usage_json, HOUR),
    "openai usage csv": (invoices.openai_usage_csv, HOUR),
    "openai costs json": (invoices.openai_costs_json, DAY),
    "openai costs csv": (invoices.openai_costs_csv, DAY),
    "anthropic usage json": (invoices.anthropic_usage_json, HOUR),
    "anthropic cost json": (invoices.anthropic_cost_json, DAY),
    "anthropic tokens csv": (invoices.anthropic_tokens_csv, DAY),
    "anthropic cost csv": (invoices.anthropic_cost_csv, DAY),
    "openrouter activity json": (invoices.openrouter_activity_json, DAY),
    "openrouter activity csv": (invoices.openrouter_activity_csv, DAY),
    "openrouter csv": (invoices.openrouter_csv, 0),
    "generic csv": (invoices.generic_csv, DAY),
}
CSV = [name for name in FORMATS if name.endswith("csv")]
JSON = [name for name in FORMATS if name.endswith("json")]


class Texts(dict[str, str]):
    """Exports by format; in a failure's message too long to be of use."""

    def __repr__(self) -> str:
        return "texts"


@pytest.fixture(scope="module")
def texts(make) -> Texts:
    rows = invoices.booked(invoices.outcomes(make, 12, days=2))
    return Texts(
        {
            name: write(invoices.bucketed(rows, width) if width else rows, NOTHING)
            for name, (write, width) in FORMATS.items()
        }
    )


def read(path, data: bytes | str, *, generic: bool = False, style: Style | None = None) -> list[Line]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    columns = invoices.GENERIC_MAP if generic else {}
    return list(Export(path, None, columns, style or Style()).lines())


def test_a_table_of_another_currency_is_refused(tmp_path) -> None:
    """Whatever else it is: euros are no dollars."""
    table = "time,model,cost,currency\n2026-11-01,m,1.5,{}\n"
    columns = {"time": "time"}
    path = tmp_path / "e.csv"
    path.write_text(table.format("USD"))
    assert len(list(Export(path, None, columns, Style()).lines())) == 1
    path.write_text(table.format("EUR"))
    with pytest.raises(InvalidRequest, match="the amount is in EUR"):
        list(Export(path, None, columns, Style()).lines())


def lines_or_place(path, data: bytes, *, generic: bool = False) -> None:
    """Read it; whatever it is, an error names the file, and is for people."""
    try:
        found = read(path, data, generic=generic)
    except InvalidRequest as refused:
        error = refused
    else:
        error = None
    if error is not None:
        assert any(place in error.message for place in ("e.txt", "column", "field"))
        assert len(error.message) < 2_000
        return
    for line in found:
        assert 0 <= line.start <= line.end < 1 << 63
        for count in (line.requests, line.input, line.cache_read, line.cache_write, line.output):
            assert count is None or 0 <= count < 1 << 63
        assert line.cost is None or (line.cost.is_finite() and abs(line.cost) < 10**12)
        f"{line.model}{line.key}{line.id}{line.also}".encode()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("exports") / "e.txt"


@pytest.mark.parametrize("name", FORMATS)
@given(seed=st.integers(0, 1 << 30))
def test_any_damage_to_any_format_gives_lines_or_a_place(name, seed, texts, path):
    rng, data = random.Random(seed), bytearray(texts[name].encode())
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randrange(1, 40)]
            case 2:
                data[at:at] = rng.choice(
                    [b'"', b",", b"\n", b"{", b"]", b"\x00", b"1e999999999999999999999", b"NaN", b"\\ud800"]
                )
            case 3:
                data[at:at] = data[at : at + rng.randrange(1, 200)]
            case _:
                data[at:] = b""
        data = data or bytearray(b" ")
    lines_or_place(path, bytes(data), generic=name == "generic csv")


_CELLS = (
    st.text(max_size=12)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from(["", "2026-11-01", "-1", "1,5"])
)


@pytest.mark.parametrize("name", CSV)
@given(data=st.data())
def test_any_cell_in_any_column(name, data, texts, path):
    separator = ";" if name == "generic csv" else ","
    text = texts[name].removeprefix("\ufeff").removeprefix("sep=;\r\n")
    head, *rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    row = list(rows[0])
    for at in data.draw(st.lists(st.integers(0, len(head) - 1), min_size=1, max_size=3)):
        row[at] = data.draw(_CELLS)
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([head, row, *rows[1:]])
    lines_or_place(path, out.getvalue().encode("utf-8", "surrogatepass"), generic=name == "generic csv")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("name", JSON)
@given(data=st.data())
def test_any_value_in_any_field(name, data, texts, path):
    page = json.JSONDecoder().raw_decode(texts[name])[0]
    row = data.draw(st.sampled_from(page["data"]))
    inner = row["results"][0] if data.draw(st.booleans()) and row.get("results") else row
    for field in data.draw(st.lists(st.sampled_from(sorted(inner)), min_size=1, max_size=3)):
        inner[field] = data.draw(_VALUES)
    lines_or_place(path, json.dumps(page).encode())


@given(st.binary(max_size=200) | _VALUES.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"data":[' * 5_000)
@example(b'{"generation_id":"a","cost_total":1e999999999}')
@example(b"\xff\xfe{\x00")
@example(b'"')
@example(b"a,a\n1,2\n")
@example(b"\xef\xbb\xbf")
def test_anything_at_all(path, data):
    lines_or_place(path, data)


# What JSON is taken apart into


@given(
    st.lists(st.dictionaries(st.text(max_size=6).filter(lambda name: name != "data"), _VALUES, max_size=4), max_size=6),
    st.integers(1, 40),
    st.sampled_from(["list", "lines", "page", "pages", "indented"]),
)
@settings(max_examples=fuzzing.examples(200))
def test_objects_come_out_as_they_went_in_however_the_text_is_cut(objects, size, shape):
    objects = json.loads(json.dumps(objects).replace("NaN", "0").replace("-Infinity", "0").replace("Infinity", "0"))
    text = {
        "list": json.dumps(objects),
        "lines": "\n".join(map(json.dumps, objects)),
        "page": json.dumps({"object": "page", "data": objects, "has_more": False}),
        "pages": json.dumps([{"data": [one]} for one in objects]),
        "indented": json.dumps({"has_more": True, "data": objects}, indent=2),
    }[shape]
    cut = (text[at : at + size] for at in range(0, len(text), size))
    values = Values(cut, "e")
    found = [json.loads(json.dumps(one, default=float)) for one, _ in values.objects()]
    assert found == [json.loads(json.dumps(one)) for one in objects]
    assert values.more == (shape == "indented")


def test_numbers_of_json_are_taken_digit_by_digit(path):
    text = '{"data": [{"generation_id": "a", "created_at": "2026-11-01", "cost_total": 0.10000000000000000555111512}]}'
    assert read(path, text)[0].cost == Decimal("0.10000000000000000555111512")


def test_a_value_without_an_end_is_not_read_for_ever(monkeypatch):
    monkeypatch.setattr(jsonvalues, "MOST_CHARS", 10_000)
    pieces = iter(["[{"] + ['"a": [[[[', "1,"] * 1_000_000)
    with pytest.raises(InvalidRequest, match=r"e, line 1, column 2: what begins here is longer than"):
        list(Values(pieces, "e").objects())


# Numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "1234.5": "1234.5",
        "$1,234.50": "1234.50",
        "1.234,50": "1234.50",
        "1 234,5": "1234.5",
        "1\u202f234,5": "1234.5",
        "1'234.5": "1234.5",
        "1,234,567": "1234567",
        "0,0012": "0.0012",
        "12,5": "12.5",
        "1.3e-05": "0.000013",
        "(3.20)": "-3.20",
        "-$4": "-4",
        "$-4": "-4",
        "USD 7.25": "7.25",
        "  0 ": "0",
    }.items(),
)
def test_amounts_as_people_write_them(text, expected):
    assert figures.money(text) == Decimal(expected)


@pytest.mark.parametrize("text", ["1,234", "12,345"])
def test_two_readings_are_refused_unless_the_mark_is_told(text):
    with pytest.raises(figures.Unreadable, match="may be"):
        figures.money(text)
    assert figures.money(text, ".") == Decimal(text.replace(",", ""))
    assert figures.money(text, ",") == Decimal(text.replace(",", "."))


@pytest.mark.parametrize(
    "text",
    ["", "abc", "€5", "1,2,3", "1.2.3", "12,34.5", "--1", "1e9999", "inf", "nan", "9" * 20, "1e-90", True, [], {}],
)
def test_what_is_no_amount(text):
    with pytest.raises(figures.Unreadable):
        figures.money(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**11), max_value=10**11, places=12))
def test_every_amount_is_read_exactly_in_either_country(amount):
    assert figures.money(f"{amount:f}") == amount
    there = f"{amount:,f}".replace(",", " ").replace(".", ",")
    assert figures.money(there, ",") == amount
    assert figures.money(f"{amount:,f}", ".") == amount


@given(st.integers(0, 10**17 - 1))
def test_every_count_is_read_with_and_without_marks(count):
    for text in (str(count), f"{count:,}", f"{count:,}".replace(",", " "), f"{count}.0"):
        assert figures.count(text) == count


@pytest.mark.parametrize("text", ["1.000", "1.5", "-1", "x", "", "1e30", True, None])
def test_what_is_no_count(text):
    with pytest.raises(figures.Unreadable):
        figures.count(text)


def test_moments_in_every_clothing():
    noon = 1_793_534_400_000_000_000  # 2026-11-01T12:00Z
    for value in (
        1_793_534_400,
        "1793534400",
        "1793534400.0",
        1_793_534_400_000,
        "2026-11-01T12:00:00Z",
        "2026-11-01 12:00:00",
        "2026-11-01 12:00:00.000 UTC",
        "2026-11-01T13:00:00+01:00",
    ):
        assert figures.moment(value) == noon, value
    assert figures.moment("20261101") == figures.moment("2026-11-01") == noon - 43_200 * figures.NANO
    for value in ("01/11/2026", "2026", 20261101, "tomorrow", "", -1, "1e40", 10**30, "0001-01-01", True):
        with pytest.raises(figures.Unreadable):
            figures.moment(value)


@given(st.one_of(st.text(max_size=20), st.integers(), st.decimals(), st.floats(), st.booleans(), st.none()))
def test_any_value_is_a_figure_or_refused(value):
    for reader in (figures.money, figures.count, figures.moment):
        with contextlib.suppress(figures.Unreadable):
            assert reader(value) is not None


# Where


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "e.txt: it is empty"),
        ("generation_id,created_at,cost_total\ng1,2026-11-01,abc\n", "e.txt, line 2, column cost_total: `abc`"),
        ("generation_id,created_at,cost_total\n\ng1,2026-11-01\n", "e.txt, line 3: it has 2 fields, the head has 3"),
        ('generation_id,created_at,cost_total\n"g\n1",2026,1\ng2,x,1\n', "e.txt, line 2, column created_at"),
        ('a,b\n"1,2\n', "e.txt, line 2: this is no CSV|its format is not known"),
        ('{"data": [\n {"generation_id": "a",,}]}', "e.txt, line 2, column 24: this is no JSON"),
        ('{"data": [\n 5]}', "e.txt, line 2, column 2: here an object has to be"),
        ('{"data": [\n {"date": "2026-11-01", "slug": "m", "usage": 1}', "e.txt, line 2.*: the file ends"),
        (b"generation_id,created_at,cost_total\ng1,\xff,1\n", "e.txt, line 2: this is no text in UTF-8"),
        ("generation_id,created_at,cost_total\ng1,,1\n", "e.txt, line 2, column created_at: a date or time is missing"),
        ('{"data":', "e.txt, line 1, column 9: the file ends where a value has to be"),
        ('[{"a":', "e.txt, line 1, column 2: the file ends within"),
        ('{"error": {"message": "no"}}', "e.txt, line 1: this is an error of the provider's"),
        ("model,model,start_time,end_time\n", "e.txt, line 1, column model: this column is there twice"),
        (
            "start_time,end_time,amount_value,amount_currency\n1793491200,1793577600,1,eur\n",
            "e.txt, line 2, column currency: the amount is in eur",
        ),
        ("start_time,end_time,amount_value\n1793577600,1793491200,1\n", "column end_time: it lies before"),
    ],
)
def test_an_error_says_where_and_what(path, data, message):
    with pytest.raises(InvalidRequest, match=message):
        read(path, data)


def test_marks_at_the_beginning_and_other_encodings(path, texts):
    text = texts["openrouter csv"]
    plain = read(path, text)
    for data in (
        text.encode("utf-8-sig"),
        text.encode("utf-16"),
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        text.replace(",", ";").encode(),
        text.replace(",", "\t").encode(),
    ):
        style = Style(decimal=".")
        assert read(path, data, style=style) == plain


def test_what_is_no_text_is_said_to_be_none_and_how_to_save_it(path):
    for data in (
        b"date,cost\n2026-11-01,\0\n",
        "date,cost\n".encode("utf-32-le"),
        "date".encode("utf-16-le") + b"\xd8",
    ):
        with pytest.raises(InvalidRequest, match="this is no text in UTF-") as refused:
            read(path, data)
        assert "save it as UTF-8" in refused.value.hint


def test_a_long_export_is_read_line_by_line(path):
    head = "generation_id,created_at,cost_total,tokens_prompt,tokens_completion,model_permaslug\n"
    path.write_text(head + "".join(f"gen-{n},2026-11-01T00:00:00Z,0.001,10,5,lab/m\n" for n in range(20_000)))
    tracemalloc.start()
    count = sum(1 for _ in Export(path, None, {}, Style()).lines())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 4_000_000, peak
