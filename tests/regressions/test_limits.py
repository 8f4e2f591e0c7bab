"""Limits that are exact: none computed a step too early, shared by accident, lost, or stuck for ever."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from math import floor
from typing import Any

import pytest

from seawall.resilience import (
    Breaker,
    Bulkhead,
    BulkheadFull,
    ConfigurationError,
    Guard,
    RateLimit,
    RateLimited,
    Registry,
    Rejected,
    Retry,
    RetryBudget,
)
from seawall.testing import ManualClock, Recording


def guard(clock: Callable[[], float] | None = None, **settings: Any) -> Guard:
    return Guard("bank", registry=Registry("t"), clock=clock or ManualClock(), **settings)


def fail() -> None:
    raise ConnectionError


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.66, 0.67, 1.0])
def test_envoy_27066_a_share_holds_with_what_it_allows_not_only_before(ratio: float) -> None:
    """Of three calls 0.66 is one retry: a second would make it more than that."""
    budget = RetryBudget(ratio=ratio, floor_per_second=0, ttl=100)
    of = guard(retry=Retry(attempts=2, base_delay=0, budget=budget))
    for calls in range(1, 30):
        with pytest.raises(ConnectionError):
            of.call(fail)
        retries = of.read()[of.ledger.layout.at("retries", "default")]
        assert retries == floor(ratio * calls + 1e-9)


def test_envoy_42133_no_overshoot_when_all_arrive_at_once() -> None:
    limit, callers = 4, 40
    of = guard(bulkhead=Bulkhead(limit=limit))
    start, inside = threading.Barrier(callers), threading.Semaphore(0)
    release, refused = threading.Event(), threading.Semaphore(0)
    entered: list[int] = []

    def body() -> None:
        entered.append(1)
        inside.release()
        release.wait(10)

    def caller() -> None:
        start.wait(10)
        try:
            of.call(body)
        except BulkheadFull:
            refused.release()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=caller) for _ in range(callers)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(callers - limit):
            assert refused.acquire(timeout=10)
        # Whoever has a place may not have got to using it yet.
        for _ in range(limit):
            assert inside.acquire(timeout=10)
        assert len(entered) == limit
    finally:
        sys.setswitchinterval(before)
        release.set()
        for thread in threads:
            thread.join(10)
    assert of.snapshot()["in_flight"] == 0


@pytest.mark.parametrize("limit", [0, -1, 0.5])
def test_vector_21340_no_limit_is_0_nor_rounds_to_it(limit: float) -> None:
    with pytest.raises(ConfigurationError, match="limit"):
        Bulkhead(limit=limit)  # type: ignore[arg-type]
    one = guard(bulkhead=Bulkhead(limit=1))
    for _ in range(100):
        with pytest.raises(ConnectionError):
            one.call(fail)
    assert one.call(int) == 0


def test_envoy_8259_whoever_watches_or_scrapes_changes_no_decision() -> None:
    """The same calls on two guards: one is scraped, listened to and observed all the time, one is not."""

    class Watching:
        def watching(self) -> bool:
            return True

        def call_started(self, *_: object) -> None:
            raise RuntimeError("no")

    settings: dict[str, Any] = {
        "breaker": Breaker(window_calls=6, minimum_calls=3, open_for=7, half_open_permits=2),
        "retry": Retry(attempts=2, base_delay=0.5, jitter="none", budget=RetryBudget(ratio=0.3, ttl=10)),
        "bulkhead": Bulkhead(limit=2),
        "rate_limit": RateLimit(rate=2, burst=3),
    }
    told: list[list[object]] = []
    for watched in (False, True):
        clock = ManualClock()
        of = guard(clock, sleep=clock.sleep, **settings)
        registry = of.report._registry
        if watched:
            registry.subscribe(Recording())
            registry.observe(Watching())
        came: list[object] = []
        for step in range(400):
            answer: type | int
            try:
                answer = of.call(int if (step * 7) % 11 < 5 else fail) or 0
            except (ConnectionError, Rejected) as error:
                answer = type(error)
            came.append(answer)
            if watched:
                of.read()
                of.snapshot()
                of.describe()
            clock.advance((step * 5) % 4 / 2)
        told.append([*came, of.state])
    assert told[0] == told[1]
    assert len({repr(answer) for answer in told[0]}) >= 4


class Stop(BaseException):
    """The process is told to end, in the middle of something."""


@pytest.mark.parametrize(
    ("kind", "wait"),
    [("token_bucket", 0), ("token_bucket", 5), ("smooth", 5), ("sliding_window", 0), ("sliding_window", 5)],
)
def test_limits_14_a_call_that_dies_half_way_holds_nothing_for_ever(kind: str, wait: float) -> None:
    """Wherever it dies: the clock is asked at every step of a call, and raises at the n-th."""
    burst = 1 if kind == "smooth" else 3
    for n in range(1, 40):
        clock = ManualClock()
        left = 0

        def dying(clock: ManualClock = clock) -> float:
            nonlocal left
            left -= 1
            if left == 0:
                raise Stop
            return clock()

        of = guard(
            dying, sleep=clock.sleep, rate_limit=RateLimit(rate=1, burst=burst, kind=kind, max_wait=wait)
        )
        left = n
        for _ in range(burst + 1):
            try:
                of.call(int)
            except (Stop, RateLimited):
                continue
        left = 0
        clock.advance(10)
        assert [of.call(int) for _ in range(burst)] == [0] * burst
        assert of.read()[of.ledger.layout.at("rate_limiter_available")] < 1


def test_failsafe_go_136_calls_side_by_side_share_no_state_of_their_own() -> None:
    """Each has its attempts, its back-off, its deadline and its answer, whatever the others' do meanwhile."""
    clock = ManualClock()
    of = guard(
        clock,
        retry=Retry(attempts=4, base_delay=1.0, multiplier=2.0, jitter="none", budget=None),
        breaker=Breaker(window_calls=1000, minimum_calls=1000),
    )

    async def one(failures: int) -> tuple[int, float]:
        began, left = clock(), failures

        async def ask() -> int:
            nonlocal left
            await asyncio.sleep(0.25)
            if left:
                left -= 1
                raise ConnectionError
            return failures

        return await of.acall(ask), clock() - began

    async def main() -> list[tuple[int, float]]:
        return await asyncio.gather(*(one(i % 4) for i in range(40)))

    took = [0.25, 0.25 * 2 + 1, 0.25 * 3 + 1 + 2, 0.25 * 4 + 1 + 2 + 4]
    assert clock.run(main()) == [(i % 4, pytest.approx(took[i % 4])) for i in range(40)]
