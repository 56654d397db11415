"""Plays the engine's child: settings on standard input, HTTP on 127.0.0.1; told to misbehave by its first argument."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import sys
import threading
import time

MODE = sys.argv[1] if len(sys.argv) > 1 else "well"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if MODE == "dies-at-work" or b"please die" in body:
            os.kill(os.getpid(), signal.SIGKILL)
        good = self.headers["authorization"] == "Bearer " + self.server.key
        out = json.dumps({"pid": os.getpid(), "environ": sorted(os.environ), "asked": json.loads(body)}).encode()
        self.send_response(200 if good else 401)
        self.send_header("content-length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


def main():
    settings = json.loads(sys.stdin.buffer.readline())
    if MODE == "never-starts":
        print("no such weights", flush=True)
        sys.exit(3)
    if MODE == "hangs":
        time.sleep(60)
    server = Server(("127.0.0.1", settings["port"]), Answer)
    server.key = settings["api_key"]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if MODE == "talks":
        for number in range(20000):
            print(f"line {number} " + "x" * 2000)
    print("half a line of another thread pointsman engine ready", server.server_address, flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


main()
