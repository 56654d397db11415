"""From a model and a written request to one that can be sent: the provider's key is looked up at this moment."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.core.call import Arrival
from pointsman.core.model import Model, TimeLimits
from pointsman.core.ports import UpstreamRequest
from pointsman.upstream.credentials import Credentials
from pointsman.upstream.prepare import Sender
from pointsman.wire.port import Outgoing


class Sending:
    """Satisfies the line's `Sender`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._credentials = Credentials(env)
        self._sender = Sender()

    def prepare(self, model: Model, outgoing: Outgoing, arrival: Arrival, limits: TimeLimits) -> UpstreamRequest:
        """One request, ready to send. Raises as `upstream.prepare.Sender.prepare`."""
        secret = self._credentials.secret(model.provider)
        return self._sender.prepare(model, outgoing, secret=secret, caller_headers=arrival.headers, limits=limits)
