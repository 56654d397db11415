"""llama.cpp's own HTTP server, for one model: `serve_llama.py FILE PORT NAME [TEMPLATE]`. Ends with standard input."""

import os
import sys
from pathlib import Path

import xllamacpp


def main():
    path, port, name, *template = sys.argv[1:]
    params = xllamacpp.CommonParams()
    params.model.path, params.port, params.hostnames, params.model_alias = path, int(port), ["127.0.0.1"], {name}
    params.n_ctx, params.n_parallel, params.n_predict = 4096, 2, 512
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(1, (os.cpu_count() or 2) - 1)
    params.cache_ram_mib, params.use_jinja, params.ui = 0, True, False
    if template:
        params.chat_template = Path(template[0]).read_text(encoding="utf-8")
    server = xllamacpp.Server(params)
    print("ready", server.listening_address, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


main()
