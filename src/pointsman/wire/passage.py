"""The ways between a caller and a provider: straight through in one dialect, or across two of them.

Where a model's answers are to be tidied (`unfence`), they go through the core values in one dialect, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pointsman.core.chat import Answer, AnswerStart, Dropped, Request
from pointsman.core.errors import CallerError, UnsupportedParameter, UpstreamError, UpstreamRefused
from pointsman.core.model import Ability, Model, Price
from pointsman.core.outcome import Form
from pointsman.core.ports import Fetched
from pointsman.core.texts import Written, of_answer, of_events
from pointsman.wire.continuing import continuation, seam_for
from pointsman.wire.cross_relay import CrossRelay, Known, facts_of
from pointsman.wire.events import events_of
from pointsman.wire.forms import Judge, judged, wanted_of
from pointsman.wire.itemised import itemising
from pointsman.wire.judging import JudgedRelay, Overheard
from pointsman.wire.media import urls_in, with_data
from pointsman.wire.port import CallerSide, Dialect, Passage, ProviderSide
from pointsman.wire.prefixes import prefix_of
from pointsman.wire.resumed import Bill, Resumed
from pointsman.wire.seams import seam_of
from pointsman.wire.streams import Relay, StreamReader
from pointsman.wire.told import OWN, Standing, Told, read_told, standing
from pointsman.wire.trip import COUNTING, NO_FILES, AnswerFacts, Heard, Incoming, Outgoing, Trip
from pointsman.wire.unfence import Unfenced, unfence, unfenced_body

_LONGEST = 1_000
_NANOS = 1_000_000_000
_FILES = int(Ability.VISION | Ability.DOCUMENTS | Ability.AUDIO_INPUT)
Headers = Sequence[tuple[bytes, bytes]]


class Passages:
    """Every way between the dialects that there are; made once, without state.

    Args:
        dialects: those that can be translated into each other.
        alone: the way in dialects that cannot, by name.
    """

    def __init__(self, dialects: Iterable[Dialect], alone: Mapping[str, Passage] | None = None) -> None:
        dialects = tuple(dialects)
        self._callers = {dialect.name: dialect for dialect in dialects}
        self._ways: dict[tuple[str, str], Passage] = {}
        self._tidy: dict[tuple[str, str], Passage] = {}
        for caller in dialects:
            for provider in dialects:
                key, same = (caller.name, provider.name), caller is provider
                self._ways[key] = Straight(caller) if same else Crossing(caller, provider)
                self._tidy[key] = Tidied(caller) if same else Crossing(caller, provider, tidy=True)
        self._ways |= {(name, name): way for name, way in (alone or {}).items()}

    def between(self, caller: str, provider: str, *, tidy: bool = False) -> Passage:
        """The way from a caller's dialect to a provider's; with `tidy`, JSON is taken out of fences on its way back."""
        return (self._tidy if tidy else self._ways)[caller, provider]

    def standing(self, caller: str, told: Told, incoming: Incoming) -> Standing:
        """Where a broken stream stands, and whether somebody else can go on with it. See `continuing`."""
        dialect = self._callers.get(caller)
        if dialect is None:
            return Standing(reason=f"answers in the dialect {caller} are not continued")
        return standing(told, dialect, incoming)

    def onward(self, caller: str, provider: str, stands: Standing, *, spent: int | None = 0) -> Passage:
        """The way to a provider that goes on with a broken stream. See `continuing`.

        `stands` has to be one that can be continued, `spent` is nano-dollars for what was told so far; None is unknown.
        """
        return Onward(self._callers[caller], self._callers[provider], stands, spent)

    def prefix(self, caller: str, incoming: Incoming) -> str:
        """See `prefixes.prefix_of`; empty where the request cannot be read."""
        request = self.request(caller, incoming)
        return "" if request is None else prefix_of(request)

    def request(self, caller: str, incoming: Incoming) -> Request | None:
        """A caller's request in no dialect, for whoever looks into it; None where it cannot be read."""
        dialect = self._callers.get(caller)
        try:
            return None if dialect is None else dialect.to_core(incoming)
        except CallerError:
            return None

    def written(self, caller: str, told: bytes, *, stream: bool = False) -> Written:
        """The texts of a whole answer as a caller gets it, or of whole events of a stream; none if it is unreadable."""
        dialect = self._callers.get(caller)
        if dialect is None or not told:
            return Written([])
        try:
            if stream:
                return of_events(read_told(dialect.reader(OWN), told))
            return of_answer(dialect.read_whole(told, OWN))
        except UpstreamError:
            return Written([])

    def with_system(self, caller: str, incoming: Incoming, before: str, after: str) -> Incoming:
        """See `port.CallerSide.with_system`; the same request in dialects without system text."""
        dialect = self._callers.get(caller)
        return incoming if dialect is None else dialect.with_system(incoming, before, after)


