"""How far a provider may go with a request, as each dialect says it."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

from pointsman.core.extent import OPEN, PLAIN, Extent
from pointsman.core.reach import SILENT
from pointsman.wire.anthropic_messages.dialect import AnthropicMessages
from pointsman.wire.gemini.dialect import Gemini
from pointsman.wire.openai_chat.dialect import OpenAIChat
from pointsman.wire.openai_responses.dialect import OpenAIResponses
from pointsman.wire.port import Spoken
from pointsman.wire.trip import Surface

CHAT, RESPONSES, MESSAGES, GEMINI = OpenAIChat(), OpenAIResponses(), AnthropicMessages(), Gemini()
SURFACES: dict[str, tuple[Surface, str]] = {
    CHAT.name: ("chat.completions", ""),
    RESPONSES.name: ("responses", ""),
    MESSAGES.name: ("messages", ""),
    GEMINI.name: ("gemini.generate", "/v1beta/models/m:generateContent"),
}
SAYS = [{"role": "user", "content": "Hello"}]
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CONTENTS = [{"role": "user", "parts": [{"text": "Hello"}]}]


def extent(dialect: Spoken, body: dict[str, Any] | bytes) -> Extent:
    surface, path = SURFACES[dialect.name]
    raw = body if isinstance(body, bytes) else json.dumps({"model": "m", **body}).encode()
    return dialect.extent(dialect.read_request(raw, surface, path))


def part(kind: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "See"}, {"type": kind, **more}]}]}


@pytest.mark.parametrize(
    ("dialect", "body", "is_plain"),
    [
        (CHAT, {"messages": SAYS}, True),
        (CHAT, part("text", text='the word "type": "image_url" in a text'), True),
        (CHAT, {"messages": [{"role": "user", "content": "日本語のテキスト, “quoted”"}]}, True),
        (CHAT, {"messages": SAYS, "tools": [FUNCTION]}, True),
        (CHAT, {"messages": SAYS, "web_search_options": None}, True),
        (CHAT, part("image_url", image_url={"url": "https://x/y.png"}), False),
        (CHAT, part("document_url", document_url="https://x/y.pdf"), False),
        (CHAT, {"messages": [*SAYS, {"role": "assistant", "audio": {"id": "audio_1"}}]}, False),
        (CHAT, b'{"model":"m","messages":[{"role":"user","content":[{"t\\u0079pe":"im\\u0061ge_url"}]}]}', False),
        (RESPONSES, {"input": "Hello"}, True),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]}, True),
        (RESPONSES, {"input": [{"type": "message", "id": "msg_1", "role": "user", "content": "Hello"}]}, True),
        (RESPONSES, {"input": [{"id": "msg_1"}, *SAYS]}, False),
        (RESPONSES, {"input": [{"type": "item_reference", "id": "msg_1"}, *SAYS]}, False),
        (RESPONSES, {"input": "Hello", "previous_response_id": "resp_1"}, False),
        (RESPONSES, {"input": "Hello", "conversation": "conv_1"}, False),
        (RESPONSES, {"input": "Hello", "prompt": {"id": "pmpt_1"}}, False),
        (MESSAGES, {"messages": SAYS, "max_tokens": 9}, True),
        (MESSAGES, {"messages": SAYS, "system": [{"type": "text", "text": "Be brief."}]}, True),
        (MESSAGES, part("image", source={"type": "file", "file_id": "file_1"}), False),
        (MESSAGES, {"messages": SAYS, "container": "container_1"}, False),
        (GEMINI, {"contents": CONTENTS}, True),
        (GEMINI, {"contents": [{"parts": [{"file_data": {"file_uri": "https://x/y", "mime_type": "x/y"}}]}]}, False),
        (GEMINI, {"contents": [{"parts": [{"inlineData": {"data": "AAAA", "mimeType": "application/PDF"}}]}]}, False),
        (GEMINI, {"contents": CONTENTS, "cached_content": "cachedContents/1"}, False),
    ],
)
def test_what_bytes_say_nothing_of_is_seen(dialect: Spoken, body: Any, is_plain: bool) -> None:
    found = extent(dialect, body)
    assert found.kept is not is_plain
    assert (found in (OPEN, PLAIN)) is is_plain


@pytest.mark.parametrize(
    ("dialect", "fields", "ways", "is_open"),
    [
        (CHAT, {}, SILENT, True),
        (CHAT, {"service_tier": "auto"}, SILENT, True),
        (CHAT, {"service_tier": "default"}, set(), False),
        (CHAT, {"service_tier": "flex"}, {"flex"}, False),
        (CHAT, {"service_tier": 7}, SILENT, False),
        (RESPONSES, {"service_tier": "priority"}, {"priority"}, False),
        (MESSAGES, {}, SILENT, False),
        (MESSAGES, {"speed": "fast"}, SILENT | {"fast"}, False),
        (MESSAGES, {"service_tier": "standard_only", "inference_geo": "global"}, set(), False),
        (MESSAGES, {"service_tier": "standard_only"}, {"us"}, False),
        (GEMINI, {"serviceTier": "flex"}, {"flex", "provisioned"}, False),
    ],
)
def test_how_it_may_be_served(dialect: Spoken, fields: dict[str, Any], ways: set[str], is_open: bool) -> None:
    own = {"contents": CONTENTS} if dialect is GEMINI else {"input": "Hello"} if dialect is RESPONSES else {}
    found = extent(dialect, {"messages": SAYS, **own, **fields})
    assert found.ways == ways
    assert found.open is is_open


SEARCH = {"type": "web_search_20250305", "name": "web_search"}


@pytest.mark.parametrize(
    ("dialect", "fields", "uses", "settable", "rounds", "fees"),
    [
        (CHAT, {"web_search_options": {}}, None, False, 0, ()),
        (CHAT, {"tools": [{"type": "web_search"}]}, None, False, 0, ()),
        (RESPONSES, {"tools": [{"type": "web_search_preview"}]}, None, True, 0, ((("web_search",), 0),)),
        (
            RESPONSES,
            {"tools": [{"type": "web_search"}, {"type": "mcp"}, {"type": "custom", "name": "c"}], "max_tool_calls": 3},
            *(3, True, 3, ((("web_search",), 3),)),
        ),
        (
            RESPONSES,
            {"tools": [{"type": "code_interpreter"}], "max_tool_calls": 2},
            *(2, True, 2, ((("container", "code_execution"), 2),)),
        ),
        (RESPONSES, {"tools": [{"type": "shell", "environment": {"type": "local"}}]}, 0, False, 0, ()),
        (MESSAGES, {"tools": [SEARCH]}, None, True, 0, ((("web_search",), 0),)),
        (MESSAGES, {"tools": [SEARCH | {"max_uses": 3}]}, 3, False, 3, ((("web_search",), 3),)),
        (MESSAGES, {"tools": [SEARCH | {"max_uses": 30}]}, 30, False, 10, ((("web_search",), 30),)),
        (MESSAGES, {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]}, 10, False, 10, ()),
        (
            MESSAGES,
            {"tools": [SEARCH, {"type": "code_execution_20250825", "name": "code_execution"}]},
            *(None, False, 0, ((("web_search",), 0), (("code_execution",), 0))),
        ),
        (MESSAGES, {"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]}, 10, False, 10, ()),
        (GEMINI, {"tools": [{"google_search": {}}]}, None, False, 0, ()),
    ],
)
def test_tools_that_run_at_the_provider(
    dialect: Spoken, fields: dict[str, Any], uses: int | None, settable: bool, rounds: int, fees: Any
) -> None:
    own = {"contents": CONTENTS} if dialect is GEMINI else {"input": "Hello"} if dialect is RESPONSES else {}
    found = extent(dialect, {"messages": SAYS, **own, **fields})
    assert (found.uses, found.settable, found.rounds, found.fees) == (uses, settable, rounds, fees)


def test_a_tool_that_the_caller_runs_is_no_matter_but_for_its_words() -> None:
    found = extent(MESSAGES, {"messages": SAYS, "tools": [{"type": "bash_20250124", "name": "bash"}]})
    assert (found.tools, found.added) == ((), 1_024)


@pytest.mark.parametrize("escaped", [False, True])
def test_signs_that_a_tokenizer_may_spell_out_are_counted_as_long_as_they_become(escaped: bool) -> None:
    text = "\ufdfa\u3316" * 10
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}, ensure_ascii=escaped).encode()
    found = extent(CHAT, body)
    assert len(body) + found.added >= len(body) + (33 - 3 + 18 - 3) * 10 - escaped * 60
    assert extent(CHAT, {"messages": [{"role": "user", "content": "\u00e9\u65e5 plain"}]}).added == 0


def test_what_was_wrong_in_a_prediction_and_what_was_not_best_is_written_too() -> None:
    assert extent(CHAT, {"messages": SAYS, "prediction": {"type": "content", "content": "x" * 100}}).written > 100
    raw = json.dumps({"model": "m", "prompt": "Hello", "best_of": 4}).encode()
    assert CHAT.extent(CHAT.read_request(raw, "completions")).answers == 4


def test_the_longer_of_two_limits_counts() -> None:
    body = json.dumps({"model": "m", "messages": SAYS, "max_completion_tokens": 5, "max_tokens": 5_000}).encode()
    assert CHAT.read_request(body, "chat.completions").needs.output_tokens == 5_000


def test_bounds_are_told_where_a_dialect_has_words_for_them() -> None:
    def told(dialect: Spoken, body: dict[str, Any]) -> dict[str, Any]:
        surface, path = SURFACES[dialect.name]
        incoming = dialect.read_request(json.dumps({"model": "m", **body}).encode(), surface, path)
        fields = dialect.bounded(incoming, usual=True, uses=4).fields
        return {name: json.loads(bytes(raw)) for name, raw in fields.items()}

    assert told(CHAT, {"messages": SAYS})["service_tier"] == "default"
    said = told(RESPONSES, {"input": "Hello", "tools": [{"type": "web_search"}]})
    assert (said["service_tier"], said["max_tool_calls"]) == ("default", 4)
    tools = told(MESSAGES, {"messages": SAYS, "tools": [SEARCH, {"name": "f"}, SEARCH | {"max_uses": 1}]})["tools"]
    assert [tool.get("max_uses") for tool in tools] == [4, None, 1]


@pytest.mark.parametrize("escaped", [False, True])
def test_no_sign_becomes_longer_than_it_is_counted(escaped: bool) -> None:
    for block in range(0, 0x10000, 64):
        text = "".join(chr(code) for code in range(block, block + 64) if not 0xD800 <= code < 0xE000)
        body = json.dumps(
            {"model": "m", "messages": [{"role": "user", "content": text}]}, ensure_ascii=escaped
        ).encode()
        spelled = len(unicodedata.normalize("NFKC", text).encode())
        assert spelled <= len(body) + extent(CHAT, body).added, hex(block)
