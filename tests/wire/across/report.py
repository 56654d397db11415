"""How faithful each dialect is carried to callers of every other: the page about it.

    PYTHONPATH=tests python -m wire.across.report [--folder …] [--out docs/reference/dialects.md]

One process; all records take about six minutes of one core.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from wire.across import record as recorded
from wire.across.asks_judge import FIELDS, REFUSED, Compared, everything, twins
from wire.across.compare import FEATURES
from wire.across.dialects import every
from wire.across.judge import CROSSED, Judgement, judged
from wire.across.returns import returned

_ROOT = Path(__file__).parents[3]
_MODES = {"whole": "whole", "told": "whole, asked for as a stream", "stream": "stream", "error": "error"}
_ABSENT = "-"
_HEAD = """# How faithful each dialect is carried

Written by `make dialects` on {today}: {seen:,} recorded answers of providers, each carried to callers of every dialect
as the gateway does it, in three splits of its bytes (whole, 7 and 1), and read as a strict client of the caller's
dialect reads it. What it is held to is read out of the recording by readers that share no code with ours
(`tests/wire/across`). A case passes when nothing at all differs: text, tool calls and their arguments, the reason for
the end, tokens as the provider counts them, thinking, sources, pictures, every rule of the caller's dialect, and the
same bytes in every split. Where caller and provider speak one dialect, the bytes have to come back unchanged;
`{crossed}` is the same dialect by the long way.

The readers were written before the dialects, and mended where a difference turned out to be theirs. What they take for
the same, since the caller's dialect has no other word: white space between parts of a thought; `refusal` and
`content_filter`; a pause and a stop; Gemini's `OTHER`, an error and a filter. Only the first answer counts where the
caller's dialect has but one, no pictures and no places of sources where it has none. Not held to the recordings: log
probabilities, sound, and what runs at the provider (searches, code), which is lost by name.

For measure, LiteLLM on other records of the same kind: same dialect 87 % (`openai-chat` streams 5 %), across 94 to 98 %
(Responses streams 83 %).
"""
_FEATURES = """
Passed of those cases that have the feature, over all providers of other dialects.
"""
_REQUESTS = """
Every recorded request that its provider took, translated into every other dialect and read there: fields that ask for
the same, or are dropped by name. The same are: schemas as far as Gemini's subset says them; an effort and a budget of
thinking; words that stand where a dialect wants some and there are none. `user` is a hint that may be left out.
"""
_TWINS = """
### Held to what somebody else wrote

The recordings hold some requests in several dialects, written by the same author. The translation of one is held, field
by field, to the other. Where the two differ themselves, the author chose so (another model's usual limit, no `strict`,
the answer that this provider gave in the turn before), and the field says nothing of us.
"""
_BACK = """
## Answers that come back

