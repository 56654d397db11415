"""From a model and a written request to one that can be sent: the provider's key is looked up at this moment."""

from __future__ import annotations

from collections.abc import Mapping

from pointsman.core.call import Arrival
from pointsman.core.model import CLOUDS, Model, Provider, TimeLimits
from pointsman.core.ports import UpstreamRequest
from pointsman.upstream.credentials import Credentials
from pointsman.upstream.prepare import FORWARDED, Sender
from pointsman.upstream.tokens import Tokens
from pointsman.wire.trip import Outgoing


class Sending:
    """Satisfies the line's `Sender`."""

    def __init__(self, env: Mapping[str, str], tokens: Tokens) -> None:
        self._tokens = tokens
        self._env = env
        self._credentials = Credentials(env)
        self._sender = Sender()
        self._checked: dict[str, str] = {}

    def prepare(
        self, model: Model, outgoing: Outgoing, arrival: Arrival, limits: TimeLimits, key: str = ""
    ) -> UpstreamRequest:
        """One request, ready to send. Raises as `upstream.prepare.Sender.prepare`."""
        secret = self._secret(model.provider, key)
        quiet = model.provider.credentials != "caller" and FORWARDED.isdisjoint(arrival.lookup)
        headers = () if quiet else arrival.headers
        return self._sender.prepare(model, outgoing, secret=secret, caller_headers=headers, limits=limits)

    def due(self, provider: Provider) -> bool:
        """See `line.parts.Sender.due`."""
        return provider.credentials in CLOUDS and self._tokens.due(provider.credentials)

    async def ready(self, provider: Provider) -> None:
        """See `line.parts.Sender.ready`."""
        await self._tokens.renew(provider.credentials)

    def _secret(self, provider: Provider, key: str) -> str:
        """The key of this moment; judged once per value, for judging costs more than all the rest here."""
        if provider.credentials in CLOUDS:
            return self._tokens.current(provider.credentials)
        name = key or provider.api_key_env
        if not name or provider.credentials == "caller":
            return ""
        value = self._env.get(name, "")
        if self._checked.get(name) != value or not value:
            self._credentials.secret(provider, name)
            self._checked[name] = value
        return value.strip()
