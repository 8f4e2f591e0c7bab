"""Other limits at run time: who is inside or queues, what is left of a rate or a budget, new timeouts."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.unit.resilience.bench import Bench, fails

from seawall.resilience import (
    Breaker,
    Bulkhead,
    BulkheadFull,
    ConfigurationError,
    Guard,
    RateLimit,
    RateLimited,
    Registry,
    Retry,
    RetryBudget,
    RetryThrottle,
    TimedOut,
    Timeout,
)
from seawall.testing import ManualClock

Make = Callable[..., Bench]


class Boom(Exception): ...


def test_a_lower_limit_holds_once_enough_have_left() -> None:
    guard = Guard("bank", bulkhead=Bulkhead(limit=3), registry=Registry("t"), clock=ManualClock())
    assert guard.bulkhead is not None
    blocks = [guard, guard, guard]
    for block in blocks:
        block.__enter__()
    guard.reconfigure(bulkhead=Bulkhead(limit=1))
    assert guard.bulkhead.in_flight == 3
    assert guard.bulkhead.owed == 2
    for left in (2, 1):
        guard.__exit__(None, None, None)
        assert guard.bulkhead.in_flight == left
        with pytest.raises(BulkheadFull):
            guard.call(lambda: None)
        assert guard.bulkhead.owed == left - 1
        assert guard.operation("default").lane == 2 - left
    guard.__exit__(None, None, None)
    assert guard.bulkhead.in_flight == 0
    assert len(guard.bulkhead.permits) == 1
    guard.call(lambda: None)
    assert guard.operation("default").lane == 1


def test_free_places_go_first_and_come_back_with_a_higher_limit() -> None:
    guard = Guard("bank", bulkhead=Bulkhead(limit=5), registry=Registry("t"))
    assert guard.bulkhead is not None
    with guard, guard:
        guard.reconfigure(bulkhead=Bulkhead(limit=4))
        assert (len(guard.bulkhead.permits), guard.bulkhead.owed) == (2, 0)
        guard.reconfigure(bulkhead=Bulkhead(limit=1))
        assert (len(guard.bulkhead.permits), guard.bulkhead.owed) == (0, 1)
        guard.reconfigure(bulkhead=Bulkhead(limit=2))
        assert (len(guard.bulkhead.permits), guard.bulkhead.owed) == (0, 0)
        guard.reconfigure(bulkhead=Bulkhead(limit=1))
        guard.reconfigure(bulkhead=Bulkhead(limit=6))
        assert (len(guard.bulkhead.permits), guard.bulkhead.owed) == (4, 0)
        assert guard.bulkhead.in_flight == 2
    assert len(guard.bulkhead.permits) == 6


def test_trimming_takes_what_is_owed_and_not_more() -> None:
    guard = Guard("bank", bulkhead=Bulkhead(limit=3), registry=Registry("t"))
    state = guard.bulkhead
    assert state is not None
    with guard, guard, guard:
        guard.reconfigure(bulkhead=Bulkhead(limit=1))
        state.permits.append(None)
        state.trim()
        assert (state.permits, state.owed, state.in_flight) == ([], 1, 2)
        state.clear()
        assert (len(state.permits), state.owed, state.in_flight) == (1, 0, 0)


def test_a_higher_limit_serves_who_queues() -> None:
    guard = Guard("bank", bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=30), registry=Registry("t"))
    entered = threading.Semaphore(0)
    leave = threading.Event()

    def body() -> None:
        entered.release()
        leave.wait(30)

    threads = [threading.Thread(target=guard.call, args=(body,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert entered.acquire(timeout=30)
    assert guard.bulkhead is not None
    while len(guard.bulkhead.waiters) < 2:
        assert not leave.wait(0.001)
    guard.reconfigure(bulkhead=Bulkhead(limit=3, max_queue=5, max_wait=30))
    assert entered.acquire(timeout=30)
    assert entered.acquire(timeout=30)
    assert guard.bulkhead.in_flight == 3
    leave.set()
    for thread in threads:
        thread.join(30)
    assert guard.bulkhead.in_flight == 0
    assert len(guard.bulkhead.permits) == 3


# -- rate limit


def taken(b: Bench, asked: int = 50) -> int:
    answers = [b(lambda: "answer") for _ in range(asked)]
    assert all(x == "answer" or isinstance(x, RateLimited) for x in answers)
    return answers.count("answer")


@pytest.mark.parametrize("kind", ["token_bucket", "sliding_window"])
def test_an_empty_bucket_stays_empty(bench: Make, kind: str) -> None:
    b = bench(rate_limit=RateLimit(rate=10, burst=10, kind=kind))
    assert taken(b) == 10
    b.guard.reconfigure(rate_limit=RateLimit(rate=1, burst=10, kind=kind))
    assert taken(b) == 0
    b.guard.reconfigure(rate_limit=RateLimit(rate=10, burst=10, kind=kind))
    assert taken(b) == 0


def test_permits_that_were_left_are_left(bench: Make) -> None:
    b = bench(rate_limit=RateLimit(rate=10, burst=10))
    assert b(lambda: "answer", times=4) == "answer"
    b.guard.reconfigure(rate_limit=RateLimit(rate=2, burst=20))
    assert b.count("rate_limiter_available") == pytest.approx(6)
    assert taken(b) == 6
    b.clock.advance(1.0)
    assert taken(b) == 2
    b.clock.advance(100.0)
    b.guard.reconfigure(rate_limit=RateLimit(rate=2, burst=3))
    assert taken(b) == 3
    b.clock.advance(0.5)
    assert taken(b) == 1


def test_a_drained_bucket_stays_shut(bench: Make) -> None:
    b = bench(rate_limit=RateLimit(rate=10, burst=5, throttled_on=(Boom,), throttled_for=20.0))
    b(fails(Boom()))
    b.guard.reconfigure(rate_limit=RateLimit(rate=100, burst=5))
    b.clock.advance(19.9)
    assert taken(b) == 0
    b.clock.advance(0.1)
    assert taken(b) == 1
    b.clock.advance(0.02)
    b.guard.reconfigure(rate_limit=RateLimit(rate=100, burst=5))
    assert taken(b) == 2


# -- retry and timeout


def test_the_budget_keeps_its_balance(bench: Make) -> None:
    budget = RetryBudget(ratio=0.0, floor_per_second=0.4, ttl=10)
    b = bench(retry=Retry(attempts=3, base_delay=0.001, jitter="none", budget=budget))
    b(fails(Boom()), times=2)
    assert b.count("retries", "default") == 4
    more = RetryBudget(ratio=0.0, floor_per_second=0.5, ttl=10)
    b.guard.reconfigure(retry=Retry(attempts=3, base_delay=0.001, jitter="none", budget=more))
    b(fails(Boom()), times=2)
    assert b.count("retries", "default") == 5
    assert b.count("retry_budget_remaining") == 0


def test_tokens_stay_in_proportion(bench: Make) -> None:
    def retry(most: int) -> Retry:
        return Retry(attempts=2, base_delay=0.001, jitter="none", budget=RetryThrottle(max_tokens=most))

    b = bench(retry=retry(10))
    b(fails(Boom()))
    assert b.count("retry_budget_remaining") == pytest.approx(0.6)
    b.guard.reconfigure(retry=retry(100))
    assert b.count("retry_budget_remaining") == pytest.approx(0.6)


def test_a_shared_budget_stays_shared(bench: Make) -> None:
    shared = RetryBudget(name="all", floor_per_second=5)
    b = bench(retry=Retry(budget=shared))
    b.guard.reconfigure(retry=Retry(attempts=2, budget=shared))
    assert b.guard.retry is not None
    assert b.guard.retry.attempts == 2
    for other in (RetryBudget(name="all"), RetryBudget(floor_per_second=5), RetryBudget(name="x"), None):
        with pytest.raises(ConfigurationError) as refused:
            b.guard.reconfigure(retry=Retry(budget=other))
        (problem,) = refused.value.problems
        assert problem == (
            f"Guard 'bank'.retry.budget is {other!r}; allowed: {shared!r}, "
            "or one of its kind if neither is shared by name"
        )


def test_a_new_limit_holds(bench: Make) -> None:
    b = bench(timeout=Timeout(attempt=5.0))
    b(lambda: b.clock.advance(3.0))
    assert b.count("attempts", "default", "success") == 1
    b.guard.reconfigure(timeout=Timeout(attempt=2.0))
    b(lambda: b.clock.advance(3.0))
    assert b.count("attempts", "default", "slow") == 1


def test_a_coroutine_that_was_guarded_before_is_cancelled_in_the_new_time() -> None:
    clock = ManualClock()
    guard = Guard("bank", timeout=Timeout(attempt=50.0), registry=Registry("t"), clock=clock)

    @guard
    async def sleepy() -> None:
        await asyncio.sleep(10)

    clock.run(sleepy())
    guard.reconfigure(timeout=Timeout(attempt=5.0))
    for _ in range(3):
        began = clock()
        with pytest.raises(TimedOut) as late:
            clock.run(sleepy())
        assert late.value.limit == 5.0
        assert clock() - began == 5.0


# -- threads


@pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
def test_calls_from_many_threads_while_it_is_reconfigured() -> None:
    limits = (8, 2, 5, 1)
    guard = Guard(
        "bank",
        registry=Registry("t"),
        breaker=Breaker(),
        bulkhead=Bulkhead(limit=8, max_queue=100, max_wait=30),
        rate_limit=RateLimit(rate=1e4, burst=1000000),
        timeout=Timeout(total=60.0),
    )
    inside = highest = 0
    lock = threading.Lock()
    results: list[int] = []

    @guard
    def body(number: int) -> int:
        nonlocal inside, highest
        with lock:
            inside += 1
            highest = max(highest, inside)
        with lock:
            inside -= 1
        return number

    def caller() -> None:
        for number in range(50):
            results.append(body(number))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=caller) for _ in range(12)]
        for thread in threads:
            thread.start()
        turn = 0
        while any(thread.is_alive() for thread in threads):
            turn += 1
            guard.reconfigure(
                bulkhead=Bulkhead(limit=limits[turn % 4], max_queue=100, max_wait=30),
                breaker=Breaker(window_calls=50 + turn % 50),
                rate_limit=RateLimit(rate=1e4 - turn % 7, burst=1000000),
                timeout=Timeout(total=60.0 + turn % 5),
            )
            with suppress(RuntimeError):
                threads[turn % 12].join(0.001)
    finally:
        sys.setswitchinterval(interval)
    assert len(results) == 600
    assert highest <= 8
    layout, reading = guard.ledger.layout, guard.read()
    assert reading[layout.at("calls", "default", "success")] == 600
    assert reading[layout.at("attempts", "default", "success")] == 600
    state = guard.bulkhead
    assert state is not None
    state.trim()
    assert (state.in_flight, state.owed, len(state.permits)) == (0, 0, state.settings.limit)
