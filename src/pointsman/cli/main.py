"""`pointsman`: the table of verbs. Each verb's module is loaded when it is asked for."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys

import click

from pointsman import __version__
from pointsman.cli.terminal import say, say_error
from pointsman.core.errors import PointsmanError

VERBS = {
    "serve": "Serve on the configured address (the default verb).",
    "ask": "Ask a question and print the answer.",
    "explain": "Say which model a request would go to, or what a call cost, and why.",
    "models": "List routes, models and providers.",
    "check": "Check the configuration.",
    "status": "Show how the providers are, as a running gateway knows it.",
    "logs": "Show recent calls, or one call with its decision.",
    "reliability": "Show uptime of providers and failovers of routes.",
    "budgets": "Show what is used and left of budgets.",
    "bill": "Show what was spent in a period.",
    "reconcile": "Compare a provider's usage or invoice export with the ledger.",
    "alerts": "Try the channels that alerts go to.",
    "keys": "Create, list, rotate and revoke keys.",
    "users": "Delete an end user's data.",
    "doctor": "Check this installation.",
    "env": "Print the variables that point applications here.",
    "get": "Print a path's reply without a running server.",
    "prices": "Show, refresh or roll back prices.",
    "pull": "Fetch and check the weights of an embedded model.",
    "simulate": "Run a server that plays providers.",
}


_SET_UP_WRONGLY = ("invalid_configuration", "missing_extra")  # nothing was asked yet: the set-up has to change first
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _ReaderGone(BaseException):
    """Whoever read our output has enough (`| head`)."""


class _Verbs(click.Group):
    """Loads a verb's module by its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"pointsman.cli.{cmd_name}_verb")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of verbs, without loading any."""
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run; a reader that has gone is not the failure that click takes it for."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ReaderGone from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """An unknown verb gets the nearest name."""
        name = args[0]
        if name not in VERBS:
            import difflib

            near = difflib.get_close_matches(name, VERBS, n=1)
            hint = f"did you mean `pointsman {near[0]}`?" if near else "`pointsman --help` lists the verbs"
            say_error(f"there is no verb `{name}`", hint)
            ctx.exit(2)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Verbs,
    invoke_without_command=True,
    subcommand_metavar="[VERB] [ARGUMENTS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="One endpoint in front of many language models: each request goes to the cheapest that answers it well.",
    epilog="`pointsman VERB --help` tells more. Without a verb: serve.",
)
@click.version_option(__version__, prog_name="pointsman")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Without a verb: serve."""
    if ctx.invoked_subcommand is None:
        from pointsman.cli.serve_verb import command

        ctx.invoke(command)


def main() -> None:
    """Run the command line; never shows a traceback for an error of ours."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no arrows shows `?`, and no traceback
    try:
        code = _run()
        sys.stdout.flush()
    except (_ReaderGone, BrokenPipeError):
        # The reader of our output (`| head`) is done; so are we.
        _drop_output()
        code = 0
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        say_error(f"the output cannot be written: {error.strerror}")
        _drop_output()
        code = 1
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Give a stream that the caller closed (`>&-`) an end that takes all and says nothing.

    Otherwise the next file that is opened, such as the ledger, gets its number and what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, and so the one that is missing
            os.set_inheritable(opened, True)
            setattr(sys, name, open(opened, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - until the end


def _drop_output() -> None:
    """What waits to be written goes nowhere, so that the interpreter's end does not complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run() -> int:
    """The exit code."""
    try:
        result = root(prog_name="pointsman", standalone_mode=False)
    except SystemExit as done:
        result = done.code
    except click.exceptions.NoArgsIsHelpError as error:  # `pointsman keys`: which one?
        say(error.format_message())
        result = error.exit_code
    except click.UsageError as error:
        verb = error.ctx.command_path if error.ctx else "pointsman"
        hint = "options come after the verb; `pointsman --help` lists the verbs" if verb == "pointsman" else ""
        say_error(error.format_message(), hint or f"`{verb} --help`")
        result = error.exit_code
    except click.ClickException as error:
        say_error(error.format_message())
        result = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        result = 128 + signal.SIGINT
    except PointsmanError as error:
        say_error(error.message, error.hint)
        result = 2 if error.code in _SET_UP_WRONGLY else 1
    return result if isinstance(result, int) else 0  # click hands back the code of its own `exit`
