"""The table of `docs/reference/errors.md`, made from the error tree. `python tests/docs/docs_errors.py` prints it."""

from __future__ import annotations

from pointsman.core import errors
from pointsman.core.errors import AllAttemptsFailed, PointsmanError, UpstreamRefused

BRANCHES = ("CallerError", "GatewayError", "UpstreamError")


def classes() -> list[type[PointsmanError]]:
    """Every class of the tree that is raised, in the order of the source."""
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, PointsmanError)]
    return [one for one in found if one is not PointsmanError and one.__name__ not in BRANCHES]


def row(kind: type[PointsmanError]) -> str:
    """One line of the table."""
    status, retryable = str(kind.default_status), "yes" if kind.default_retryable else "no"
    if kind is UpstreamRefused:
        status, retryable = "the provider's", "by kind, see below"
    elif kind is AllAttemptsFailed:
        status = "the last failure's"
    meaning = (kind.__doc__ or "").strip().splitlines()[0]
    return f"| `{kind.code}` | {status} | {kind.fault} | {retryable} | {meaning} |"


def table() -> list[str]:
    """The whole table."""
    head = ["| code | status | fault | retryable | meaning |", "|---|---|---|---|---|"]
    return head + [row(kind) for kind in classes()]


if __name__ == "__main__":
    print("\n".join(table()))
