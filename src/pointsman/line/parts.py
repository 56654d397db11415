"""What the line is made of: the ports it asks, and the frozen values that its stages hand on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec

from pointsman.core.call import Arrival
from pointsman.core.chat import Dropped
from pointsman.core.clock import Clock, Draw, Ids
from pointsman.core.extent import Extent
from pointsman.core.failure import State, Target
from pointsman.core.health import AttemptEnd, Health, Load
from pointsman.core.model import Model, Provider, TimeLimits
from pointsman.core.plan import Needs, Plan, Sticky
from pointsman.core.ports import Carrier, Fetcher, Keys, Principal, Recorder, UpstreamRequest, UpstreamResponse
from pointsman.core.scope import Allow
from pointsman.line.estimates import Estimates
from pointsman.line.hedges import Hedges
from pointsman.line.keeping import Patience
from pointsman.line.turnstile import Turnstile
from pointsman.wire.passage import Passages
from pointsman.wire.port import Spoken
from pointsman.wire.streams import Relay
from pointsman.wire.trip import AnswerFacts, Incoming, Outgoing

if TYPE_CHECKING:
    from pointsman.line.conversations import Conversations, Turn
    from pointsman.line.reserve import Purse, Reserved


class Router(Protocol):
    """Turns a name and needs into a plan; pure given the configuration in force."""

    def plan(
        self, asked: str, needs: Needs, *, now: int, draw: float, session: Callable[[Sticky], str], allow: Allow = ()
    ) -> Plan:
        """Decide. `session` says what calls that belong together share, and is asked only where that matters.

        `allow` is what the caller's key may use, see `core.scope`; every step of the plan is of that.

        Raises:
            Forbidden: the key may use nothing of that name.
            UnknownModel: nothing of that name.
            NoCandidate, ContextTooLong, UnsupportedParameter: nothing left after the filters.
        """
        ...


class Saver(Protocol):
    """Makes plans for calls whose budgets have not enough left for just any plan."""

    def within(  # noqa: PLR0913 - what a plan follows from
        self,
        asked: str,
        needs: Needs,
        *,
        now: int,
        draw: float,
        funds: int | None,
        extent: Extent,
        frugal: bool,
        allow: Allow,
    ) -> Plan:
        """Decide on what is left of budgets: `funds` in nano-dollars; `frugal` where they are nearly used up.

        `extent` is what the request says of how far a provider may go with it.

        Raises as `plan`, and:
            BudgetExceeded: nothing is left that may be paid for.
        """
        ...


class Sender(Protocol):
    """Builds the request to a provider: URL, credentials, headers."""

    def due(self, provider: Provider) -> bool:
        """Whether `ready` has to be awaited before a request to this provider can be prepared."""
        ...

    async def ready(self, provider: Provider) -> None:
        """Sign in where a provider wants a token.

        Raises:
            NoCredentials, MissingExtra: there is none to be had.
        """
        ...

    def prepare(
        self, model: Model, outgoing: Outgoing, arrival: Arrival, limits: TimeLimits, key: str = ""
    ) -> UpstreamRequest:
        """One request, ready to send; `key` is the variable with the key, where the provider has several.

        Raises:
            ConnectFailed: the provider's credentials are missing.
        """
        ...


class NoHealth:
    """Nobody's health is known: everybody may be asked, within the limits that are configured."""

    def version(self, now: int) -> int:  # noqa: ARG002 - the port's
        """See `core.health.Health.version`."""
        return 0

    def states(self, now: int) -> Mapping[Target, State]:  # noqa: ARG002 - the port's
        """See `core.health.Health.states`."""
        return {}

    def begin(self, target: Target, now: int, *, anyway: bool = False) -> float:  # noqa: ARG002 - the port's
        """See `core.health.Health.begin`."""
        return 0.0

    def heard(self, target: Target, began: int, now: int) -> None:
        """See `core.health.Health.heard`."""

    def usual(self, target: Target, share: float, *, stream: bool) -> float | None:  # noqa: ARG002 - the port's
        """See `core.health.Health.usual`."""
        return None

    def passed(self, target: Target, now: int) -> bool:  # noqa: ARG002 - the port's
        """See `core.health.Health.passed`."""
        return True

    def end(self, target: Target, end: AttemptEnd, now: int) -> None:
        """See `core.health.Health.end`."""

    def load(self, target: Target, now: int, *, stream: bool) -> Load:  # noqa: ARG002 - the port's
        """See `core.health.Health.load`."""
        return Load()

    def limits(self, target: Target, configured: TimeLimits, *, stream: bool, thinks: bool) -> TimeLimits:  # noqa: ARG002 - the port's
        """See `core.health.Health.limits`."""
        return configured


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer from before, to a request that is as good as this one.

    Attributes:
        body: whole, as the model's provider told it in `dialect`; of a stream, what it would have been unstreamed.
        dialect: one that the caller's can be carried to.
        model, provider: who gave it, as callers know them.
        age: seconds since it was given.
    """

    body: bytes
    dialect: str
    model: str
    provider: str
    age: float


class Stale(Protocol):
    """Whoever keeps answers, asked where nobody can give a new one: even an old answer is better than none."""

    async def find(self, call: Call, plan: Plan) -> KeptAnswer | None:
        """An answer that this caller may have to this request, however old; None where there is none.

        It has a second, and only what the plan's filters would allow may come of it: who is private stays private.
        """
        ...


class NoStale:
    """Nobody keeps answers."""

    async def find(self, call: Call, plan: Plan) -> KeptAnswer | None:  # noqa: ARG002 - the port's
        """See `Stale.find`."""
        return None


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the line asks, put together in `compose/`. `stale_within`: seconds that `stale` has."""

    passages: Passages
    router: Router
    sender: Sender
    carrier: Carrier
    fetcher: Fetcher
    keys: Keys
    recorder: Recorder
    clock: Clock
    ids: Ids
    draw: Draw
    estimates: Estimates
    health: Health = NoHealth()
    hedges: Hedges = msgspec.field(default_factory=Hedges)
    turnstile: Turnstile = msgspec.field(default_factory=Turnstile)
    stale: Stale = NoStale()
    stale_within: float = 1.0
    keep_content: bool = False
    patience: Patience = Patience()
    conversations: Conversations | None = None
    purse: Purse | None = None
    saver: Saver | None = None


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller asks of the gateway itself, by header.

    Attributes:
        timeout: seconds for the whole call; None leaves the limits as configured.
        retries: attempts after the first, at most; None leaves the plan as it is.
        session, tags: labels for the record.
    """

    timeout: float | None = None
    retries: int | None = None
    session: str = ""
    tags: str = ""


NO_WISHES = Wishes()


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was parsed and admitted. `turn` is its place in a stored conversation, where it has one.

    `reserved` is what it holds of budgets, where there are any.
    """

    id: str
    started: int
    arrival: Arrival
    dialect: Spoken
    incoming: Incoming
    principal: Principal
    wishes: Wishes
    turn: Turn | None = None
    reserved: Reserved | None = None


class Won(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that may be delivered: the whole answer, or a stream up to its first content.

    Attributes:
        model: who answers.
        response: open; whoever holds this value closes it.
        body: the whole answer, or the stream's first bytes for the caller.
        facts: of the whole answer; of a stream see `relay.facts`.
        relay: the stream's relay; None for a whole answer.
        ended: the stream's body is already at its end.
        warnings: what the caller is to be told besides.
        dropped: what could not be said, of the request and of the answer.
    """

    model: Model
    response: UpstreamResponse
    body: bytes
    facts: AnswerFacts
    dropped: tuple[Dropped, ...] = ()
    relay: Relay | None = None
    ended: bool = False
    warnings: tuple[str, ...] = ()
