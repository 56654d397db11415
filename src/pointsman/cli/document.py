"""`python -m pointsman.cli.document`: writes docs/reference/cli.md from the verbs' own help.

`--check` writes nothing and says with its exit code whether the page is what it would write.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from pointsman.cli.main import VERBS, root

_PAGE = Path("docs/reference/cli.md")
_WIDTH = 100
_HEAD = """# Command line

<!-- Written by `python -m pointsman.cli.document` from the verbs' own help. Change that, not this page. -->

`pointsman VERB`, or `python -m pointsman VERB`. Without a verb: `serve`.

- Data goes to standard output; everything else goes to standard error. `--json` prints one JSON value and nothing else
  (`logs --follow --json`: one value a line).
- Exit codes: 0 done; 1 the answer is no (a check failed, a call failed, there is no such thing); 2 the command line or
  the configuration is wrong, or a package that it needs is not installed; 130 interrupted.
- An error is one line that says what was wrong, then `hint:` with the way out.
- Colours only on a terminal, never where `NO_COLOR` is set. Tables are cut to the width of a terminal, never in a pipe.

| verb | |
|---|---|
"""


def page() -> str:
    """The whole page."""
    context = click.Context(root, info_name="pointsman", max_content_width=_WIDTH, terminal_width=_WIDTH)
    rows = "".join(f"| [`{name}`](#{name}) | {text} |\n" for name, text in VERBS.items())
    parts = [_HEAD + rows]
    for name in VERBS:
        command = root.get_command(context, name)
        if command is None:
            raise LookupError(name)
        parts += _section(command, name, context)
    return "\n".join(parts)


def _section(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, help_option_names=["-h", "--help"])
    depth = context.command_path.count(" ") + 1
    yield f"{'#' * depth} {context.command_path.removeprefix('pointsman ')}\n"
    text = re.sub(r"[ \t]+$", "", command.get_help(context), flags=re.MULTILINE)
    yield f"```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for each, sub in command.commands.items():
            yield from _section(sub, each, context)


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    text = page()
    if "--check" in arguments:
        return 0 if _PAGE.read_text(encoding="utf-8") == text else 1
    _PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
