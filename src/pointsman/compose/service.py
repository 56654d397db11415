"""What a service manager and this process tell each other: a socket that it holds, and when we serve and stop.

Both are protocols of systemd: `LISTEN_FDS` (sd_listen_fds(3)) and `NOTIFY_SOCKET` (sd_notify(3)).
A socket that the manager holds stays open while one process follows another, so nobody who connects is ever refused.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from pointsman.compose.reach import is_loopback
from pointsman.config.schema import Server
from pointsman.core.errors import ConfigError

_FIRST = 3
READY = b"READY=1"
STOPS = b"STOPPING=1"


def handed_over(env: Mapping[str, str], said: Server) -> socket.socket | None:
    """The listening socket that the manager holds for us; None if there is none.

    Raises:
        ConfigError: several, none that listens for TCP, or one that more can reach than the configuration says.
    """
    if env.get("LISTEN_PID") != str(os.getpid()) or env.get("LISTEN_FDS", "0") == "0":
        return None
    if env["LISTEN_FDS"] != "1":
        raise ConfigError(f"{env['LISTEN_FDS']} sockets were handed over, one is wanted", hint="see `LISTEN_FDS`")
    sock = socket.socket(fileno=_FIRST)
    sock.set_inheritable(False)
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not sock.getsockopt(
        socket.SOL_SOCKET, socket.SO_ACCEPTCONN
    ):
        sock.close()
        raise ConfigError("What was handed over is no socket that listens for TCP", hint="`ListenStream=4545`")
    try:
        demand_fit(sock.getsockname()[0], said.host)
    except ConfigError:
        sock.close()
        raise
    return sock


def demand_fit(address: str, host: str) -> None:
    """Whether keys are demanded is decided by `server.host`, so a socket may not be open to more than that says.

    Raises:
        ConfigError: it is.
    """
    if is_loopback(host) and not is_loopback(address):
        raise ConfigError(
            f"The socket that was handed over is bound to {address}, and `server.host` says {host}",
            hint=f"write the same into both: callers from elsewhere need keys, `server: {{host: {address}}}`",
        )


def notify(env: Mapping[str, str], word: bytes) -> None:
    """Tell the manager, if it listens."""
    path = env.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(word, address)
