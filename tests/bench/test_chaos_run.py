"""The chaos run: what it makes of what came, and a short one without chaos from end to end."""

from __future__ import annotations

import argparse

import pytest
from bench.failover.caller import Got

from bench import chaos

SECOND = 1_000_000_000
TEXT = "so it is"


def stream(name: str = "x", *, ended: bool = True, ending: str = "", **got) -> chaos.Stream:
    return chaos.Stream(name, 0, 1.0, 200, ended, ending, Got(**({"text": TEXT, "marked": True} | got)), TEXT)


def attempt(provider: str, started: float = 0.0, *, first_byte: int | None = 1, error: str = "") -> dict:
    return {
        "provider": provider,
        "started_ns": int(started * SECOND),
        "duration_ns": 1,
        "first_byte_ns": first_byte,
        "error": error,
    }


def run(*streams: chaos.Stream, attempts=None, **more) -> chaos.Run:
    calls = {each.id: "ok" for each in streams}
    return chaos.Run(**{"streams": list(streams), "calls": calls, "attempts": attempts or {}} | more)


def test_all_well_is_nothing_wrong():
    assert chaos.judged(run(stream()))[1] == []


@pytest.mark.parametrize(
    ("made", "word"),
    [
        (run(stream(text="so it")), "clean truncations"),
        (run(stream(last="so it")), "clean truncations"),
        (run(stream(text="so so it is", error="upstream_cut")), "changed texts"),
        (run(stream(text="so", ended=False, ending="closed")), "streams without an end"),
        (run(stream(), calls={}), "rows missing"),
        (run(stream(), memory=[(at, 50.0 + at, at) for at in range(100)]), "memory grows"),
    ],
)
def test_what_must_never_be_is_wrong(made, word):
    assert word in "; ".join(chaos.judged(made)[1])


def test_memory_that_fills_up_and_stays_is_flat_and_what_grows_with_every_stream_is_told():
    filled = [(float(at), min(50.0 + at, 70.0), at * 10) for at in range(100)]
    lines, wrong = chaos.judged(run(stream(), memory=filled))
    assert not wrong
    assert (
        "memory of the gateway: 62.0, 70.0, 70.0, 70.0 MB in the quarters of the run; +0.00 kB with each stream"
        in lines
    )
    little = [(float(at), 50.0 + at / 25, at * 10) for at in range(100)]
    assert not chaos.judged(run(stream(), memory=little))[1]
    for late in (60, 80):
        burst = [(float(at), 50.0 if at < late else 70.0, at * 10) for at in range(100)]
        assert chaos.judged(run(stream(), memory=burst))[1] == ["memory grows"]
    grows = [(float(at), 50.0 + at / 5, at * 10) for at in range(100)]
    lines, wrong = chaos.judged(run(stream(), memory=grows))
    assert wrong == ["memory grows"]
    assert any(line.endswith("+20.00 kB with each stream") for line in lines)


def test_streams_that_were_cut_have_to_finish_elsewhere():
    failed, good = attempt("first", error="upstream_cut"), attempt("second")
    silent = attempt("first", error="upstream_timeout", first_byte=None)
    attempts = {"a": [failed, good], "b": [failed], "c": [silent, good]}
    made = run(stream("a"), stream("b", text="so", error="upstream_cut"), stream("c"), attempts=attempts)
    lines, wrong = chaos.judged(made)
    assert "cut after content went out: 2, finished by another provider: 1 (50.0%)" in lines
    assert len(wrong) == 1
    assert chaos.judged(run(stream("a"), stream("c"), attempts=attempts))[1] == []


def test_the_return_to_the_first_provider_is_measured_from_when_it_healed():
    attempts = {
        "a": [attempt("first", 9.0)],
        "b": [attempt("first", 10.2, error="connect_failed"), attempt("second", 10.2)],
        "c": [attempt("first", 11.5)],
        "d": [attempt("first", 31.0)],
    }
    healed = [10 * SECOND, 20 * SECOND, 30 * SECOND]  # ill again before anybody came back the second time
    assert chaos.returns(run(attempts=attempts, healed=healed)) == pytest.approx([1.5, 1.0])


@pytest.mark.timeout(60)
async def test_a_short_run_without_chaos_is_exact(monkeypatch):
    monkeypatch.setattr(chaos, "WORDS", 30)
    asked = argparse.Namespace(seconds=1.5, streams=6, seed=1, well=1e6, ill=1.0)
    made = await chaos.play(asked)
    assert len(made.streams) >= 6
    assert all(each.exact for each in made.streams)
    assert chaos.judged(made)[1] == []
    assert made.memory
