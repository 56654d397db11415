"""What the fields of a Gemini request may hold where it changes its dialect; see `checking`.

Google takes numbers also as texts, one object where a list of them is expected, and words of a list by their number.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import InvalidRequest
from pointsman.wire.checking import (
    FLAG,
    OBJECT,
    TEXT,
    TEXTS,
    WHOLE,
    Kind,
    Table,
    an_object,
    check,
    count_from,
    either,
    list_with,
    no_offer,
    number_from,
)
from pointsman.wire.gemini.names import fields_of, objects_of
from pointsman.wire.numbers import untexted
from pointsman.wire.raw import Fields, value_of

_MODES = ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED")
_MOST_LOGPROBS = 20


def _texted(kind: Kind) -> Kind:
    """A number that may be a text."""
    fits = kind.fits
    return msgspec.structs.replace(
        kind, starts=kind.starts + TEXT.starts, fits=None if fits is None else lambda value: fits(untexted(value))
    )


def _objects(one: Kind, words: str) -> Kind:
    return either(words, one, list_with(one, words))


def _is_mode(value: Any) -> bool:
    return value.upper() in _MODES if isinstance(value, str) else value in (0, 1, 2, 3)


_PENALTY = _texted(number_from(-2, 2))
_CONFIG: Table = {
    "temperature": _texted(number_from(0, 2)),
    "topP": _texted(number_from(0, 1)),
    "topK": _texted(count_from(0)),
    "presencePenalty": _PENALTY,
    "frequencyPenalty": _PENALTY,
    "maxOutputTokens": _texted(count_from(1)),
    "seed": _texted(WHOLE),
    "candidateCount": _texted(count_from(0)),
    "stopSequences": TEXTS,
    "responseLogprobs": FLAG,
    "logprobs": _texted(count_from(0, _MOST_LOGPROBS)),
    "thinkingConfig": an_object(
        {"includeThoughts": FLAG, "thinkingBudget": _texted(count_from(-1)), "thinkingLevel": TEXT}
    ),
    "responseMimeType": TEXT,
    "responseSchema": OBJECT,
    "responseJsonSchema": OBJECT,
}
_FUNCTION = an_object({"name": TEXT, "description": TEXT, "parameters": OBJECT, "parametersJsonSchema": OBJECT}, "name")
_CALLING = an_object(
    {
        "mode": Kind(words=f"one of {', '.join(_MODES)}", starts=TEXT.starts + WHOLE.starts, fits=_is_mode),
        "allowedFunctionNames": TEXTS,
    }
)
_REQUEST: Table = {
    "systemInstruction": either("an object with `parts`", TEXT, an_object({"role": TEXT})),
    "generationConfig": an_object(_CONFIG),
    "tools": _objects(
        an_object({"functionDeclarations": _objects(_FUNCTION, "a list of functions")}), "a list of objects"
    ),
    "toolConfig": an_object({"functionCallingConfig": _CALLING}),
}
_FILE = an_object({"mimeType": TEXT, "data": TEXT, "fileUri": TEXT})
_PART: Table = {
    "text": TEXT,
    "thought": FLAG,
    "inlineData": _FILE,
    "fileData": _FILE,
    "functionCall": an_object({"id": TEXT, "name": TEXT, "args": OBJECT}, "name"),
    "functionResponse": an_object({"id": TEXT, "name": TEXT}),
}


def check_request(fields: Fields, path: str) -> None:
    """Everything but what is said. `path` stands before the fields' names.

    Raises:
        InvalidRequest: a field holds what it may not, or asks for what another one would have to allow.
    """
    check(fields, _REQUEST, path, fields_of)
    config = fields_of(fields.get("generationConfig")) or {}
    if untexted(value_of(config.get("logprobs"))) and value_of(config.get("responseLogprobs")) is not True:
        at = f"{path}generationConfig.logprobs"
        raise InvalidRequest(f"`{at}` needs `responseLogprobs: true` beside it.", param=at)
    calling = fields_of((fields_of(fields.get("toolConfig")) or {}).get("functionCallingConfig")) or {}
    mode = value_of(calling.get("mode"))
    if (mode == 2 or (isinstance(mode, str) and mode.upper() == "ANY")) and not objects_of(fields.get("tools")):
        raise no_offer(f"{path}toolConfig", f"{path}tools")


def check_part(fields: Fields, path: str) -> None:
    """The fields of a part. Raises as `check_request`."""
    check(fields, _PART, f"{path}.", fields_of)
