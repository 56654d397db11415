"""The house's application: its table of paths."""

from __future__ import annotations

from pointsman.compose.house import House
from pointsman.compose.opening import Opening
from pointsman.compose.state import HouseState
from pointsman.core.call import Arrival
from pointsman.core.errors import PointsmanError
from pointsman.core.ports import Principal
from pointsman.line.admit import admit, identify
from pointsman.server.admission import Rules
from pointsman.server.app import App, Waiting
from pointsman.server.cors import Cors
from pointsman.server.files import Files
from pointsman.server.guard import Guard
from pointsman.server.health import OWN_METRICS, Health
from pointsman.server.http1 import Limits
from pointsman.server.keys import KeyPaths
from pointsman.server.reading import Reading
from pointsman.server.responses import StoredResponses
from pointsman.server.surfaces import data_path, gemini_path, models, opaque
from pointsman.server.table import Handler, Table
from pointsman.server.tenants import reader
from pointsman.server.users import Users
from pointsman.wire.model_lists import list_writers
from pointsman.wire.port import Spoken
from pointsman.wire.trip import Surface


def application(house: House, state: HouseState | None = None) -> App:
    """Every path that this server answers; `state` is what the house says of itself, alone if None."""
    said = house.loaded.config.server
    state = state or HouseState(house)
    limits = Limits(
        max_body=said.max_body,
        head_seconds=said.header_timeout,
        body_seconds=said.body_timeout,
        body_gap_seconds=min(said.body_timeout, Limits().body_gap_seconds),
        stall_seconds=said.stall_timeout,
    )
    app = App(
        table=table(house, state),
        dialect=house.dialects.of_path,
        limits=limits,
        guard=Guard(lambda: house.pieces.keys.demanded, said.host, Cors(said.cors), secure=said.tls is not None),
        waiting=waiting(house),
        root_path=said.root_path,
    )
    state.app = app
    return app


def waiting(house: House) -> Waiting:
    """What becomes of calls for which there is no place at once."""
    said, metrics = house.loaded.config.server, house.pieces.metrics

    def who(arrival: Arrival) -> str | None:
        if arrival.method != "POST":
            return ""
        try:
            return admit(house.line.parts, arrival).id
        except PointsmanError:
            return None

    return Waiting(
        rules=Rules(
            places=said.max_in_flight,
            room=said.max_waiting if said.max_wait else 0,
            share=said.key_share,
            priority=said.priority,
        ),
        seconds=said.max_wait,
        who=who,
        on_waited=lambda priority, seconds: metrics.waits.at((priority,)).observe(seconds),
        on_turned_away=lambda error: metrics.turned_away.add((error.priority, error.reason)),
    )


def table(house: House, state: HouseState) -> Table:
    """The table of paths; what needs a key asks for one itself."""

    def caller(arrival: Arrival) -> Principal:
        return admit(house.line.parts, arrival)

    def anybody(arrival: Arrival) -> Principal:
        return identify(house.line.parts, arrival)

    sees = reader(anybody)
    every, one = models(state, list_writers(), sees)
    reading = Reading(house.questions, sees, house.pieces.clock, house.budgets)
    health = Health(state, anybody)
    stored = StoredResponses(house.pieces.responses, caller, lambda: house.loaded.config.responses.store)
    keys = KeyPaths(house.pieces.keys, sees, house.pieces.clock, lambda: Opening(house).why_not)
    users = Users(house.forget_user, sees)
    files = Files("pointsman.dashboard", house.loaded.config.server.root_path)
    gemini = gemini_path(lambda: house.line, house.dialects.gemini)
    return Table(
        {
            **_calls(house),
            "/v1/models": {"GET": every},
            "/v1beta/models": {"GET": every},
            "/v1/generation": {"GET": reading.generation},
            "/health": {"GET": health.live},
            "/ready": {"GET": health.ready},
            "/metrics": {"GET": health.metrics},
            OWN_METRICS: {"GET": health.own_metrics},
            "/api/status": {"GET": health.status},
            "/api/calls": {"GET": reading.calls},
            "/api/totals": {"GET": reading.totals},
            "/api/conformance": {"GET": reading.conformance},
            "/api/reliability": {"GET": reading.reliability},
            "/api/budgets": {"GET": reading.budgets},
            "/api/keys": {"GET": keys.every, "POST": keys.create},
            "/api/spend": {"GET": reading.spend},
            "/bill": {"GET": files.behind(reading.bill)},
            "/": {"GET": files.page},
            "": {"GET": files.page},
        },
        {
            "/v1/models/": {"GET": one, "POST": gemini},
            "/v1beta/models/": {"GET": one, "POST": gemini},
            "/v1beta/": {"POST": gemini},  # names with a slash
            "/v1/responses/": {"GET": stored.show, "DELETE": stored.delete},
            "/api/calls/": {"GET": reading.call},
            "/api/keys/": {"GET": keys.one, "PATCH": keys.edit, "DELETE": keys.revoke, "POST": keys.rotate},
            "/api/users/": {"DELETE": users.delete},
            "/passthrough/": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), opaque(lambda: house.opaque)),
            "/static/": {"GET": files.static},
        },
    )


def _calls(house: House) -> dict[str, dict[str, Handler]]:
    """The paths of calls to models."""
    dialects = house.dialects

    def path(surface: Surface, dialect: Spoken) -> dict[str, Handler]:
        return {"POST": data_path(lambda: house.line, surface, dialect)}

    return {
        "/v1/chat/completions": path("chat.completions", dialects.chat),
        "/v1/completions": path("completions", dialects.chat),
        "/v1/responses": path("responses", dialects.responses),
        "/v1/responses/input_tokens": path("responses.input_tokens", dialects.responses),
        "/v1/messages": path("messages", dialects.messages),
        "/v1/messages/count_tokens": path("messages.count_tokens", dialects.messages),
        "/v1/embeddings": path("embeddings", dialects.embeddings),
    }
