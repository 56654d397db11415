"""The documents say what the code has: verbs, settings, headers, metrics, errors, paths, rooms. Found in the code."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
import docs_errors
import msgspec
import pytest
from docs_pages import ROOT, blocks, pages, rows, text

from pointsman.cli.main import VERBS, root
from pointsman.compose.building import build
from pointsman.compose.state import HouseState
from pointsman.compose.web import table
from pointsman.config import schema
from pointsman.observe import metrics
from pointsman.server.health import OWN_METRICS
from test_imports import FREE, ROOMS

SRC = ROOT / "src" / "pointsman"
CONFIGURED = [
    pytest.param(page, block.text, id=f"{page.name}-{number}")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md")))
    for number, block in enumerate(blocks(page))
    if block.language == "yaml" and page.name != "simulator.md"
]


def sources(*rooms: str) -> str:
    """The code of some rooms."""
    return "\n".join(path.read_text(encoding="utf-8") for room in rooms for path in sorted((SRC / room).rglob("*.py")))


def test_every_error_is_described_as_it_is() -> None:
    page = text("docs/reference/errors.md")
    assert [line for line in docs_errors.table() if line not in page.splitlines()] == []
    codes = {kind.code for kind in docs_errors.classes()}
    assert codes == {cells[0].strip("`") for cells in rows("docs/reference/errors.md") if cells[0] != "code"}


def test_every_kind_of_refusal_is_named() -> None:
    kinds = set(re.findall(r'Verdict\(\s*"(\w+)"', sources("wire")))
    kinds |= {word for found in re.findall(r'\d{3}: "(\w+)",', text("src/pointsman/wire/kinds.py")) for word in [found]}
    page = text("docs/reference/errors.md")
    assert not [kind for kind in kinds if f"`{kind}`" not in page]


def test_every_metric_is_described_with_its_type_and_labels() -> None:
    made = metrics.Metrics()
    expected = {}
    for one in vars(made).values():
        if isinstance(one, metrics.Counter | metrics.Gauge | metrics.Histogram):
            labels = ", ".join(f"`{label}`" for label in one.labels)
            expected[one.name] = (type(one).__name__.lower(), labels)
    for name in re.findall(r'"(gw_\w+)"', sources("compose", "server")):
        expected.setdefault(name, ("gauge", ""))
    found = {
        cells[0].strip("`"): (cells[1], cells[3])
        for cells in rows("docs/reference/metrics.md")
        if len(cells) == 5 and cells[0].startswith("`gw_")
    }
    assert found == expected
    mentioned = set(re.findall(r"\bgw_\w+", "\n".join(page.read_text(encoding="utf-8") for page in pages())))
    assert not {name for name in mentioned if re.sub(r"_(bucket|sum|count)$", "", name) not in expected}


def test_every_header_is_described() -> None:
    page = text("docs/reference/headers.md")
    code = sources("line", "server", "upstream")
    names = {
        name.lower().rstrip("-") + ("-*" if name.endswith("-") else "")
        for name in re.findall(
            r'["\s](x-pointsman-[a-z-]+|x-should-retry|x-request-id|server-timing|retry-after)\b', code
        )
    }
    forwarded = re.search(r"_FORWARDED[^=]*= \{(.*?)\}", text("src/pointsman/upstream/prepare.py"), re.DOTALL)
    assert forwarded
    names |= set(re.findall(r'b"([\w-]+)": "(?:openai)?"', forwarded[1]))
    assert len(names) > 18
    assert not sorted(name for name in names if f"`{name}`" not in page)


def test_no_document_speaks_of_a_header_that_does_not_exist() -> None:
    code = sources("line", "server", "upstream")
    said = {name for page in pages() for name in re.findall(r"x-pointsman-[a-z-]+", page.read_text(encoding="utf-8"))}
    assert not {name for name in said if name not in code}


def test_every_path_is_described(tmp_path: Path) -> None:
    house = build({"store": f"sqlite:///{tmp_path / 'ledger.db'}", "discover": False, "local": False}, env={})
    code = {
        (method, path) for method, path in table(house, HouseState(house)).entries() if path not in ("", OWN_METRICS)
    }
    assert len(code) > 25
    said = [(cells[0], cells[1].strip("`").partition("?")[0]) for cells in rows("docs/reference/http-api.md")]
    found = {
        (method, path.partition("{")[0])
        for methods, path in said
        for method in methods.split(", ")
        if method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    }
    assert found == code


def test_every_setting_is_described() -> None:
    page = text("docs/reference/configuration.md")
    missing = []
    for kind in vars(schema).values():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and not kind.__name__.startswith("_"):
            missing += [
                f"{kind.__name__}.{field.encode_name}"
                for field in msgspec.structs.fields(kind)
                if f"| `{field.encode_name}` |" not in page
            ]
    assert not missing


def test_every_verb_is_described() -> None:
    page = text("docs/reference/cli.md")
    assert not [verb for verb in VERBS if f"## {verb}" not in page]
    assert not [verb for verb in VERBS if f"`{verb}`" not in text("CHANGELOG.md")]


def command_of(words: list[str]) -> click.Command:
    """The command that words of a command line lead to."""
    context = click.Context(root)
    command: click.Command = root
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words[0])
        if found is None:
            assert command is root, f"there is no `{words[0]}`"
            break
        command, words = found, words[1:]
    return command


def printed_commands() -> list[tuple[str, str]]:
    """Every line of a console block that calls us, and the page that it stands on."""
    found = []
    for page in pages():
        for block in blocks(page):
            if block.language != "console":
                continue
            for line in block.text.replace("\\\n", " ").splitlines():
                for part in re.split(r"[|&]+(?![^\"]*\"[^\"]*$)|\$\(", line):
                    called = re.match(r"\s*(?:\S*/)?pointsman +(.*)", part)
                    if called:
                        found.append((page.name, called[1].rstrip(')" ') if "$(" in line else called[1]))
    return found


@pytest.mark.parametrize(("page", "line"), printed_commands())
def test_a_printed_command_exists_with_its_options(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    verb = words[0]
    assert verb in VERBS, f"{page}: pointsman {line}"
    command = command_of(words)
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    said = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert said <= options | {"--help", "-h"}, f"{page}: pointsman {line}"


def test_printed_commands_are_found_at_all() -> None:
    assert len(printed_commands()) > 25


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", text("Makefile"), re.MULTILINE))
    named = set()
    for page in pages():
        content = page.read_text(encoding="utf-8")
        named |= set(re.findall(r"`make ([a-z][a-z0-9-]*)", content))
        for block in blocks(page):
            if block.language == "console":
                named |= set(re.findall(r"^make ([a-z][a-z0-9-]*)", block.text, re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize(("page", "block"), CONFIGURED)
def test_a_printed_configuration_is_accepted(page: Path, block: str, tmp_path: Path) -> None:
    if "scrape_configs" in block:
        return
    file = tmp_path / "pointsman.yaml"
    file.write_text(block, encoding="utf-8")
    env = {"HOME": str(tmp_path), "POINTSMAN_HOME": str(tmp_path), "POINTSMAN_STORE": "sqlite:///unused.db"}
    assert build(file, env=env).loaded.origin == file, page


@pytest.mark.parametrize("page", [page for page in pages() if "python" in {block.language for block in blocks(page)}])
def test_printed_python_can_be_read(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_printed_json_can_be_read() -> None:
    broken = []
    for page in pages():
        for block in blocks(page):
            if block.language == "json":
                try:
                    msgspec.json.decode(block.text)
                except msgspec.DecodeError as error:
                    broken.append(f"{page.name}: {error}")
    assert not broken


def test_the_rooms_are_those_that_the_import_test_knows() -> None:
    said = {}
    for cells in rows("docs/architecture.md"):
        room = re.match(r"`(\w+)`(.*)", cells[0])
        if room and len(cells) == 3:
            said[room[1]] = ("not yet" in room[2], cells[2])
    assert set(said) == set(ROOMS) | (FREE - {"__main__", "pointsman"})
    for room, (absent, knows) in said.items():
        assert absent == (not (SRC / room).is_dir() and not (SRC / f"{room}.py").exists()), room
        if room in FREE:
            assert knows == "everything", room
        else:
            assert set(knows.split(", ")) == (ROOMS[room] or {"nothing of ours"}), room


def test_every_decision_is_listed() -> None:
    listed = text("docs/decisions/README.md")
    missing = []
    for page in sorted((ROOT / "docs" / "decisions").glob("0*.md")):
        number, title = page.name[:4], page.read_text(encoding="utf-8").partition("\n")[0]
        if f"[{number}]({page.name})" not in listed or not title.startswith(f"# {number}: "):
            missing.append(page.name)
    assert not missing


def test_the_tables_of_errors_and_headers_agree_with_the_readme() -> None:
    readme = text("README.md").lower()
    answered = {
        cells[0].strip("`")
        for cells in rows("docs/reference/headers.md")
        if len(cells) == 3 and re.match(r"`(x-|server-)", cells[0]) and cells[1].startswith("`")
    }
    assert len(answered) == 10
    assert not {name for name in answered if name not in readme}


def test_every_file_that_is_named_exists() -> None:
    named = {
        (page.name, name)
        for page in pages()
        if not page.is_relative_to(SRC)
        for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|toml|yaml|json|gz))`", page.read_text(encoding="utf-8"))
        if "ROOM" not in name
    }
    assert not {one for one in named if not (ROOT / one[1]).exists() and not (SRC / one[1]).exists()}
