"""How `gemini` requests are read, and refused, from the provider's side. Names in camelCase and in snake_case.

As strict as Google where gateways stumble: fields that it does not know, schemas with words outside its subset, results
that do not match their calls, calls that come back without their signature.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from pointsman.testing.dialect import Ask, Offer, Refusal, Request, turn
from pointsman.testing.seals import seal
from pointsman.wire.parse import BAD_JSON

_decode = msgspec.json.Decoder().decode
_PATH = re.compile(r"/models/(?P<model>[^:]+):(?P<verb>\w+)")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
# fmt: off
_FIELDS = frozenset((
    "contents", "tools", "toolConfig", "safetySettings", "systemInstruction", "generationConfig", "cachedContent",
    "model", "serviceTier", "store",
))
# fmt: on
# fmt: off
_SCHEMA = frozenset((
    "type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
    "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering",
    "default", "items", "minimum", "maximum",
))
# fmt: on
_UNSIGNED = {"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}
"""What Google's guide says to send in the place of a signature that was lost."""
_PLAIN = str.maketrans("-_", "+/")  # bytes may come back in the other alphabet of base64
_MOST_CANDIDATES = 8
_SAID = ("result", "output", "content", "text", "error")


def model_in(path: str) -> str:
    """The model that a path asks for; empty if none."""
    found = _PATH.fullmatch(unquote(path))
    return found["model"] if found else ""


def verb_in(path: str) -> str:
    """What the model is to do."""
    found = _PATH.fullmatch(unquote(path))
    return found["verb"] if found else ""


def asks_events(request: Request) -> bool:
    """Whether a stream is to be an event stream; without this it is one JSON array."""
    return parse_qs(request.query).get("alt") == ["sse"]


def call_seal(model: str, name: str) -> str:
    """The signature of a call."""
    return seal(model, f"call/{name}")


def wrong(message: str) -> Refusal:
    """A 400 in Google's words."""
    return Refusal(400, "invalid_value", message)


def read_generate(request: Request, surface: str) -> Ask:
    """Read a request for contents, or for the count of its tokens.

    Raises:
        Refusal: as Google refuses it.
    """
    try:
        fields = _decode(request.body)
    except BAD_JSON:
        fields = None
    if not isinstance(fields, dict):
        raise wrong("Invalid JSON payload received. Expected a JSON object.")
    try:
        if surface == "count":
            fields = _get(fields, "generateContentRequest") or fields
        return _Reader(fields, surface, request).ask()
    except (TypeError, KeyError, AttributeError, ValueError, IndexError) as error:
        raise wrong(f"Invalid value in the request: {error}") from None


def _snake(name: str) -> str:
    return _HUMP.sub("_", name).lower()


def _get(fields: dict[str, Any], name: str) -> Any:
    found = fields.get(name)
    return fields.get(_snake(name)) if found is None else found


