"""What is said in a benchmark: one request, one whole answer, and the events of a stream. All of it our own writing."""

from __future__ import annotations

import json

USAGE = {
    "prompt_tokens": 27,
    "completion_tokens": 9,
    "total_tokens": 36,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
SAID = "The nearest station is two miles along the line."


def answer() -> str:
    """A whole chat completion in the shape that providers answer with, usage included."""
    message = {"role": "assistant", "content": SAID, "refusal": None, "annotations": []}
    return json.dumps(
        {
            "id": "chatcmpl-bench0001",
            "object": "chat.completion",
            "created": 1760000000,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": USAGE,
            "service_tier": "default",
            "system_fingerprint": "fp_bench",
        },
        separators=(",", ":"),
    )


def message() -> str:
    """The same answer in Anthropic's dialect."""
    return json.dumps(
        {
            "id": "msg_bench0001",
            "type": "message",
            "role": "assistant",
            "model": "claude-bench-1",
            "content": [{"type": "text", "text": SAID}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 27,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 9,
                "service_tier": "standard",
            },
        },
        separators=(",", ":"),
    )


def request(model: str, *, stream: bool = False, text: str = "How far is the nearest station?") -> bytes:
    """The body that a caller posts."""
    body: dict[str, object] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You know every railway line of the country."},
            {"role": "user", "content": text},
        ],
        "temperature": 0.2,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body, separators=(",", ":")).encode()


def _event(choices: list[object], usage: object = None) -> bytes:
    chunk = {
        "id": "chatcmpl-bench0002",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": "fp_bench",
        "choices": choices,
        "usage": usage,
    }
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def _delta(delta: dict[str, str], finish: str | None = None) -> list[object]:
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]


# The time of writing (ns of the monotonic clock, 19 digits) travels inside the text between two marks, so that it
# survives a gateway which rewrites every event.
MARK = b"@"
DIGITS = 19
_SLOT = "@" + "0" * DIGITS + "@"


def _halves(event: bytes) -> tuple[bytes, bytes]:
    before, _, after = event.partition(_SLOT.encode())
    return before, after


FIRST = _halves(_event(_delta({"role": "assistant", "content": _SLOT})))
NEXT = _halves(_event(_delta({"content": _SLOT})))
LAST = _event(_delta({}, "stop")) + _event([], USAGE) + b"data: [DONE]\n\n"


def event(now_ns: int, *, first: bool = False) -> bytes:
    """One event of a stream that carries the time of its writing."""
    before, after = FIRST if first else NEXT
    return b"%b@%019d@%b" % (before, now_ns, after)


class Marks:
    """Reads the times of writing back out of a stream's bytes, however they are split."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[int]:
        """The times of all events that are complete now, in ns."""
        if self._rest:
            data = self._rest + data
        end = data.rfind(b"\n\n")
        if end < 0:
            self._rest = data
            return []
        self._rest = data[end + 2 :]
        found = []
        at = data.find(MARK)
        while 0 <= at < end:
            found.append(int(data[at + 1 : at + 1 + DIGITS]))
            at = data.find(MARK, at + DIGITS + 2)
        return found
