"""One worker process: `python -m pointsman.compose.worker`, started by `workers.supervise`."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from pathlib import Path

import msgspec

from pointsman.access.keys import KeyRing
from pointsman.compose.building import build
from pointsman.compose.house import Pieces
from pointsman.compose.member import Member
from pointsman.compose.peers import Peers
from pointsman.compose.places import SharedTurnstile
from pointsman.compose.serving import serve_on
from pointsman.compose.tether import Duty, WorkerEnd
from pointsman.core.errors import PointsmanError

_PLACES = "places"


class _Locked(KeyRing):
    """Keys of a gateway that had some before this process began: neither store nor file can do without any more."""

    def require(self, *, required: bool) -> None:
        """A changed configuration may demand keys, which changes nothing; it cannot waive them."""
        del required
        super().require(required=True)


def _as_member(pieces: Pieces, duty: Duty) -> Pieces:
    """What a worker has otherwise than a gateway by itself: places that it shares, and a door that stays shut."""
    turnstile = SharedTurnstile(Path(duty.folder) / _PLACES, duty.number, duty.count)
    keys = _Locked(pieces.key_store, pieces.clock, pieces.ids, required=True) if duty.had_keys else pieces.keys
    return msgspec.structs.replace(pieces, keys=keys, turnstile=turnstile)


def main() -> int:
    """Serve on the parent's socket until told to stop, or until the parent is gone."""
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the server takes SIGINT while it runs
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    tether = WorkerEnd()
    try:
        duty = tether.duty()
        house = build(duty.config, duty.settings, read=duty.start, adapt=lambda pieces: _as_member(pieces, duty))
    except EOFError:
        return 1
    except PointsmanError as error:
        print(f"worker: {error.message}", file=sys.stderr)  # noqa: T201 - the parent's terminal
        return 2
    own = duty.path(duty.number)
    own.unlink(missing_ok=True)
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.bind(str(own))
    peer.listen()
    others = tuple([duty.path(number) for number in range(duty.count) if number != duty.number])
    listener = socket.socket(fileno=duty.listener)
    listener.set_inheritable(False)  # it was, to come here; no child of ours may keep the port
    member = Member(peer=peer, peers=Peers(own, others), tether=tether, in_force=duty.in_force)
    try:
        serve_on(house, listener, member=member)
    except PointsmanError as error:
        print(f"worker {duty.number}: {error.message}", file=sys.stderr)  # noqa: T201 - the parent's terminal
        return 2
    if tether.parent_gone:  # who would have removed them
        _tidy(own)
    return 0


def _tidy(own: Path) -> None:
    """Remove this worker's files, and their folder if they were its last."""
    with contextlib.suppress(OSError):
        for file in own.parent.glob(f"{own.stem}.*"):
            file.unlink(missing_ok=True)
        if not any(own.parent.glob("worker-*")):
            (own.parent / _PLACES).unlink(missing_ok=True)
        own.parent.rmdir()


if __name__ == "__main__":
    sys.exit(main())
