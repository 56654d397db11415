"""Pages, seconds of sound and pictures have their price where an answer states them; else they are unpriced."""

from __future__ import annotations

import json

import pytest

import harness
from stating import provider

# As recorded from, or documented by, their providers.
OCR = {"pages": [{"index": 0, "markdown": "# A page"}], "usage_info": {"pages_processed": 3, "doc_size_bytes": 90}}
WHISPER = {"text": "Hello.", "usage": {"type": "duration", "seconds": 7}}
SPOKEN = {"type": "tokens", "input_tokens": 26, "input_token_details": {"text_tokens": 5, "audio_tokens": 21}}
VOXTRAL = {"prompt_audio_seconds": 3, "prompt_tokens": 9, "total_tokens": 632, "completion_tokens": 248,
           "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 375}}  # fmt: skip
STATED = {
    "mistral-ocr-latest": {"raw": OCR},
    "ocr-of-nobody": {"raw": OCR},
    "own-ocr": {"raw": OCR},
    "whisper-1": {"raw": WHISPER},
    "gpt-4o-transcribe": {"raw": {"text": "Hi", "usage": {**SPOKEN, "output_tokens": 4, "total_tokens": 30}}},
    "tts-1": {"raw": {"audio": "none of it is counted"}},
    "voxtral-small-24b-2507": {"usage": VOXTRAL},
}
FORM = b"".join(
    b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % part
    for part in ((b"file", b"RIFF"), (b"model", b"whisper-1"))
)


@pytest.fixture(scope="module")
def gate():
    with provider(STATED) as (url, _):
        own = {"base_url": url, "api_key_env": ""}
        price = {"input": 1, "output": 1, "fees": {"page": 0.002}}
        said = {
            "providers": {
                "mistral": {"dialect": "mistral-chat", **own},
                "openai": {"dialect": "openai-chat", **own},
                "lab": {"dialect": "openai-chat", **own},
            },
            "models": {
                "ours": {"provider": "lab", "model": "own-ocr", "price": price},
                "voxtral": {"provider": "mistral", "model": "voxtral-small-24b-2507"},
            },
        }
        with harness.gateway(said) as served:
            yield served


def booked(gate, path, body, headers=None):
    """The bytes that came, and the attempt as it is in the ledger."""
    status, said, raw = gate.post(path, body, headers)
    assert status == 200, raw
    found = gate.recorded(said["x-request-id"])
    [attempt] = found["attempts"]
    assert attempt["cost"] == found["call"]["cost"]
    return json.loads(raw), attempt


def lines(attempt):
    return [(line["kind"], line["count"], line["cost"]) for line in attempt["bill"]["lines"]]


@pytest.mark.parametrize(
    ("name", "model", "more", "kind", "nanos"),
    [
        ("mistral", "mistral-ocr-latest", {}, "page", 12_000_000),
        ("mistral", "mistral-ocr-latest", {"bbox_annotation_format": {}}, "annotated_page", 15_000_000),
        ("lab", "own-ocr", {}, "page", 6_000_000),
    ],
)
def test_pages_that_are_read(gate, name, model, more, kind, nanos):
    answer, attempt = booked(gate, f"/passthrough/{name}/v1/ocr", {"model": model, "document": {}, **more})
    assert answer == OCR
    assert (attempt["upstream"], attempt["cost"]) == (model, nanos)
    assert attempt["model"] == ("ours" if name == "lab" else f"{name}/{model}")
    assert lines(attempt) == [(kind, 3, nanos)]


def test_sound_by_its_seconds_and_by_its_tokens(gate):
    form = {"content-type": "multipart/form-data; boundary=x"}
    _, attempt = booked(gate, "/passthrough/openai/v1/audio/transcriptions", FORM + b"--x--\r\n", form)
    assert lines(attempt) == [("audio_second", 7, 700_000)]
    _, attempt = booked(gate, "/passthrough/openai/audio/transcriptions", {"model": "gpt-4o-transcribe"})
    assert [line[:2] for line in lines(attempt)] == [("input", 5), ("input_audio", 21), ("output", 4)]
    assert attempt["cost"] > 0


def test_sound_in_chat_is_billed_by_its_time_and_not_by_its_tokens(gate):
    body = {"model": "voxtral", "messages": [{"role": "user", "content": "What is said?"}]}
    answer, attempt = booked(gate, "/v1/chat/completions", body)
    assert lines(attempt) == [
        ("input", 9, 900), ("input_audio", 375, 0), ("output", 248, 99_200), ("audio_second", 3, 200_000)
    ]  # fmt: skip
    assert answer["usage"]["cost"] == 0.0003001


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("openai/v1/audio/speech", "tts-1"),  # characters, which no answer states
        ("lab/v1/ocr", "ocr-of-nobody"),  # pages without a price
        ("lab/v1/files", "x"),
    ],
)
def test_what_has_no_price_or_states_no_use_is_unpriced_and_never_nothing(gate, invoke, path, model):
    _, attempt = booked(gate, f"/passthrough/{path}", {"model": model})
    assert (attempt["cost"], attempt["bill"]["state"]) == (None, "unpriced")
    newest = invoke("logs", "-n", "1", "--config", str(gate.config)).out
    assert "unpriced" in newest
    call = gate.json("/api/calls?limit=1")["calls"][0]["id"]
    said = invoke("explain", call, "--config", str(gate.config)).out
    assert "unpriced" in said.partition("\ncost\n")[2]
    assert "$" not in said.partition("\ncost\n")[2]
    total = gate.json("/api/totals")["all"]
    assert total["unpriced"] > 0
