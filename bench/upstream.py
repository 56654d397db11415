"""The provider that every gateway asks for whole answers: nginx that returns one text, else the stream upstream."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.machine import Launch

from bench import answers

_NGINX = """
master_process off;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ /messages$ {{ default_type application/json; return 200 '{message}'; }}
    location / {{ default_type application/json; return 200 '{answer}'; }}
  }}
}}
"""


def nginx() -> str | None:
    """Where nginx is; Debian puts it outside a user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def launch(binary: str, folder: Path, port: int) -> Launch:
    """nginx in one process, which cannot leave a worker behind; every answer the same, no log."""
    folder.mkdir(parents=True, exist_ok=True)
    conf = folder / "nginx.conf"
    said = {"answer": answers.answer(), "message": answers.message()}
    conf.write_text(_NGINX.format(folder=folder, port=port, **said), encoding="utf-8")
    return Launch([binary, "-c", str(conf), "-p", str(folder)])
