"""Start the gateway with some of its recorders mute, to see what they cost: there is no switch for that, on purpose.

python bench/without.py Ledger,Metrics serve --config FILE
"""

from __future__ import annotations

import sys

from pointsman.cli.main import main
from pointsman.compose import recorders
from pointsman.core.ports import Recorder


def mute(names: set[str]) -> None:
    """Let recorders of these classes hear nothing from now on."""
    whole = recorders.Recorders.__init__

    def some(self: recorders.Recorders, *given: Recorder) -> None:
        whole(self, *(one for one in given if type(one).__name__ not in names))

    recorders.Recorders.__init__ = some  # type: ignore[method-assign]


if __name__ == "__main__":
    mute(set(sys.argv[1].split(",")))
    sys.argv = ["pointsman", *sys.argv[2:]]
    main()
