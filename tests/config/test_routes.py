"""Settings of routes that go with others."""

from __future__ import annotations

import pytest

from pointsman.config.load import load_text
from pointsman.core.errors import ConfigError

HEAD = "providers: {p: {dialect: openai-chat, base_url: 'http://127.0.0.1:1/v1'}}\nmodels: {x: {provider: p}}\n"


@pytest.mark.parametrize("said", ["sticky", "fastest"])
def test_what_calls_stick_by_goes_with_the_balance_that_keeps_them(said: str) -> None:
    text = f"{HEAD}routes: {{r: {{pool: [x], balance: {said}, sticky: prefix}}}}"
    if said == "sticky":
        assert load_text(text).config.routes["r"].sticky == "prefix"
        return
    with pytest.raises(ConfigError, match="says what no balance asks for") as caught:
        load_text(text)
    assert "`sticky` goes with `balance: sticky`" in caught.value.hint
