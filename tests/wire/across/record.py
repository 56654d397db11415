"""From a record of the recordings to its facts, and to the bytes that the provider sent."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wire.across import facts_chat, facts_gemini, facts_messages, facts_responses
from wire.across.facts import Facts
from wire.across.facts_errors import of_record
from wire.across.frames import events, fields, items, objects

# Names in the recordings, and ours for the dialects that read them.
DIALECTS = {
    "openai-chat": "openai-chat",
    "mistral-chat": "openai-chat",
    "openai-responses": "openai-responses",
    "anthropic-messages": "anthropic-messages",
    "gemini-generateContent": "gemini",
}
_WHOLE = {
    "openai-chat": facts_chat.of_body,
    "openai-responses": facts_responses.of_body,
    "anthropic-messages": facts_messages.of_body,
    "gemini": facts_gemini.of_body,
}


def records(folder: Path, share: tuple[int, int] = (0, 1)) -> Iterator[dict[str, Any]]:
    """Records of the four dialects; `share` keeps those whose id falls into it: (which, of how many)."""
    for dialect in DIALECTS:
        for path in sorted(folder.glob(f"*__{dialect}.jsonl.gz")):
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                for line in lines:
                    record = json.loads(line)
                    if int(record["id"], 16) % share[1] == share[0]:
                        yield record


def streamed(record: dict[str, Any]) -> bool:
    """Whether the answer came as a stream; some servers answer a request for one with a whole."""
    return "sse" in record["response"] or isinstance(record["response"].get("body"), list)


def failed(record: dict[str, Any]) -> bool:
    """Whether the answer is an error by its status."""
    return (record["response"]["status"] or 200) >= 400


def sent(record: dict[str, Any]) -> bytes:
    """The provider's bytes."""
    response = record["response"]
    if "body" in response:
        return json.dumps(response["body"], ensure_ascii=False).encode("utf-8", "surrogatepass")
    return str(response.get("sse") or response.get("text") or "").encode("utf-8", "surrogatepass")


def facts_of(record: dict[str, Any]) -> Facts:
    """What the record says."""
    response, dialect = record["response"], DIALECTS[record["dialect"]]
    if failed(record):
        return Facts(failure=of_record(response))
    body = response.get("body")
    if isinstance(body, list):
        return facts_gemini.of_stream([fields(chunk) for chunk in items(body)])
    if body is not None:
        return _WHOLE[dialect](body)
    return of_stream(dialect, response["sse"])


def of_stream(dialect: str, sse: str) -> Facts:
    """What the text of a stream says."""
    match dialect:
        case "openai-chat":
            return facts_chat.of_stream(events(sse))
        case "openai-responses":
            return facts_responses.of_stream(events(sse))
        case "anthropic-messages":
            return facts_messages.of_stream(events(sse))
        case _:
            return facts_gemini.of_stream([*objects(sse), *facts_gemini.plain_error(sse)])


def of_body(dialect: str, body: dict[str, Any]) -> Facts:
    """What a whole answer says."""
    return _WHOLE[dialect](body)
