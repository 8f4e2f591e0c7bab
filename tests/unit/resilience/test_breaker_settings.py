"""The breaker's settings beyond ratio and count window, through a guard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import Breaker, BreakerOpen, ConfigurationError


def test_time_window_forgets_what_is_older(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(window_seconds=60, minimum_calls=4, failure_ratio=0.5))
    b(fails(ConnectionError()), times=3)
    b.clock.advance(67)
    b(fails(ConnectionError()))
    b(lambda: 1, times=3)
    assert b.guard.state == "closed"
    assert b.guard.snapshot()["window_calls"] == 4
    b(fails(ConnectionError()), times=2)
    assert b.guard.state == "open"


def test_time_window_counts_what_went_through_the_fast_lane(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(window_seconds=10, minimum_calls=1, failure_ratio=0.1))
    b(lambda: 1, times=50)
    b.clock.advance(5)
    b(fails(ConnectionError()), times=5)
    assert b.guard.state == "closed"
    b.clock.advance(6.5)
    b(fails(ConnectionError()))
    assert b.guard.state == "open"
    assert b.guard.snapshot()["window_calls"] == 6


def test_consecutive_failures_open_whatever_the_ratio(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(consecutive_failures=3, minimum_calls=100, window_calls=100))
    b(lambda: 1, times=50)
    b(fails(ConnectionError()), times=2)
    b(lambda: 1)
    b(fails(ConnectionError()), times=2)
    assert b.guard.state == "closed"
    b(fails(ConnectionError()))
    assert b.guard.state == "open"
    assert b.guard.snapshot()["why_opened"]["reason"] == "consecutive_failures reached"


def test_open_time_grows_while_it_keeps_opening_and_starts_anew_after(bench: Callable[..., Bench]) -> None:
    breaker = Breaker(
        minimum_calls=1,
        window_calls=1,
        half_open_permits=1,
        open_for=10,
        open_for_multiplier=2,
        max_open_for=35,
    )
    b = bench(breaker=breaker)
    waits = []
    for _ in range(4):
        b(fails(ConnectionError()))
        rejected = b(lambda: 1)
        assert isinstance(rejected, BreakerOpen)
        waits.append(rejected.retry_after)
        b.clock.advance(rejected.retry_after or 0)
    assert waits == [pytest.approx(w) for w in (10, 20, 35, 35)]
    b(lambda: 1)
    assert b.guard.state == "closed"
    b(fails(ConnectionError()))
    assert b(lambda: 1).retry_after == pytest.approx(10)


def test_open_time_is_spread(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=1, window_calls=1, open_for=10, open_for_jitter=0.2))
    assert b.guard.breaker is not None
    b.guard.breaker.draw = lambda: 0.0
    b(fails(ConnectionError()))
    assert b(lambda: 1).retry_after == pytest.approx(8)


@pytest.mark.parametrize(
    ("ratio", "good", "state"), [(0.4, 2, "closed"), (1.0, 4, "half_open"), (1.0, 5, "closed")]
)
def test_success_ratio_of_the_probes_closes(
    bench: Callable[..., Bench], ratio: float, good: int, state: str
) -> None:
    breaker = Breaker(minimum_calls=1, window_calls=1, half_open_permits=5, half_open_success_ratio=ratio)
    b = bench(breaker=breaker)
    b(fails(ConnectionError()))
    b.clock.advance(30)
    b(lambda: 1, times=good)
    assert b.guard.state == state


def test_success_ratio_out_of_reach_opens_again(bench: Callable[..., Bench]) -> None:
    breaker = Breaker(minimum_calls=1, window_calls=1, half_open_permits=5, half_open_success_ratio=0.8)
    b = bench(breaker=breaker)
    b(fails(ConnectionError()))
    b.clock.advance(30)
    b(fails(ConnectionError()))
    assert b.guard.state == "half_open"
    b(fails(ConnectionError()))
    assert b.guard.state == "open"


def test_slow_calls_open(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=4, window_calls=4, slow_after=1.0, slow_ratio=0.5))

    def slow() -> int:
        b.clock.advance(1.5)
        return 1

    b(lambda: 1, times=2)
    b(slow, times=2)
    assert b.guard.state == "open"
    assert b.count("attempts", "default", "slow") == 2
    assert b.count("calls", "default", "success") == 4
    assert b.guard.snapshot()["why_opened"]["reason"] == "slow_ratio reached"


def test_results_can_be_failures_and_the_caller_still_gets_them(bench: Callable[..., Bench]) -> None:
    breaker = Breaker(minimum_calls=3, window_calls=3, record_result=lambda answer: answer == 503)
    b = bench(breaker=breaker)
    assert b(lambda: 200) == 200
    assert b(lambda: 503, times=2) == 503
    assert b.guard.state == "open"
    assert b.count("attempts", "default", "failure") == 2
    assert b.guard.snapshot()["why_opened"]["errors"] == {"result": 2}


def test_predicates_of_exceptions(bench: Callable[..., Bench]) -> None:
    class Status(Exception):
        def __init__(self, code: int) -> None:
            self.code = code

    breaker = Breaker(
        minimum_calls=1,
        window_calls=1,
        record_if=lambda e: isinstance(e, Status) and e.code >= 500,
        ignore_if=lambda e: isinstance(e, Status) and e.code == 501,
    )
    b = bench(breaker=breaker)
    for error in (Status(404), Status(501), ValueError()):
        b(fails(error))
        assert b.guard.state == "closed"
    b(fails(Status(500)))
    assert b.guard.state == "open"


def test_settings_that_contradict_each_other_are_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Breaker(open_for=10, open_for_multiplier=2, max_open_for=5, open_for_jitter=1.5, window_seconds=0)
    named = {problem.split(" ")[0] for problem in caught.value.problems}
    assert named == {"Breaker.max_open_for", "Breaker.open_for_jitter", "Breaker.window_seconds"}
    with pytest.raises(ConfigurationError, match="max_open_for"):
        Breaker(open_for_multiplier=2)


def test_a_ratio_that_is_reached_exactly_opens(bench: Callable[..., Bench]) -> None:
    """0.07 * 100 is more than 7 in binary floating point."""
    b = bench(breaker=Breaker(minimum_calls=100, window_calls=100, failure_ratio=0.07))
    b(fails(ConnectionError()), times=7)
    b(lambda: 1, times=92)
    assert b.guard.state == "closed"
    b(lambda: 1)
    assert b.guard.state == "open"
