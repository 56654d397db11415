"""The JSON Schema file, the reference page and the example, made from the schema's classes.

`python -m pointsman.config.document` writes the two files where they are checked in; with `--check` it says which of
them is stale and ends with 1. Both need a source tree.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from msgspec import inspect as kinds

from pointsman.config.jsonschema import first_paragraph, json_schema
from pointsman.config.shape import shape, unwrap

_HERE = Path(__file__).parent
_PAGE = Path("docs", "reference", "configuration.md")
_HEAD = """\
# Configuration

<!-- Made by `python -m pointsman.config.document` from `src/pointsman/config/schema.py`; change that, not this. -->

One optional file, `pointsman.yaml`. It is the file that `--config` names, else the one in `$POINTSMAN_CONFIG`, else
`./pointsman.yaml`. Without a file every provider is on whose key is in the environment, local servers are found on
their usual ports, and the embedded model is on.

- The file is strict: an unknown key, a value of another type or a key that stands twice is an error with file, line
  and column. `pointsman check` shows all of them.
- Secrets are never in it, only names of variables. What looks like a secret is refused.
- It is YAML 1.2 without tags and merge keys: `no` and `on` are text, true and false are `true` and `false`.
- It is watched. A good change is in force within half a second; a bad one is shown, and the old one goes on serving.
- Relative paths are relative to the working directory.

Editors with a YAML language server complete and check keys as you type once the first line of the file is
`# yaml-language-server: $schema=PATH`, with the path that `pointsman check --schema-path` prints.
"""


def schema_path() -> Path:
    """Where the JSON Schema lies in this installation, for the first line of a configuration."""
    return _HERE / "pointsman.schema.json"


def example(schema: str = "") -> str:
    """A commented configuration that loads as it stands; `schema` is what its first line tells editors to use."""
    text = (_HERE / "example.yaml").read_text(encoding="utf-8")
    return f"# yaml-language-server: $schema={schema}\n{text}" if schema else text


def schema_text() -> str:
    """The JSON Schema as it is checked in."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def reference_page() -> str:
    """The reference page as it is checked in, in Markdown."""
    parts = [_HEAD, "```yaml", example().rstrip(), "```", ""]
    for title, kind in _sections("", shape()):
        parts += [f"## {title}", "", first_paragraph(kind.cls), "", "| key | value | default | meaning |"]
        parts += ["|---|---|---|---|", *(_row(field) for field in kind.fields), ""]
    return "\n".join(parts)


def stale(root: Path) -> list[str]:
    """The checked-in files, relative to the source tree, that no longer follow from the code."""
    return [str(path.relative_to(root)) for path, text in _files(root) if not _holds(path, text)]


def write(root: Path) -> None:
    """Write both files into a source tree."""
    for path, text in _files(root):
        path.write_text(text, encoding="utf-8")


def _files(root: Path) -> Iterable[tuple[Path, str]]:
    yield root / "src" / "pointsman" / "config" / schema_path().name, schema_text()
    yield root / _PAGE, reference_page()


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _sections(path: str, kind: kinds.Type) -> Iterable[tuple[str, kinds.StructType]]:
    """Every section with its title, outer ones first."""
    inner, _ = unwrap(kind)
    if isinstance(inner, kinds.DictType):
        yield from _sections(f"{path}.NAME", inner.value_type)
    elif isinstance(inner, kinds.VarTupleType):
        yield from _sections(f"{path}[]", inner.item_type)
    elif isinstance(inner, kinds.StructType):
        yield (f"`{path}`" if path else "The file"), inner
        for field in inner.fields:
            # The limits of a route are those of a provider: described once.
            if not (path.startswith("routes") and field.encode_name == "timeouts"):
                yield from _sections(f"{path}.{field.encode_name}".lstrip("."), field.type)


def _row(field: kinds.Field) -> str:
    said = field.type.extra_json_schema if isinstance(field.type, kinds.Metadata) else None
    meaning = (said or {}).get("description", "")
    return f"| `{field.encode_name}` | {_kind(field.type)} | {_default(field)} | {meaning} |"


def _kind(kind: kinds.Type) -> str:
    inner, extra = unwrap(kind)
    if extra.type:
        return extra.type
    match inner:
        case kinds.LiteralType():
            return ", ".join(f"`{value}`" for value in inner.values)
        case kinds.VarTupleType():
            return f"list of: {_kind(inner.item_type)}"
        case kinds.DictType():
            return f"mapping of names to {_kind(inner.value_type)}"
        case _:
            return _WORDS[type(inner)]


_WORDS: dict[type[kinds.Type], str] = {
    kinds.StructType: "section",
    kinds.StrType: "text",
    kinds.BoolType: "true or false",
    kinds.IntType: "whole number",
    kinds.FloatType: "number",
    kinds.RawType: "any JSON",
}


def _default(field: kinds.Field) -> str:
    default = field.default
    if field.required:
        return "needed"
    if default is True or default is False:
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, str | int | float) and default != "" else ""


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` name the stale ones; the exit code."""
    root = _HERE.parents[2]
    if "--check" not in arguments:
        write(root)
        return 0
    old = stale(root)
    for name in old:
        sys.stderr.write(f"stale: {name}\nhint: run `python -m pointsman.config.document`\n")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
