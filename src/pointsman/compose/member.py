"""One worker among several: what it shares with them and with their parent."""

from __future__ import annotations

import socket

import msgspec

from pointsman.compose.peers import Peers
from pointsman.compose.tether import WorkerEnd
from pointsman.config.load import Loaded


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's place.

    Attributes:
        peer: listens where the others ask for this worker's figures.
        peers: the others' figures, and those of its forerunners.
        tether: to the parent.
        in_force: the configuration that the others serve.
    """

    peer: socket.socket
    peers: Peers
    tether: WorkerEnd
    in_force: Loaded
