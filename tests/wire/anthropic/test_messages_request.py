"""Callers' requests: what routing learns of them, what is refused, and what they are in the core."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from pointsman.core.chat import Extras, Media, Opaque, Reasoning, Text, ToolCall, ToolResult
from pointsman.core.errors import InvalidJson, InvalidRequest
from pointsman.core.model import Ability
from pointsman.wire.anthropic_messages.seals import seals_of_call

USER = {"role": "user", "content": "hi"}
DATA = base64.b64encode(b"x" * 90_000).decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": DATA}}


def said(*blocks):
    return [{"role": "user", "content": list(blocks)}]


def test_needs_of_a_plain_request(read):
    incoming = read(metadata={"user_id": "ada"})
    assert (incoming.model, incoming.stream, incoming.shows_usage, incoming.user) == ("m", False, True, "ada")
    needs = incoming.needs
    assert (needs.dialect, needs.abilities, needs.output_tokens) == ("anthropic-messages", Ability(0), 100)
    assert (needs.messages, needs.tools, needs.images, needs.stream) == (1, 0, 0, False)
    assert 5 < needs.input_tokens < 20


def test_a_stream_only_where_it_is_asked_for(read):
    assert read(stream=True).stream
    assert read(stream=True).needs.stream
    for field in ({}, {"stream": None}, {"stream": False}):
        assert not read(field).stream


def test_tools_images_documents_and_schemas_are_needs(read):
    assert read(tools=[{"name": "x", "input_schema": {}}]).needs.abilities == Ability.TOOLS
    assert read(tools=[{"type": "web_search_20250305", "name": "web_search"}]).needs.tools == 1
    assert read(messages=said(IMAGE)).needs.abilities == Ability.VISION
    assert read(messages=said(PDF)).needs.abilities == Ability.DOCUMENTS
    assert read(output_config={"format": {"type": "json_schema", "schema": {}}}).needs.abilities == Ability.JSON_SCHEMA
    assert read(output_format={"type": "json_schema", "schema": {}}).needs.abilities == Ability.JSON_SCHEMA
    assert read(output_config={"effort": "low"}).needs.abilities == Ability(0)


def test_data_are_no_text_also_in_the_result_of_a_tool(read):
    result = {"type": "tool_result", "tool_use_id": "a", "content": [IMAGE, {"type": "text", "text": "y" * 400}]}
    needs = read(messages=said(result, IMAGE)).needs
    assert needs.images == 2
    assert 1_700 < needs.input_tokens < 1_900


def test_text_of_system_prompt_tools_and_documents_counts(read):
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "z" * 4_000}}
    assert read(messages=said(text)).needs.input_tokens > 1_000
    assert read(system="s" * 4_000).needs.input_tokens > 1_000
    assert read(tools=[{"name": "x", "description": "d" * 4_000}]).needs.input_tokens > 1_000


def test_a_long_system_prompt_is_no_attack(read):
    assert read(system="s" * 2_000_000).needs.input_tokens > 500_000


def test_a_question_for_the_number_of_tokens_asks_for_no_answer(read):
    needs = read(surface="messages.count_tokens", stream=True).needs
    assert (needs.output_tokens, needs.stream) == (0, False)


def test_the_request_line_of_anthropic_s_own_clients_goes_along(messages):
    body = json.dumps({"model": "m", "messages": [USER]}).encode()
    for query, kept in (("beta=true", "beta=true"), ("beta=true&key=secret", "beta=true"), ("key=secret", "")):
        assert messages.read_request(body, "messages", "/v1/messages", query).query == kept


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [USER, {"role": 1}]}, "messages[1].role"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"tools": {}}, "tools"),
        ({"tools": ["x"]}, "tools"),
        ({"output_config": 3}, "output_config"),
    ],
)
def test_what_routing_cannot_understand_is_refused_with_its_path(read, fields, param):
    with pytest.raises(InvalidRequest) as refused:
        read(fields)
    assert refused.value.param == param
    assert f"`{param}`" in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"system": 7}, "system"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [USER, {"role": "assistant"}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": {"type": "text"}}]}, "messages[0].content"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_its_path(messages, read, fields, param):
    incoming = read(fields)  # a provider of the dialect may judge it
    with pytest.raises(InvalidRequest) as refused:
        messages.to_core(incoming)
    assert refused.value.param == param


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"model":"m",}', b"[" * 100_000])
def test_what_is_no_json_is_refused(messages, body):
    with pytest.raises((InvalidJson, InvalidRequest)):
        messages.read_request(body, "messages")


def test_every_kind_of_block_has_a_core_value(messages, read):
    turns = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "look", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "image", "source": {"type": "url", "url": "https://x.test/a"}},
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                {
                    "type": "document",
                    "title": "T",
                    "source": {"type": "text", "media_type": "text/plain", "data": "né"},
                },
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
                {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "found"}]},
                {"type": "container_upload", "file_id": "file_2"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "xyz"},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": [1, 2.5]}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "a", "is_error": True, "content": "no"}],
        },
    ]
    core = messages.to_core(read(messages=turns))
    text, by_url, by_file, plain, blocks, found, upload = core.messages[0].blocks
    assert text == Text(text="look", cache="1h")
    assert by_url == Media(kind="image", url="https://x.test/a")
    assert by_file == Media(kind="image", file_id="file_1")
    assert (plain.name, base64.b64decode(plain.data).decode()) == ("T", "né")
    assert base64.b64decode(blocks.data) == b"a"
    assert found.text == "T\nS\n\nfound"
    assert isinstance(upload, Opaque)
    thinking, hidden, call = core.messages[1].blocks
    assert thinking == Reasoning(text="hm", signature="sig", maker="anthropic-messages")
    assert hidden == Reasoning(encrypted="xyz", maker="anthropic-messages")
    assert call == ToolCall(id="a", name="f", arguments='{"x": [1, 2.5]}')
    assert core.messages[2].blocks == (ToolResult(call_id="a", content=(Text(text="no"),), is_error=True),)


def test_a_search_result_and_a_document_of_blocks_come_back_as_they_were(messages, read, claude):
    turn = said(
        {
            "type": "search_result",
            "title": "T",
            "source": "S",
            "content": [{"type": "text", "text": "x"}],
            "citations": {"enabled": True},
        },
        {"type": "document", "context": "C", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
    )
    sent = messages.from_core(messages.to_core(read(messages=turn)), claude())
    assert json.loads(sent.body)["messages"] == turn
    assert not sent.dropped


def test_system_prompts_as_text_and_as_blocks(messages, read):
    assert messages.to_core(read(system="one")).messages[0].blocks == (Text(text="one"),)
    marked = [{"type": "text", "text": "one"}, {"type": "text", "text": "two", "cache_control": {"type": "ephemeral"}}]
    assert messages.to_core(read(system=marked)).messages[0].blocks == (Text(text="one"), Text(text="two", cache="5m"))
    for nothing in ("", [], None):
        assert len(messages.to_core(read(system=nothing)).messages) == 1


def test_tools_and_their_choice(messages, read):
    tools = [
        {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True, "defer_loading": True},
        {"type": "custom", "name": "g", "input_schema": {}, "cache_control": {"type": "ephemeral"}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ]
    core = messages.to_core(read(tools=tools, tool_choice={"type": "any", "disable_parallel_tool_use": True}))
    function, custom, server = core.tools
    assert (function.name, function.description, function.strict) == ("f", "d", True)
    assert function.extras[0].fields == {"defer_loading": msgspec.Raw(b"true")}
    assert (custom.name, custom.cache, custom.dialect) == ("g", "5m", "")
    assert (server.name, server.dialect) == ("web_search_20250305", "anthropic-messages")
    assert (core.tool_choice.mode, core.tool_choice.parallel) == ("required", False)
    named = messages.to_core(read(tools=tools, tool_choice={"type": "tool", "name": "f"}))
    assert (named.tool_choice.mode, named.tool_choice.name) == ("named", "f")
    new = messages.to_core(read(tool_choice={"type": "new"}))
    assert (new.tool_choice, list(new.extras[0].fields)) == (None, ["tool_choice"])


def test_a_result_that_is_no_text_and_no_list_is_named_where_it_is_lost(messages, read):
    result = {"type": "tool_result", "tool_use_id": "a", "content": {"a": 1}}
    turns = [USER, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}]
    core = messages.to_core(read(messages=[*turns, {"role": "user", "content": [result]}]))
    (block,) = core.messages[-1].blocks[0].content
    assert (block.dialect, bytes(block.raw)) == ("anthropic-messages", b'{"a": 1}')


def test_a_mark_on_the_whole_request_counts_for_its_last_block(messages, read):
    core = messages.to_core(read(cache_control={"type": "ephemeral", "ttl": "1h"}))
    assert core.messages[-1].blocks[-1].cache == "1h"


def test_what_only_this_dialect_knows_is_kept_for_it(messages, read, claude):
    fields = {"container": "c1", "mcp_servers": [{"url": "x"}], "metadata": {"user_id": "u", "more": 1}}
    core = messages.to_core(read(fields))
    assert core.user == "u"
    assert set(core.extras[0].fields) == {"container", "mcp_servers", "metadata"}
    body = json.loads(messages.from_core(core, claude()).body)
    assert {name: body[name] for name in fields} == fields


def test_a_seal_goes_to_one_call_though_others_have_its_id(messages, read):
    """Thousands of both would be millions of either."""
    kept = Extras(dialect="gemini", fields={"thoughtSignature": msgspec.Raw(b'"s"')})
    (data,) = seals_of_call(ToolCall(id="a", name="f", extras=(kept,)), "a")
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    content = [{"type": "redacted_thinking", "data": data}, use, use]
    (message,) = messages.to_core(read(messages=[{"role": "assistant", "content": content}])).messages
    assert [len(block.extras) for block in message.blocks] == [1, 0]
