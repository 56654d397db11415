"""The child process: llama.cpp's HTTP server, for as long as the parent holds our standard input open.

Started as `python -m pointsman.upstream.local.serve`; the settings come as one line of JSON on standard input, so that
the key is in no argument list. It prints `READY` and the address once the model answers.
"""

from __future__ import annotations

import os
import select
import time
from typing import Any

import msgspec

READY = "pointsman engine ready"
_LOOK_FOR_PARENT = 2.0


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the child needs to know.

    Attributes:
        weights: path of the GGUF file.
        alias: the model's name in requests and answers.
        port: on 127.0.0.1; the parent keeps it reserved.
        api_key: demanded of every request.
        context: window in tokens, shared by all slots.
        threads: for computing.
        slots: answers at the same time.
        max_output: tokens of an answer whose caller named no limit; a small model may never stop by itself.
        temperature: for callers who name none.
        template: Jinja text in place of the one in the weights; empty keeps theirs.
    """

    weights: str
    alias: str
    port: int
    api_key: str
    context: int = 8192
    threads: int = 1
    slots: int = 2
    max_output: int = 1024
    temperature: float = 0.0
    template: str = ""


def start(settings: EngineSettings) -> Any:
    """Load the weights and listen; returns the server, which lives until it is let go."""
    import xllamacpp  # noqa: PLC0415 - 34 MB of engine belong in this process alone

    params = xllamacpp.CommonParams()
    params.model.path = settings.weights
    params.model_alias = {settings.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = settings.port
    params.reuse_port = True  # the parent holds the same port, bound and never listening
    params.api_keys = [settings.api_key]
    params.cors_origins = ""  # no web page has any business here
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    params.n_ctx = settings.context
    params.n_parallel = settings.slots
    params.kv_unified = True  # one long conversation may use the whole window
    params.cache_ram_mib = 0  # by default it would keep up to 8 GB of old prompts
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.n_threads_http = settings.slots + 2
    params.n_predict = settings.max_output
    params.sampling.temp = settings.temperature
    params.use_jinja = True
    if settings.template:
        params.chat_template = settings.template
    return xllamacpp.Server(params)


def first_line() -> bytes:
    """Standard input up to its first line end, read without a buffer: `select` has to see what comes after."""
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(0, 65536)
        if not part:
            raise SystemExit("no settings on standard input")
        line += part
    return line


def wait_for_the_end(parent: int) -> None:
    """Return when standard input ends or the process is no longer a child of `parent`."""
    while os.getppid() == parent:
        readable, _, _ = select.select([0], [], [], _LOOK_FOR_PARENT)
        if readable and not os.read(0, 4096):
            return


def main() -> None:
    """Read the settings, serve, and leave with the parent."""
    parent = os.getppid()
    server = start(msgspec.json.decode(first_line(), type=EngineSettings))
    print(READY, server.listening_address, flush=True)  # noqa: T201 - the parent listens for it
    began = time.monotonic()
    wait_for_the_end(parent)
    print(f"parent gone after {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
    os._exit(0)  # the engine's threads may be deep in a computation; there is nothing to save


if __name__ == "__main__":
    main()
