from __future__ import annotations

import json

import pytest

from bench import install, report, subjects


def rounds(rate: float, p50: float, cpu: float | None) -> list[dict]:
    row = {"rate": rate, "requests": 100, "errors": 0, "cpu_us": cpu}
    times = {"p50_1_ms": p50, "p99_1_ms": p50 * 2, "p50_64_ms": p50 * 10, "p99_64_ms": p50 * 20}
    return [row | times for _ in range(3)]


def streamed(first: float, reads: float) -> list[dict]:
    spread = {"p50": first / 2, "p99": first}
    paced = {"first_added_ms": spread, "first_relay_ms": spread, "event_lag_ms": spread}
    paced |= {"events_per_s": 10000.0, "whole": 500, "error": ""}
    return [{"paced": paced, "lockstep": {"reads_per_s": reads, "events": 1000, "cpu_s": 0.03, "error": ""}}]


def result() -> dict:
    ours = {"rounds": rounds(10000, 0.3, 90.0), "start_s": [0.5, 0.6, 0.9], "idle_mb": 80.0, "after_mb": 90.0}
    return {
        "seconds": 12.0,
        "steal": 0.01,
        "others": 0.2,
        "skipped": {"litellm": "its installation failed"},
        "startup": {"import_ms": 20.0, "gateway_ms": 200.0},
        "subjects": {
            "direct": {"rounds": rounds(50000, 0.1, None), "start_s": []},
            "pointsman": ours | {"streams": streamed(20.0, 40000)},
            "ferrogw": {"rounds": rounds(5000, 0.2, 180.0), "start_s": [0.1], "streams": [{"error": "it ended"}]},
        },
    }


def test_bars_pass_fall_short_or_were_not_measured():
    found = {bar.what: (bar.holds, bar.figure) for bar in report.bars(result())}
    assert found["requests/s, one core, everything on"] == (True, "10,000")
    assert found["requests/s over ferrogw's"] == (True, "2.00 (2.00 to 2.00)")
    assert found["requests/s over litellm's"] == (None, "not measured")
    assert found["added p50, one at a time"] == (True, "0.200")
    assert found["added first-token p99, 500 streams at 20 events/s"] == (False, "20.00")
    assert found["idle memory without the local model"] == (True, "80")
    assert found["Gateway(config)"] == (True, "0.200")
    assert found["listening after start"] == (True, "0.60")


def test_what_went_wrong_at_the_start_is_a_bar_that_falls_short():
    seen = result()
    seen["startup"] = {"import_ms": "ModuleNotFoundError: no such module"}
    bar = next(bar for bar in report.bars(seen) if bar.what == "import pointsman")
    assert (bar.holds, bar.figure) == (False, "ModuleNotFoundError: no such module")


def test_ratios_are_ours_over_theirs():
    each = report.ratios(result())["ferrogw"]
    assert each["rate"]["value"] == 2.0
    assert each["cpu_us"]["value"] == 0.5


def test_the_report_says_figures_verdicts_and_what_is_missing():
    text = report.text(result())
    assert "FALLS SHORT" in text
    assert "litellm: skipped, its installation failed" in text
    assert "ferrogw broke in a round: it ended" in text
    assert "direct 50,000 requests/s" in text
    assert "run it again when it is quiet" in text
    assert len({line.find("10,000") for line in text.splitlines() if line.startswith("requests/s on")}) == 1


def test_the_summary_is_plain_json():
    assert json.loads(json.dumps(report.summary(result())))["figures"]["rate"]["pointsman"]["value"] == 10000


def test_a_run_in_which_all_rounds_broke_still_reports():
    seen = result()
    seen["subjects"] = {"direct": {"rounds": [{"error": "no"}]}, "pointsman": {"rounds": [{"error": "no"}]}}
    text = report.text(seen)
    assert "NOT MEASURED" in text
    assert "pointsman broke in a round: no" in text


def test_every_peer_of_the_table_is_pinned_and_a_subject():
    names = {subject.name for subject in subjects.SUBJECTS}
    for peer in install.TABLE:
        assert peer.version[0].isdigit()
        assert peer.name in names


def test_a_peer_that_is_not_there_is_said_to_be_missing(tmp_path, monkeypatch):
    gone = install.Peer("ferrogw", "pip", "ferrogw==1.0", str(tmp_path / "gone"))
    monkeypatch.setitem(subjects.PEER, "ferrogw", gone)
    place = subjects.Place(tmp_path, 1, 2)
    with pytest.raises(subjects.Missing, match="not installed"):
        subjects.ferrogw(place)
