"""The bill: its parts add up, nothing unpriced is 0, and each period holds its own calls alone."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from pointsman.core.clock import SystemClock
from pointsman.core.errors import InvalidRequest
from pointsman.core.usage import Usage
from pointsman.insight.bill import EVERY, FIGURES, OTHERS, Bill, Spend, tags_of, wanted
from pointsman.insight.bill_page import notes, page, rows_csv
from pointsman.insight.periods import DAY_NS, Period
from pointsman.insight.queries import Questions
from pointsman.store.database import open_database
from pointsman.store.ledger import Ledger
from pointsman.store.location import locate
from pointsman.store.settings import LedgerSettings

NOON = 1_795_262_400_000_000_000  # 2026-11-21T12:00Z
MIDNIGHT = NOON - DAY_NS // 2
DAY = Period(MIDNIGHT, MIDNIGHT + DAY_NS)


def fill(url: str, outcomes) -> None:
    ledger = Ledger(url, SystemClock(), LedgerSettings())
    ledger.start()
    for one in outcomes:
        ledger.record(one)
    assert ledger.flush(20)
    assert ledger.close()


@pytest.fixture
def ask(store_url) -> Iterator[Questions]:
    questions = Questions(store_url)
    yield questions
    questions.close()


def some_calls(make, count: int, seed: int = 7) -> list:
    """Calls of every kind: failed over, hedged, estimated, unpriced, of several keys, users, sessions and tags."""
    rng, made = random.Random(seed), []
    for _ in range(count):
        at = MIDNIGHT + rng.randrange(DAY_NS - 10_000_000_000)
        usage = Usage(
            input=rng.randrange(1, 5000),
            cache_read=rng.randrange(50),
            output=rng.randrange(900),
            reasoning=rng.randrange(9),
        )
        last = {
            "provider": rng.choice(["openai", "anthropic"]),
            "model": rng.choice(["small", "large"]),
            "started": at,
            "usage": usage,
            "cost": rng.choice([None, rng.randrange(10**7)]),
        }
        if rng.random() < 0.2:
            last["usage"] = Usage(input=usage.input, output=usage.output, estimated=True)
        tries = []
        if rng.random() < 0.3:
            tries.append(
                make.attempt(1, started=at, status=500, error="upstream_cut", usage=None, cost=rng.choice([0, None]))
            )
        if rng.random() < 0.2:
            tries.append(make.attempt(len(tries) + 1, started=at, error="outpaced", cost=rng.randrange(9999)))
        tries.append(make.attempt(len(tries) + 1, **last))
        made.append(
            make.outcome(
                now=at,
                attempts=tuple(tries),
                key=rng.choice(["", "k1", "k2"]),
                user=rng.choice(["", "ann", "bo"]),
                session=rng.choice(["", "s1", "s2", "s3"]),
                tags=rng.choice(["", "nightly", "nightly, eu", "eu"]),
            )
        )
    return made


def by_hand(outcomes) -> Spend:
    """The same sums, from the outcomes themselves."""
    found: Counter[str] = Counter()
    for one in outcomes:
        found["calls"] += 1
        for tried in one.attempts:
            cost = tried.cost or 0
            hedged, failed = tried.error == "outpaced", tried.error not in ("", "outpaced")
            estimated = tried.usage is not None and tried.usage.estimated
            none = tried.cost is None
            found.update(
                attempts=1,
                failed=failed,
                hedged=hedged,
                estimated=estimated,
                unpriced=none and (not tried.error or tried.usage is not None),
                unknown=none and bool(tried.error) and tried.usage is None,
                cost=cost,
                failed_cost=cost * failed,
                hedged_cost=cost * hedged,
                estimated_cost=cost * estimated,
            )
            if tried.usage is not None:
                found.update({k: getattr(tried.usage, k) for k in ("input", "cache_read", "output", "reasoning")})
    return Spend(**{name: found[name] for name in FIGURES})


def summed(bill: Bill) -> Spend:
    total = Spend()
    for line in bill.lines:
        total += line.spend
    return total


def test_every_figure_is_the_sum_over_attempts_and_parts_add_up_by_every_name(store_url, ask, make):
    outcomes = some_calls(make, 300)
    fill(store_url, outcomes)
    expected = by_hand(outcomes)
    assert expected.unpriced
    assert expected.unknown
    for by in [*([one] for one in EVERY if one != "tag"), ["provider", "model"], ["user", "session", "route", "key"]]:
        found = ask.bill(DAY, by)
        assert found.total == expected
        assert summed(found) == expected
        assert [line.spend.cost for line in found.lines] == sorted(
            (one.spend.cost for one in found.lines), reverse=True
        )


def test_who_ended_an_attempt_is_told_apart(store_url, ask, make):
    ends = {"failed": "upstream_cut", "left": "caller_gone", "stopped": "stopping", "hedged": "outpaced"}
    costs = {name: 10**at for at, name in enumerate(ends)}
    made = [make.attempt(error=code, cost=costs[name]) for name, code in ends.items()]
    made += [make.attempt(error="internal_error", cost=0), make.attempt(error="of_an_older_version", cost=0)]
    refused = make.outcome(now=NOON, status="refused", error="budget_exceeded", cost=None, attempts=())
    fill(store_url, [refused, *(make.outcome(now=NOON, attempts=(one,)) for one in made), make.outcome(now=NOON)])
    found = ask.bill(DAY, ["provider"])
    total = found.total
    assert (total.attempts, total.failed, total.left, total.stopped, total.hedged) == (7, 2, 1, 2, 1)
    assert {name: getattr(total, f"{name}_cost") for name in ends} == costs
    assert found.refused == 1, "it cost nothing, and is in no line"
    said = "\n".join(notes(found))
    assert "1 attempt was left by the caller: $0.00000001 of the total" in said
    assert "2 attempts were ended by the gateway, not by the provider" in said
    assert "1 call was refused here before a provider was asked" in said
    assert "<th>Provider failed</th><th>Caller left</th><th>Stopped here</th>" in page(found)


def test_what_is_beyond_the_limit_is_one_line_and_the_sum_stays_exact(store_url, ask, make):
    fill(store_url, some_calls(make, 120))
    whole = ask.bill(DAY, ["user", "session"])
    found = ask.bill(DAY, ["user", "session"], limit=4)
    assert found.lines[-1].labels[0] == OTHERS
    assert found.others == len(whole.lines) - 3
    assert summed(found) == whole.total


def test_a_call_is_in_the_period_in_which_it_began_and_in_no_other(store_url, ask, make):
    borders = [MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + DAY_NS - 1, MIDNIGHT + DAY_NS]
    fill(store_url, [make.outcome(now=at, attempts=(make.attempt(started=at + DAY_NS),)) for at in borders])
    assert ask.bill(DAY, ["route"]).total.calls == 2
    before, after = Period(MIDNIGHT - DAY_NS, MIDNIGHT), Period(MIDNIGHT + DAY_NS, MIDNIGHT + 2 * DAY_NS)
    assert [ask.bill(one, ["route"]).total.calls for one in (before, after)] == [1, 1]


def test_tags_are_taken_apart_and_overlap(store_url, ask, make):
    tags = ["nightly, eu", "eu", "", "eu,eu"]
    fill(store_url, [make.outcome(now=NOON, tags=one, attempts=(make.attempt(cost=10),)) for one in tags])
    found = ask.bill(DAY, ["tag"])
    assert {line.names[0]: line.spend.cost for line in found.lines} == {"eu": 30, "nightly": 10, "": 10}
    assert (found.total.cost, found.overlapping) == (40, True)
    assert tags_of(" a, b,,a ") == ["a", "b"]


def test_who_pays_is_the_calls_team_and_project(store_url, ask, make):
    fill(store_url, [make.outcome(now=NOON, key=key) for key in ("k1", "k1", "k2")])
    database = open_database(locate(store_url))
    database.run("UPDATE calls SET team = 'search', project = 'ranker' WHERE key_id = 'k1'")
    database.run("INSERT INTO keys (id, name, prefix, digest, created_ns) VALUES ('k1', 'ci', 'pm-', 'd', 1)")
    database.close()
    found = ask.bill(DAY, ["team", "project"])
    assert {line.names: line.spend.calls for line in found.lines} == {("search", "ranker"): 2, ("", ""): 1}
    assert [line.labels[0] for line in ask.bill(DAY, ["key"]).lines] == ["ci", "k2"]


def test_a_key_sees_its_own_spend(store_url, ask, make):
    fill(store_url, [make.outcome(now=NOON, key=key) for key in ("k1", "k2", "k2")])
    assert ask.bill(DAY, ["provider"], key="k2").total.calls == 2
    assert ask.bill(DAY, ["provider"], key="nobody").lines == ()


def test_a_bill_may_take_longer_than_other_questions_and_leaves_nothing_behind(store_url, ask, make):
    if store_url.startswith("sqlite"):
        pytest.skip("only PostgreSQL ends statements")
    fill(store_url, [make.outcome(now=NOON)])
    with ask._reader.connect(patience=60) as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "1min"
    with ask._reader.connect() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "5s"


def test_only_known_names_once():
    assert wanted("") == ("provider", "model")
    assert wanted(" team , key ") == ("team", "key")
    for text in ("colour", "key,key", "provider;model"):
        with pytest.raises(InvalidRequest):
            wanted(text)


@pytest.fixture
def made(make, tmp_path) -> Iterator[Bill]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    odd = '=HYPERLINK("http://x")<script>alert(1)</script>'
    calls = [*some_calls(make, 60), make.outcome(now=NOON, session=odd)]
    fill(url, [*calls, make.outcome(now=NOON, session="dear", attempts=(make.attempt(cost=None),))])
    questions = Questions(url)
    yield questions.bill(DAY, ["session"])
    questions.close()


def test_csv_adds_up_to_its_last_row_and_runs_no_formula(made):
    head, *rows, last = csv.reader(io.StringIO(rows_csv(made)))
    assert last[0] == "total"
    costs = [row[head.index("cost_usd")] for row in rows]
    assert f"{sum(map(_nanos, costs))}" == f"{_nanos(last[head.index('cost_usd')])}"
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    at = [head.index(name) for name in ("start", "end")]
    assert {tuple(row[place] for place in at) for row in (*rows, last)} == {
        ("2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z")
    }
    dear = next(row for row in rows if row[0] == "dear")
    assert (dear[head.index("unpriced")], dear[head.index("attempts")]) == ("1", "1")


def _nanos(text: str) -> int:
    whole, _, rest = text.partition(".")
    return int(whole) * 10**9 + int(f"{rest:0<9}")


def test_the_page_stands_alone_and_shows_unpriced_as_unpriced(made):
    text = page(made, made=NOON)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    for outside in ("src=", "href=", "@import", "url("):
        assert outside not in text
    dear = next(line for line in text.splitlines() if ">dear<" in line)
    assert "unpriced</td>" in dear
    assert "$0.00" not in dear
