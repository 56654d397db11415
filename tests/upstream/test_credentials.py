from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.errors import NoCredentials, UpstreamError
from pointsman.core.model import Provider
from pointsman.upstream.credentials import Credentials, mask

LAB = Provider(name="lab", dialect="openai-chat", base_url="http://x", api_key_env="LAB_KEY")
OPEN = Provider(name="open", dialect="openai-chat", base_url="http://x")
CALLERS = Provider(name="sub", dialect="openai-chat", base_url="http://x", api_key_env="SUB", credentials="caller")


def test_a_key_is_read_by_name_when_it_is_needed() -> None:
    environment = {"LAB_KEY": "sk-one\n"}
    credentials = Credentials(environment)
    assert credentials.secret(LAB) == "sk-one"
    environment["LAB_KEY"] = "sk-two"
    assert credentials.secret(LAB) == "sk-two"
    assert credentials.has(LAB)


def test_where_no_key_of_ours_is_needed_none_is_sent() -> None:
    credentials = Credentials({"SUB": "sk-ours"})
    assert credentials.secret(OPEN) == credentials.secret(CALLERS) == ""
    assert credentials.has(OPEN)
    assert credentials.has(CALLERS)


@pytest.mark.parametrize(
    "value", ["", "  ", "<key>", "your-api-key", "YOUR_API_KEY_HERE", "sk-...", "sk-xxxx", "changeme", "${KEY}", "$KEY"]
)
def test_a_missing_key_or_a_placeholder_names_the_variable(value: str) -> None:
    credentials = Credentials({"LAB_KEY": value})
    assert not credentials.has(LAB)
    with pytest.raises(NoCredentials, match=r"lab.*\$LAB_KEY") as caught:
        credentials.secret(LAB)
    assert isinstance(caught.value, UpstreamError)
    assert not caught.value.retryable


@pytest.mark.parametrize("value", ["sk-a\r\nx-evil: 1", "sk-a\x00b", "sk-é"])
def test_a_key_that_cannot_be_a_key_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(NoCredentials) as caught:
        Credentials({"LAB_KEY": value}).secret(LAB)
    assert "sk-" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("value", ["sk-proj-AbC123", "your", "xoxb-1", "gsk_none", "a"])
def test_what_may_be_a_key_is_one(value: str) -> None:
    assert Credentials({"LAB_KEY": value}).secret(LAB) == value


@settings(deadline=None)
@given(st.text())
def test_a_mask_shows_four_characters_at_most(secret: str) -> None:
    shown = mask(secret)
    assert len(shown) <= 5
    if len(secret) >= 12:
        assert shown == "…" + secret[-4:]
    else:
        assert shown in ("", "…")
