"""Whatever happens in whatever order, the book keeps its promises."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from fuzzing import examples
from pointsman.core.clock import SystemDraw
from pointsman.core.failure import RULES, Target
from pointsman.core.health import AttemptEnd
from pointsman.core.model import TimeLimits
from pointsman.health.book import Book

SECOND = 1_000_000_000
TARGETS = [Target(provider, model, key) for provider in "pq" for model in "ab" for key in ("", "k")]
LONGEST = 600 * SECOND
PROBE = 120 * SECOND
WIDE = TimeLimits(connect=5.0, first_byte=40.0, between_bytes=50.0, total=600.0)
FAILURES = st.sampled_from(sorted(RULES))
RESETS = st.sampled_from([b"0s", b"1s", b"20ms", b"6m0s", b"99h", b"30", b"1700000100", b"x"])


class AnyOrder(RuleBasedStateMachine):
    """Attempts begin and end, time passes, and a model of what is under way is kept beside."""

    attempts = Bundle("attempts")

    @initialize(seed=st.integers(0, 1000))
    def start(self, seed):
        self.now = 1000 * SECOND
        self.told = []
        self.book = Book(SystemDraw(seed), lambda: 1_700_000_000 * SECOND + self.now, [self.told.append])
        self.states, self.version = self.book.states(self.now), self.book.version(self.now)
        self.under_way = []

    @rule(target=attempts, who=st.sampled_from(TARGETS))
    def begin(self, who):
        before = self.book.states(self.now).get(who, "closed")
        record = self.book._records.get(who)
        gates = (record.provider, record.key, record.own) if record is not None else ()
        probed = [gate for gate in gates if gate.state == "half_open"]
        wait = self.book.begin(who, self.now)
        state = self.book.states(self.now).get(who, "closed")
        if record is not None:
            assert state == before, "an attempt that begins tells nothing"
        if wait:
            assert state in {"open", "half_open"}
            assert 0 < wait <= LONGEST / SECOND
            return multiple()
        assert state != "open"
        for _, began, others in self.under_way:
            if self.now - began < PROBE:
                assert not any(gate in others for gate in probed), "never two probes at once"
        attempt = (who, self.now, probed)
        self.under_way.append(attempt)
        return attempt

    def over(self, attempt, **more):
        who, began, _ = attempt
        self.under_way = [one for one in self.under_way if one is not attempt]
        self.book.end(who, AttemptEnd(duration=self.now - began, **more), self.now)

    @rule(attempt=consumes(attempts), stream=st.booleans(), share=st.floats(0, 1))
    def answered(self, attempt, stream, share):
        took = int((self.now - attempt[1]) * share)
        self.over(attempt, stream=stream, first_token=took, widest=took, connect=took)

    @rule(
        attempt=consumes(attempts),
        failure=FAILURES,
        told=st.none() | st.floats(0, 10_000),
        stream=st.booleans(),
    )
    def failed(self, attempt, failure, told, stream):
        self.over(attempt, failure=failure, retry_after=told, stream=stream)

    @rule(attempt=consumes(attempts))
    def left(self, attempt):
        self.over(attempt, neutral=True)

    @rule(attempt=consumes(attempts), until=RESETS, left=st.integers(0, 2))
    def answered_with_limits(self, attempt, until, left):
        headers = (
            (b"x-ratelimit-limit-requests", b"10"),
            (b"x-ratelimit-remaining-requests", str(left).encode()),
            (b"x-ratelimit-reset-requests", until),
        )
        self.over(attempt, headers=headers)

    @rule(seconds=st.sampled_from([0.001, 0.1, 1.0, 6.0, 30.0, 70.0, 130.0, 601.0]))
    def wait(self, seconds):
        self.now += int(seconds * SECOND)

    @rule(who=st.sampled_from(TARGETS), stream=st.booleans(), thinks=st.booleans())
    def limits(self, who, stream, thinks):
        limits = self.book.limits(who, WIDE, stream=stream, thinks=thinks)
        assert 1.0 <= limits.connect <= WIDE.connect
        assert 2.0 <= limits.first_byte <= WIDE.first_byte
        assert 5.0 <= limits.between_bytes <= WIDE.between_bytes
        assert limits.total == WIDE.total

    @rule(who=st.sampled_from(TARGETS))
    def asked_again(self, who):
        """Whoever rests is let through after the longest rest and the longest probe, whatever is still under way."""
        if self.book.states(self.now).get(who) not in {"open", "half_open"}:
            return
        self.now += LONGEST + PROBE
        assert self.book.begin(who, self.now) == 0.0
        self.book.end(who, AttemptEnd(neutral=True), self.now)

    @invariant()
    def version_states_and_changes_go_together(self):
        states, version = self.book.states(self.now), self.book.version(self.now)
        assert (states == self.states) == (version == self.version)
        assert (states is self.states) == (version == self.version)
        assert "closed" not in states.values()
        self.states, self.version = states, version
        last = {}
        for change in self.told:
            assert change.before == last.get(change.target, "closed")
            assert change.before != change.after
            last[change.target] = change.after
        assert {who: state for who, state in last.items() if state != "closed"} == dict(states)

    @invariant()
    def nobody_is_open_for_longer_than_the_bound(self):
        for each in self.book.status(self.now):
            if each.state == "open":
                assert each.next_probe is not None
                assert 0 < each.next_probe <= LONGEST / SECOND
            elif each.state != "half_open":
                assert each.next_probe is None

    @invariant()
    def attempts_in_flight_are_counted(self):
        counts = {each.target: each.in_flight for each in self.book.status(self.now)}
        for who in TARGETS:
            assert counts.get(who, 0) == sum(one[0] == who for one in self.under_way)


AnyOrder.TestCase.settings = settings(max_examples=examples(100), stateful_step_count=60, deadline=None)
TestAnyOrder = AnyOrder.TestCase
