"""What a call waits for before it is asked: how long, who is told, and what a total leaves of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, flaky
from tests.unit.resilience.test_calls_exactly import built, pay, slow

from seawall.resilience import (
    Breaker,
    Bulkhead,
    BulkheadFull,
    Fallback,
    RateLimit,
    Retry,
    TimedOut,
    Timeout,
)
from seawall.resilience.drivers import _ThreadWaiter, adrive
from seawall.resilience.journey import Journey

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")

Make = Callable[..., Bench]
SPACED: dict[str, Any] = {"rate_limit": RateLimit(rate=1.0, burst=1, max_wait=5.0)}


def exactly(b: Bench) -> None:
    """A rate limit without the hair to spare: the sums of this clock are exact."""
    assert b.guard.limiter is not None
    b.guard.limiter.tolerance = 0.0  # type: ignore[union-attr]


def waited(b: Bench, histogram: str) -> tuple[float, float]:
    """How many waited, and for how many seconds in all."""
    entry = b.guard.ledger.layout.entry(histogram)
    slots = b.guard.ledger.slots[entry.offset : entry.offset + entry.size]
    return sum(slots[:-1]), slots[-1]


def held(b: Bench, seconds: float, *later: Callable[[], Any]) -> list[Any]:
    """What came of calls that find the place taken for so long."""

    async def hold() -> None:
        await asyncio.sleep(seconds)

    async def calls() -> list[Any]:
        first = asyncio.create_task(b.guard.acall(hold))
        await asyncio.sleep(0)
        found = await asyncio.gather(*[b.guard.acall(one) for one in later], return_exceptions=True)
        found.append(b.clock() - 1000.0)
        first.cancel()
        return found

    return b.clock.run(calls())


async def served() -> str:
    return "answer"


def test_a_wait_for_a_permit_is_told_and_measured(bench: Make) -> None:
    b, told = built(bench, **SPACED)
    exactly(b)
    pay(b, lambda: 1)
    told.log.clear()
    assert pay(b, lambda: "answer") == "answer"
    assert told.log[:3] == [("call", "bank", "pay"), ("wait", "rate_limit"), ("wait ended",)]
    assert waited(b, "rate_limiter_wait") == (1, 1.0)


def test_a_wait_as_long_as_what_is_left_is_waited() -> None:
    b = Bench("sync", timeout=Timeout(total=1.0), **SPACED)
    exactly(b)
    b(lambda: 1)
    assert b(lambda: "answer") == "answer"
    assert b.clock() == 1001.0


def test_who_has_no_time_left_after_it_does_not_queue_up(bench: Make) -> None:
    queue = Bulkhead(limit=1, max_queue=1, max_wait=5.0)
    b, told = built(bench, timeout=Timeout(total=1.0), bulkhead=queue, **SPACED)
    exactly(b)
    pay(b, lambda: 1)
    assert b.guard.bulkhead is not None
    b.guard.bulkhead.permits.clear()
    told.log.clear()
    error = pay(b, lambda: 2)
    assert isinstance(error, TimedOut)
    assert (error.scope, error.limit) == ("total", 1.0)
    assert [entry for entry in told.log if entry[0] == "wait"] == [("wait", "rate_limit")]
    assert b.count("calls", "pay", "timeout") == 1


def test_a_wait_for_a_place_is_told_and_measured() -> None:
    b, told = built(
        lambda **more: Bench("async", **more), bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=5.0)
    )
    assert held(b, 2.0, served) == ["answer", 2.0]
    assert [entry for entry in told.log if entry[0] == "wait"] == [("wait", "bulkhead")]
    assert waited(b, "bulkhead_wait") == (1, 2.0)


def test_a_place_that_does_not_come_free_in_time_says_whose() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=0.5))
    (error, seconds) = held(b, 60.0, served)
    assert isinstance(error, BulkheadFull)
    assert (error.dependency, error.policy, error.reason) == ("bank", "bulkhead", "wait_exceeded")
    assert (seconds, waited(b, "bulkhead_wait")) == (0.5, (1, 0.5))


@pytest.mark.parametrize(("total", "scope"), [(0.5, "total"), (1.0, ""), (2.0, "")])
def test_a_total_ends_the_wait_that_is_longer(total: float, scope: str) -> None:
    queue = Bulkhead(limit=1, max_queue=1, max_wait=1.0)
    b = Bench("async", timeout=Timeout(total=total), bulkhead=queue)
    bulkhead = b.guard.bulkhead
    assert bulkhead is not None
    bulkhead.permits.clear()
    with pytest.raises((TimedOut, BulkheadFull)) as caught:
        b.clock.run(b.guard.acall(served))
    assert b.clock() == 1000.0 + min(total, 1.0)
    if scope:
        assert isinstance(caught.value, TimedOut)
        assert (caught.value.dependency, caught.value.scope, caught.value.limit) == ("bank", "total", total)
    else:
        assert isinstance(caught.value, BulkheadFull)
        assert caught.value.reason == "wait_exceeded"
    assert waited(b, "bulkhead_wait") == (1, min(total, 1.0))


def test_who_is_refused_at_once_has_not_waited(bench: Make) -> None:
    b = bench(bulkhead=Bulkhead(limit=1))
    assert b.guard.bulkhead is not None
    b.guard.bulkhead.permits.clear()
    error = b(lambda: 1)
    assert isinstance(error, BulkheadFull)
    assert (error.dependency, error.policy, error.reason) == ("bank", "bulkhead", "full")
    assert waited(b, "bulkhead_wait") == (0, 0.0)


def test_a_thread_waits_as_long_as_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr(_ThreadWaiter, "wait", lambda self, seconds: asked.append(seconds))
    b = Bench("sync", bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=2.0))
    assert b.guard.bulkhead is not None
    b.guard.bulkhead.permits.clear()
    error = b(lambda: 1)
    assert isinstance(error, BulkheadFull)
    assert (asked, error.reason, len(b.guard.bulkhead.waiters)) == ([2.0], "wait_exceeded", 0)


def test_a_delay_of_nothing_is_not_slept_longer(bench: Make) -> None:
    b = bench(retry=Retry(attempts=2, base_delay=0.0, jitter="none", budget=None))
    assert b(flaky(KeyError())) == "answer"
    assert b.clock() == 1000.0


def test_nothing_is_begun_in_a_task_that_is_to_end_already() -> None:
    b = Bench("async")

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await adrive(b.guard, Journey(b.guard.operation("default"), served, (), {}).run(), served, (), {})

    b.clock.run(main())
    assert b.count("attempts", "default", "cancelled") == 1
    assert b.count("calls", "default", "cancelled") == 1


def test_arguments_by_name_are_handed_on_off_the_lane() -> None:
    b = Bench("async", timeout=Timeout(attempt=1.0))

    async def body(one: int, *, two: int) -> tuple[int, int]:
        return one, two

    b.guard.fail_by(lambda operation: None)
    assert b.clock.run(b.guard.acall(body, 1, two=2)) == (1, 2)


def test_a_time_out_of_a_block_inside_is_not_taken_for_that_of_the_guard() -> None:
    b = Bench("async", timeout=Timeout(attempt=5.0))

    async def body() -> None:
        async with asyncio.timeout(0.5):
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError) as caught:
        b.clock.run(b.guard.acall(body))
    assert type(caught.value) is TimeoutError
    assert b.clock() == 1000.5


def test_how_long_to_wait_is_asked_of_errors_only(bench: Make) -> None:
    asked: list[object] = []

    def patience(error: object) -> float:
        asked.append(error)
        raise ValueError

    retry = Retry(
        attempts=2, base_delay=0.5, jitter="none", budget=None, retry_after=patience,
        on_result=lambda result: result == "busy",
    )  # fmt: skip
    b = bench(retry=retry)
    assert b(lambda: "busy") == "busy"
    assert (asked, b.registry.listener_errors["Recording"]) == ([], 0)
    error = KeyError()
    assert b(flaky(error)) == "answer"
    assert asked == [error]
    assert b.registry.listener_errors["retry_after"] == 1


def test_a_slow_answer_is_kept_and_by_all_its_arguments(bench: Make) -> None:
    b, _ = built(bench, breaker=Breaker(slow_after=0.5, minimum_calls=9), fallback=Fallback(stale_for=60))
    down: list[bool] = []

    def body(*, key: str) -> str:
        if down:
            raise KeyError(key)
        return str(slow(b, 0.75)()) + key

    operation = b.guard.operation("pay")
    if b.how == "sync":
        call: Callable[..., Any] = operation(Body(body))
    else:
        acall = operation(ABody(body))

        def call(**more: Any) -> Any:
            return b.clock.run(acall(**more))

    assert call(key="!") == "answer!"
    down.append(True)
    assert call(key="!") == "answer!"
    with pytest.raises(KeyError):
        call(key="?")


class Body:
    """A function that is told from others by what it is, and not by what it captured."""

    def __init__(self, body: Callable[..., Any]) -> None:
        self.body = body

    def __call__(self, **more: Any) -> Any:
        return self.body(**more)


class ABody(Body):
    async def __call__(self, **more: Any) -> Any:
        return self.body(**more)