Each answer goes to a caller of another dialect, whole and as a stream, and comes back to its provider as the history of
the next turn: words, calls, and what only the provider reads (signatures of thoughts and calls, sealed thoughts).
Gemini's signatures on texts, which Google recommends to send back and does not demand, are dropped by name.
"""


def main() -> None:
    """Judge, print and write."""
    parser = argparse.ArgumentParser(description="How faithful each dialect is carried to callers of every other.")
    data = os.environ.get("POINTSMAN_DATA", str(_ROOT.parent / "shared" / "data"))
    parser.add_argument("--folder", type=Path, default=Path(data) / "wire", help="the recordings")
    parser.add_argument("--out", type=Path, default=_ROOT / "docs" / "reference" / "dialects.md")
    parser.add_argument("--share", type=int, default=1, help="one record of so many")
    asked = parser.parse_args()
    if not asked.folder.is_dir():
        sys.exit(f"dialects: no recordings at {asked.folder}: set POINTSMAN_DATA")
    dialects, share = every(), (0, asked.share)
    judgements = list(judged(dialects, asked.folder, share))
    requests = list(everything(dialects, asked.folder, share))
    pairs = list(twins(dialects, asked.folder))
    back = list(returned(dialects, asked.folder, share))
    page = "\n".join(_page(judgements, requests, pairs, back, _left_out(asked.folder)))
    asked.out.write_text(page + "\n", encoding="utf-8")
    print(page)


def _left_out(folder: Path) -> dict[str, list[str]]:
    """Records that are no answer, or not one."""
    found = defaultdict(list)
    for record in recorded.records(folder):
        if reason := recorded.facts_of(record).unfit:
            found[reason].append(record["id"])
    return found


def _page(
    judgements: list[Judgement],
    requests: list[Compared],
    pairs: list[Compared],
    back: list[Compared],
    left_out: dict[str, list[str]],
) -> list[str]:
    seen = len({judgement.case.record for judgement in judgements})
    today = dt.datetime.now(tz=dt.UTC).date()
    return [
        _HEAD.format(today=today, seen=seen, crossed=CROSSED),
        "## Pairs",
        "",
        *_pairs(judgements),
        "",
        "## Features",
        _FEATURES,
        *_features(judgements),
        "",
        "## What does not pass",
        "",
        *_failing(judgements),
        "",
        "## Left out",
        "",
        *[f"- {reason}: {_ids(ids)}" for reason, ids in sorted(left_out.items())],
        "",
        "## Requests",
        _REQUESTS,
        *_requests(requests),
        _TWINS,
        *_twins(pairs),
        _BACK,
        *_back(back),
    ]


def _percent(passed: int, count: int) -> str:
    """Rounded down: 100 % is all of them."""
    return f"{int(1000 * passed / count) / 10:.1f} %" if count else _ABSENT


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(head)
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]


def _pairs(judgements: list[Judgement]) -> list[str]:
    count: Counter[tuple[str, str, str]] = Counter()
    passed: Counter[tuple[str, str, str]] = Counter()
    for judgement in judgements:
        case = judgement.case
        for mode in (case.mode, "all"):
            count[case.caller, case.provider, mode] += 1
            passed[case.caller, case.provider, mode] += not judgement.differences
    modes = [*_MODES, "all"]
    rows = []
    for caller, provider in sorted({(caller, provider) for caller, provider, _ in count}):
        shown = [f"`{caller}`", f"`{provider}`"]
        for mode in modes:
            key = (caller, provider, mode)
            shown.append(f"{_percent(passed[key], count[key])} of {count[key]}" if count[key] else _ABSENT)
        rows.append(shown)
    return _table(["caller", "provider", *_MODES.values(), "all"], rows)


def _features(judgements: list[Judgement]) -> list[str]:
    count: Counter[tuple[str, bool, str]] = Counter()
    passed: Counter[tuple[str, bool, str]] = Counter()
    for judgement in judgements:
        case, broken = judgement.case, {one.feature for one in judgement.differences}
        if case.caller == case.provider:
            continue
        for feature in judgement.features | broken:
            key = (case.caller, case.mode in ("stream", "told"), feature)
            count[key] += 1
            passed[key] += feature not in broken
    features = [feature for feature in FEATURES if any(key[2] == feature for key in count)]
    rows = []
    for caller, streamed in sorted({(caller, streamed) for caller, streamed, _ in count}):
        cells = [_percent(passed[caller, streamed, name], count[caller, streamed, name]) for name in features]
        rows.append([f"`{caller}`", "stream" if streamed else "whole", *cells])
    return _table(["caller", "", *features], rows)


def _failing(judgements: list[Judgement]) -> list[str]:
    grouped: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for judgement in judgements:
        case = judgement.case
        for one in judgement.differences:
            grouped[case.caller, case.provider, _MODES[case.mode], one.feature, one.reason].append(case.record)
    if not grouped:
        return ["Everything passes."]
    rows = [
        [f"`{key[0]}`", f"`{key[1]}`", *(part.replace("|", "/") for part in key[2:]), str(len(ids)), _ids(ids)]
        for key, ids in sorted(grouped.items())
    ]
    return _table(["caller", "provider", "way", "feature", "reason", "cases", "records"], rows)


def _ids(ids: list[str]) -> str:
    shown = ", ".join(f"`{one}`" for one in ids[:6])
    return shown + (f" and {len(ids) - 6} more" if len(ids) > 6 else "")


def _requests(found: list[Compared]) -> list[str]:
    count: Counter[tuple[str, str]] = Counter()
    same: Counter[tuple[str, str]] = Counter()
    refused = Counter((one.caller, one.provider) for one in found if one.field == REFUSED)
    for one in found:
        if one.field == REFUSED:
            continue
        count[one.caller, one.provider] += 1
        same[one.caller, one.provider] += not one.reason
    rows = [
        [f"`{pair[0]}`", f"`{pair[1]}`", str(count[pair]), _percent(same[pair], count[pair]), str(refused[pair])]
        for pair in sorted(count)
    ]
    return [
        *_table(["from", "to", "fields", "the same", "requests refused by name"], rows),
        "",
        *_reasons(found),
    ]


def _reasons(found: list[Compared]) -> list[str]:
    grouped: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for one in found:
        if one.reason:
            grouped[one.caller, one.provider, one.field, one.reason].append(one.record)
    if not grouped:
        return ["Nothing else differs."]
    rows = [
        [f"`{key[0]}`", f"`{key[1]}`", key[2], key[3].replace("|", "/"), str(len(ids)), _ids(ids)]
        for key, ids in sorted(grouped.items())
    ]
    return _table(["from", "to", "field", "reason", "fields", "records"], rows)


def _twins(found: list[Compared]) -> list[str]:
    chosen = [one for one in found if one.reason == "the two records differ themselves"]
    held = [one for one in found if one.reason != "the two records differ themselves"]
    same = sum(not one.reason for one in held)
    cases = len({one.case for one in found})
    by_field = Counter(one.field for one in chosen)
    named = ", ".join(f"{name} {by_field[name]}" for name in FIELDS if by_field[name])
    return [
        f"{cases} requests, {len(held)} fields: {_percent(same, len(held))} the same.",
        f"{len(chosen)} more differ between the records themselves: {named}.",
        "",
        *_reasons(held),
    ]


def _back(found: list[Compared]) -> list[str]:
    names = ("text", "calls", "seals")
    count = Counter((one.caller, one.provider, one.field) for one in found)
    same = Counter((one.caller, one.provider, one.field) for one in found if not one.reason)
    rows = []
    for caller, provider in sorted({(caller, provider) for caller, provider, _ in count}):
        keys = [(caller, provider, name) for name in names]
        cells = [f"{_percent(same[key], count[key])} of {count[key]}" if count[key] else _ABSENT for key in keys]
        rows.append([f"`{caller}`", f"`{provider}`", *cells])
    return [*_table(["by way of", "provider", *names], rows), "", *_reasons(found)]


if __name__ == "__main__":
    main()
