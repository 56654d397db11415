"""The files of certificates that the configuration names: whether they can be used, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pointsman.cli.doctor.finding import Found, bad, ok, warning
from pointsman.compose import House, certificate_warnings, check_certificates
from pointsman.config.load import errors_of
from pointsman.core.errors import ConfigError


def certificates(house: House) -> Iterator[Found]:
    """One line for each error or warning; for a sound certificate of the server's own one with its date."""
    from pointsman.compose.validity import validities

    try:
        check_certificates(house.loaded)
    except ConfigError as error:
        for one in errors_of(error):
            yield bad("certificate", one.message, one.hint)
        return
    tls = house.loaded.config.server.tls
    if tls is None:
        return
    said = certificate_warnings(house.loaded, house.pieces.clock.now())
    for text in said:
        yield warning("certificate", text, "replace the file; a gateway that runs takes the new one over")
    if not said:
        dates = validities(Path(tls.cert).read_bytes())
        yield ok("certificate", f"{tls.cert}{f', until {dates[0].until:%Y-%m-%d}' if dates else ''}")