class _Reader:
    """Reads one request."""

    def __init__(self, fields: dict[str, Any], surface: str, request: Request) -> None:
        known = _FIELDS | {_snake(name) for name in _FIELDS}
        if unknown := next((name for name in fields if name not in known), None):
            raise wrong(f'Invalid JSON payload received. Unknown name "{unknown}": Cannot find field.')
        self._fields = fields
        self._ask = Ask(surface=surface, model=model_in(request.path), fields=frozenset(fields))
        self._ask.stream = surface == "stream"
        self._ask.echo = {"sse": asks_events(request)}
        self._texts: list[str] = []

    def ask(self) -> Ask:
        """The request."""
        ask = self._ask
        config = _get(self._fields, "generationConfig") or {}
        ask.limit = _whole(config, "maxOutputTokens")
        ask.choices = 0 if ask.surface == "count" else _whole(config, "candidateCount") or 1
        if ask.choices > _MOST_CANDIDATES:
            raise wrong("The specified candidate count is out of range: it must be 1 to 8.")
        thinking = _get(config, "thinkingConfig") or {}
        ask.shows_thoughts = bool(_get(thinking, "includeThoughts"))
        ask.thinks = _get(thinking, "thinkingBudget") != 0
        self._schema(config)
        self._tools()
        self._conversation()
        ask.prompt = "\n".join(self._texts)
        return ask

    def _schema(self, config: dict[str, Any]) -> None:
        if _get(config, "responseMimeType") != "application/json":
            if _get(config, "responseSchema") or _get(config, "responseJsonSchema"):
                raise wrong("response_schema is only supported with response_mime_type 'application/json'")
            return
        if (schema := _get(config, "responseSchema")) is not None:
            self._ask.schema = _plain(schema, "generation_config.response_schema")
        else:
            self._ask.schema = _get(config, "responseJsonSchema") or {}

    def _tools(self) -> None:
        ask, offers = self._ask, []
        for index, tool in enumerate(_get(self._fields, "tools") or ()):
            for number, function in enumerate(_get(tool, "functionDeclarations") or ()):
                at = f"tools[{index}].function_declarations[{number}]"
                if not _NAME.fullmatch(function["name"]):
                    raise wrong(f"Invalid function name at '{at}.name': it must start with a letter or an underscore.")
                schema = _get(function, "parametersJsonSchema") or _plain(_get(function, "parameters") or {}, at)
                offers.append(Offer(name=function["name"], schema=schema))
        ask.offers = tuple(offers)
        config = _get(_get(self._fields, "toolConfig") or {}, "functionCallingConfig") or {}
        mode = str(config.get("mode") or "AUTO").upper()
        names = _get(config, "allowedFunctionNames") or []
        if names and mode not in {"ANY", "VALIDATED"}:
            raise wrong("Function calling config: allowed_function_names is only for the mode ANY.")
        if strange := [name for name in names if name not in [offer.name for offer in offers]]:
            raise wrong(f"Function calling config: {strange[0]} is not among the function declarations.")
        ask.may_call = mode != "NONE"
        if mode == "ANY" and offers:
            ask.forced = tuple(names[:1]) or (offers[0].name,)

    def _conversation(self) -> None:
        if system := _get(self._fields, "systemInstruction"):
            parts = system["parts"]
            texts = [part["text"] for part in (parts if isinstance(parts, list) else [parts])]
            self._texts.append("system: " + "\n".join(texts))
        contents = _get(self._fields, "contents")
        if not contents:
            raise wrong("* GenerateContentRequest.contents: contents is not specified")
        calls: list[str] = []
        for index, content in enumerate(contents if isinstance(contents, list) else [contents]):
            role = content.get("role") or "user"
            if role not in {"user", "model", "function"}:
                raise wrong("Please use a valid role: user, model.")
            if not content.get("parts"):
                raise wrong(f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.")
            calls = self._parts("assistant" if role == "model" else "user", content["parts"], calls, index)

    def _parts(self, role: str, parts: list[dict[str, Any]], before: list[str], index: int) -> list[str]:
        """Read one turn; returns the calls that it made, for which the next one has to have results."""
        calls: list[str] = []
        results = 0
        texts: list[str] = []
        if role == "user" and any("text" in part for part in parts):
            self._ask.unsigned = ""  # a new turn; what is before it may lack signatures
        for part in parts:
            if (call := _get(part, "functionCall")) is not None:
                if not calls:
                    self._signed(call["name"], _get(part, "thoughtSignature"), index)
                calls.append(call["name"])
                self._texts.append(msgspec.json.encode(call.get("args") or {}).decode())
            elif (result := _get(part, "functionResponse")) is not None:
                results += 1
                self._say("tool", [_said(result["response"])])
            elif "text" in part and not part.get("thought"):
                texts.append(part["text"])
            elif _get(part, "inlineData") or _get(part, "fileData"):
                self._ask.images += 1
        if texts := [text for text in texts if text]:
            self._say(role, texts)
        if results != len(before):
            raise wrong(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        return calls

    def _say(self, role: str, texts: list[str]) -> None:
        self._texts.append(f"{role}: " + "\n".join(texts))
        self._ask.text, self._ask.last_role = texts[-1], role
        self._ask.turns.append(turn(role, texts))

    def _signed(self, name: str, signature: Any, index: int) -> None:
        own = str(signature).translate(_PLAIN) == call_seal(self._ask.model, name)
        if not own and signature not in _UNSIGNED and not self._ask.unsigned:
            self._ask.unsigned = (
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                f"work correctly. Additional data, function call `default_api:{name}`, position {index + 1}."
            )


def _whole(config: dict[str, Any], name: str) -> int | None:
    value = _get(config, name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise wrong(f"Invalid value at 'generation_config.{_snake(name)}': {value}")
    return value


def _plain(schema: Any, at: str) -> dict[str, Any]:
    """A schema in Google's subset as JSON Schema: types in lower case. Raises Refusal: a word outside the subset."""
    made: dict[str, Any] = {}
    for word, value in schema.items():
        name = next((known for known in _SCHEMA if word in {known, _snake(known)}), None)
        if name is None or (name == "type" and not isinstance(value, str)):
            raise wrong(f"Invalid JSON payload received. Unknown name \"{word}\" at '{at}': Cannot find field.")
        if name == "type":
            made[name] = value.lower()
        elif name == "properties":
            made[name] = {key: _plain(inner, at) for key, inner in value.items()}
        elif name == "items":
            made[name] = _plain(value, at)
        elif name == "anyOf":
            made[name] = [_plain(inner, at) for inner in value]
        else:
            made[name] = value
    return made


def _said(response: dict[str, Any]) -> str:
    """A function's result as text: itself, where it is but one text under one of the usual names."""
    if len(response) == 1:
        name, value = next(iter(response.items()))
        if name in _SAID and isinstance(value, str):
            return value
    return msgspec.json.encode(response).decode()
