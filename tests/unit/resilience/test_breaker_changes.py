"""Every transition of the breaker's pure state with all that it says, and the numbers that lead to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seawall.resilience import Breaker
from seawall.resilience.breaker_state import BREAKER_STATES, BreakerState, Change

FOUR = Breaker(window_calls=4, minimum_calls=4, open_for=10, half_open_permits=3, half_open_max_wait=6)
ONE = Breaker(window_calls=1, minimum_calls=1, open_for=10, half_open_permits=1)


def opened(settings: Breaker = ONE, at: float = 5.0, lane: float = 0) -> BreakerState:
    """A breaker that has opened by failures alone, as many as it needs."""
    state = BreakerState(settings)
    for _ in range(settings.minimum_calls):
        state.settle(1, "failure", "E", at, lane)
    assert (state.state, state.epoch) == ("open", 2)
    return state


def probing(settings: Breaker = FOUR, probes: int = 1) -> BreakerState:
    """The same once its time is over, with so many probes out."""
    state = opened(settings)
    for _ in range(probes):
        assert state.admit(15.0)[0] == ""
    assert (state.state, state.epoch, state.probes_out) == ("half_open", 3, probes)
    return state


def test_a_change_by_failures_says_what_was_in_the_window() -> None:
    state = BreakerState(FOUR)
    assert state.settle(1, "failure", "A", 1.0, 0) is None
    assert state.settle(1, "slow", "", 2.0, 0) is None
    assert state.settle(1, "success", "", 2.5, 0) is None
    change = state.settle(1, "timeout", "B", 3.0, 0)
    assert change == Change(
        "closed", "open", "failure_ratio reached", 3.0, failure_ratio=0.5, slow_ratio=0.25, window_calls=4,
        failures=2, errors=(("A", 1), ("B", 1)), open_for=10.0,
    )  # fmt: skip
    assert state.last_change is state.why_opened is change
    assert (state.open_until, state.entered_at, state.epoch) == (13.0, 3.0, 2)
    assert state.ratios(4.0, 0) == (0.5, 0.25, 4)
    assert (list(state.window.failures), list(state.window.slow)) == ([], [])


def test_a_change_by_slow_calls() -> None:
    state = BreakerState(replace(FOUR, slow_after=1.0, slow_ratio=0.75, failure_ratio=0.5))
    for outcome in ("slow", "failure", "slow"):
        assert state.settle(1, outcome, "E", 1.0, 0) is None
    assert state.ratios(1.0, 0) == (1 / 3, 2 / 3, 3)
    assert state.settle(1, "slow", "", 2.0, 0) == Change(
        "closed", "open", "slow_ratio reached", 2.0, failure_ratio=0.25, slow_ratio=0.75, window_calls=4,
        failures=1, errors=(("E", 1),), open_for=10.0,
    )  # fmt: skip


def test_a_change_by_failures_in_a_row_needs_no_minimum() -> None:
    state = BreakerState(replace(FOUR, minimum_calls=4, consecutive_failures=2))
    assert state.settle(1, "failure", "A", 1.0, 0) is None
    assert state.settle(1, "failure", "A", 1.5, 1) is None
    assert state.settle(1, "failure", "A", 2.0, 1) == Change(
        "closed", "open", "consecutive_failures reached", 2.0, failure_ratio=0.75, window_calls=4, failures=3,
        errors=(("A", 3),), open_for=10.0,
    )  # fmt: skip


def test_what_does_not_count_changes_nothing() -> None:
    state = BreakerState(ONE)
    for outcome in ("ignored", "cancelled"):
        assert state.settle(1, outcome, "E", 1.0, 0) is None
    assert state.settle(0, "failure", "E", 1.0, 0) is None
    assert (state.state, state.ratios(1.0, 0)) == ("closed", (0.0, 0.0, 0))
    for by_hand in ("disabled", "forced_open"):
        state.force(by_hand, "by hand", 1.0, 0)
        assert state.settle(state.epoch, "failure", "E", 2.0, 0) is None
        assert state.window.size(2.0, 0) == 0


def test_probes_that_succeed_close_it() -> None:
    state = probing(probes=3)
    assert state.last_change == Change("open", "half_open", "open_for elapsed", 15.0)
    assert state.settle(3, "success", "", 16.0, 0) is None
    assert (state.probes_out, state.ratios(16.0, 0)) == (2, (0.0, 0.0, 1))
    assert state.admit(16.0) == ("half_open", None)
    # Two of three are enough: one failure more would still be under the ratio.
    change = state.settle(3, "success", "", 17.0, 9)
    assert change == Change("half_open", "closed", "probes succeeded", 17.0, recovery=12.0, false_open=True)
    assert (state.epoch, state.probes_out, state.ratios(17.0, 9)) == (4, 0, (0.0, 0.0, 0))
    assert state.ratios(18.0, 11) == (0.0, 0.0, 2)
    assert state.why_opened is not None
    assert state.why_opened.at == 5.0
    assert state.settle(3, "failure", "late", 18.0, 9) is None
    assert state.ratios(18.0, 9) == (0.0, 0.0, 0)


def test_an_outage_with_a_failed_probe_was_none_for_nothing() -> None:
    state = probing(probes=3)
    assert state.settle(3, "slow", "", 16.0, 0) is None
    assert state.ratios(16.0, 0) == (1.0, 0.0, 1)
    assert state.settle(3, "success", "", 16.0, 0) is None
    assert state.ratios(16.0, 0) == (0.5, 0.0, 2)
    assert state.settle(3, "success", "", 17.0, 0) == Change(
        "half_open", "closed", "probes succeeded", 17.0, failures=1, errors=(("slow", 1),), recovery=12.0
    )


def test_probes_that_fail_open_it_again() -> None:
    state = probing(probes=3)
    assert state.settle(3, "success", "", 16.0, 0) is None
    assert state.settle(3, "timeout", "T", 16.5, 0) is None
    assert state.settle(3, "slow", "", 17.0, 0) == Change(
        "half_open", "open", "probe failed", 17.0, failure_ratio=2 / 3, window_calls=3, failures=2,
        errors=(("T", 1), ("slow", 1)), open_for=10.0,
    )  # fmt: skip
    assert (state.open_until, state.probes_out) == (27.0, 0)
    state.admit(27.0)
    state.settle(5, "success", "", 28.0, 0)
    state.admit(28.0)
    change = state.settle(5, "success", "", 29.0, 0)
    assert change is not None
    assert (change.to_state, change.recovery, change.false_open) == ("closed", 24.0, False)


def test_a_success_ratio_decides_as_soon_as_it_is_reached_or_out_of_reach() -> None:
    settings = replace(FOUR, half_open_permits=4, half_open_success_ratio=0.75)
    state = probing(settings, probes=4)
    assert [state.settle(3, outcome, "E", 16.0, 0) for outcome in ("success", "failure", "success")] == [
        None
    ] * 3
    change = state.settle(3, "success", "", 16.0, 0)
    assert change is not None
    assert (change.to_state, change.failures) == ("closed", 1)
    state = probing(settings, probes=4)
    assert state.settle(3, "failure", "E", 16.0, 0) is None
    change = state.settle(3, "failure", "E", 16.0, 0)
    assert change is not None
    assert (change.to_state, change.window_calls, change.failure_ratio) == ("open", 2, 1.0)


def test_probes_are_admitted_exactly_and_give_their_permit_back() -> None:
    state = probing(probes=3)
    assert state.admit(15.5) == ("half_open", None)
    for outcome in ("ignored", "cancelled"):
        assert state.settle(3, outcome, "", 16.0, 0) is None
    assert (state.probes_out, state.ratios(16.0, 0)) == (1, (0.0, 0.0, 0))
    assert [state.admit(17.0)[0] for _ in range(3)] == ["", "", "half_open"]
    assert state.settle(3, "failure", "E", 17.0, 0) is None
    assert state.admit(17.0) == ("half_open", None)


def test_a_round_without_an_answer_counts_as_failed_and_the_caller_finds_it_open() -> None:
    state = probing(probes=2)
    assert state.admit(16.0) == ("", None)
    assert state.admit(21.9) == ("half_open", None)
    reason, change = state.admit(22.0)
    assert reason == "open"
    assert change == Change("half_open", "open", "half_open_max_wait elapsed", 22.0, open_for=10.0)
    assert state.admit(31.9) == ("open", None)
    assert state.admit(32.0) == ("", Change("open", "half_open", "open_for elapsed", 32.0))
    spent = {"closed": 5.0, "open": 20.0, "half_open": 8.0}
    assert state.seconds | {state.state: state.spent(33.0)} == dict.fromkeys(BREAKER_STATES, 0.0) | spent
    # A clock that goes back takes nothing away.
    assert state.spent(30.0) == 7.0


def test_time_open_grows_within_its_bound_until_it_closes() -> None:
    grows = replace(ONE, open_for_multiplier=2.0, max_open_for=35)
    state, at, lengths = opened(grows), 5.0, [10.0]
    for _ in range(3):
        at = state.open_until
        state.admit(at)
        change = state.settle(state.epoch, "failure", "E", at, 0)
        assert change is not None
        assert change.open_for is not None
        lengths.append(change.open_for)
        assert state.open_until == at + change.open_for
    assert lengths == [10.0, 20.0, 35.0, 35.0]
    at = state.open_until
    state.admit(at)
    closed = state.settle(state.epoch, "success", "", at + 1, 0)
    assert closed is not None
    assert (closed.recovery, closed.false_open) == (at + 1 - 5.0, False)
    again = state.settle(state.epoch, "failure", "E", at + 2, 0)
    assert again is not None
    assert again.open_for == 10.0


def test_time_open_has_an_end_however_often_it_opens() -> None:
    state = opened(replace(ONE, open_for_multiplier=1e300, max_open_for=60))
    for _ in range(3):
        state.admit(state.open_until)
        change = state.settle(state.epoch, "failure", "E", state.open_until, 0)
        assert change is not None
        assert change.open_for == 60


@pytest.mark.parametrize(("drawn", "seconds"), [(0.0, 7.5), (0.25, 8.75), (0.5, 10.0), (1.0, 12.5)])
def test_time_open_is_spread_to_both_sides(drawn: float, seconds: float) -> None:
    state = BreakerState(replace(ONE, open_for_jitter=0.25), draw=lambda: drawn)
    change = state.settle(1, "failure", "E", 1.0, 0)
    assert change is not None
    assert (change.open_for, state.open_until) == (seconds, 1.0 + seconds)


def test_moves_by_hand_are_changes_too_and_leave_nothing_of_what_was() -> None:
    state = opened(replace(ONE, window_calls=4, failure_ratio=0.25), lane=3)
    assert state.force("disabled", "why", 8.0, 4) == Change("open", "disabled", "why", 8.0)
    assert (state.state, state.epoch, state.entered_at) == ("disabled", 4, 8.0)
    assert state.force("disabled", "why", 9.0, 4) is None
    assert state.epoch == 4
    assert (state.admit(9.0), state.lane_open(9.0, 4)) == (("", None), True)
    assert state.force("forced_open", "why", 9.0, 4) == Change("disabled", "forced_open", "why", 9.0)
    assert (state.admit(99.0), state.lane_open(99.0, 4)) == (("forced_open", None), False)
    # The outage was forgotten: there is no recovery from it.
    assert state.force("closed", "why", 10.0, 5) == Change("forced_open", "closed", "why", 10.0)
    assert state.ratios(10.0, 7) == (0.0, 0.0, 2)
    assert state.settle(state.epoch, "failure", "E", 11.0, 7) is not None


def test_closing_by_hand_what_is_closed_empties_it() -> None:
    state = BreakerState(FOUR)
    state.settle(1, "failure", "E", 1.0, 0)
    assert state.force("closed", "why", 2.0, 3) is None
    assert (state.epoch, state.entered_at, state.last_change) == (2, 0.0, None)
    assert (state.ratios(2.0, 3), state.settle(1, "failure", "E", 2.0, 3)) == ((0.0, 0.0, 0), None)
    assert state.ratios(2.0, 3) == (0.0, 0.0, 0)


def test_closing_by_hand_what_is_open_ends_its_outage() -> None:
    state = opened()
    assert state.force("closed", "why", 9.0, 0) == Change("open", "closed", "why", 9.0, recovery=4.0)
    assert state.ratios(9.0, 0) == (0.0, 0.0, 0)


def test_the_lane_is_open_while_no_success_can_open_it() -> None:
    state = BreakerState(FOUR)
    assert state.lane_open(0.0, 0)
    state.settle(1, "failure", "E", 1.0, 0)
    assert [state.lane_open(1.0, lane) for lane in (0, 2, 3)] == [False, False, True]
    slow = BreakerState(FOUR)
    slow.settle(1, "slow", "", 1.0, 0)
    assert [slow.lane_open(1.0, lane) for lane in (2, 3)] == [False, True]
    assert not opened().lane_open(99.0, 9)
    assert not probing().lane_open(99.0, 9)


def test_time_in_a_state_is_counted_to_the_fraction_and_never_backwards() -> None:
    state = BreakerState(ONE)
    assert state.spent(0.25) == 0.25
    state.force("disabled", "why", 0.5, 0)
    state.force("closed", "why", 0.25, 0)
    assert state.seconds | {state.state: state.spent(0.5)} == dict.fromkeys(BREAKER_STATES, 0.0) | {
        "closed": 0.75
    }


def test_a_transition_takes_nothing_back_of_the_time_that_a_page_has_shown() -> None:
    """A caller took the time, a page was made, and then the caller's failure opened the breaker."""
    state = BreakerState(ONE)
    assert state.spent(1.5) == 1.5
    state.force("disabled", "why", 1.0, 0)
    assert (state.seconds["closed"], state.entered_at) == (1.5, 1.5)
    assert state.spent(2.0) == 0.5
    state.force("closed", "why", 3.0, 0)
    assert (state.seconds["disabled"], state.entered_at) == (1.5, 3.0)


def test_too_few_slow_calls_open_nothing() -> None:
    state = BreakerState(replace(FOUR, slow_ratio=0.75))
    for outcome in ("slow", "slow", "success", "success"):
        assert state.settle(1, outcome, "", 1.0, 0) is None
    assert state.ratios(1.0, 0) == (0.0, 0.5, 4)
