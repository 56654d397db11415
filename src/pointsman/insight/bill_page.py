"""A bill as a page to print: one file of HTML with all that it needs, and as rows of CSV. Pure: from a bill to text."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence

from pointsman.core.money import usd_text
from pointsman.insight.bill import ENDED, FIGURES, OTHERS, Bill, BillLine, Spend
from pointsman.insight.periods import Period, moment_text

_MONEY = frozenset(name for name in FIGURES if name == "cost" or name.endswith("_cost"))
_ENDED = {"failed": "Provider failed", "left": "Caller left", "stopped": "Stopped here", "hedged": "Hedged"}
_HEAD = ("Calls", "Attempts", "Input", "Output", *_ENDED.values(), "Unpriced", "Estimated", "Cost")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_STYLE = """
:root { color-scheme: light; --ink: #1a1f24; --soft: #57606a; --line: #d8dee4; --paper: #fff; --alarm: #9a3412; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e6e7e9; --soft: #a0a6ae; --line: #343940; --paper: #15171a; --alarm: #ff9a70; }
}
* { box-sizing: border-box; }
body { font: 13px/1.45 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: var(--ink);
  background: var(--paper); margin: 2.2rem auto; max-width: 74rem; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .15rem; letter-spacing: -.01em; }
p.when { margin: 0 0 1.4rem; color: var(--soft); }
dl { display: flex; flex-wrap: wrap; gap: .8rem 1.7rem; margin: 0 0 1.6rem; padding: .9rem 0; border: solid var(--ink);
  border-width: 2px 0 1px; }
dt { color: var(--soft); font-size: .82rem; }
dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
dl div.sum dd { font-size: 1.5rem; font-weight: 650; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .32rem .5rem; vertical-align: top; white-space: nowrap; }
th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--ink); font-size: .82rem;
  vertical-align: bottom; white-space: normal; }
th.name, td.name { text-align: left; }
td.name { white-space: normal; overflow-wrap: anywhere; }
tbody td { border-bottom: 1px solid var(--line); }
tfoot td { border-top: 2px solid var(--ink); font-weight: 650; }
td.alarm { color: var(--alarm); font-weight: 600; }
small { display: block; color: var(--soft); font-weight: 400; }
ul.notes { color: var(--soft); padding-left: 1.1rem; margin-top: 1.4rem; }
footer { margin-top: 1.8rem; color: var(--soft); font-size: .82rem; }
.screen { font: inherit; color: var(--soft); background: none; border: 1px solid var(--line); border-radius: 6px;
  padding: .2rem .65rem; margin-top: .8rem; cursor: pointer; }
@media screen and (max-width: 64rem) {
  body { font-size: 14px; margin: 1.1rem auto; padding: 0 .9rem; }
  h1 { font-size: 1.4rem; line-height: 1.2; }
  dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem 1rem; }
  dl div.sum { grid-column: 1 / -1; }
  table, tbody, tfoot, tr, td { display: block; }
  thead { display: block; position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { padding: .55rem 0; border-top: 1px solid var(--line); }
  tbody td, tfoot td { border: 0; padding: .1rem 0; overflow: hidden; }
  td::before { content: attr(data-of); color: var(--soft); font-weight: 400; float: left; margin-right: 1rem; }
  td.name { font-weight: 650; text-align: right; }
  td.name:not([data-of]) { text-align: left; }
  td.none { display: none; }
  tfoot tr { border-top: 2px solid var(--ink); }
}
@page { size: A4 landscape; margin: 14mm 12mm; }
@media print {
  body { margin: 0; max-width: none; padding: 0; font-size: 10.5px; }
  thead { display: table-header-group; }
  tfoot { display: table-row-group; }
  tr, dl div { break-inside: avoid; }
  .screen { display: none; }
}
"""


def page(bill: Bill, *, title: str = "Bill for language models", made: int = 0) -> str:
    """A self-contained page; prints on A4, landscape.

    Args:
        bill: what to show.
        title: its heading.
        made: when it was made, nanoseconds since the epoch; 0 says nothing.
    """
    names = "".join(f'<th class="name">{html.escape(one.capitalize())}</th>' for one in bill.by)
    head = "".join(f"<th>{one}</th>" for one in _HEAD)
    shown = Period(bill.start, bill.end).shown
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)}, {shown}</title>",
            f"<style>{_STYLE}</style></head><body>",
            f"<h1>{html.escape(title)}</h1>",
            f'<p class="when">{shown}, UTC · all providers, in US dollars</p>',
            _summary(bill.total),
            f"<table><thead><tr>{names}{head}</tr></thead>",
            "<tbody>",
            *(_row(line, bill.by) for line in bill.lines),
            "</tbody>",
            _foot(bill),
            "</table>",
            _notes(bill),
            f"<footer>Pointsman{f' · made {moment_text(made)}' if made else ''}</footer>",
            "</body></html>",
            "",
        )
    )


def rows_csv(bill: Bill) -> str:
    """CSV with a head, a row a line and a last row `total`; money in US dollars, exact; unpriced calls are counted.

    Columns are called as in JSON, money with `_usd` behind; `start` and `end` (not included) are ISO 8601 in UTC.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    period = [moment_text(at).replace(" ", "T") for at in (bill.start, bill.end)]
    writer.writerow(
        (*bill.by, *_shown(bill), *(f"{name}_usd" if name in _MONEY else name for name in FIGURES), "start", "end")
    )
    for line in bill.lines:
        labels = (line.labels[bill.by.index("key")],) if "key" in bill.by else ()
        names = line.labels if line.labels[0] == OTHERS else line.names
        writer.writerow((*map(_harmless, (*names, *labels)), *_figures(line.spend), *period))
    writer.writerow(("total", *("" for _ in (*bill.by, *_shown(bill))[1:]), *_figures(bill.total), *period))
    return out.getvalue()


