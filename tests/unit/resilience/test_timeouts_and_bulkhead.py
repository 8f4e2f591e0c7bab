"""Timeouts, deadlines, bulkhead and blocks through a guard."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    BulkheadFull,
    Guard,
    RateLimit,
    Registry,
    TimedOut,
    Timeout,
    remaining,
)


def test_attempt_timeout_cancels_and_counts() -> None:
    b = Bench(
        "async", timeout=Timeout(attempt=1.0, total=10.0), breaker=Breaker(minimum_calls=1, window_calls=1)
    )

    @b.guard
    async def slow() -> None:
        await asyncio.sleep(5)

    began = b.clock()
    with pytest.raises(TimedOut) as caught:
        b.clock.run(slow())
    assert b.clock() - began == pytest.approx(1.0)
    assert (caught.value.scope, caught.value.limit) == ("attempt", 1.0)
    assert isinstance(caught.value, TimeoutError)
    assert b.count("timeouts", "default", "attempt") == 1
    assert b.count("calls", "default", "timeout") == 1
    assert b.guard.state == "open"


def test_a_cancellation_from_outside_is_not_taken_for_the_timeout() -> None:
    b = Bench("async", timeout=Timeout(attempt=5.0))

    async def main() -> None:
        task = asyncio.create_task(b.guard.acall(asyncio.sleep, 100))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    b.clock.run(main())
    assert b.count("timeouts", "default", "attempt") == 0
    assert b.count("calls", "default", "cancelled") == 1


def test_nested_guards_inherit_the_deadline() -> None:
    b = Bench("async", timeout=Timeout(total=2.0))
    inner = Guard(
        "inner", timeout=Timeout(total=50), registry=Registry("i"), clock=b.clock, asleep=b.clock.asleep
    )
    seen: list[float | None] = []

    @inner
    async def lookup() -> None:
        seen.append(remaining())
        await asyncio.sleep(100)

    @b.guard
    async def handler() -> None:
        await asyncio.sleep(0.5)
        await lookup()

    began = b.clock()
    with pytest.raises(TimedOut):
        b.clock.run(handler())
    assert b.clock() - began == pytest.approx(2.0)
    assert seen == [pytest.approx(1.5)]
    assert remaining() is None


def test_bulkhead_queue_is_first_in_first_out_and_bounded() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=2, max_wait=10))
    order: list[int] = []

    async def work(i: int) -> None:
        order.append(i)
        await asyncio.sleep(1)

    async def main() -> list[Any]:
        return await asyncio.gather(*(b.guard.acall(work, i) for i in range(4)), return_exceptions=True)

    results = b.clock.run(main())
    assert order == [0, 1, 2]
    assert isinstance(results[3], BulkheadFull)
    assert results[3].reason == "queue_full"
    assert b.count("bulkhead_queued") == 0


def test_a_cancelled_waiter_gives_its_place_back() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=10))

    async def main() -> None:
        gate = asyncio.Event()
        tasks = [asyncio.create_task(b.guard.acall(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0.1)
        tasks[1].cancel()
        gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[0] is True
        assert isinstance(results[1], asyncio.CancelledError)
        assert results[2] is True

    b.clock.run(main())
    assert b.count("bulkhead_in_flight") == 0
    assert b.guard.bulkhead is not None
    assert not b.guard.bulkhead.waiters


def test_block_is_one_guarded_attempt() -> None:
    b = Bench("sync", breaker=Breaker(minimum_calls=1, window_calls=1), bulkhead=Bulkhead(limit=1))
    with b.guard:
        assert b.count("bulkhead_in_flight") == 1
    with pytest.raises(ConnectionError), b.guard:
        raise ConnectionError
    with pytest.raises(BreakerOpen), b.guard:
        raise AssertionError("the block must not run")
    assert b.count("attempts", "default", "success") == 1
    assert b.count("attempts", "default", "failure") == 1
    assert b.count("bulkhead_in_flight") == 0


def test_async_block_is_cancelled_when_its_time_is_over() -> None:
    b = Bench("async", timeout=Timeout(attempt=1.0))

    async def main() -> None:
        async with b.guard:
            await asyncio.sleep(10)

    with pytest.raises(TimedOut):
        b.clock.run(main())
    assert b.count("timeouts", "default", "attempt") == 1
    assert remaining() is None


@pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_wait_that_overshoots_the_total_leaves_no_time_to_queue(how: str) -> None:
    b = Bench(
        how,
        timeout=Timeout(total=1.0),
        rate_limit=RateLimit(rate=1 / 0.995, burst=1, max_wait=5.0),
        bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=0.5),
    )

    def late(seconds: float) -> None:
        b.clock.advance(seconds + 0.01)

    async def alate(seconds: float) -> None:
        late(seconds)

    b.guard.sleep, b.guard.asleep = late, alate
    assert b(lambda: 1) == 1
    assert b.guard.bulkhead is not None
    assert b.guard.bulkhead.enter([])
    error = b(lambda: 2)
    assert isinstance(error, TimedOut)
    assert (error.scope, error.limit) == ("total", 1.0)
    assert b.count("bulkhead_queued") == 0
    assert b.count("timeouts", "default", "total") == 1
