from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pointsman.config import Known, load_text
from pointsman.config.document import example, json_schema, main, reference_page, schema_path, stale, write

ROOT = Path(__file__).parents[2]
SCHEMA = jsonschema.Draft202012Validator(json_schema())


def valid(text: str) -> bool:
    return SCHEMA.is_valid(yaml.safe_load(text))


def test_the_checked_in_files_follow_from_the_code():
    assert stale(ROOT) == [], "run `python -m pointsman.config.document`"
    assert main(["--check"]) == 0


def test_a_stale_file_is_named_and_written_anew(tmp_path):
    (tmp_path / "src" / "pointsman" / "config").mkdir(parents=True)
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    assert len(stale(tmp_path)) == 2
    write(tmp_path)
    assert stale(tmp_path) == []


def test_the_schema_is_one_and_lies_in_the_package():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json.loads(schema_path().read_text(encoding="utf-8")) == json_schema()


def test_the_example_loads_and_completes_in_editors():
    known = Known(providers=frozenset({"openai", "anthropic"}), dialects=frozenset({"openai-chat"}))
    loaded = load_text(example("/x/s.json"), known=known)
    assert example("/x/s.json").startswith("# yaml-language-server: $schema=/x/s.json\n")
    assert loaded.config.routes["chain"].retries == 1
    assert valid(example())


def test_every_key_is_described():
    def walk(node, path):
        for name, field in node.get("properties", {}).items():
            assert field.get("description", "").endswith("."), f"{path}.{name}"

    schema = json_schema()
    for name, section in [("", schema), *schema["$defs"].items()]:
        walk(section, name)
    page = reference_page()
    for section in schema["$defs"].values():
        for key in section["properties"]:
            assert f"| `{key}` |" in page


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "providers: {a: , b: {}}",
        "local: false",
        "local: {threads: 2}",
        "server: {max_body: 50MB, port: 0}",
        "server: {tls: }",
        "models: {a: {provider: p, price: {input: 1, output: 0.5}, params: {x: [1, {y: null}]}}}",
        "routes: {a: {try: [b/c]}}",
        "store: postgresql://h/d",
    ],
)
def test_what_loads_is_valid_for_editors(text):
    assert load_text(text)
    assert valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "x: 1",
        "server: {port: x}",
        "server: {port: 70000}",
        "local: 5",
        "models: {a: {}}",
        "models: {a: {provider: p, tier: best}}",
        "models: {a: {provider: p, price: {input: 1}}}",
        "routes: {a: {}}",
        "routes: {a: {pool: []}}",
        "routes: {a: {pool: [x], try: [x]}}",
        "routes: {a: {pool: }}",
        "store: mysql://h/d",
        "providers: {a: {headers: {'a b': c}}}",
        "server: {max_body: big}",
        "keys: off",
        "models: {a: {provider: p, price: {input: '1', output: 1}}}",
    ],
)
def test_what_an_editor_refuses_does_not_load(text):
    assert not valid(text)
    with pytest.raises(Exception, match=r"configuration:1:"):
        load_text(text)
