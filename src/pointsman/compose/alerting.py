"""Alerts put together: the engine that decides, the courier that tells, the channels of the configuration."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Mapping
from decimal import Decimal

from pointsman.config.schema import AlertChannel
from pointsman.config.schema import Alerts as Said
from pointsman.core.clock import Clock
from pointsman.core.errors import NotFound
from pointsman.core.money import NANOS_PER_USD
from pointsman.core.ports import Carrier
from pointsman.observe.alerts.alert import Alert, Kind, MoneyRules, Thresholds, nanos
from pointsman.observe.alerts.channel import Channel, Web
from pointsman.observe.alerts.courier import Addressee, Count, Courier
from pointsman.observe.alerts.engine import Alerts
from pointsman.observe.alerts.mail import Email, Post
from pointsman.observe.alerts.pagerduty import EVENTS_URL, PagerDuty
from pointsman.observe.alerts.slack import Slack
from pointsman.observe.alerts.spending import Spending
from pointsman.observe.alerts.webhook import Webhook
from pointsman.store.alert_claims import AlertClaims

_PORTS = {"starttls": 587, "ssl": 465, "none": 25}
_LAST_WORD_SECONDS = 3.0
_TOLD_SECONDS = 900.0
"""For so long after one process has told of a trouble, the others that share its store leave it at that."""


class Alerting:
    """What one house needs of alerts.

    Attributes:
        engine: hears transitions and outcomes.
        spending: hears what calls cost, what was spent, and of prices that change.
    """

    def __init__(
        self, carrier: Carrier, env: Mapping[str, str], clock: Clock, count: Count, claims: AlertClaims
    ) -> None:
        self._carrier = carrier
        self._env = env
        self._clock = clock
        self._claims = claims
        self._hold = nanos(_TOLD_SECONDS)
        self._courier = Courier(count, claim=self._claim)
        self._kinds: tuple[Kind, ...] = ()
        self._task: asyncio.Task[None] | None = None
        self.engine = Alerts(self._courier.put)
        self.spending = Spending(self.engine)

    def configure(self, said: Said, routes: Iterable[str], priced: Mapping[str, bool]) -> None:
        """Put a configuration in force; what is under way goes on. `priced`: which models have a price."""
        rules = thresholds_of(said)
        self._kinds = rules.kinds
        self.engine.configure(rules, routes)
        self.spending.configure(rules.money, priced, self._clock.now())
        self._hold = nanos(min(_TOLD_SECONDS, said.reminder / 2))
        source = socket.gethostname()
        self._courier.addressees = {
            name: Addressee(channel=channel_of(one, self._carrier, self._env, source), kinds=one.kinds)
            for name, one in said.channels.items()
        }

    def start(self) -> None:
        """Begin to tell."""
        self._task = asyncio.create_task(self._courier.run(), name="alerts")

    def tick(self, now: int) -> None:
        """Time has passed: see `Alerts.tick`."""
        self.spending.tick(now)
        self.engine.tick(now)

    async def aclose(self) -> None:
        """Tell what waits, within a few seconds, and end."""
        task, self._task = self._task, None
        if task is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._courier.drained(), _LAST_WORD_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.to_thread(self._claims.close)

    async def _claim(self, alert: Alert) -> bool:
        """See `courier.Claim`: that a trouble lasts is the same news as that it began."""
        state = "firing" if alert.state == "reminder" else alert.state
        return await self._claims.take(f"{alert.kind} {alert.subject}", state, alert.at, self._hold)

    async def send(self, alert: Alert) -> dict[str, str]:
        """Tell one alert now, outside of the engine, to every channel that takes its kind; each is tried once.

        Returns by channel why it was not taken, empty if it was; no channels where the kind is not wanted.
        """
        courier = self._courier
        names = tuple(courier.addressed(alert)) if alert.kind in self._kinds else ()
        said = await asyncio.gather(*(courier.once(name, alert) for name in names))
        return dict(zip(names, said, strict=True))

    async def test(self, only: str = "") -> dict[str, str]:
        """Send a test to every channel, or to one; for each why it was not taken, empty if it was.

        Raises:
            NotFound: there is no channel of that name.
        """
        names = list(self._courier.addressees)
        if only:
            if only not in names:
                known = ", ".join(names) or "none"
                raise NotFound(f"There is no channel `{only}`", hint=f"channels under `alerts`: {known}")
            names = [only]
        alert = _test(self._clock.now())
        said = await asyncio.gather(*(self._courier.once(name, alert) for name in names))
        return dict(zip(names, said, strict=True))


def thresholds_of(said: Said) -> Thresholds:
    """When an alert is due, from the configuration."""
    return Thresholds(
        kinds=said.kinds,
        failover_share=said.failover_share,
        window=said.window,
        least_calls=said.least_calls,
        down_after=said.down_after,
        settle=said.settle,
        reminder=said.reminder,
        money=MoneyRules(
            per_hour=_nanos(said.spend_per_hour),
            times_usual=said.spend_times_usual,
            call=_nanos(said.call_cost),
            month=_nanos(said.spend_per_month),
            budget_shares=said.budget_shares,
        ),
    )


def _nanos(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd * NANOS_PER_USD)


def channel_of(said: AlertChannel, carrier: Carrier, env: Mapping[str, str], source: str) -> Channel:
    """A channel from the configuration; one whose variable is not set says so when it is used."""
    if said.type == "email":
        return Email(_post(said, env), source)
    web = _web(said, carrier, env)
    if said.type == "slack":
        return Slack(web, source)
    if said.type == "pagerduty":
        key, lacking = _variable(said.key_env, env)
        return PagerDuty(web, source, key, lacking)
    secret, lacking = _variable(said.secret_env, env)
    return Webhook(web, source, secret, lacking)


def _web(said: AlertChannel, carrier: Carrier, env: Mapping[str, str]) -> Web:
    url, lacking = (said.url, "") if said.url else _variable(said.url_env, env)
    if said.type == "pagerduty":
        url = said.url or EVENTS_URL
    return Web(carrier=carrier, url=url, lacking=lacking, ca_file=said.ca_file or "", proxy=said.proxy or "")


def _post(said: AlertChannel, env: Mapping[str, str]) -> Post:
    user, no_user = _variable(said.user_env, env)
    password, no_password = _variable(said.password_env, env)
    return Post(
        host=said.host or "",
        port=said.port or _PORTS[said.security],
        security=said.security,
        sender=said.from_ or "",
        to=said.to,
        user=user,
        password=password,
        lacking=no_user or no_password,
        ca_file=said.ca_file or "",
    )


def _variable(name: str | None, env: Mapping[str, str]) -> tuple[str, str]:
    """A variable's value, and its name where it is wanted and not set."""
    value = env.get(name, "").strip() if name else ""
    return value, name if name and not value else ""


def _test(now: int) -> Alert:
    return Alert(
        kind="test",
        state="firing",
        subject="this gateway",
        summary="this is a test of Pointsman's alerts: nothing is wrong",
        at=now,
        since=now,
    )
