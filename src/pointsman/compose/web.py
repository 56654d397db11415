"""The house's application: its table of paths."""

from __future__ import annotations

from pointsman.compose.house import House
from pointsman.server.app import App
from pointsman.server.cors import Cors
from pointsman.server.http1 import Limits
from pointsman.server.surfaces import data_path
from pointsman.server.table import Table


def application(house: House) -> App:
    """Every path that this server answers."""
    said = house.loaded.config.server

    chat = data_path(lambda: house.line, "chat.completions", house.dialect)
    text = data_path(lambda: house.line, "completions", house.dialect)
    table = Table(
        {
            "/v1/chat/completions": {"POST": chat},
            "/v1/completions": {"POST": text},
        },
        {},
    )
    limits = Limits(max_body=said.max_body, head_seconds=said.header_timeout, body_gap_seconds=said.body_timeout)
    return App(
        table=table, dialect=house.dialect, limits=limits, cors=Cors(said.cors), max_in_flight=said.max_in_flight
    )