class Straight:
    """`port.Passage` where both speak one dialect."""

    counts = True

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def estimate(self, tokens: int) -> bytes:
        """Never asked."""
        raise NotImplementedError(tokens)

    def wants(self, incoming: Incoming) -> Sequence[str]:  # noqa: ARG002 - the port's
        """Nothing: a request passes as it is."""
        return ()

    def write_request(self, incoming: Incoming, model: Model, files: Mapping[str, Fetched] = NO_FILES) -> Outgoing:  # noqa: ARG002 - the port's
        """See `port.Passage.write_request`."""
        return self._dialect.write_request(incoming, model)

    def read_answer(self, body: bytes, trip: Trip) -> Heard:
        """See `port.Passage.read_answer`."""
        facts = self._dialect.read_answer(body)
        if judged(trip.incoming):
            facts = msgspec.structs.replace(facts, form=self._form(body, trip))
        return Heard(body=body, facts=facts)

    def _form(self, body: bytes, trip: Trip) -> Form:
        """The form of an answer; what cannot be read for that is not judged, and passes as it is."""
        try:
            answer = self._dialect.read_whole(body, trip.outgoing)
        except UpstreamError:
            return ""
        return _judge(self._dialect, trip).hear(answer)

    def relay(self, trip: Trip) -> Relay:
        """See `port.Passage.relay`."""
        relay = self._dialect.relay(trip.incoming, _price(trip))
        if not judged(trip.incoming):
            return relay
        return JudgedRelay(relay, _judge(self._dialect, trip), self._dialect.reader(trip.outgoing))

    def relay_whole(self, body: bytes, trip: Trip) -> tuple[Relay, bytes]:
        """See `port.Passage.relay_whole`."""
        relay = self.relay(trip)
        out = relay.feed(self._dialect.as_stream(body, trip.incoming))
        return relay, out + relay.close()

    def read_error(self, status: int, headers: Headers, body: bytes, now: int | None = None) -> UpstreamRefused:
        """See `port.ProviderSide.read_error`; the provider's own body goes on to the caller."""
        return self._dialect.read_error(status, headers, body, now)


class Crossing:
    """`port.Passage` between two dialects, through the core values.

    Args:
        caller, provider: who speaks what.
        tidy: JSON is taken out of the fences around it.
    """

    def __init__(self, caller: CallerSide, provider: ProviderSide, *, tidy: bool = False) -> None:
        self._caller = caller
        self._provider = provider
        self._tidy = tidy
        self.counts = provider.counts

    def estimate(self, tokens: int) -> bytes:
        """See `port.Passage.estimate`."""
        return self._caller.write_count(tokens)

    def wants(self, incoming: Incoming) -> Sequence[str]:
        """See `port.Passage.wants`."""
        if not incoming.needs.images and not int(incoming.needs.abilities) & _FILES:
            return ()
        return urls_in(self._caller.to_core(incoming), self._provider.needs_data)

    def write_request(self, incoming: Incoming, model: Model, files: Mapping[str, Fetched] = NO_FILES) -> Outgoing:
        """See `port.Passage.write_request`."""
        request = self._caller.to_core(incoming)
        if files:
            request = with_data(request, files)
        if incoming.surface in COUNTING:
            asked = self._provider.count_from_core(request, model)
            if asked is not None:
                return asked
        outgoing = self._provider.from_core(request, model)
        if outgoing.dropped and model.param_policy == "refuse":
            raise _unsaid(outgoing.dropped, model)
        return outgoing

    def read_answer(self, body: bytes, trip: Trip) -> Heard:
        """See `port.Passage.read_answer`."""
        if trip.incoming.surface in COUNTING:
            return Heard(body=self._caller.write_count(self._provider.read_count(body)), facts=AnswerFacts())
        answer = self._answer(body, trip)
        encoded = self._caller.write_answer(answer, trip.incoming)
        facts = facts_of(answer, encoded.mark)
        if judged(trip.incoming):
            facts = msgspec.structs.replace(facts, form=_judge(self._caller, trip).hear(answer))
        return Heard(body=encoded.body, facts=facts, dropped=encoded.dropped)

    def relay(self, trip: Trip) -> Relay:
        """See `port.Passage.relay`."""
        reader = self._provider.reader(trip.outgoing)
        return self._relay(Unfenced(reader) if self._tidy else reader, trip)

    def relay_whole(self, body: bytes, trip: Trip) -> tuple[Relay, bytes]:
        """See `port.Passage.relay_whole`."""
        relay = self._relay(Known(events_of(self._answer(body, trip))), trip)
        return relay, relay.feed(b"") + relay.close()

    def _answer(self, body: bytes, trip: Trip) -> Answer:
        answer = self._provider.read_whole(body, trip.outgoing)
        if self._tidy:
            answer = unfence(answer)
        if answer.created and answer.id:
            return answer
        return msgspec.structs.replace(
            answer, id=answer.id or _made_id(trip), created=answer.created or trip.now // _NANOS
        )

    def _relay(self, reader: StreamReader, trip: Trip) -> Relay:
        writer = self._caller.writer(trip.incoming)
        if not judged(trip.incoming):
            return CrossRelay(reader, writer, _price(trip), _made(trip))
        judge = _judge(self._caller, trip)
        return JudgedRelay(CrossRelay(Overheard(reader, judge), writer, _price(trip), _made(trip)), judge)

    def read_error(self, status: int, headers: Headers, body: bytes, now: int | None = None) -> UpstreamRefused:
        """See `port.ProviderSide.read_error`; the body is in the provider's dialect and stays here."""
        error = self._provider.read_error(status, headers, body, now)
        error.body = b""
        return error


