"""`pointsman users`: what end users left behind, removed. Works on the store, also beside a running server."""

from __future__ import annotations

from pathlib import Path

import click

from pointsman.cli.terminal import config_option, described, json_option, plain, print_json, say


@click.group(
    "users",
    help=described("Delete the data of an end user, whom callers name in their requests.", "pointsman users delete 42"),
    short_help="Delete an end user's data.",
)
def command() -> None:
    """End users."""


@command.command(
    "delete",
    help=described(
        "Delete the texts of the calls that name USER, their stored responses, the texts of their errors, and the name "
        "itself. The calls stay under another label, so that sums stay.",
        "pointsman users delete 42 --team search",
    ),
)
@click.argument("user")
@click.option("--team", default="", help="Only calls of this team's keys; another team's USER is another person.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def delete(user: str, team: str, yes: bool, config: Path | None, as_json: bool) -> None:
    """Delete a user's data."""
    import msgspec

    from pointsman.compose import build
    from pointsman.core.errors import InvalidRequest, NotFound
    from pointsman.core.secret import is_secret
    from pointsman.store.forgetting import LABEL, Forgetting

    if not user.strip():
        raise InvalidRequest("Which user? Give the label that callers sent", hint="an empty one is nobody's")
    pieces = build(config).pieces
    forgetting = Forgetting(pieces.url, pieces.clock)
    try:
        calls = forgetting.count(user, team)
        if not calls:
            who = (
                "what was given looks like a secret, and no call has it as its user"
                if is_secret(user)
                else (f"no call has the user {user!r}")
            )
            raise NotFound(who, hint="it is the label that callers sent, in full")
        if not yes:
            click.confirm(f"Delete what {calls} calls of {plain(user)!r} left, for good?", abort=True, err=True)
        gone = forgetting.forget(user, team, LABEL + pieces.ids.new(pieces.clock.now()))
    finally:
        forgetting.close()
    if as_json:
        print_json(msgspec.to_builtins(gone))
    else:
        say(
            f"deleted {gone.contents} stored texts and {gone.responses} stored responses; {gone.calls} calls stay, "
            f"under {gone.label}"
        )
