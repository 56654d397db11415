"""A provider over a real socket whose models each state the usage that they are told to, whole and streamed."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

WORDS = ("A", " short", " answer.")
Said = Mapping[str, Mapping[str, Any]]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: Said
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        body = json.loads(raw) if self.headers["content-type"].startswith("application/json") else {}
        self.asked.append(body)
        form = re.search(rb'name="model"\r\n\r\n([^\r]+)', raw)
        said = self.models.get(form[1].decode() if form else body.get("model", ""), {})
        if "raw" in said:
            self._send(json.dumps(said["raw"]).encode(), "application/json")
        elif body.get("stream"):
            self._send(b"".join(_events(said)), "text/event-stream")
        else:
            message = {"role": "assistant", "content": "".join(WORDS)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._send(
                json.dumps({**_head("chat.completion"), "choices": [choice], **said}).encode(), "application/json"
            )

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _head(form: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": form, "created": 1_790_000_000, "model": "there"}


def _events(said: Mapping[str, Any]) -> Iterator[bytes]:
    for at, word in enumerate(WORDS):
        choice = {"index": 0, "delta": {"content": word}, "finish_reason": "stop" if at == len(WORDS) - 1 else None}
        yield b"data: " + json.dumps({**_head("chat.completion.chunk"), "choices": [choice]}).encode() + b"\n\n"
    yield b"data: " + json.dumps({**_head("chat.completion.chunk"), "choices": [], **said}).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


@contextlib.contextmanager
def provider(models: Said) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Its base URL, and the JSON that it was asked. `raw` in a model's words is its whole answer, as it is."""
    asked: list[dict[str, Any]] = []
    handler = type("Handler", (_Handler,), {"models": models, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
        finally:
            server.shutdown()
            thread.join(5)
