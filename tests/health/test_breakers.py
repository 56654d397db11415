"""Who is asked, who rests, for how long, and how they come back."""

from __future__ import annotations

import pytest

from pointsman.core.failure import Target

A = Target("acme", "large", "KEY")
B = Target("acme", "small", "KEY")
C = Target("acme", "large", "OTHER")
X = Target("else", "large")


def test_the_third_failure_in_a_row_opens_and_a_success_between_starts_the_count_anew(ward):
    for failure in ("server_error", "cut", None, "garbage", "silent"):
        ward.attempt(A, failure)
    assert ward.state(A) == "closed"
    ward.attempt(A, "server_error")
    assert ward.state(A) == "open"
    assert ward.begin(A) > 0
    assert [(change.before, change.after, change.cause) for change in ward.told] == [("closed", "open", "failures")]
    assert "3 failures in a row" in ward.told[0].why


def test_only_the_target_that_failed_rests(ward):
    for _ in range(3):
        ward.attempt(A, "server_error")
    assert set(ward.book.states(ward.nanos)) == {A}
    assert ward.begin(B) == ward.begin(C) == ward.begin(X) == 0.0


def test_a_rest_is_five_seconds_doubling_up_to_twenty_and_jittered(ward):
    for _ in range(3):
        ward.attempt(A, "server_error", took=0)
    rests = []
    for _ in range(8):
        rests.append(ward.rest(A))
        ward.attempt(A, "server_error", took=0)
    for rest, nominal in zip(rests, (5, 10, 20, 20, 20, 20, 20, 20), strict=True):
        assert 0.8 * nominal <= rest <= 1.2 * nominal
    assert len({round(rest / nominal, 4) for rest, nominal in zip(rests[-4:], (20,) * 4, strict=True)}) == 4


def test_after_a_success_the_next_rest_is_short_again(ward):
    for _ in range(3):
        ward.attempt(A, "server_error")
    for _ in range(3):
        ward.rest(A)
        ward.attempt(A, "server_error")
    ward.rest(A)
    ward.attempt(A)
    assert ward.state(A) == "closed"
    for _ in range(3):
        ward.attempt(A, "server_error")
    assert ward.rest(A) <= 6


def test_one_probe_at_a_time_and_one_success_closes(ward):
    for _ in range(3):
        ward.attempt(A, "server_error")
    ward.rest(A)
    assert ward.state(A) == "half_open"
    assert ward.begin(A) == 0.0
    assert 0 < ward.begin(A) <= 1
    ward.wait(2)
    assert ward.begin(A) > 0
    ward.end(A, took=2)
    assert ward.state(A) == "closed"
    assert ward.begin(A) == ward.begin(A) == 0.0


def test_a_probe_that_tells_nothing_makes_way_for_the_next(ward):
    for _ in range(3):
        ward.attempt(A, "server_error")
    ward.rest(A)
    for end in ({"neutral": True}, {"failure": "context_length"}, {"failure": "not_asked"}):
        assert ward.begin(A) == 0.0
        assert ward.begin(A) > 0
        ward.wait(1)
        ward.end(A, took=1, **end)
        assert ward.state(A) == "half_open"
    assert ward.begin(A) == 0.0


def test_a_probe_that_another_overtook_has_failed_if_its_target_had(ward):
    for _ in range(3):
        ward.attempt(A, "server_error")
    ward.rest(A)
    ward.attempt(A, None, neutral=True, outpaced=True)
    assert (ward.state(A), ward.told[-1].cause) == ("open", "failures")
    assert "when it was asked again" in ward.told[-1].why
    assert 8 <= ward.rest(A) <= 12
    ward.attempt(A)
    assert ward.state(A) == "closed"
    ward.attempt(A, "rate_limited", retry_after=5)
    ward.rest(A)
    ward.attempt(A, None, neutral=True, outpaced=True)
    assert ward.state(A) == "half_open", "it asked for its rest, and never failed"


def test_a_probe_that_never_ends_does_not_lock_for_ever_and_its_late_end_does_not_free_the_next(ward):
    for _ in range(3):
        ward.attempt(A, "server_error")
    ward.rest(A)
    assert ward.begin(A) == 0.0
    ward.wait(119)
    assert ward.begin(A) > 0
    ward.wait(1)
    assert ward.begin(A) == 0.0
    ward.wait(10)
    ward.end(A, took=130, neutral=True)
    assert ward.begin(A) > 0, "the second probe is still under way"
    ward.end(A, took=10)
    assert ward.state(A) == "closed"


