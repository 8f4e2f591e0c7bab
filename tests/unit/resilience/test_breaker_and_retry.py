"""Breaker and retry through a guard: what callers get, what is counted, what is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.unit.resilience.bench import CALM, Bench, fails, flaky

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Fallback,
    Retry,
    TimedOut,
    Timeout,
)
from seawall.resilience.events import RetryExhausted, RetryScheduled, Transition


def test_a_success_is_one_call_one_attempt_one_first_try(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(), retry=CALM)
    assert b(lambda: 7, times=5) == 7
    assert b.count("calls", "default", "success") == 5
    assert b.count("attempts", "default", "success") == 5
    assert b.count("retry_calls", "default", "first_try") == 5
    assert b.events.events == []


def test_breaker_opens_rejects_half_opens_and_closes(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=4, window_calls=4, open_for=30, half_open_permits=2))
    b(fails(ConnectionError()), times=4)
    assert b.guard.state == "open"
    rejected = b(lambda: 1)
    assert isinstance(rejected, BreakerOpen)
    assert rejected.retry_after == pytest.approx(30)
    assert rejected.problem()["status"] == 503
    b.clock.advance(30)
    assert b(lambda: 1) == 1
    assert b.guard.state == "half_open"
    assert b(lambda: 1) == 1
    assert b.guard.state == "closed"
    assert [(t.from_state, t.to_state) for t in b.events.of(Transition)] == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]
    opened = b.events.of(Transition)[0]
    assert (opened.failures, opened.window_calls, opened.failure_ratio) == (4, 4, 1.0)
    assert opened.errors == (("ConnectionError", 4),)
    assert b.count("breaker_false_opens") == 1
    assert b.count("breaker_transitions", "half_open", "closed") == 1
    assert b.count("calls", "default", "rejected") == 1
    assert b.count("rejections", "breaker", "open") == 1


def test_a_success_that_completes_minimum_calls_can_open(bench: Callable[..., Bench]) -> None:
    """The warm-up edge: the ratio is reached by failures, the minimum by a success."""
    b = bench(breaker=Breaker(minimum_calls=4, window_calls=10, failure_ratio=0.5))
    b(fails(ConnectionError()), times=2)
    b(lambda: 1)
    assert b.guard.state == "closed"
    b(lambda: 1)
    assert b.guard.state == "open"


def test_window_forgets_what_is_older_than_its_calls(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=4, window_calls=4, failure_ratio=0.75))
    b(lambda: 1, times=4)
    b(fails(ConnectionError()), times=2)
    b(lambda: 1, times=3)
    b(fails(ConnectionError()), times=2)
    assert b.guard.state == "closed"
    assert b.guard.snapshot()["failure_ratio"] == 0.5
    b(fails(ConnectionError()))
    assert b.guard.state == "open"


def test_retry_recovers_and_says_so(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM)
    began = b.clock()
    assert b(flaky(ConnectionError(), TimeoutError())) == "answer"
    assert b.clock() - began == pytest.approx(1.0 + 2.0)
    assert b.count("retries", "default") == 2
    assert b.count("retry_calls", "default", "recovered") == 1
    assert b.count("retry_delay_seconds", "default") == pytest.approx(3.0)
    assert b.count("attempts", "default", "failure") == 1
    assert b.count("attempts", "default", "timeout") == 1
    assert b.count("calls", "default", "success") == 1
    assert [e.attempt for e in b.events.of(RetryScheduled)] == [2, 3]


def test_used_up_retries_hand_on_the_dependencys_own_exception(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM)
    error = ConnectionError("dsn=secret")
    got = b(fails(error))
    assert got is error
    assert any("after 3 attempts" in note for note in got.__notes__)
    assert b.count("retry_calls", "default", "exhausted") == 1
    assert b.count("calls", "default", "failure") == 1
    assert b.events.of(RetryExhausted)[0].error == "ConnectionError"


def test_no_retry_is_waited_for_once_the_own_breaker_is_open(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM, breaker=Breaker(minimum_calls=2, window_calls=2))
    error = ConnectionError()
    assert b(fails(error)) is error
    assert b.count("attempts", "default", "failure") == 2
    assert b.count("rejections", "breaker", "open") == 0
    assert len(b.events.of(RetryScheduled)) == 1


def test_retry_waits_as_long_as_the_error_asks(bench: Callable[..., Bench]) -> None:
    b = bench(retry=CALM)
    began = b.clock()
    asked = BreakerOpen("inner", "breaker", "open", 7.5)
    assert b(flaky(asked)) == "answer"
    assert b.clock() - began == pytest.approx(7.5)


def test_retry_budget_is_spent_and_refilled_by_calls(bench: Callable[..., Bench]) -> None:
    from seawall.resilience import RetryBudget

    budget = RetryBudget(ratio=0.5, floor_per_second=0.1, ttl=10)
    b = bench(retry=Retry(attempts=2, base_delay=0, budget=budget))
    b(fails(ConnectionError()), times=20)
    # One by the floor (0.1/s x 10 s), and half a retry for each of the calls that had ended before.
    assert 8 <= b.count("retries", "default") <= 11
    assert b.count("retry_calls", "default", "budget_exhausted") >= 9
    assert b.count("retry_budget_remaining") < 0.2
    b.clock.advance(60)
    assert b.count("retry_budget_remaining") == 1


def test_ignored_exceptions_are_the_callers_business(bench: Callable[..., Bench]) -> None:
    b = bench(
        breaker=Breaker(minimum_calls=1, window_calls=1, ignore=(KeyError,)),
        retry=CALM,
        fallback=Fallback(default=0),
    )
    assert isinstance(b(fails(KeyError())), KeyError)
    assert b.guard.state == "closed"
    assert b.count("attempts", "default", "ignored") == 1
    assert b.count("calls", "default", "success") == 1
    assert b.count("retries", "default") == 0


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1), GeneratorExit()]
)
def test_cancellation_is_neutral(bench: Callable[..., Bench], error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt | SystemExit):
        b = Bench(
            "sync", breaker=Breaker(minimum_calls=1, window_calls=1), retry=CALM, fallback=Fallback(default=0)
        )
    else:
        b = bench(breaker=Breaker(minimum_calls=1, window_calls=1), retry=CALM, fallback=Fallback(default=0))
    assert type(b(fails(error))) is type(error)
    assert b.guard.state == "closed"
    assert b.count("attempts", "default", "cancelled") == 1
    assert b.count("calls", "default", "cancelled") == 1
    assert b.count("retries", "default") == 0


def test_group_with_one_counted_error_counts(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=2, window_calls=2, ignore=(KeyError,)))
    b(fails(ExceptionGroup("", [KeyError(), KeyError()])), times=2)
    assert b.guard.state == "closed"
    b(fails(ExceptionGroup("", [KeyError(), ConnectionError()])), times=2)
    assert b.guard.state == "open"


@pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
def test_total_timeout_bounds_retries_and_waits() -> None:
    b = Bench(
        "async", timeout=Timeout(attempt=1.0, total=2.5), retry=Retry(attempts=9, base_delay=1, jitter="none")
    )

    @b.guard
    async def slow() -> None:
        await asyncio.sleep(5)

    began = b.clock()
    with pytest.raises(TimedOut):
        b.clock.run(slow())
    assert b.clock() - began <= 2.5
    assert b.count("attempts", "default", "timeout") == 2


def test_who_only_looks_sees_half_open_when_the_open_time_is_over(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=1, window_calls=1, open_for=30))
    b(fails(ConnectionError()))
    assert b.count("breaker_state", "open") == 1
    b.clock.advance(30)
    assert b.count("breaker_state", "half_open") == 1
    assert b.guard.snapshot()["state"] == "half_open"
    assert [t.to_state for t in b.events.of(Transition)] == ["open", "half_open"]
