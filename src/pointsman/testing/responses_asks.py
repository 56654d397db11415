"""How `openai-responses` requests are read, and refused, from the provider's side.

Nothing is stored: what refers to an earlier response is refused as OpenAI refuses what it has not. References to single
items are taken at their word, since their names are all that is needed of them.
"""

from __future__ import annotations

from typing import Any

from pointsman.testing.dialect import Ask, Offer, Refusal, Request, turn
from pointsman.testing.openai_common import MOST_TOKENS, misread, needs, read_object, within
from pointsman.testing.seals import seal

_LEAST_TOKENS = 16
_MOST_CALL_ID = 64
_SAID = {"input_text", "output_text", "text", "refusal"}
# fmt: off
_ECHOED = (
    "instructions", "metadata", "parallel_tool_calls", "reasoning", "store", "stream_options", "temperature",
    "text", "tool_choice", "tools", "top_p",
)
# fmt: on
_LETTERS = "obfuscationobfuscation"
_ENCRYPTED = "reasoning.encrypted_content"


def own_seal(model: str) -> str:
    """What a model's encrypted thoughts look like."""
    return f"gAAAAA{seal(model, 'reasoning')}"


def read_response(request: Request, surface: str) -> Ask:
    """Read a request for a response, or for the count of its tokens.

    Raises:
        Refusal: as OpenAI refuses it.
    """
    fields = read_object(request.body)
    needs(fields, "model", "input")
    if earlier := fields.get("previous_response_id"):
        message = f"Previous response with id '{earlier}' not found."
        raise Refusal(400, "previous_response_not_found", message, "previous_response_id")
    try:
        return _Reader(fields, surface).ask()
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise misread(error) from None


class _Reader:
    """Reads one request."""

    def __init__(self, fields: dict[str, Any], surface: str) -> None:
        self._fields = fields
        self._ask = Ask(surface=surface, model=str(fields["model"]), fields=frozenset(fields))
        self._texts: list[str] = []

    def ask(self) -> Ask:
        """The request."""
        fields, ask = self._fields, self._ask
        ask.stream = bool(fields.get("stream"))
        ask.limit = within(fields, "max_output_tokens", _LEAST_TOKENS, MOST_TOKENS)
        ask.shows_thoughts = bool((fields.get("reasoning") or {}).get("summary"))
        ask.sealed = _ENCRYPTED in (fields.get("include") or ())
        ask.thinks = (fields.get("reasoning") or {}).get("effort") != "none"
        ask.choices = 0 if ask.surface == "count" else 1
        form = (fields.get("text") or {}).get("format") or {}
        if form.get("type") == "json_schema":
            ask.schema = form["schema"]
        elif form.get("type") == "json_object":
            ask.schema = {}
        self._tools()
        self._conversation()
        ask.prompt = "\n".join(self._texts)
        ask.echo = {name: fields[name] for name in _ECHOED if fields.get(name) is not None}
        return ask

    def _tools(self) -> None:
        fields, ask = self._fields, self._ask
        functions = [tool for tool in fields.get("tools") or () if tool["type"] == "function"]
        ask.offers = tuple(Offer(name=tool["name"], schema=tool.get("parameters") or {}) for tool in functions)
        ask.parallel = fields.get("parallel_tool_calls") is not False
        choice = fields.get("tool_choice")
        if isinstance(choice, dict) and choice["type"] == "allowed_tools":
            names = {tool["name"] for tool in choice["tools"]}
            ask.offers = tuple(offer for offer in ask.offers if offer.name in names)
            choice = choice["mode"]
        if isinstance(choice, dict):
            name = choice["name"]
            if name not in [offer.name for offer in ask.offers]:
                message = f"Tool choice '{name}' not found in 'tools' parameter."
                raise Refusal(400, "invalid_value", message, "tool_choice")
            ask.forced, ask.named = (name,), True
        elif choice == "required" and ask.offers:
            ask.forced = (ask.offers[0].name,)
        ask.may_call = choice != "none"

    def _conversation(self) -> None:
        if instructions := self._fields.get("instructions"):
            self._texts.append(f"system: {instructions}")
        given = self._fields["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        calls: set[str] = set()
        for item in items:
            kind = item.get("type", "message")
            if kind == "message":
                texts, images = _texts_of(item["content"])
                self._ask.images += images
                self._say(item["role"], texts)
            elif kind == "function_call":
                if len(item["call_id"]) > _MOST_CALL_ID:
                    message = f"Invalid 'input.call_id': string too long. Expected at most {_MOST_CALL_ID} characters."
                    raise Refusal(400, "string_above_max_length", message, "input")
                calls.add(item["call_id"])
                self._texts.append(str(item["arguments"]))
            elif kind == "function_call_output":
                self._result(item, calls)
            elif kind == "reasoning":
                self._thoughts(item)
            elif kind == "item_reference":
                self._reference(item["id"], calls)

    def _say(self, role: str, texts: list[str]) -> None:
        self._texts.append(f"{role}: " + "\n".join(texts))
        if role not in {"system", "developer"}:  # coding agents put notes for the model behind what was asked
            self._ask.text, self._ask.last_role = texts[-1], role
            self._ask.turns.append(turn(role, texts))

    def _result(self, item: dict[str, Any], calls: set[str]) -> None:
        if item["call_id"] not in calls:
            message = f"No tool call found for function call output with call_id {item['call_id']}."
            raise Refusal(400, "", message, "input")
        self._say("tool", _texts_of(item["output"])[0])

    def _reference(self, name: str, calls: set[str]) -> None:
        kind, _, rest = name.partition("_")
        if self._fields.get("store") is False or kind not in {"fc", "msg", "rs"}:
            raise _not_stored(name)
        if kind == "fc":
            calls.add(f"call_{rest}")  # as `openai_responses` names them

    def _thoughts(self, item: dict[str, Any]) -> None:
        encrypted = item.get("encrypted_content")
        if encrypted and encrypted != own_seal(self._ask.model):
            message = (
                f"The encrypted content {encrypted[:4]}... could not be verified. "
                "Reason: Encrypted content could not be decrypted or parsed."
            )
            raise Refusal(400, "invalid_encrypted_content", message)
        if not encrypted and self._fields.get("store") is False:
            raise _not_stored(item.get("id", ""))


def _not_stored(name: str) -> Refusal:
    message = (
        f"Item with id '{name}' not found. Items are not persisted when `store` is set to false. "
        "Try again with `store` set to true, or remove this item from your input."
    )
    return Refusal(404, "", message, "input")


def _texts_of(content: Any) -> tuple[list[str], int]:
    """The texts of a message's or a result's content, at least one, and the number of its images."""
    if isinstance(content, str):
        return [content], 0
    texts = [part.get("text") or part.get("refusal") or "" for part in content if part["type"] in _SAID]
    return texts or [""], sum(part["type"] == "input_image" for part in content)


def padding(delta: str, size: int = 16) -> str:
    """Letters that fill a delta up to a multiple of a size, so that its length tells nothing."""
    return _LETTERS[: size - len(delta) % size]
