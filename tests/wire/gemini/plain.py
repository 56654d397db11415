"""Requests of the dialect in one form, whatever liberty there is in writing them."""

from __future__ import annotations

from typing import Any

from pointsman.wire.gemini.names import camel
from pointsman.wire.gemini.schemas import read_openapi
from pointsman.wire.raw import dump, value_of

_FORMED = ("model", "labels", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig")
_FREE = ("args", "response", "parametersJsonSchema", "responseJsonSchema", "labels")
_UNSIGNED = (
    "skip_thought_signature_validator",
    "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I",
    "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
)


def plain_request(body: dict[str, Any]) -> dict[str, Any]:
    """A request in one form: camelCase, without nulls and defaults, turns merged, schemas in one language."""
    plain = _plain(body)
    system = _listed((plain.get("systemInstruction") or {}).get("parts"))
    made = {
        **{name: value for name, value in plain.items() if name not in _FORMED},
        "contents": _turns(_listed(plain.get("contents"))),
        "system": [part["text"] for part in system if part.get("text")],
        "tools": _tools(_listed(plain.get("tools"))),
        "config": _config(plain.get("generationConfig") or {}),
        "choice": _choice(plain.get("toolConfig") or {}),
    }
    return {name: value for name, value in made.items() if value not in ([], {})}


def _choice(config: dict[str, Any]) -> dict[str, Any]:
    calling = dict(config.get("functionCallingConfig") or {})
    calling["mode"] = str(calling.get("mode", "AUTO")).upper()
    if calling == {"mode": "AUTO"}:
        return {name: value for name, value in config.items() if name != "functionCallingConfig"}
    return {**config, "functionCallingConfig": calling}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        said = {camel(name): one for name, one in value.items() if one is not None}
        return {name: one if name in _FREE else _schema(name, one) for name, one in said.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _schema(name: str, value: Any) -> Any:
    if name in ("parameters", "responseSchema") and isinstance(value, dict):
        return value_of(read_openapi(dump(value), camel))
    return _plain(value)


def _turns(contents: list[Any]) -> list[Any]:
    """Turns that say something, those of one side as one."""
    turns: list[Any] = []
    for content in contents:
        role = "model" if content.get("role") == "model" else "user"
        parts = [_part(part) for part in _listed(content.get("parts"))]
        parts = [part for part in parts if part and part != {"text": ""}]
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append([role, parts])
    for _, parts in turns:
        _join(parts)
    return turns


def _join(parts: list[Any]) -> None:
    """Text that follows text says the same as both in one, and so do thoughts."""
    at = 1
    while at < len(parts):
        before, part = parts[at - 1], parts[at]
        if (
            "text" in before
            and before.keys() <= {"text", "thought"}
            and before.keys() == part.keys() - {"thoughtSignature"}
        ):
            parts[at - 1 : at + 1] = [{**part, "text": before["text"] + part["text"]}]
        else:
            at += 1


def _part(part: dict[str, Any]) -> dict[str, Any]:
    part = {name: value for name, value in part.items() if not (name == "thought" and value is False)}
    if str(part.get("thoughtSignature", "")).rstrip("=") in _UNSIGNED:
        del part["thoughtSignature"]
    if part.keys() <= {"thought", "thoughtSignature"} and part:
        return {"text": "", "thoughtSignature": part["thoughtSignature"]}
    if "functionCall" in part:
        part["functionCall"] = {"args": {}, **_but(part["functionCall"], "id")}
    if "functionResponse" in part:
        inner = _but(part["functionResponse"], "id")
        part["functionResponse"] = {**inner, "response": inner.get("response") or {"result": ""}}
    for name in ("inlineData", "fileData"):
        if name in part:
            part[name] = _but(part[name], "displayName")
    return part


def _but(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def _tools(tools: list[Any]) -> list[Any]:
    functions = [_function(one) for tool in tools for one in _listed(tool.get("functionDeclarations"))]
    others = [{name: value} for tool in tools for name, value in tool.items() if name != "functionDeclarations"]
    return [*functions, *others]


def _function(function: dict[str, Any]) -> dict[str, Any]:
    made = {name: value for name, value in function.items() if name not in ("parameters", "parametersJsonSchema")}
    schema = function.get("parametersJsonSchema") or function.get("parameters")
    if not made.get("description"):
        made.pop("description", None)
    return {**made, "schema": schema} if schema else made


def _config(config: dict[str, Any]) -> dict[str, Any]:
    made = dict(config)
    schema = made.pop("responseJsonSchema", None) or made.pop("responseSchema", None)
    if schema is not None:
        made["schema"] = _but(schema, "$schema")
        made["responseMimeType"] = "application/json"
    thinking = dict(made.get("thinkingConfig") or {})
    if thinking:
        thinking.pop("includeThoughts", None)  # what is asked to think is asked to show it
        if thinking.get("thinkingBudget") == -1:  # as much as the model likes, which goes without saying
            del thinking["thinkingBudget"]
        made["thinkingConfig"] = {
            name: value.lower() if isinstance(value, str) else value for name, value in thinking.items()
        }
    for name, default in (("responseModalities", ["TEXT"]), ("responseMimeType", "text/plain"), ("candidateCount", 1)):
        if made.get(name) == default:
            del made[name]
    return {name: value for name, value in made.items() if value not in ([], {})}