def test_many_that_fail_together_are_one_opening(ward):
    for _ in range(50):
        assert ward.begin(A) == 0.0
    ward.wait(1)
    for _ in range(30):
        ward.end(A, "server_error", took=1)
    assert ward.rest(A) <= 6
    for _ in range(10):
        ward.end(A, "server_error", took=1 + 6)
    assert ward.state(A) == "half_open", "ends of calls from before the rest say nothing of now"
    for _ in range(10):
        ward.end(A, None, took=1 + 6)
    assert ward.state(A) == "half_open"
    assert ward.book.status(ward.nanos)[0].in_flight == 0


def test_half_of_the_attempts_failing_opens_and_two_successes_close(ward):
    for failure in (None,) * 5 + ("cut", "cut", None) * 3 + ("cut",):
        ward.attempt(A, failure)
        assert ward.state(A) != "open"
    ward.attempt(A, "cut")
    assert (ward.state(A), ward.told[-1].cause) == ("open", "errors"), "8 of 16"
    ward.rest(A)
    ward.attempt(A)
    assert ward.state(A) == "half_open"
    assert ward.begin(A) == 0.0
    assert ward.begin(A) > 0
    ward.end(A, took=0)
    assert ward.state(A) == "closed"


def test_less_than_ten_attempts_do_not_open_by_their_share(ward):
    for failure in ("cut", "cut", None) * 3:
        ward.attempt(A, failure)
    assert ward.state(A) == "closed"
    ward.attempt(A, "cut")
    assert ward.state(A) == "open"


def test_errors_of_more_than_half_a_minute_ago_do_not_open(ward):
    for failure in ("cut", "cut", None) * 3:
        ward.attempt(A, failure, took=0)
    ward.wait(31)
    for _ in range(9):
        ward.attempt(A, took=0)
    ward.attempt(A, "cut", took=0)
    assert ward.state(A) != "open", "7 of 19 within a minute, 1 of 10 within half of one"


@pytest.mark.parametrize("failure", ["no_connection", "no_address", "tls", "connect_timeout"])
def test_a_provider_that_cannot_be_reached_rests_with_all_its_targets(ward, failure):
    ward.attempt(C)
    for target in (A, B, A):
        ward.attempt(target, failure)
    assert ward.book.states(ward.nanos) == {A: "open", B: "open", C: "open"}
    assert {change.cause for change in ward.told} == {"unreachable"}
    new = Target("acme", "new")
    assert ward.begin(new) > 0
    assert ward.begin(X) == 0.0
    ward.rest(A)
    assert ward.begin(B) == 0.0
    assert ward.begin(A) > 0, "one probe over all targets of the provider"
    ward.end(B, took=0)
    assert ward.book.states(ward.nanos) == {}
    assert ward.begin(A) == ward.begin(C) == ward.begin(new) == 0.0


def test_targets_that_failed_with_their_provider_are_asked_as_soon_as_it_is_back(ward):
    for _ in range(3):
        ward.attempt(A, "no_connection")
    for _ in range(5):
        ward.rest(A)
        ward.attempt(A, "no_connection")
    wait = 0.0
    while ward.begin(B) > 0:
        ward.wait(1)
        wait += 1
    assert wait <= 24
    ward.end(B, took=0)
    assert ward.state(B) == "closed"
    assert ward.begin(A) == 0.0, "at most by one call, but at once"


def test_an_error_that_the_provider_answers_shows_that_it_can_be_reached(ward):
    for number in range(10):
        ward.attempt(Target("acme", f"a{number}"), "no_connection")
        ward.attempt(Target("acme", f"b{number}"), "no_connection")
        ward.attempt(Target("acme", f"c{number}"), "server_error")
    assert ward.book.states(ward.nanos) == {}
    ward.attempt(Target("acme", "a0"), "no_connection")
    ward.attempt(Target("acme", "a1"), "reset")
    ward.attempt(Target("acme", "a2"), "no_connection")
    ward.attempt(Target("acme", "a3"), "no_connection")
    assert ward.state(A) == "closed", "nobody knows it yet"
    assert ward.begin(A) > 0, "a reset shows nothing of the kind"


def test_a_pause_lasts_as_long_as_told_within_bounds(ward):
    for told, expected in ((20, 20), (0.2, 1), (3600, 600), (90.5, 90.5)):
        ward.attempt(A, "rate_limited", retry_after=told)
        assert ward.state(A) == "open"
        assert ward.state(B) == "closed"
        assert ward.rest(A) == pytest.approx(expected, abs=1e-6)
        assert ward.state(A) == "half_open"
        ward.attempt(A)
        assert ward.state(A) == "closed"


def test_a_503_with_a_time_is_a_pause_and_without_one_a_failure(ward):
    ward.attempt(A, "overloaded", retry_after=30)
    assert ward.rest(A) == pytest.approx(30)
    ward.attempt(A)
    for _ in range(2):
        ward.attempt(A, "overloaded")
    assert ward.state(A) == "closed"
    ward.attempt(A, "overloaded")
    assert (ward.state(A), ward.told[-1].cause) == ("open", "failures")


