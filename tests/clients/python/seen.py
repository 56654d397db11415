"""What every script here shares: it plays a client against a gateway and prints what it saw, as JSON.

`script.py ROOT KEY MODEL,MODEL,…`: the gateway without `/v1`, a key, what to ask. Each step is a function of a model
that returns plain data; one that raises is told as such and hinders no other.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

ROOT, KEY = sys.argv[1].rstrip("/"), sys.argv[2]
MODELS = sys.argv[3].split(",")
SYSTEM = "You are brief."
HELLO = "hello"
TOWN = "which city"
ASK = "use get_weather"
RESULT = "18 degrees"
NAME = "get_weather"
ABOUT = "The weather in a city."
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris"]}},
    "required": ["city"],
    "additionalProperties": False,
}
Step = Callable[[str], Any]


def play(*steps: Step, once: tuple[Callable[[], Any], ...] = ()) -> None:
    """Run every step with every model, and some without any; print it all."""
    seen: dict[str, dict[str, Any]] = {model: {} for model in [*MODELS, ""]}
    for model in MODELS:
        for step in steps:
            seen[model][step.__name__] = _tried(lambda step=step, model=model: step(model))
    for step in once:
        seen[""][step.__name__] = _tried(step)
    print(json.dumps(seen))


def _tried(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what was seen
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == sys.argv[0]]
        return {"failed": f"line {frames[-1].lineno if frames else '?'}: {type(error).__name__}: {error}"[:1500]}


def error_of(call: Callable[[], Any], *kinds: type[Exception]) -> dict[str, Any]:
    """What a client makes of an error: its own exception's name, and the status if it knows one."""
    try:
        call()
    except kinds as error:
        status = getattr(error, "status_code", None) or getattr(error, "code", None)
        return {"error": type(error).__name__, "status": status, "message": str(error)}
    return {"failed": "no error was raised"}
