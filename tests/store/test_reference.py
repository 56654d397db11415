"""docs/reference/ledger.md says what the schema is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pointsman.core.clock import SystemClock
from pointsman.core.model import Ability
from pointsman.store import tables
from pointsman.store.database import open_database
from pointsman.store.ledger import Ledger
from pointsman.store.location import locate

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "ledger.md").read_text(encoding="utf-8")
TYPES = {"TEXT": "text", "BIGINT": "bigint", "DOUBLE PRECISION": "double", "BOOLEAN": "boolean", "BLOB": "bytes"}


def documented() -> dict[str, list[tuple[str, str]]]:
    found = {}
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        if name := re.match(r"`(\w+)`", section):
            found[name[1]] = re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section, flags=re.MULTILINE)
    return found


def test_the_page_lists_every_table_and_column_with_its_type():
    actual = {
        table.name: [
            (column.name, TYPES[str(column.type)] + (", null" if column.nullable else "")) for column in table.columns
        ]
        for table in tables.METADATA.sorted_tables
    }
    assert documented() == actual


def test_the_page_lists_every_ability():
    [line] = [line for line in PAGE.splitlines() if line.startswith("| `need_abilities`")]
    assert {int(number) for number in re.findall(r"[ :](\d+) [a-zA-Z]", line)} == {int(ability) for ability in Ability}


@pytest.mark.parametrize("query", re.findall(r"```sql\n(.*?)```", PAGE, flags=re.DOTALL))
def test_every_query_on_the_page_runs(store_url, make, query):
    ledger = Ledger(store_url, SystemClock())
    ledger.start()
    ledger.record(make.outcome(attempts=(make.attempt(1, error="upstream_cut"), make.attempt(2, form="ok"))))
    assert ledger.flush()
    assert ledger.close()
    database = open_database(locate(store_url))
    assert len(database.rows(query)) == 1
    database.close()