def _shown(bill: Bill) -> tuple[str, ...]:
    """A column more for what keys are called."""
    return ("key_name",) if "key" in bill.by else ()


def dollars(nanos: int) -> str:
    """Money for people: thousands apart, at least cents, and every digit that is there."""
    whole, _, rest = usd_text(abs(nanos)).partition(".")
    return f"{'-' if nanos < 0 else ''}${int(whole):,}.{rest:0<2}"


def _figures(spend: Spend) -> list[str]:
    return [usd_text(getattr(spend, name)) if name in _MONEY else str(getattr(spend, name)) for name in FIGURES]


def _harmless(text: str) -> str:
    """A name from outside, so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _summary(total: Spend) -> str:
    parts = [
        ("Total", dollars(total.cost), "sum"),
        ("Calls", f"{total.calls:,}", ""),
        ("Attempts", f"{total.attempts:,}", ""),
        ("Input tokens", f"{total.input:,}", ""),
        ("Output tokens", f"{total.output:,}", ""),
        ("Of it estimated", dollars(total.estimated_cost), ""),
        ("Without a whole answer", dollars(sum(getattr(total, f"{name}_cost") for name in ENDED)), ""),
        ("Unpriced attempts", f"{total.unpriced:,}", ""),
    ]
    cells = (f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd></div>' for name, value, kind in parts)
    return f"<dl>{''.join(cells)}</dl>"


def _row(line: BillLine, by: Sequence[str]) -> str:
    if line.labels[0] == OTHERS:
        cells = f'<td class="name" colspan="{len(by)}">{OTHERS}</td>'
    else:
        named = zip(by, line.labels, strict=True)
        cells = "".join(_cell(name.capitalize(), html.escape(one), "name") for name, one in named)
    return f"<tr>{cells}{_cells(line.spend)}</tr>"


def _cells(spend: Spend) -> str:
    cached = f"<small>{spend.cache_read:,} from cache</small>" if spend.cache_read else ""
    written = spend.cache_write + spend.cache_write_1h
    cached += f"<small>{written:,} to cache</small>" if written else ""
    thought = f"<small>{spend.reasoning:,} reasoning</small>" if spend.reasoning else ""
    return "".join(
        (
            _cell("Calls", f"{spend.calls:,}"),
            _cell("Attempts", f"{spend.attempts:,}"),
            _cell("Input", f"{spend.input:,}{cached}"),
            _cell("Output", f"{spend.output:,}{thought}"),
            *(_part(_ENDED[name], getattr(spend, name), getattr(spend, f"{name}_cost")) for name in ENDED),
            _cell("Unpriced", f"{spend.unpriced:,}", "alarm") if spend.unpriced else _cell("Unpriced"),
            _part("Estimated", spend.estimated, spend.estimated_cost, "≈"),
            _cell("Cost", "unpriced", "alarm") if unpriced_alone(spend) else _cell("Cost", dollars(spend.cost)),
        )
    )


def unpriced_alone(spend: Spend) -> bool:
    """Whether all that was answered is unpriced, so that a sum would say 0 for what nobody knows."""
    ended = sum(getattr(spend, name) for name in ENDED)
    return bool(spend.unpriced) and spend.unpriced + ended >= spend.attempts and not spend.cost


def _cell(of: str, shown: str = "", kind: str = "") -> str:
    """A figure, with what it is of: on a narrow screen each has a line of its own, and those of nothing have none."""
    kind = kind or ("" if shown else "none")
    said = f' class="{kind}"' if kind else ""
    return f'<td{said} data-of="{of}">{shown or "-"}</td>'


def _part(of: str, count: int, cost: int, mark: str = "") -> str:
    if not count:
        return _cell(of)
    return _cell(of, f"{count:,}{f'<small>{mark}{dollars(cost)}</small>' if cost else ''}")


def _foot(bill: Bill) -> str:
    return f'<tfoot><tr><td class="name" colspan="{len(bill.by)}">Total</td>{_cells(bill.total)}</tr></tfoot>'


def _some(count: int, one: str, several: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {several}"


def notes(bill: Bill) -> list[str]:
    """What a reader of the bill has to know, where it is so."""
    total, found = bill.total, []
    if total.unpriced:
        unpriced = _some(total.unpriced, "attempt is", "attempts are")
        found.append(f"{unpriced} unpriced: no price or no usage is known. That cost is unknown and in no sum.")
    for count, what, cost in (
        (total.left, "left by the caller", total.left_cost),
        (total.stopped, "ended by the gateway, not by the provider", total.stopped_cost),
        (total.estimated, "estimated, because the provider sent no usage", total.estimated_cost),
    ):
        if count:
            found.append(f"{_some(count, 'attempt was', 'attempts were')} {what}: {dollars(cost)} of the total.")
    if bill.refused:
        refused = _some(bill.refused, "call was", "calls were")
        found.append(f"{refused} refused here before a provider was asked, which costs nothing.")
    if total.unknown:
        unknown = _some(total.unknown, "attempt", "attempts")
        found.append(f"{unknown} ended before it was known whether that costs anything.")
    if bill.overlapping:
        found.append("Calls with several tags are in several lines, so lines add up to more than the total.")
    if bill.others:
        found.append(f"{bill.others:,} more lines are put together as {OTHERS}.")
    return found


def _notes(bill: Bill) -> str:
    said = [
        *notes(bill),
        "Costs are the gateway's own, from its prices; pointsman reconcile compares them with the provider's export.",
        "Cost holds attempts that brought no whole answer, and estimates; their columns say how much of it they are.",
    ]
    return f'<ul class="notes">{"".join(f"<li>{html.escape(one)}</li>" for one in said)}</ul>'
