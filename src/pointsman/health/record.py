"""All that is kept of one target."""

from __future__ import annotations

from collections import deque

from pointsman.core.failure import State, Target
from pointsman.core.health import AttemptEnd, Cause, Learned, Load, Standing, Transition
from pointsman.core.model import TimeLimits
from pointsman.health.gate import SECOND, Gate
from pointsman.health.pace import Pace
from pointsman.health.quotas import Quotas
from pointsman.health.samples import KEPT, Samples
from pointsman.health.window import Window

_TIMELINE = 200
_QUIET = 60 * SECOND
_NANO = 1e-9
_ENOUGH = 10
_OPENS = 0.5
_DEGRADES = 0.2
_BETTER = 0.1
_FIRST_TOKEN = 10.0
_THINKING = 60.0
_BETWEEN = 30.0
_TAIL = 0.95
_LEAST_BETWEEN = 5.0
_LEAST_CONNECT = 1.0
_NEXT_LOOK = SECOND // 50
"""After an answer that told nothing new, the next ones are only counted for so long: a target that is asked thousands
of times a second is known as well from fifty of them."""

Judged = tuple[State, Cause, str]
"""A state and its reason."""
Kept = tuple[TimeLimits, bool, TimeLimits]


class Record:
    """What is known of a target. `now` in nanoseconds.

    Attributes:
        provider, key, own: the `gates` that it passes; the first two are shared.
        in_flight: attempts under way.
        used: when an attempt last began.
        state, cause, why, since: as last told to others; `since` in nanoseconds since the epoch.
        erring: too many attempts of the last minute failed.
        counted_until: until then answers that came to their end are only counted: `more` of them, so far.
        kept_streams, kept_wholes: the time limits of the last attempt (as configured, whether it thinks, as made), as
            long as they stand.
    """

    __slots__ = (
        "_connect",
        "_streams",
        "_wholes",
        "_widest",
        "cause",
        "counted_until",
        "erring",
        "gates",
        "in_flight",
        "kept_streams",
        "kept_wholes",
        "key",
        "more",
        "own",
        "provider",
        "quotas",
        "since",
        "state",
        "target",
        "timeline",
        "used",
        "why",
        "window",
    )

    def __init__(self, target: Target, provider: Gate, key: Gate, own: Gate, since: int) -> None:
        self.target = target
        self.provider, self.key, self.own = self.gates = (provider, key, own)
        self.in_flight = 0
        self.used = 0
        self.state: State = "closed"
        self.cause: Cause = ""
        self.why = ""
        self.since = since
        self.erring = False
        self.window = Window()
        self.quotas = Quotas()
        self.timeline: deque[Transition] = deque(maxlen=_TIMELINE)
        self._streams, self._wholes = Pace(stream=True), Pace(stream=False)
        self._widest = Samples(_LEAST_BETWEEN, tail=1.0)
        self._connect = Samples(_LEAST_CONNECT)
        self.counted_until = 0
        self.more = 0
        self.kept_streams: Kept | None = None
        self.kept_wholes: Kept | None = None

    def wait(self, now: int) -> float:
        """Seconds until all gates let an attempt pass; 0.0 is now."""
        return max([gate.wait(now) for gate in self.gates])

    def judged(self) -> Judged:
        """The state that its gates and its past make."""
        for state in ("open", "half_open"):
            for gate in self.gates:
                if gate.state == state:
                    return gate.state, gate.cause, gate.why
        if self.erring:
            share = f"{self.window.failed} of {self.window.total} attempts within a minute failed"
            return "degraded", "errors", share
        if self._streams.slow:
            return "degraded", "slow", "the first token takes more than three times as long as usual"
        return "closed", "answered" if self.state in {"open", "half_open"} else "time", "well again"

    def answered(self, end: AttemptEnd, now: int) -> bool:
        """An attempt was answered to its end; whether the target's state may have changed by it."""
        changed = False
        self.look_again()
        if end.first_token is not None:
            pace = self._streams if end.stream else self._wholes
            changed = pace.add(end.first_token * _NANO, now)
        if end.widest is not None and end.stream:
            self._widest.add(end.widest * _NANO)
        if end.connect is not None:
            self._connect.add(end.connect * _NANO)
        window = self.window
        window.add(now, failed=False)
        return changed or self.erring or window.failed > 0

    def failed(self, end: AttemptEnd, now: int) -> None:
        """What the times of a failed attempt teach: those that ran into a limit count at that limit."""
        self.look_again()
        pace = self._streams if end.stream else self._wholes
        if end.first_token is not None:
            pace.add(end.first_token * _NANO, now)
        elif end.failure == "silent":
            pace.add(end.duration * _NANO, now, late=True)
        if end.connect is not None:
            self._connect.add(end.connect * _NANO)
        elif end.failure == "connect_timeout":
            self._connect.add(end.duration * _NANO, late=True)
        if end.failure == "stalled" and end.stream:
            limit = self._widest.limit or _BETWEEN
            self._widest.add(limit if end.widest is None else end.widest * _NANO, late=True)

    def outpaced(self, end: AttemptEnd, now: int) -> None:
        """An attempt was called off: what is known of its time counts where that was longer than usual.

        Else those that are slow would be missing from what is usual, each second request would make the next one due
        sooner, and soon there would be more of them than may be paid for. Who had less time than is usual says nothing.
        """
        pace = self._streams if end.stream else self._wholes
        seconds = (end.duration if end.first_token is None else end.first_token) * _NANO
        usual = pace.first.usually(_TAIL) if pace.first.limit else None
        if usual is not None and seconds >= usual:
            self.look_again()
            pace.add(seconds, now)

    def overtaken(self, end: AttemptEnd, now: int) -> None:
        """A probe had its usual time and more, and no answer: late, and yet part of what is usual (see `Samples`)."""
        pace = self._streams if end.stream else self._wholes
        if pace.first.limit:
            self.look_again()
            pace.add(end.duration * _NANO, now, late=True, overtaken=True)

    def look_again(self) -> None:
        """Something may have changed: the next answer is looked at, and time limits are made anew."""
        self._count()
        self.counted_until = 0
        self.kept_streams = self.kept_wholes = None

    def _count(self) -> None:
        """Those that were only counted take their place in the window, where the last one before them is."""
        if self.more:
            self.window.more(self.more)
            self.more = 0

    def calm_down(self, now: int, *, stream: bool) -> None:
        """An answer told nothing new: look at the next ones only now and then, unless there is still much to learn."""
        pace = self._streams if stream else self._wholes
        if pace.first.count >= KEPT and self.quotas.plenty and self.provider.calm and self.own.calm:
            self.counted_until = now + _NEXT_LOOK

    def too_many_failures(self) -> bool:
        """Whether so many attempts of the last half minute failed that the target should rest."""
        total, failed = self.window.lately()
        return total >= _ENOUGH and failed >= total * _OPENS

    def look(self, now: int) -> None:
        """Whether it is prone to errors or slow: easier said than taken back, but not for ever."""
        self._count()
        window = self.window
        window.pass_to(now)
        if self.erring:
            self.erring = window.total >= _ENOUGH // 2 and window.failed >= window.total * _BETTER
        else:
            self.erring = window.total >= _ENOUGH and window.failed >= window.total * _DEGRADES
        if self._streams.slow and now - self._streams.last >= _QUIET:
            self._streams.forget_slow()

    def start_anew(self) -> None:
        """It was asked again and is well: failures from before its rest say nothing of now."""
        self.window.clear()
        self.erring = False
        for samples in (self._streams.first, self._wholes.first, self._widest, self._connect):
            samples.returned()

    def limits(self, configured: TimeLimits, *, stream: bool, thinks: bool) -> TimeLimits:
        """See the port."""
        samples = (self._streams if stream else self._wholes).first
        # Of whole answers the limit is long, and whoever hangs has raised it: a probe may not cost a minute.
        first = samples.limit if stream or self.state == "closed" else samples.usual
        between = self._widest.limit
        connect = self._connect.limit
        made = bounded(configured, first, between, connect, stream=stream, thinks=thinks)
        if stream:
            self.kept_streams = (configured, thinks, made)
        else:
            self.kept_wholes = (configured, thinks, made)
        return made

    def usual(self, share: float, *, stream: bool) -> float | None:
        """See the port; None before there are enough samples to learn from."""
        first = (self._streams if stream else self._wholes).first
        return first.usually(share) if first.limit else None

    def load(self, now: int, *, stream: bool) -> Load:
        """For a balancer."""
        return Load(self.in_flight, (self._streams if stream else self._wholes).peak(now))

    def standing(self, now: int) -> Standing:
        """Everything, for pages."""
        wait = self.wait(now)
        self._count()
        self.window.pass_to(now)
        pace = self._streams if self._streams.first.count else self._wholes
        return Standing(
            target=self.target,
            state=self.state,
            cause=self.cause,
            why=self.why,
            since=self.since,
            next_probe=wait or None,
            in_flight=self.in_flight,
            attempts=self.window.total,
            error_share=self.window.failed / self.window.total if self.window.total else 0.0,
            first_token_p50=pace.first.percentile(0.5),
            first_token_p95=pace.first.percentile(0.95),
            learned=Learned(
                connect=self._connect.limit or None,
                first_token=self._streams.first.limit or None,
                whole_answer=self._wholes.first.limit or None,
                between_pieces=self._widest.limit or None,
            ),
            headroom=self.quotas.headroom(now),
        )


def bounded(
    configured: TimeLimits,
    first: float = 0.0,
    between: float = 0.0,
    connect: float = 0.0,
    *,
    stream: bool,
    thinks: bool,
) -> TimeLimits:
    """What was learned (0.0: nothing yet), within what is configured. Total time is never learned.

    Models that think do so for longer with some requests than with others, also between two pieces: theirs are never
    shorter than those of a model of which nothing is known yet.
    """
    if stream:
        first = max(first or _THINKING, _FIRST_TOKEN) if thinks else first or _FIRST_TOKEN
        between = max(between, _BETWEEN) if thinks else between or _BETWEEN
    else:
        first = first or configured.first_byte
        between = configured.between_bytes
    return TimeLimits(
        connect=min(connect or configured.connect, configured.connect),
        first_byte=min(first, configured.first_byte),
        between_bytes=min(between, configured.between_bytes),
        total=configured.total,
    )
