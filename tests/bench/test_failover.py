"""The runner of the failover table: some of its rows end to end, and that it notices what must never be."""

from __future__ import annotations

import json

import pytest
from bench.failover.__main__ import run
from bench.failover.caller import Got, Heard, understood
from bench.failover.owed import Result, broken, differing, owed
from bench.failover.report import render
from bench.failover.rows import CALLERS, ROWS, cells

from pointsman.core.failure import RULES

SAMPLE = ("rate_limit_far", "content_filter", "closed_port", "usage_twice")
BODY = {"choices": [{"message": {"content": "so it is"}, "finish_reason": "stop"}], "model": "two"}
KEPT = {"provider": "c0b", "usage": {"input": 3, "output": 4, "cache_read": 0}, "cost": 29_000, "status": "ok"}


def test_every_row_of_the_table_of_failures_is_shown_by_some_row():
    assert {row.kind for row in ROWS.values()} - {None} == set(RULES)


@pytest.mark.timeout(90)
async def test_a_sample_of_the_rows_end_to_end():
    made = [
        cell for cell in cells([ROWS[name] for name in SAMPLE], CALLERS) if CALLERS[cell.number % 3] == cell.dialect
    ]
    results = await run(made)
    assert [(result.cell.name, broken(result)) for result in results if broken(result)] == []
    assert [(result.cell.name, differing(result)) for result in results if differing(result)] == []
    assert {result.by for result in results} == {"a", "b", ""}
    assert "Broken: 0 of" in render(results, markdown=True, each=False)


def result(*, row: str = "server_error", stream: bool = False, asked: str = "two", **more) -> Result:
    """What came of a cell: all well, but for what is said."""
    heard = Heard(status=200, body=json.dumps(BODY).encode(), ended=True, took=0.1)
    cell = next(cell for cell in cells([ROWS[row]], CALLERS[:1]) if (cell.stream, cell.asked) == (stream, asked))
    fields = {
        "cell": cell,
        "heard": heard,
        "got": Got(text="so it is", marked=True, model="two", output=4),
        "wanted": "so it is",
        "firsts": (1.0,),
        "seconds": (1.1,),
        "gaps": (0.0,),
        "by": "b",
        "ledger": KEPT,
        "attempts": (),
        "prices": ({"input": 1, "output": 2}, {"input": 3, "output": 5}),
        "names": ("one", "two"),
        "alive": True,
    }
    return Result(**{**fields, **more})


def test_all_well_is_neither_broken_nor_different():
    assert broken(result()) == differing(result()) == []


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"got": Got(text="so it", marked=True)}, "shown as whole"),
        ({"got": Got(text="so it is", marked=True, last="so it")}, "shown as whole"),
        ({"got": Got(text="so so it", error="upstream_cut")}, "repeated"),
        ({"heard": Heard(status=200, ended=False, ending="hang", took=16.0)}, "hangs"),
        ({"heard": Heard(status=200, ended=False, ending="closed")}, "without an error"),
        ({"row": "rate_limit", "firsts": (1.0, 1.5, 2.1)}, "hammers"),
        ({"firsts": tuple(range(12))}, "13 attempts"),
        ({"ledger": {}}, "ledger"),
        ({"ledger": {**KEPT, "cost": 30_000}}, "billed 30000"),
        ({"attempts": ({"error": "x", "cost": 5, "provider": "c0a"},)}, "is billed"),
        ({"alive": False}, "afterwards"),
    ],
)
def test_what_must_never_be_is_noticed(more, word):
    assert word in "; ".join(broken(result(**more)))


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"by": "a"}, "a answered, not b"),
        ({"firsts": (1.0, 1.2)}, "2 attempts at a"),
        ({"seconds": ()}, "0 attempts at b"),
        ({"got": Got(text="so it is", model="one", output=4)}, "'one', not 'two'"),
        ({"got": Got(text="so it is", model="two", output=5)}, "usage of 5"),
        ({"asked": "once", "by": "a", "gaps": (0.01,), "firsts": (1, 2), "seconds": ()}, "asked again after 0.01"),
        ({"asked": "alone", "got": Got(error="x"), "heard": Heard(status=418, ended=True)}, "418, not 500"),
    ],
)
def test_what_is_not_as_the_table_says_is_told(more, word):
    assert word in "; ".join(differing(result(**more)))


@pytest.mark.parametrize("dialect", CALLERS)
def test_a_stream_without_its_end_mark_is_not_marked_as_whole(dialect):
    events = {
        "openai-chat": [
            {"choices": [{"delta": {"content": "so "}}]},
            {"choices": [{"delta": {"content": "it is"}, "finish_reason": "stop"}]},
            "[DONE]",
        ],
        "openai-responses": [
            {"type": "response.output_text.delta", "delta": "so it is"},
            {
                "type": "response.completed",
                "response": {
                    "status": "completed",
                    "model": "two",
                    "output": [{"type": "message", "content": [{"text": "so it is"}]}],
                },
            },
        ],
        "anthropic-messages": [
            {"type": "content_block_delta", "delta": {"text": "so it is"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ],
    }[dialect]
    for count, marked in ((len(events), True), (len(events) - 1, False)):
        lines = [event if isinstance(event, str) else json.dumps(event) for event in events[:count]]
        body = "".join(f"data: {line}\n\n" for line in lines).encode()
        got = understood(dialect, Heard(200, {"content-type": "text/event-stream"}, body, ended=True))
        assert (got.text, got.marked, got.error) == ("so it is", marked, "")
    error = (
        {"type": "error", "code": "gone"}
        if dialect == "openai-responses"
        else {"error": {"code": "gone"}, "type": "error"}
    )
    body += f"data: {json.dumps(error)}\n\n".encode()
    assert understood(dialect, Heard(200, {"content-type": "text/event-stream"}, body, ended=True)).error == "gone"


def test_the_table_says_what_is_owed():
    made = {(cell.row.name, cell.asked): owed(cell) for cell in cells(list(ROWS.values()), CALLERS[:1]) if cell.stream}
    assert made["content_filter", "two"].seconds == (0, 0)
    assert made["bad_key", "two"].answer == "b"
    assert made["rate_limit_far", "alone"].firsts == (1, 1)
    assert made["rate_limit_far", "alone"].retry_after
    assert made["rate_limit_seconds", "once"].gap[0] == pytest.approx(0.99)
    assert made["closed_port", "alone"].firsts == (0, 0)
    assert made["usage_twice", "alone"].answer == "a"
