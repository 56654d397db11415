"""One worker process: `python -m pointsman.compose.worker`, started by `workers.supervise`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import msgspec

from pointsman.access.keys import KeyRing
from pointsman.compose.building import build
from pointsman.compose.house import House
from pointsman.compose.peers import Peers
from pointsman.compose.serving import serve_on
from pointsman.compose.workers import VARIABLE, Duty
from pointsman.core.errors import PointsmanError


class _Locked(KeyRing):
    """Keys of a gateway that had some before this process began: neither store nor file can do without any more."""

    def require(self, *, required: bool) -> None:
        """A changed configuration may demand keys, which changes nothing; it cannot waive them."""
        del required
        super().require(required=True)


def _locked(house: House) -> House:
    pieces = house.pieces
    keys = _Locked(pieces.key_store, pieces.clock, pieces.ids, required=True)
    return House(msgspec.structs.replace(pieces, keys=keys))


def main() -> int:
    """Serve on the parent's socket until told to stop."""
    duty = msgspec.json.decode(os.environ.pop(VARIABLE), type=Duty)
    try:
        house = build(Path(duty.config) if duty.config else None, duty.settings)
    except PointsmanError as error:
        print(f"worker {duty.number}: {error.message}", file=sys.stderr)  # noqa: T201 - the parent's terminal
        return 2
    if duty.had_keys:
        house = _locked(house)
    own = duty.path(duty.number)
    own.unlink(missing_ok=True)
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.bind(str(own))
    peer.listen()
    others = tuple([duty.path(number) for number in range(duty.count) if number != duty.number])
    listener = socket.socket(fileno=duty.listener)
    listener.set_inheritable(False)  # it was, to come here; no child of ours may keep the port
    serve_on(house, listener, peer=peer, peers=Peers(own, others))
    return 0


if __name__ == "__main__":
    sys.exit(main())
