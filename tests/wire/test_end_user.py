"""Who the end user is, by each dialect's own field; what is no name is refused as its vendor would."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.errors import InvalidRequest
from pointsman.wire.anthropic_messages.dialect import AnthropicMessages
from pointsman.wire.openai_chat.dialect import OpenAIChat
from pointsman.wire.openai_embeddings import OpenAIEmbeddings
from pointsman.wire.openai_responses.dialect import OpenAIResponses

_TOLD = [{"role": "user", "content": "hello"}]
_READ: dict[str, tuple[Any, dict[str, Any]]] = {
    "chat": (OpenAIChat(), {"messages": _TOLD}),
    "completions": (OpenAIChat(), {"prompt": "hello"}),
    "responses": (OpenAIResponses(), {"input": "hello"}),
    "embeddings": (OpenAIEmbeddings(), {"input": "hello"}),
    "messages": (AnthropicMessages(), {"messages": _TOLD, "max_tokens": 9}),
}


def named(surface: str, value: Any, field: str = "user") -> str:
    """The end user that a request names."""
    dialect, body = _READ[surface]
    said = {"metadata": {"user_id": value}} if surface == "messages" else {field: value}
    return str(dialect.read_request(json.dumps({"model": "m", **body, **said}).encode(), surface).user)


@pytest.mark.parametrize("surface", _READ)
def test_a_name_is_a_text_and_null_says_nothing(surface: str) -> None:
    assert named(surface, "5") == "5"
    assert named(surface, None) == ""


@pytest.mark.parametrize("surface", _READ)
@pytest.mark.parametrize("value", [5, 5.5, True, ["5"], {"id": "5"}])
def test_what_is_no_text_names_nobody_and_is_refused_by_its_field(surface: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        named(surface, value)
    field = "metadata.user_id" if surface == "messages" else "user"
    assert refused.value.param == field
    assert refused.value.message.startswith(f"`{field}` has to be a string, not {json.dumps(value)[:5]}")
    assert "quotes" in refused.value.hint


@pytest.mark.parametrize("surface", ["chat", "completions", "responses"])
def test_a_wrong_user_is_not_booked_under_the_other_field(surface: str) -> None:
    dialect, body = _READ[surface]
    both = json.dumps({"model": "m", **body, "user": 5, "safety_identifier": "ann"}).encode()
    with pytest.raises(InvalidRequest, match="`user`"):
        dialect.read_request(both, surface)
    with pytest.raises(InvalidRequest, match="`safety_identifier`"):
        named(surface, 5, "safety_identifier")
    null = json.dumps({"model": "m", **body, "user": None, "safety_identifier": "ann"}).encode()
    assert dialect.read_request(null, surface).user == "ann"
