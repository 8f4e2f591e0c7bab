"""The pure states of policies, number by number, at their bounds."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench

from seawall.resilience import Breaker
from seawall.resilience.backoff import Pace
from seawall.resilience.rate_limit import RateLimit, RateLimitState, limiter_of
from seawall.resilience.retry_budget import RetryBudget, RetryBudgetState
from seawall.resilience.retry_throttle import RetryThrottle, RetryThrottleState
from seawall.resilience.sliding_window import SlidingWindowState
from seawall.resilience.window import Window

FAILED = {"failed": True, "slow": False}
SLOW = {"failed": False, "slow": True, "error": ""}
GOOD = {"failed": False, "slow": False, "error": ""}


def test_a_count_window_holds_the_last_results_the_lanes_among_them() -> None:
    window = Window(calls=3)
    assert window.size(0.0, 0) == 0
    window.record(0, **FAILED, error="A")
    window.record(2, **SLOW)
    assert (list(window.failures), list(window.slow)) == ([(1, "A")], [4])
    window.record(2, **GOOD)
    assert window.size(0.0, 0) == 3
    assert window.failures_in_a_row(0) == 0
    assert list(window.failures) == [(1, "A")]
    assert window.size(0.0, 2) == 3
    assert (list(window.failures), list(window.slow)) == ([], [4])
    assert window.size(0.0, 4) == 3
    assert list(window.slow) == []


def test_a_count_window_counts_what_the_lane_has_counted_since_it_began() -> None:
    window = Window(calls=10)
    window.record(0, **FAILED, error="A")
    window.record(0, **SLOW)
    window.pass_time(5.0, 0)
    window.clear(7)
    assert (window.size(0.0, 7), list(window.failures), list(window.slow)) == (0, [], [])
    assert window.size(0.0, 9) == 2
    window.record(9, **FAILED, error="B")
    window.record(9, **FAILED, error="C")
    window.record(9, **FAILED, error="C")
    assert (window.size(0.0, 9), window.failures_in_a_row(9)) == (5, 3)
    assert window.errors() == (("C", 2), ("B", 1))
    window.record(10, **FAILED, error="B")
    assert window.failures_in_a_row(10) == 1
    assert window.failures_in_a_row(11) == 0


def test_a_time_window_is_marked_every_tenth() -> None:
    window = Window(calls=3, seconds=10.0)
    for now, lane in ((0.0, 0), (0.9, 5), (1.0, 6), (3.0, 8), (3.5, 9)):
        window.pass_time(now, lane)
    assert list(window._marks) == [(0.0, 0), (1.0, 6), (2.0, 8), (3.0, 8)]
    assert window.size(9.99, 20) == 20
    assert list(window._marks)[-2:] == [(4.0, 20), (9.99, 20)]
    assert window.size(11.0, 20) == 14
    window.record(20, **FAILED, error="A")
    assert window.size(12.0, 20) == 13
    assert window._marks[0] == (2.0, 8)
    assert list(window.failures) == [(21, "A")]
    assert window.size(30.0, 20) == 0
    assert list(window.failures) == []
    window.clear(20)
    assert list(window._marks) == []
    assert window.size(31.0, 20) == 0


def test_a_sliding_window_at_its_bounds() -> None:
    state = SlidingWindowState(RateLimit(rate=2, burst=2, max_wait=0.25, kind="sliding_window"))
    assert (state.window, state.newest, state.available(0.0)) == (1.0, -inf, 2.0)
    state.give_back(0.0)
    assert state.take(0.0) == 0.0
    assert state.take(0.5) == 0.0
    assert (state.newest, state.available(0.5), state.retry_after(0.5)) == (0.5, 0.0, 0.5)
    assert state.take(0.5) is None
    assert state.take(0.75) == 0.25
    assert state.newest == 1.0
    assert state.available(0.75) == 0.0
    state.give_back(0.5)
    assert state.newest == 1.0
    state.give_back(1.0)
    assert state.newest == 0.5
    assert state.available(0.999) == 0.0
    assert state.available(1.0) == 1.0
    assert state.available(1.5) == 2.0
    state.drain(3.0)
    state.drain(2.0)
    assert (state.retry_after(2.0), state.available(2.999), state.available(3.0)) == (1.0, 0.0, 2.0)
    assert state.take(2.5) is None
    assert state.take(2.75) == 0.25
    assert state.newest == 3.0


def bucket(**settings: Any) -> RateLimitState:
    state = limiter_of(RateLimit(**settings))
    assert isinstance(state, RateLimitState)
    return state


def test_a_token_bucket_at_its_bounds() -> None:
    state = bucket(rate=2, burst=3)
    assert (state.interval, state.reserve, state.newest) == (0.5, 1.0, -inf)
    assert state.tolerance == pytest.approx(1.0 + 5e-10 + 3e-8, abs=1e-13)
    assert state.available(0.0) == 3.0
    assert state.retry_after(0.0) == 0.0
    assert [state.take(10.0) for _ in range(4)] == [0.0, 0.0, 0.0, None]
    assert state.arrival == state.newest == 11.5
    assert state.retry_after(10.0) == pytest.approx(0.5)
    assert (state.available(10.0), state.available(10.5), state.available(11.25)) == (0.0, 1.0, 2.5)
    state.give_back(11.0)
    assert state.arrival == 11.5
    state.give_back(11.5)
    assert state.arrival == 11.0


def test_a_hair_to_spare_is_a_thousandth_at_most() -> None:
    state = bucket(rate=1e8, burst=2)
    assert state.tolerance == pytest.approx(1e-8 + 5e-10 + 2 * 1e-11, abs=1e-16)


def test_a_token_bucket_waits_as_long_as_it_may() -> None:
    state = bucket(rate=2, max_wait=0.5)
    assert state.take(0.0) == 0.0
    assert state.take(0.0) == pytest.approx(0.5)
    assert state.take(0.0) is None
    assert state.arrival == 1.0
    exact = bucket(rate=2, max_wait=0.5)
    exact.arrival = 0.5 + exact.tolerance
    assert exact.take(0.0) == 0.5


def test_a_drained_bucket_is_shut_until_the_time_said() -> None:
    state = bucket(rate=2, burst=3)
    state.take(0.0)
    state.drain(10.0)
    state.drain(5.0)
    assert (state.shut_until, state.arrival) == (10.0, 11.0)
    assert state.take(9.0) is None
    assert state.take(10.0) == 0.0
    assert state.take(10.0) is None
    state.give_back(11.5)
    assert state.arrival == 11.0
    state.give_back(11.0)
    assert state.arrival == 11.0


def test_a_retry_budget_number_by_number() -> None:
    state = RetryBudgetState(RetryBudget(ratio=0.5, floor_per_second=0.1, ttl=10))
    state.credit(0.0, 4)
    assert (state.remaining_ratio(), state.earned_by) == (1.0, "calls")
    assert [state.spend() for _ in range(4)] == [True, True, True, False]
    assert state.remaining_ratio() == 0.0
    state.credit(0.5, 2)
    assert list(state._slices) == [[0.0, 6, 3]]
    assert state.remaining_ratio() == 0.25
    state.credit(1.0, 1)
    assert list(state._slices) == [[0.0, 7, 3], [1.0, 0, 0]]
    assert (state.spend(), state.spend()) == (True, False)
    state.credit(9.99, 2)
    assert list(state._slices) == [[0.0, 7, 3], [1.0, 2, 1], [9.99, 0, 0]]
    state.credit(10.0, 0)
    assert list(state._slices) == [[1.0, 2, 1], [9.99, 0, 0]]
    assert state.remaining_ratio() == 0.5
    state.credit(50.0, 0)
    assert list(state._slices) == [[50.0, 0, 0]]
    state.clear()
    assert list(state._slices) == []
    assert state.remaining_ratio() == 1.0


def test_a_budget_of_nothing_is_whole_until_something_is_spent() -> None:
    state = RetryBudgetState(RetryBudget(ratio=0, floor_per_second=0))
    state.credit(0.0, 9)
    assert (state.spend(), state.remaining_ratio()) == (False, 1.0)
    state._slices[-1][2] = 1
    assert state.remaining_ratio() == 0.0
    overdrawn = RetryBudgetState(RetryBudget(ratio=0, floor_per_second=0.2, ttl=10))
    overdrawn.credit(0.0, 0)
    overdrawn._slices[-1][2] = 3
    assert overdrawn.remaining_ratio() == 0.0


def test_a_throttle_number_by_number() -> None:
    state = RetryThrottleState(RetryThrottle(max_tokens=4, token_ratio=0.5))
    assert (state.tokens, state.earned_by, state.remaining_ratio()) == (4.0, "successes", 1.0)
    state.failed()
    assert (state.tokens, state.spend(), state.remaining_ratio()) == (3.0, True, 0.5)
    state.failed()
    assert (state.tokens, state.spend(), state.remaining_ratio()) == (2.0, False, 0.0)
    for _ in range(3):
        state.failed()
    assert (state.tokens, state.remaining_ratio()) == (0.0, 0.0)
    state.credit(0.0, 5)
    assert (state.tokens, state.spend()) == (2.5, True)
    state.credit(0.0, 100)
    assert state.tokens == 4.0
    state.failed()
    state.clear()
    assert state.tokens == 4.0


def pace(**settings: Any) -> Pace:
    plain: dict[str, Any] = {
        "attempts": 9, "backoff": "exponential", "base_delay": 1.0, "max_delay": 60.0, "multiplier": 3.0,
        "jitter": "none",
    }  # fmt: skip
    return Pace(**plain | settings)


@pytest.mark.parametrize(
    ("settings", "delays"),
    [
        ({}, [1.0, 3.0, 9.0, 27.0, 60.0]),
        ({"base_delay": 2.0}, [2.0, 6.0, 18.0, 54.0, 60.0]),
        ({"backoff": "constant", "base_delay": 2.0}, [2.0, 2.0, 2.0, 2.0, 2.0]),
        ({"backoff": "fibonacci", "base_delay": 2.0}, [2.0, 2.0, 4.0, 6.0, 10.0]),
        ({"jitter": "full"}, [0.25, 0.75, 2.25, 6.75, 15.0]),
        ({"jitter": "equal"}, [0.625, 1.875, 5.625, 16.875, 37.5]),
    ],
)
def test_delays(settings: dict[str, Any], delays: list[float]) -> None:
    assert [pace(**settings).delay(retry, 7.0, lambda: 0.25) for retry in range(1, 6)] == delays


def test_decorrelated_delays() -> None:
    spread = pace(backoff="decorrelated", jitter="full", base_delay=2.0, max_delay=10.0)
    assert spread.delay(1, 0.0, lambda: 0.25) == 2.0 + 0.25 * 4.0
    assert spread.delay(2, 4.0, lambda: 0.25) == 2.0 + 0.25 * 10.0
    assert spread.delay(9, 8.0, lambda: 0.5) == 10.0
    assert pace(multiplier=1e300).delay(100, 0.0, lambda: 0.0) == 60.0


def test_the_mean_is_that_of_the_attempts_since_it_was_learnt_before() -> None:
    b = Bench("sync")
    b(lambda: b.clock.advance(2.0))
    accounts = b.guard.accounts
    assert accounts.mean_attempt == 2.0
    b(lambda: b.clock.advance(4.0), times=3)
    accounts.learn_mean()
    assert accounts.mean_attempt == 4.0
    b(lambda: 1)
    for seconds in (0.5, 0.25):
        b(lambda: b.clock.advance(seconds))  # noqa: B023 - it is called at once
    for _ in range(2):
        accounts.learn_mean()
        assert accounts.mean_attempt == 0.375


def test_what_calls_that_were_turned_away_would_have_waited() -> None:
    b = Bench("sync", breaker=Breaker())
    accounts = b.guard.accounts
    b.guard.force("forced_open")
    b(lambda: 1, times=3)
    assert b.count("avoided_seconds") == accounts.mean_attempt == 0.0
    b.guard.force("disabled")
    b(lambda: b.clock.advance(2.0))
    accounts.learn_mean()
    assert accounts.mean_attempt == 2.0
    refused = b.guard.ledger.layout.lanes["default"].refused
    for more, avoided in ((3, 6.0), (2, 10.0)):
        b.guard.ledger.slots[refused] += more
        accounts.count_avoided()
        assert b.count("avoided_seconds") == avoided
    accounts.count_avoided(0.5)
    assert b.count("avoided_seconds") == 11.0


def test_the_slowest_on_the_lane_are_successes_too() -> None:
    b = Bench("sync")
    accounts = b.guard.accounts
    b(lambda: 1, times=3)
    before = accounts.lane_successes()
    b(lambda: b.clock.advance(1e6))
    assert accounts.lane_successes() == before + 1


def test_attempts_of_all_operations_on_the_lane_and_off_it() -> None:
    b = Bench("sync", operations=("default", "pay"))

    def fail(seconds: float) -> None:
        b.clock.advance(seconds)
        raise KeyError

    for name, seconds in (("default", 4.0), ("pay", 2.0), ("pay", 1e6)):
        with pytest.raises(KeyError):
            b.guard.operation(name).call(fail, seconds)
    assert b.guard.accounts._attempts() == (3, 1000006.0)
