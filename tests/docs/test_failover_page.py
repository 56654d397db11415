"""The page of failover shows the table that the code goes by."""

from __future__ import annotations

from pathlib import Path

from pointsman.core.failure import RULES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "failover.md"


def rows() -> list[str]:
    return [
        f"| `{rule.kind}` | {rule.meaning} | {rule.elsewhere} | {rule.again} | {rule.tells} | {rule.billed} "
        f"| {rule.caller} |"
        for rule in RULES.values()
    ]


def test_the_page_has_every_row_as_the_code_has_it():
    written = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert written == rows()
