"""Pure states that are given other settings, number by number."""

from __future__ import annotations

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Bulkhead, Retry, RetryThrottle
from seawall.resilience.bulkhead import BulkheadState
from seawall.resilience.rate_limit import RateLimit, RateLimitState
from seawall.resilience.sliding_window import SlidingWindowState
from seawall.resilience.window import Window


def test_a_time_window_keeps_its_marks_when_its_seconds_change() -> None:
    window = Window(calls=3, seconds=10.0)
    for now, lane in ((0.0, 0), (1.0, 6), (2.0, 8), (3.0, 8)):
        window.pass_time(now, lane)
    window.record(8, failed=True, slow=False, error="A")
    window.resize(3, 20.0, 11.0, 9)
    assert list(window._marks) == [(1.0, 0), (2.0, 2), (3.0, 2), (4.0, 4), (11.0, 4)]
    assert list(window.failures) == [(3, "A")]
    assert window.size(11.0, 9) == 4
    assert window.size(23.0, 9) == 2
    assert window.size(24.0, 9) == 0
    assert list(window.failures) == []


def test_a_time_window_that_becomes_one_of_calls_forgets_its_marks() -> None:
    window = Window(calls=3, seconds=10.0)
    for now, lane in ((0.0, 0), (1.0, 6)):
        window.pass_time(now, lane)
    window.resize(4, None, 2.0, 6)
    assert (window.calls, window.seconds, list(window._marks)) == (4, None, [])
    assert window.size(2.0, 6) == 4


def test_a_sliding_window_keeps_its_log() -> None:
    state = SlidingWindowState(RateLimit(rate=2, burst=2, kind="sliding_window"))
    state.take(0.0)
    state.take(0.5)
    state.reconfigure(RateLimit(rate=0.5, burst=3, kind="sliding_window"), 0.75)
    assert (state.window, state.settings.burst, state.available(0.75)) == (6.0, 3, 1.0)
    assert (state.available(5.99), state.available(6.0), state.available(6.5)) == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("now", "rate", "burst", "arrival"),
    [(9.0, 4, 3, 10.5), (9.0, 1, 3, 13.0), (10.5, 1, 3, 11.5), (10.5, 2, 5, 12.0), (11.5, 1, 2, 11.5)],
)
def test_a_drained_bucket_stays_shut_and_what_is_left_of_it_is_left(
    now: float, rate: float, burst: int, arrival: float
) -> None:
    state = RateLimitState(RateLimit(rate=2, burst=3))
    state.drain(10.0)
    settings = RateLimit(rate=rate, burst=burst)
    state.reconfigure(settings, now)
    assert (state.arrival, state.shut_until, state.settings) == (arrival, 10.0, settings)
    fresh = RateLimitState(settings)
    assert (state.interval, state.reserve, state.tolerance) == (
        fresh.interval,
        fresh.reserve,
        fresh.tolerance,
    )


def test_a_retry_account_keeps_its_balance_and_names_its_new_settings() -> None:
    throttle = RetryThrottle(max_tokens=4, token_ratio=0.5)
    b = Bench("sync", retry=Retry(attempts=1, budget=throttle))
    b(fails(ConnectionError()))
    account = b.guard.budget
    assert account is not None
    b(lambda: 1)
    other = RetryThrottle(max_tokens=8, token_ratio=1)
    account.reconfigure(other, b.clock())
    assert account._pool.settings == account._pool.state.settings == other
    assert account._pool.state.tokens == 7.0  # type: ignore[union-attr]
    assert account.remaining_ratio(b.clock()) == pytest.approx(0.75)


class _LeftJustNow(list[None]):
    """Free places: none, and then one that a lane gives back in this moment."""

    def pop(self, *_: object) -> None:
        self.append(None)
        raise IndexError


def test_a_place_that_comes_back_while_others_are_owed_is_not_lost() -> None:
    state = BulkheadState(Bulkhead(limit=3))
    for _ in range(3):
        assert state.enter([])
    state.reconfigure(Bulkhead(limit=1))
    assert (state.owed, state.in_flight) == (2, 3)
    state.permits = _LeftJustNow()
    state.trim()
    assert (len(state.permits), state.owed, state.in_flight) == (1, 2, 2)


def test_a_time_window_shorter_than_the_clock_can_tell_is_empty() -> None:
    window = Window(calls=3, seconds=1e-15)
    window.record(0, failed=True, slow=False, error="KeyError")
    assert window.size(1000.0, 0) == 0
    assert list(window.failures) == []
    window.record(4, failed=False, slow=True, error="")
    assert window.size(1001.0, 4) == 0
    assert list(window.slow) == []
