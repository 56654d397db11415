from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from pointsman.config import (
    Config,
    ConfigErrors,
    Known,
    defaults,
    errors_of,
    expand,
    find_model,
    load,
    load_mapping,
    load_text,
    store_url,
    text_of,
)
from pointsman.config.schema import Price
from pointsman.core.errors import ConfigError
from pointsman.core.model import Ability
from pointsman.core.money import picos_per_token

ISSUE = """
providers:
  openai: {}
  lab: {dialect: openai-chat, base_url: "http://127.0.0.1:9000/v1", api_key_env: LAB_KEY}
models:
  small: {provider: lab, model: small-1, tier: economy,  context: 128000, price: {input: 0.15, output: 0.60}}
  large: {provider: lab, model: large-1, tier: frontier, price: {input: 5, cached_input: 0.5, output: 25}}
  gpt-mini: {provider: openai, model: gpt-5-mini}
routes:
  auto:  {pool: [small, large]}
  chain: {try: [large, gpt-mini]}
server: {host: 127.0.0.1, port: 4545}
store: sqlite:///pointsman.db
"""


def message(text: str, known: Known | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_text(text, Path("pointsman.yaml"), known or Known())
    return "\n".join(text_of(error) for error in errors_of(caught.value))


def test_the_shape_of_the_issue_loads_whole():
    config = load_text(ISSUE).config
    assert config.providers["lab"].base_url == "http://127.0.0.1:9000/v1"
    assert config.models["small"].price == Price(input=Decimal("0.15"), output=Decimal("0.60"))
    assert config.models["large"].price.cached_input == Decimal("0.5")
    assert config.routes["auto"].pool == ("small", "large")
    assert config.routes["chain"].try_ == ("large", "gpt-mini")
    assert config.server.port == 4545


@pytest.mark.parametrize(
    "text",
    ["", "\n", "# nothing\n", "---\n", "null\n", "{}", "\ufeff", "providers:\nmodels:\nroutes:\nserver:\nlocal:\n"],
)
def test_an_empty_file_or_empty_sections_are_the_defaults(text, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(text, encoding="utf-8")
    assert load(file, {}).config == Config()
    assert load(file, {}).version == defaults().version


def test_a_provider_written_as_nothing_takes_all_from_the_catalogue():
    config = load_text("providers:\n  openai:\n  anthropic: null\n  groq: ~\n  lab: {timeouts: }\n").config
    assert list(config.providers) == ["openai", "anthropic", "groq", "lab"]
    assert len({str(provider) for provider in config.providers.values()}) == 1


@pytest.mark.parametrize("written", ["0.15", "1e-1", "0.000001", "3", ".5", "5.", "12.30", "0"])
def test_prices_are_exactly_what_is_written(written):
    price = (
        load_text(f"models: {{a: {{provider: p, price: {{input: {written}, output: 0.1}}}}}}").config.models["a"].price
    )
    assert price.input == Decimal(written)
    assert picos_per_token(price.input) == Decimal(written) * 1_000_000
    assert price.output * 3 == Decimal("0.3")


def test_json_keeps_its_numbers_and_its_nesting():
    params = 'temperature: 0.10, seed: 12345678901234567890, stop: [a, "1", no, null, true], x: {y: .5}'
    params = load_text(f"models: {{a: {{provider: p, params: {{{params}}}}}}}").config.models["a"].params
    assert bytes(params["temperature"]) == b"0.10"
    assert bytes(params["seed"]) == b"12345678901234567890"
    assert bytes(params["stop"]) == b'["a","1","no",null,true]'
    assert msgspec.json.decode(params["x"]) == {"y": 0.5}


def test_words_that_old_yaml_takes_for_something_else_are_text():
    provider = load_text(
        "providers: {lab: {jurisdiction: NO, regions: [on, 2026-01-01], retention: off}}"
    ).config.providers["lab"]
    assert (provider.jurisdiction, provider.regions, provider.retention) == ("NO", ("on", "2026-01-01"), "off")


@pytest.mark.parametrize(
    ("written", "size"),
    [("50MB", 50_000_000), ("32MiB", 33_554_432), ('"1 GiB"', 1 << 30), ("4096", 4096), ("8k", 8000), ("2048B", 2048)],
)
def test_sizes(written, size):
    assert load_text(f"server: {{max_body: {written}}}").config.server.max_body == size


@pytest.mark.parametrize(
    ("written", "enabled"), [("true", True), ("false", False), ("{threads: 2}", True), ("{enabled: false}", False)]
)
def test_the_embedded_model_takes_a_word_or_a_mapping(written, enabled):
    assert load_text(f"local: {written}").config.local.enabled is enabled


def test_abilities_are_those_of_the_core():
    words = sorted(name.lower() for name in Ability.__members__)
    listed = ", ".join(words)
    assert (
        sorted(load_text(f"models: {{a: {{provider: p, abilities: [{listed}]}}}}").config.models["a"].abilities)
        == words
    )


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + ISSUE.replace("\n", "\r\n").encode())
    loaded = load(file, {})
    assert loaded.config == load_text(ISSUE).config
    assert loaded.where("models", "large") == f"{file}:7:3"


def test_unicode_text_counts_in_characters(tmp_path):
    loaded = load_text('routes: {a: {description: "Überblick 🚂 日本", try: [x/y]}}', Path("p.yaml"))
    assert loaded.config.routes["a"].description == "Überblick 🚂 日本"
    assert loaded.where("routes", "a", "try") == "p.yaml:1:45"


def test_comments_and_layout_do_not_change_the_version():
    compact = load_text("server: {port: 1}\nmodels: {a: {provider: p, params: {x: 1}}}")
    spread = load_text("# hello\nmodels:\n  a:\n    params:\n      x:   1\n    provider: 'p'\nserver:\n  port: 1\n")
    assert compact.digest == spread.digest != load_text("server: {port: 2}").digest


def test_an_alias_repeats_a_value():
    config = load_text(
        "models:\n  a: {provider: p, price: &x {input: 1, output: 2}}\n  b: {provider: p, price: *x}\n"
    ).config
    assert config.models["a"].price == config.models["b"].price


class TestWhichFile:
    @pytest.fixture(autouse=True)
    def _here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name, port in (("given.yaml", 1), ("named.yaml", 2)):
            Path(name).write_text(f"server: {{port: {port}}}")

    def test_the_given_one_then_the_variable_then_the_usual_one_then_none(self):
        env = {"POINTSMAN_CONFIG": "named.yaml"}
        assert load(Path("given.yaml"), env).config.server.port == 1
        assert load(None, env).config.server.port == 2
        assert load(None, {"POINTSMAN_CONFIG": ""}).origin is None
        Path("pointsman.yaml").write_text("server: {port: 3}")
        assert load(None, {}).config.server.port == 3
        assert load(None, env).config.server.port == 2

    def test_one_that_was_asked_for_has_to_exist(self):
        with pytest.raises(ConfigError, match=r"^absent\.yaml: no such file$"):
            load(Path("absent.yaml"), {})
        with pytest.raises(ConfigError, match="no such file"):
            load(None, {"POINTSMAN_CONFIG": "absent.yaml"})

    def test_another_ending_is_not_passed_over_in_silence(self):
        Path("pointsman.yml").write_text("{}")
        with pytest.raises(ConfigError, match="not read") as caught:
            load(None, {})
        assert "rename" in caught.value.hint

    @pytest.mark.parametrize("name", [".", "given.yaml/x", "\0"])
    def test_what_is_no_file_is_a_clear_error(self, name):
        with pytest.raises(ConfigError):
            load(Path(name), {})


def test_too_large_a_file_is_refused_without_reading_it_all(tmp_path):
    file = tmp_path / "p.yaml"
    with file.open("wb") as out:
        out.truncate(3_000_000_000)  # sparse
    with pytest.raises(ConfigError, match="larger than 1,048,576 bytes"):
        load(file, {})


def test_a_large_file_of_many_models_loads():
    text = "models:\n" + "".join(f"  m{i}: {{provider: p, price: {{input: {i}, output: 1}}}}\n" for i in range(3000))
    assert len(load_text(text).config.models) == 3000


@pytest.mark.parametrize("data", [b"a: \xff", "server: {}".encode("utf-16"), b"a: \x00", b"a: \x1b[0m"])
def test_what_is_not_text_is_refused_with_its_place(data, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=r"p\.yaml:1:\d+: (not UTF-8|the character)"):
        load(file, {})


def test_names_that_the_caller_knows_of_are_checked():
    known = Known(providers=frozenset({"openai", "anthropic"}), dialects=frozenset({"openai-chat"}))
    assert load_text("routes: {a: {try: [openai/gpt-5]}}", known=known)
    assert load_text("models: {a: {provider: anthropic}}", known=known)
    assert message("providers: {opnai: {}}", known) == (
        "pointsman.yaml:1:13: providers.opnai: the catalogue does not know it, so it needs `dialect` and `base_url`\n"
        "  hint: did you mean `openai`?"
    )
    assert "needs `base_url`" in message("providers: {lab: {dialect: openai-chat}}", known)
    assert "no dialect `openai-chats`\n  hint: did you mean `openai-chat`?" in message(
        "providers: {openai: {dialect: openai-chats}}", known
    )
    assert "no provider `antropic`\n  hint: did you mean `anthropic`?" in message(
        "models: {a: {provider: antropic}}", known
    )
    assert "no model `opnai/gpt-5`\n  hint: did you mean `openai/gpt-5`?" in message(
        "routes: {a: {try: [opnai/gpt-5]}}", known
    )


def test_a_broken_entry_does_not_make_others_wrong():
    assert (
        message("models: {a: {provider: p, tier: x}, b: {}}\nroutes: {r: {try: [a, b]}}").count("pointsman.yaml") == 2
    )


def test_wildcards():
    entries = '"fast/*": {provider: o, model: "gpt-*"}, "fast/5*": {provider: o, model: "g5*"}'
    more = 'gpts: {provider: o, model: "gpt-*"}, "fast/x": {provider: o}'
    config = load_text(f"models: {{{entries}, {more}}}").config

    def found(name):
        answer = find_model(config, name)
        return answer and (answer[0], answer[2])

    assert found("fast/nano") == ("fast/*", "gpt-nano")
    assert found("fast/5-nano") == ("fast/5*", "g5-nano")
    assert found("fast/x") == ("fast/x", "fast/x")
    assert found("o/gpt-9") in {("gpts", "gpt-9"), ("fast/*", "gpt-9")}
    assert found("gpts") is None
    assert found("slow/x") is None
    assert found("fast/") is None


def test_plain_data_loads_as_the_file_does():
    data = {
        "models": {"small": {"provider": "lab", "price": {"input": 0.15, "output": 0.6}, "params": {"stop": ["é🚂\n"]}}}
    }
    model = load_mapping(data).config.models["small"]
    assert model.price.input == Decimal("0.15")
    assert msgspec.json.decode(model.params["stop"]) == ["é🚂\n"]
    loop: dict[str, object] = {}
    loop["x"] = loop
    for odd in ({"a": object()}, {"models": {"a": {"params": {"x": float("nan")}}}}, {"x": "\ud800"}, loop):
        with pytest.raises(ConfigError):
            load_mapping(odd)


def test_the_store_comes_from_a_variable_or_has_its_home_filled_in():
    assert store_url(Config(), {}) == "sqlite:///pointsman.db"
    assert store_url(Config(store="sqlite:///~/x.db"), {"HOME": "/home/u"}) == "sqlite:////home/u/x.db"
    assert store_url(Config(store_env="DSN"), {"DSN": "postgresql://u:p@h/d"}) == "postgresql://u:p@h/d"
    with pytest.raises(ConfigError, match="DSN is not set"):
        store_url(Config(store_env="DSN"), {})
    with pytest.raises(ConfigError, match="HOME"):
        expand("~/x", {})


def test_one_error_is_itself_and_several_come_together_in_order():
    with pytest.raises(ConfigErrors) as one:
        load_text("servr: {}", Path("p.yaml"))
    assert (one.value.message, one.value.where, one.value.hint) == (
        "p.yaml:1:1: unknown key `servr`",
        "p.yaml:1:1",
        "did you mean `server`?",
    )
    with pytest.raises(ConfigErrors) as many:
        load_text("\n".join(f"x{i}: 1" for i in range(120)), Path("p.yaml"))
    assert len(many.value.errors) == 120
    assert many.value.message.startswith("120 errors in p.yaml\n  p.yaml:1:1: unknown key `x0`\n")
    assert many.value.message.endswith("and 70 more")


@pytest.mark.parametrize("field", ["model", "messages", "prompt", "stream", "stream_options"])
def test_what_comes_with_each_request_has_no_default(field):
    said = message(f"models: {{a: {{provider: p, params: {{{field}: x, n: 2, temperature: 0}}}}}}")
    assert f"models.a.params.{field}: comes with each request and cannot have a default" in said
    assert "errors in" not in said


@pytest.mark.parametrize("url", ["https://x.y/v1?api_key=hunter2", "x.y/v1?a&api_key=hunter2", "https://x.y#k=hunter2"])
def test_the_query_of_a_url_is_not_repeated(url):
    said = message(f"providers: {{lab: {{dialect: openai-chat, base_url: '{url}'}}}}")
    assert "x.y" in said
    assert "hunter2" not in said


def test_who_says_where_a_server_is_is_asked_for_its_dialect():
    said = message("providers: {lab: {base_url: 'http://h:1/v1'}}", Known(providers=frozenset({"alibaba"})))
    assert "it needs `dialect`\n  hint: e.g. dialect: openai-chat" in said
