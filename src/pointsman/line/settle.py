"""Settlement: from a call's notes to one frozen outcome, whatever became of it."""

from __future__ import annotations

import msgspec

from pointsman.core.budget import Group
from pointsman.core.call import Arrival
from pointsman.core.errors import CallerGone, PointsmanError, UpstreamError, UpstreamRefused
from pointsman.core.model import Ability, Model
from pointsman.core.outcome import Outcome, Status
from pointsman.core.plan import Plan, Sticky
from pointsman.core.ports import NOBODY, Principal
from pointsman.core.usage import Usage
from pointsman.line.conversations import SURFACES, Turn
from pointsman.line.parts import NO_WISHES, Parts, Wishes, Won
from pointsman.line.reserve import Reserved
from pointsman.line.trail import Ended, Trail
from pointsman.wire.port import Spoken
from pointsman.wire.streams import Relay
from pointsman.wire.told import Told
from pointsman.wire.trip import COUNTING, AnswerFacts, Incoming, Surface

_LABEL = 200
_DETAIL = 2_000
_REASONING = int(Ability.REASONING)
_NOTHING_TOLD = Told(0)
_NOTHING = AnswerFacts()


class Run(msgspec.Struct, eq=False):
    """One call's notes on its way down the line; turned into one frozen outcome at its end.

    Attributes:
        asked: what was asked for, where no dialect read it.
        kept: of an old answer that stood in for the one that nobody gave.
        sent: a whole answer as it was delivered, where its turn keeps it.
        told: what the caller has had of a stream.
        read: prompt tokens that we counted.
        reserved: what it holds of budgets.
        accounts: the budgets that it counts to.
        entered: it counts among the calls of its key that are under way.
    """

    parts: Parts
    arrival: Arrival
    surface: Surface
    dialect: Spoken
    started: int
    id: str
    trail: Trail
    principal: Principal = NOBODY
    entered: bool = False
    incoming: Incoming | None = None
    asked: str = ""
    wishes: Wishes = NO_WISHES
    plan: Plan | None = None
    won: Won | None = None
    kept: AnswerFacts | None = None
    turn: Turn | None = None
    sent: bytes = b""
    told: Told = _NOTHING_TOLD
    read: int | None = None
    cost: int | None = None
    draw: float | None = None
    reserved: Reserved | None = None
    accounts: Group | None = None

    def enter(self, principal: Principal) -> None:
        """It is this key's call, and counts among those under way.

        Raises:
            TooManyCalls: the key has as many as it may have.
        """
        self.principal = principal
        if principal.parallel:
            self.parts.turnstile.enter(principal)
            self.entered = True

    def leave(self) -> None:
        """It is under way no more, whatever became of it; what it holds is let go, should that not be done."""
        reserved = self.reserved
        if reserved is not None and not reserved.hold.settled:  # booking it failed: all that was held counts
            reserved.settle(self.trail.attempts, sent=self.trail.number > 0, doubt=True)
        if self.entered:
            self.entered = False
            self.parts.turnstile.leave(self.principal.id)

    def session(self, by: Sticky) -> str:
        """What this call shares with those that belong to it: its session, else how its prompt begins, else who calls.

        The prompt is looked at only `by` it.
        """
        said, incoming = self.wishes.session, self.incoming
        if said or incoming is None:
            return said
        begins = self.parts.passages.prefix(self.dialect.name, incoming) if by == "prefix" else ""
        return begins or incoming.user or self.principal.id

    def broke(self, error: UpstreamError) -> None:
        """The attempt whose stream is being delivered broke, and somebody else is to go on: book its part."""
        won = self.won
        if won is None:
            return
        facts = self._facts(won, error)
        cost = self.trail.cost_of(won.model, facts.usage)
        self.trail.finish(Ended(status=won.response.status, usage=facts.usage, cost=cost), error=error)

    def settle(self, error: PointsmanError | None) -> None:
        """Book the call, once, whatever became of it."""
        won, trail = self.won, self.trail
        facts = _NOTHING
        if won is not None:
            facts = self._facts(won, error)
            cost = trail.cost
            if cost is None:
                cost = trail.cost_of(won.model, facts.usage)
            if self.surface in COUNTING:
                cost = 0  # no provider takes anything for it
            trail.finish(Ended(won.response.status, facts.usage, cost, facts.form), error=error)
            self.cost = trail.spent
            if won.relay is not None:
                facts = _whole(won.relay, facts)
        else:
            self.cost = 0 if error is None and self.surface in COUNTING else None  # nobody but us answered
            if self.kept is not None:
                facts, self.cost = self.kept, trail.spent if trail.certain else None
            ended = self._unheard() if isinstance(error, CallerGone) else Ended(cost=0)
            trail.finish(ended, error=error)
            if ended.usage is not None:
                facts, self.cost = AnswerFacts(usage=ended.usage), trail.spent
        if self.reserved is not None:
            sent, doubt = trail.number > 0, self._in_doubt(facts)
            self.reserved.settle(trail.attempts, sent=sent, doubt=doubt)
        self.parts.recorder.record(self._outcome(error, facts))
        if self.turn is not None and error is None and won is not None:
            self.turn.keep(self.id, self.started, won, self.sent)

    def _in_doubt(self, facts: AnswerFacts) -> bool:
        """Whether more may have been billed than was seen: who was cut off may have thought for long before.

        Of any other model a stream that was left costs what is booked, the estimate of what had come.
        """
        usage, won = facts.usage, self.won
        if usage is None or not usage.estimated:
            return False
        if won is None:
            return True
        incoming = self.incoming
        asked = incoming is not None and bool(int(incoming.needs.abilities) & _REASONING)
        later = self.surface in SURFACES and b'"background"' in self.arrival.body  # it goes on without its caller
        return asked or later or won.model.unseen

    def handed_over(self) -> bool:
        """Whether a stream was complete, its usage included, when it was interrupted."""
        relay = self.won.relay if self.won is not None else None
        if relay is None:
            return False
        try:
            relay.close()
        except PointsmanError:
            return False
        return relay.facts.usage is not None

    def _facts(self, won: Won, error: PointsmanError | None) -> AnswerFacts:
        """What is known of the answer; where the provider could not say, usage is estimated and marked so."""
        if won.relay is None:
            return won.facts
        facts = won.relay.facts
        stated = facts.usage
        if self.incoming is None or (stated is not None and not (stated.estimated and error is not None)):
            return facts
        model, written = won.model.upstream, won.relay.written
        output = self.parts.estimates.streamed(self.dialect.name, self.told, model, written)
        if stated is not None:  # the input is the provider's word
            usage = msgspec.structs.replace(stated, output=output)
        else:
            usage = Usage(input=self._input(won.model), output=output, estimated=True)
        return msgspec.structs.replace(facts, usage=usage)

    def _input(self, model: Model) -> int:
        """Prompt tokens, counted by us."""
        incoming = self.incoming
        if self.read is None and incoming is not None:
            self.read = self.parts.estimates.read(self.dialect.name, incoming, model.upstream)
        return self.read or 0

    def _unheard(self) -> Ended:
        """An attempt whose caller left before anything came: the prompt was sent, and whoever reads it bills it."""
        note = self.trail.open
        if note is None or self.incoming is None:
            return Ended()
        usage = Usage(input=self._input(note.model), estimated=True)
        return Ended(usage=usage, cost=self.trail.cost_of(note.model, usage))

    def _outcome(self, error: PointsmanError | None, facts: AnswerFacts) -> Outcome:
        parts, arrival, incoming, trail = self.parts, self.arrival, self.incoming, self.trail
        principal, wishes = self.principal, self.wishes
        duration = parts.clock.monotonic() - arrival.received
        outcome = Outcome(
            id=self.id,
            started=self.started,
            duration=duration,
            surface=self.surface,
            dialect=self.dialect.name,
            asked=(incoming.model if incoming is not None else self.asked)[:_LABEL],
            status="ok",
            http_status=200,
            overhead=trail.own if trail.own is not None else max(duration - trail.waited, 0),
            first_byte=trail.out,
            key=principal.id,
            plan=self.plan,
            draw=self.draw,
            needs=incoming.needs if incoming is not None else None,
            attempts=tuple(trail.attempts),
            usage=facts.usage,
            cost=self.cost,
            finish=facts.finish,
            answer_id=facts.id,
            session=wishes.session,
            tags=wishes.tags,
            user=incoming.user if incoming is not None else "",
            team=principal.team,
            project=principal.project,
            smooth=error is None and trail.number == 1 and not trail.passed,
        )
        if error is not None or self.kept is not None:
            outcome = self._troubled(outcome, error)
        return self._with_content(outcome) if parts.keep_content else outcome

    def _troubled(self, outcome: Outcome, error: PointsmanError | None) -> Outcome:
        """The same, of a call that went wrong, or was answered by what was kept."""
        kept = self.kept is not None
        return msgspec.structs.replace(
            outcome,
            status="stale" if kept else status_of(error),
            http_status=200 if error is None or self.won is not None or kept else error.status,
            error=error.code if error is not None else "",
            detail=error.message[:_DETAIL] if error is not None else "",
        )

    def _with_content(self, outcome: Outcome) -> Outcome:
        won = self.won
        answer = won.body if won is not None and won.relay is None else None
        return msgspec.structs.replace(outcome, request_body=self.arrival.body, answer_body=answer)


def begin(parts: Parts, arrival: Arrival, surface: Surface, dialect: Spoken) -> Run:
    """A call begins: its notes, still empty."""
    started = parts.clock.now()
    trail = Trail(parts.clock, parts.health)
    return Run(parts, arrival, surface, dialect, started, parts.ids.new(started), trail)


def _whole(relay: Relay, facts: AnswerFacts) -> AnswerFacts:
    """The facts of all that the caller has had, where several models wrote it."""
    told = getattr(relay, "usage", None)
    return facts if told is None else msgspec.structs.replace(facts, usage=told)


def status_of(error: PointsmanError | None) -> Status:
    """How a call that ended with `error` counts."""
    if error is None:
        return "ok"
    if isinstance(error, CallerGone):
        return "cancelled"
    if error.fault == "caller" or (isinstance(error, UpstreamRefused) and not error.retryable and not error.ours):
        return "refused"
    return "failed"