def test_pauses_without_a_time_double_up_to_half_a_minute(ward):
    rests = []
    for _ in range(7):
        ward.attempt(A, "rate_limited", took=0)
        rests.append(ward.rest(A))
    for rest, nominal in zip(rests, (1, 2, 4, 8, 16, 30, 30), strict=True):
        assert 0.8 * nominal <= rest <= 1.2 * nominal
    ward.attempt(A)
    ward.attempt(A, "rate_limited")
    assert ward.rest(A) <= 1.2


def test_a_storm_of_429s_is_one_pause_and_the_longest_time_told_counts(ward):
    for _ in range(40):
        assert ward.begin(A) == 0.0
    ward.wait(1)
    for _ in range(30):
        ward.end(A, "rate_limited", took=1)
    assert ward.begin(A) <= 1.2
    for told in (3, 7, 5):
        ward.end(A, "rate_limited", took=1, retry_after=told)
    assert ward.begin(A) == pytest.approx(7)


@pytest.mark.parametrize(("failure", "minutes"), [("bad_key", 5), ("out_of_credit", 10)])
def test_a_key_that_is_not_taken_rests_for_all_models_and_no_other_key_does(ward, failure, minutes):
    ward.attempt(B)
    ward.attempt(A, failure)
    assert ward.book.states(ward.nanos) == {A: "open", B: "open"}
    assert ward.begin(C) == 0.0
    assert ward.rest(B) == pytest.approx(60 * minutes)
    assert ward.begin(A) == 0.0
    assert ward.begin(B) > 0, "one probe for the key"
    ward.end(A, took=0)
    assert ward.book.states(ward.nanos) == {}


def test_a_key_whose_rest_grew_is_asked_again_all_the_same(ward):
    assert ward.begin(A) == ward.begin(B) == 0.0
    ward.wait(1)
    ward.end(A, "bad_key", took=1)
    ward.end(B, "out_of_credit", took=1)
    ward.wait(301)
    assert ward.book.states(ward.nanos) == {A: "open", B: "open"}
    ward.wait(300)
    assert ward.book.states(ward.nanos) == {A: "half_open", B: "half_open"}


def test_a_probe_of_a_key_that_fails_for_another_reason_makes_way_for_the_next(ward):
    ward.attempt(B)
    ward.attempt(A, "bad_key")
    ward.rest(A)
    ward.attempt(A, "server_error")
    assert ward.begin(B) == 0.0
    ward.end(B, took=0)
    assert ward.book.states(ward.nanos) == {}


@pytest.mark.parametrize("failure", ["forbidden", "model_gone"])
def test_a_model_that_is_not_there_rests_for_ten_minutes(ward, failure):
    ward.attempt(B)
    ward.attempt(A, failure)
    assert ward.book.states(ward.nanos) == {A: "open"}
    assert ward.rest(A) == pytest.approx(600)
    ward.attempt(A, failure)
    assert ward.rest(A) == pytest.approx(600)


def test_requests_that_are_wrong_themselves_say_nothing_of_health(ward):
    for failure in ("bad_request", "context_length", "content_filter", "unsupported_parameter", "resting") * 10:
        ward.attempt(A, failure)
    for _ in range(30):
        ward.attempt(A, "server_error", neutral=True)
    assert ward.book.states(ward.nanos) == {}
    assert ward.book.status(ward.nanos)[0].attempts == 0


def test_an_error_share_degrades_at_a_fifth_and_is_forgiven_below_a_tenth(ward):
    for _ in range(8):
        ward.attempt(A)
    ward.attempt(A, "cut")
    assert ward.state(A) == "closed"
    ward.attempt(A, "cut")
    assert (ward.state(A), ward.told[-1].cause) == ("degraded", "errors")
    assert ward.begin(A) == 0.0, "it is asked, but after others"
    ward.end(A, neutral=True)
    for _ in range(10):
        ward.attempt(A)
    assert ward.state(A) == "degraded", "2 of 20: not well enough yet"
    ward.attempt(A)
    assert ward.state(A) == "closed"


def test_a_degraded_target_that_nobody_asks_is_well_after_a_minute(ward):
    for failure in (None, "cut") * 4 + (None, None):
        ward.attempt(A, failure)
    assert ward.state(A) == "degraded"
    ward.wait(75)
    assert ward.state(A) == "closed"
    assert ward.told[-1].cause == "time"


def test_whoever_comes_back_from_a_rest_is_not_blamed_for_what_was_before(ward):
    for _ in range(40):
        ward.attempt(A, took=0.01)
    for _ in range(20):
        assert ward.begin(A) == 0.0
    for _ in range(20):
        ward.end(A, "server_error")
    ward.rest(A)
    ward.attempt(A)
    assert ward.state(A) == "closed"
