"""Whatever the text: a configuration or a ConfigError, soon, without a secret in the message."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.config import load_mapping, load_text
from pointsman.config.document import example
from pointsman.config.load import load_bytes
from pointsman.config.yamltext import compose
from pointsman.core.errors import ConfigError

KNOWN_WORDS = ["providers", "models", "routes", "server", "store", "local", "price", "input", "output", "pool", "try"]
OTHER_WORDS = ["params", "headers", "small", "lab", "gpt-*", "openai/x", "true", "no", "~", "null", "0.15", "1e5", "-1"]
MARKS = [
    "<<",
    "&a",
    "*a",
    "!!int",
    "{}",
    "[]",
    "|",
    ">",
    "---",
    "...",
    ":",
    "-",
    "#",
    "'",
    '"',
    ",",
    "?",
    "%",
    "@",
    "`",
]
WORDS = st.sampled_from([*KNOWN_WORDS, *OTHER_WORDS, ".nan", "50MB", "sqlite:///x", "auto", "*", *MARKS])
SPACE = st.sampled_from(
    ["", " ", "  ", "    ", "\n", "\n  ", "\n    ", "\t", "\r\n", ": ", "- ", ", ", "\ufeff", "\x85", "é🚂"]
)
YAMLISH = st.lists(st.tuples(WORDS, SPACE).map("".join), max_size=40).map("".join)
KEYS = st.sampled_from(
    [
        "providers",
        "models",
        "routes",
        "server",
        "price",
        "pool",
        "try",
        "params",
        "provider",
        "input",
        "output",
        "port",
        "a",
        "b*",
        "tls",
        "local",
        "headers",
        "cors",
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)


def attempt(read: Callable[[], object]) -> ConfigError | None:
    """The error, if there was one; any other exception fails the test."""
    try:
        read()
    except ConfigError as error:
        return error
    return None


def read(text: str) -> None:
    error = attempt(lambda: load_text(text, Path("p.yaml")))
    assert error is None or (error.message and error.where.startswith("p.yaml"))


@given(YAMLISH | st.text(max_size=200))
@settings(max_examples=examples(300), deadline=None)
def test_any_text_is_a_configuration_or_a_clear_error(text):
    read(text)


@given(st.binary(max_size=200))
@settings(max_examples=examples(200), deadline=None)
def test_any_bytes_likewise(data):
    error = attempt(lambda: load_bytes(data, Path("p.yaml")))
    assert error is None or "p.yaml" in error.message


@given(JSON)
@settings(max_examples=examples(150), deadline=None)
def test_any_data_likewise(data):
    for level in ({"models": {"a": data}}, {"providers": {"a": data}}, {"routes": {"a": data}}, {"server": data}, data):
        if isinstance(level, dict):
            error = attempt(partial(load_mapping, level))
            assert error is None or error.message


@given(
    st.integers(0, 5000), st.integers(0, 3), st.sampled_from(["", "\t", ":", "}", "- ", "*", '"', "\n", "\x00", "🚂"])
)
@settings(max_examples=examples(300), deadline=None)
def test_a_damaged_example_likewise(at, cut, put):
    text = example()
    at %= len(text)
    read(text[:at] + put + text[at + cut :])


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
@settings(max_examples=examples(200), deadline=None)
def test_params_come_back_as_the_same_json(params):
    data = {"models": {"a": {"provider": "p", "params": params}}}
    error = attempt(lambda: load_mapping(data))
    if error is not None:
        assert "not text" in error.message or "not plain" in error.message
        return
    loaded = load_mapping(data)
    assert {key: json.loads(bytes(raw)) for key, raw in loaded.config.models["a"].params.items()} == params


@given(YAMLISH)
@settings(max_examples=examples(200), deadline=None)
def test_the_parser_without_libyaml_gives_errors_of_ours_too(text):
    error = attempt(lambda: compose(text, "p.yaml", yaml.SafeLoader))
    assert error is None or error.where.startswith("p.yaml")


@pytest.mark.parametrize(
    "text", ['"\\UFFFFFFFF"', "%YAML 99999999999999999999.1\n---\na", '"\\ud800"', "\ud800", "a: !<x> b", '"\\x07"']
)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_absurd_escapes(text, loader):
    with pytest.raises(ConfigError):
        compose(text, "p.yaml", loader)


BOMBS = {
    "depth": "[" * 100_000,
    "depth of mappings": "a: {" * 100_000,
    "laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "values": "models: [" + "a," * 400_000 + "]",
    "keys": "".join(f"k{i}: 1\n" for i in range(60_000)),
    "digits": "models: {a: {provider: p, price: {input: " + "9" * 100_000 + ", output: 1e999999999}}}",
    "long word": "server: {" + "h" * 500_000 + ": 1}",
    "text in place of a number": f"server: {{port: {'x' * 500_000}}}",
    "near names": "models: {"
    + ", ".join(f"model-{i}: {{provider: p}}" for i in range(500))
    + "}\nroutes: {a: {try: ["
    + ", ".join(f"modell-{i}" for i in range(100))
    + "]}}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_soon_and_in_few_words(name):
    start = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        load_text(BOMBS[name])
    assert time.perf_counter() - start < 20
    assert len(caught.value.message) < 20_000


SECRETS = [
    "sk-proj-abcdefghijklmnop1234567890",
    "sk-ant-api03-AbCdEf123456",
    "AIzaSyA1234567890abcdefghijklmnopqrstuvw",
    "ghp_abcdefghij1234567890abcdefghij123456",
    "gsk_abcdefghijklmnopqrstuvwx",
    "hf_abcdefghijklmnopqrstuvwx",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.x",
]
PLACES = [
    "providers: {p: {api_key_env: SECRET}}",
    "providers: {p: {api_key: SECRET}}",
    "providers: {p: {headers: {x-custom: SECRET}}}",
    "providers: {p: {headers: {Authorization: Bearer SECRET}}}",
    "providers: {p: {base_url: 'https://h/v1?key=SECRET'}}",
    "providers: {p: {timeouts: SECRET}}",
    "providers: {SECRET: {}}",
    "models: {a: {provider: p, params: {user: SECRET}}}",
    "models: {a: {provider: p, context: SECRET}}",
    "models: {a: {provider: p, tier: SECRET}}",
    "routes: {a: {try: SECRET}}",
    "routes: {a: {description: my key is SECRET, try: [p/x]}}",
    "server: {SECRET: 1}",
    "providers: {SECRET: {x: 1}}",
    "providers: {SECRET: {}, SECRET: {}}",
    "models: {SECRET: {provider: p}}\nroutes: {r: {try: [SECRETs, SECRET]}, SECRET: {}}",
    "server: *SECRET",
    "server: !SECRET x",
    "providers: {p: {SECRET: SECRET",
    "SECRET",
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_refused_everywhere_and_never_repeated(place, secret):
    with pytest.raises(ConfigError) as caught:
        load_text(place.replace("SECRET", secret))
    assert secret not in caught.value.message + caught.value.hint
    assert secret[:12] not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "providers: {p: {api_key_env: a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6}}",
        "models: {a: {provider: p, params: {api_key: a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6}}}",
        "models: {a: {provider: p, extra_headers: {X-Api-Key: short}}}",
    ],
)
def test_a_key_without_a_prefix_is_known_by_where_it_stands(text):
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    assert "a1b2c3" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "providers: {p: {api_key_env: MY_COMPANY_OPENAI_API_KEY_2}}",
        "server: {tls: {cert: /etc/ssl/cert1.pem, key: /etc/ssl/private/example2026.key}}",
        "models: {a: {provider: p, params: {prompt_cache_key: support-bot-2026-11-prefix-7, max_tokens: 4096}}}",
        "models: {a: {provider: p, model: ft:gpt-4o-2024-08-06:acme:task-forces:9xYzAbC1}}",
        "models: {a: {provider: p, model: accounts/acme/models/risk-assessment-v2}}",
    ],
)
def test_what_only_resembles_a_secret_is_taken(text):
    assert load_text(text)
