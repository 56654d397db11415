"""How `anthropic-messages` requests are read, and refused, from the provider's side.

As strict as Anthropic where gateways stumble: fields that it does not know, empty texts, calls without results,
thoughts that were touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from pointsman.testing.dialect import Ask, Offer, Refusal, Request, turn
from pointsman.testing.seals import seal
from pointsman.wire.parse import BAD_JSON

_decode = msgspec.json.Decoder().decode
# fmt: off
_FIELDS = frozenset((
    "model", "messages", "max_tokens", "system", "stream", "tools", "tool_choice", "temperature", "top_p", "top_k",
    "stop_sequences", "thinking", "metadata", "service_tier", "cache_control", "output_config", "output_format",
    "mcp_servers", "context_management", "container", "inference_geo", "speed",
))
# fmt: on
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_MOST_MARKS = 4
_LEAST_BUDGET = 1024


def wrong(message: str) -> Refusal:
    """A 400 in Anthropic's words."""
    return Refusal(400, "invalid_value", message)


def read_messages(request: Request, surface: str) -> Ask:
    """Read a request for a message, or for the count of its tokens.

    Raises:
        Refusal: as Anthropic refuses it.
    """
    if not request.header(b"anthropic-version"):
        raise wrong("anthropic-version: header is required")
    try:
        fields = _decode(request.body)
    except BAD_JSON:
        raise wrong("The request body is not valid JSON") from None
    if not isinstance(fields, dict):
        raise wrong("Input should be a valid dictionary")
    for name in ("model", "messages", *(("max_tokens",) if surface == "messages" else ())):
        if fields.get(name) is None:
            raise wrong(f"{name}: Field required")
    if unknown := next((name for name in fields if name not in _FIELDS), None):
        raise wrong(f"{unknown}: Extra inputs are not permitted")
    try:
        return _Reader(fields, surface).ask()
    except (TypeError, KeyError, AttributeError, ValueError, IndexError) as error:
        raise wrong(f"messages: Input does not match the expected shape: {error}") from None