def _unsaid(dropped: Sequence[Dropped], model: Model) -> UnsupportedParameter:
    """The error for what a model's dialect cannot say, where nothing may be left out."""
    why = "; ".join(dict.fromkeys(f"`{one.path}`: {one.reason}" for one in dropped))
    return UnsupportedParameter(
        f"{model.name} cannot be asked all of this: {why}"[:_LONGEST],
        param=dropped[0].path or None,
        hint="Leave it out, name another model, or set the model's parameter policy to `drop`.",
    )


class Tidied(Crossing):
    """`port.Passage` where both speak one dialect and JSON is taken out of fences.

    The request passes as it is, and so does a whole answer but for the fenced text in it; a stream is written anew.
    """

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect, dialect, tidy=True)
        self._dialect = dialect
        self._straight = Straight(dialect)

    def wants(self, incoming: Incoming) -> Sequence[str]:
        """See `port.Passage.wants`."""
        return self._straight.wants(incoming)

    def write_request(self, incoming: Incoming, model: Model, files: Mapping[str, Fetched] = NO_FILES) -> Outgoing:
        """See `port.Passage.write_request`."""
        return self._straight.write_request(incoming, model, files)

    def read_answer(self, body: bytes, trip: Trip) -> Heard:
        """See `port.Passage.read_answer`."""
        if trip.incoming.surface in COUNTING:
            return self._straight.read_answer(body, trip)
        answer = self._dialect.read_whole(body, trip.outgoing)
        bare = unfence(answer)
        passed = body if bare is answer else unfenced_body(body, answer, bare)
        if passed is None:
            return super().read_answer(body, trip)
        facts = self._dialect.read_answer(passed)
        return Heard(body=passed, facts=msgspec.structs.replace(facts, form=_judge(self._dialect, trip).hear(bare)))

    def read_error(self, status: int, headers: Headers, body: bytes, now: int | None = None) -> UpstreamRefused:
        """See `port.Passage.read_error`."""
        return self._straight.read_error(status, headers, body, now)


class Onward(Crossing):
    """`port.Passage` to somebody who goes on with a broken stream, through the core values in any case.

    Args:
        caller, provider: who speaks what.
        stands: what the caller has had.
        spent: nano-dollars for that; None is unknown.
    """

    def __init__(self, caller: CallerSide, provider: ProviderSide, stands: Standing, spent: int | None) -> None:
        super().__init__(caller, provider)
        self._stands = stands
        self._spent = spent

    def write_request(self, incoming: Incoming, model: Model, files: Mapping[str, Fetched] = NO_FILES) -> Outgoing:
        """A request for the rest of the answer. Raises as `port.Passage.write_request`."""
        seam = seam_for(self._stands.text, prefill=self._provider.prefills(model))
        request = self._caller.to_core(incoming)
        if files:
            request = with_data(request, files)
        outgoing = self._provider.from_core(continuation(request, self._stands.text, prefill=seam == "prefill"), model)
        if outgoing.dropped and model.param_policy == "refuse":
            raise _unsaid(outgoing.dropped, model)
        return msgspec.structs.replace(outgoing, seam=seam)

    def _relay(self, reader: StreamReader, trip: Trip) -> Relay:
        """A relay for the rest; how it joins what was told stands in the trip's request."""
        return Resumed(
            reader,
            self._caller.resume(self._stands.told, trip.incoming),
            seam_of(trip.outgoing.seam, self._stands.text, json=self._stands.json),
            self._stands,
            bill=Bill(price=_price(trip), spent=self._spent),
            made=_made(trip),
            judge=_judge(self._caller, trip) if self._stands.json else None,
        )


def _price(trip: Trip) -> Price | None:
    """By which a stream's cost is told: to who asked for that, with what it is made of."""
    return itemising(trip.price) if trip.incoming.details else trip.price


def _judge(caller: CallerSide, trip: Trip) -> Judge:
    """Who says in the end whether an answer is the JSON that was asked for."""
    return Judge(wanted_of(caller, trip.incoming))


def _made(trip: Trip) -> AnswerStart:
    """Time and id for an answer whose provider says none; who asks in another dialect cannot do without."""
    return AnswerStart(id=_made_id(trip), model="", created=trip.now // _NANOS)


def _made_id(trip: Trip) -> str:
    return f"pm-{trip.now:x}"
