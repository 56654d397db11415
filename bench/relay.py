"""Speed of the wire layer alone, on one core: `python bench/relay.py`.

Prints events/s through the relay, joined in large reads and one event a read, and microseconds for the steps of a
small whole call. Each figure is the best of several rounds, so that a noisy machine shows its own speed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from pointsman.core.model import Model, Price, Provider
from pointsman.wire.openai_chat import OpenAIChat

ROUNDS = 7
DIALECT = OpenAIChat()
PRICE = Price(input=150_000, output=600_000)
MODEL = Model(
    name="small",
    provider=Provider(name="lab", dialect="openai-chat", base_url="http://127.0.0.1:9/v1"),
    upstream="small-1",
)


def chunk(delta: dict[str, object], finish: str | None = None) -> bytes:
    value = {
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        "object": "chat.completion.chunk",
        "created": 1741570283,
        "model": "small-1",
        "service_tier": "default",
        "system_fingerprint": "fp_fc9f1d7035",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        "usage": None,
    }
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def best(work: Callable[[], int]) -> float:
    """Units of work a second, best of the rounds."""
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = work()
        rates.append(done / (time.perf_counter() - start))
    return max(rates)


def stream(events: int) -> list[bytes]:
    middle = [chunk({"content": f" word{i % 7}"}) for i in range(events - 4)]
    usage = {"prompt_tokens": 12, "completion_tokens": events, "total_tokens": events + 12}
    last = json.loads(chunk({})[6:]) | {"choices": [], "usage": usage}
    tail = b"data: " + json.dumps(last, separators=(",", ":")).encode() + b"\n\n"
    return [chunk({"role": "assistant", "content": ""}), *middle, chunk({}, "stop"), tail, b"data: [DONE]\n\n"]


def relayed(reads: list[bytes], count: int, repeat: int) -> Callable[[], int]:
    options = b'"stream_options":{"include_usage":true}'
    body = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true,' + options + b"}"
    incoming = DIALECT.read_request(body, "chat.completions")

    def work() -> int:
        for _ in range(repeat):
            relay = DIALECT.relay(incoming, PRICE)
            for read in reads:
                relay.feed(read)
            relay.close()
        return count * repeat

    return work


def timed(name: str, step: Callable[[], object], count: int = 5_000) -> None:
    def work() -> int:
        for _ in range(count):
            step()
        return count

    print(f"{name:<34}{1e6 / best(work):>12.2f} us")


def main() -> None:
    events = stream(2_000)
    whole = b"".join(events)
    large = [whole[i : i + 65_536] for i in range(0, len(whole), 65_536)]
    cut = [whole[i : i + 1_400] for i in range(0, len(whole), 1_400)]
    print(f"{'joined in 64 KiB reads':<34}{best(relayed(large, len(events), 5)):>12,.0f} events/s")
    print(f"{'joined in 1,400 byte reads':<34}{best(relayed(cut, len(events), 5)):>12,.0f} events/s")
    print(f"{'one event a read':<34}{best(relayed(events, len(events), 5)):>12,.0f} events/s")
    body = b'{"model":"auto","messages":[{"role":"user","content":"What is the capital of France?"}],"temperature":0.2}'
    incoming = DIALECT.read_request(body, "chat.completions")
    message = {"role": "assistant", "content": "Paris. " * 20, "refusal": None, "annotations": []}
    usage = {
        "prompt_tokens": 14,
        "completion_tokens": 42,
        "total_tokens": 56,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    answer = json.dumps(
        {"id": "chatcmpl-1", "object": "chat.completion", "model": "small-1", "choices": [choice], "usage": usage}
    ).encode()
    timed("read_request, small", lambda: DIALECT.read_request(body, "chat.completions"))
    timed("write_request, small", lambda: DIALECT.write_request(incoming, MODEL))
    timed("read_answer", lambda: DIALECT.read_answer(answer))
    timed("annotate", lambda: DIALECT.annotate(answer, 4_100))
    turns = [{"role": "user", "content": "word " * 400}, {"role": "assistant", "content": "word " * 400}] * 20
    long = json.dumps({"model": "auto", "messages": turns}).encode()
    timed(f"read_request, {len(long) // 1000} kB of text", lambda: DIALECT.read_request(long, "chat.completions"), 500)


if __name__ == "__main__":
    main()