class _Reader:
    """Reads one request."""

    def __init__(self, fields: dict[str, Any], surface: str) -> None:
        self._fields = fields
        self._ask = Ask(surface=surface, model=str(fields["model"]), fields=frozenset(fields))
        self._texts: list[str] = []

    def ask(self) -> Ask:
        """The request."""
        fields, ask = self._fields, self._ask
        thinking = fields.get("thinking") or {"type": "disabled"}
        ask.thinks = thinking["type"] != "disabled"
        ask.shows_thoughts = thinking.get("display") != "omitted"
        self._numbers(thinking)
        self._tools()
        self._conversation()
        self._marks()
        form = (fields.get("output_config") or {}).get("format") or fields.get("output_format")
        if form:
            ask.schema = form["schema"]
        ask.prompt = "\n".join(self._texts)
        ask.stream = bool(fields.get("stream"))
        ask.choices = 0 if ask.surface == "count" else 1
        return ask

    def _numbers(self, thinking: dict[str, Any]) -> None:
        fields = self._fields
        if (limit := fields.get("max_tokens")) is not None and (not isinstance(limit, int) or limit < 1):
            raise wrong("max_tokens: Input should be greater than or equal to 1")
        self._ask.limit = limit
        heat = fields.get("temperature")
        if heat is not None and not 0 <= heat <= 1:
            raise wrong("temperature: range: 0..1")
        if any(not text.strip() for text in fields.get("stop_sequences") or ()):
            raise wrong("stop_sequences: each stop sequence must contain non-whitespace")
        if thinking["type"] == "enabled":
            if thinking["budget_tokens"] < _LEAST_BUDGET:
                raise wrong("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
            if limit is not None and thinking["budget_tokens"] >= limit:
                raise wrong("`max_tokens` must be greater than `thinking.budget_tokens`.")
            if heat not in {None, 1}:
                raise wrong("`temperature` may only be set to 1 when thinking is enabled.")

    def _tools(self) -> None:
        fields, ask = self._fields, self._ask
        offers = []
        for index, tool in enumerate(fields.get("tools") or ()):
            if tool.get("type", "custom") != "custom":
                continue  # those run at the provider; it has none
            if not _NAME.fullmatch(tool["name"]):
                raise wrong(f"tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
            if "type" not in tool["input_schema"]:
                raise wrong(f"tools.{index}.custom.input_schema.type: Field required")
            if tool["input_schema"]["type"] != "object":
                raise wrong(f"tools.{index}.custom.input_schema.type: Input should be 'object'")
            offers.append(Offer(name=tool["name"], schema=tool["input_schema"]))
        ask.offers = tuple(offers)
        choice = fields.get("tool_choice") or {"type": "auto"}
        kind = choice["type"]
        if kind in {"any", "tool"} and not fields.get("tools"):
            raise wrong("tool_choice: may only be specified while providing tools")
        if kind in {"any", "tool"} and ask.thinks:
            raise wrong("Thinking may not be enabled when tool_choice forces tool use.")
        ask.may_call, ask.parallel = kind != "none", not choice.get("disable_parallel_tool_use")
        if kind == "any" and offers:
            ask.forced = (offers[0].name,)
        elif kind == "tool":
            ask.forced, ask.named = (choice["name"],), True
            if choice["name"] not in {tool["name"] for tool in fields["tools"]}:
                raise wrong(f"Tool '{choice['name']}' not found in provided tools")

    def _conversation(self) -> None:
        if system := self._fields.get("system"):
            self._texts.append("system: " + "\n".join(_texts_of(system, "system")))
        messages = self._fields["messages"]
        if not messages:
            raise wrong("messages: at least one message is required")
        calls: list[str] = []
        for index, message in enumerate(messages):
            blocks = self._blocks(message, f"messages.{index}", last=index == len(messages) - 1)
            self._results(calls, blocks, index)
            calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
            if message["role"] == "assistant":
                self._assistant(blocks, index, turn=messages[index:])
        if calls:
            raise wrong(f"messages.{len(messages) - 1}: `tool_use` ids were found without `tool_result` blocks")

    def _blocks(self, message: dict[str, Any], at: str, *, last: bool) -> list[dict[str, Any]]:
        role, content = message["role"], message["content"]
        if role not in {"user", "assistant"}:
            raise wrong(f"role '{role}' is not supported on this model")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if (not content and not (last and role == "assistant")) or blocks is None:
            raise wrong(
                f"{at}: all messages must have non-empty content except for the optional final assistant message"
            )
        self._ask.images += sum(block["type"] == "image" for block in blocks)
        texts = []
        for number, block in enumerate(blocks):
            kind = block["type"]
            if kind == "text":
                texts.append(_text(block, f"{at}.content.{number}"))
            elif kind == "tool_result":
                self._say("tool", _texts_of(block.get("content") or "", at))
            elif kind == "tool_use":
                if not _ID.fullmatch(block["id"]) or not isinstance(block["input"], dict):
                    raise wrong(f"{at}.content.{number}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
                self._texts.append(msgspec.json.encode(block["input"]).decode())
        if texts:
            self._say(role, texts)
        if last and role == "assistant" and texts and texts[-1] != texts[-1].rstrip():
            raise wrong("messages: final assistant content cannot end with trailing whitespace")
        return blocks

    def _say(self, role: str, texts: list[str]) -> None:
        self._texts.append(f"{role}: " + "\n".join(texts))
        self._ask.text, self._ask.last_role = texts[-1], role
        self._ask.turns.append(turn(role, texts))

    def _results(self, calls: list[str], blocks: list[dict[str, Any]], index: int) -> None:
        """Each call has its result in the next message, before anything else, and each result has its call."""
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if strange := [name for name in results if name not in calls]:
            raise wrong(
                f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {strange[0]}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        first = [block["type"] for block in blocks[: len(results)]]
        if missing := [name for name in calls if name not in results] or (calls if "text" in first else []):
            raise wrong(
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block "
                "in the next message."
            )

    def _assistant(self, blocks: list[dict[str, Any]], index: int, turn: list[Any]) -> None:
        for number, block in enumerate(blocks):
            if block["type"] == "thinking" and block["signature"] != seal(self._ask.model, block["thinking"]):
                raise wrong(f"messages.{index}.content.{number}: Invalid `signature` in `thinking` block")
        budgeted = (self._fields.get("thinking") or {}).get("type") == "enabled"
        is_last = not any(message["role"] == "assistant" for message in turn[1:])
        if budgeted and is_last and blocks and any(block["type"] == "tool_use" for block in blocks):
            kind = blocks[0]["type"]
            if kind not in {"thinking", "redacted_thinking"}:
                self._ask.unsigned = (
                    f"messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{kind}`. "
                    "When `thinking` is enabled, a final `assistant` message must start with a thinking block."
                )

    def _marks(self) -> None:
        marks = list(_marks_in([self._fields.get(name) for name in ("tools", "system", "messages")]))
        if mark := self._fields.get("cache_control"):
            marks.append(mark)
        if len(marks) > _MOST_MARKS:
            raise wrong(f"A maximum of 4 blocks with cache_control may be provided. Found {len(marks)}.")
        lives = [mark.get("ttl") or "5m" for mark in marks]
        if lives != sorted(lives, key=lambda life: life != "1h"):
            raise wrong("a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block")
        self._ask.cache = ("1h" if lives[0] == "1h" else "5m") if lives else "none"


def _marks_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every `cache_control`, in the order in which the prompt is put together."""
    if isinstance(value, list):
        for item in value:
            yield from _marks_in(item)
    elif isinstance(value, dict):
        if isinstance(inner := value.get("content"), list):
            yield from _marks_in(inner)
        if mark := value.get("cache_control"):
            yield mark


def _text(block: dict[str, Any], at: str) -> str:
    text = block["text"]
    if not isinstance(text, str) or not text.strip():
        raise wrong(f"{at}: text content blocks must contain non-whitespace text")
    return text


def _texts_of(content: Any, at: str) -> list[str]:
    """The texts of a system prompt or a result, at least one."""
    if isinstance(content, str):
        return [content]
    return [_text(block, at) for block in content if block["type"] == "text"] or [""]
