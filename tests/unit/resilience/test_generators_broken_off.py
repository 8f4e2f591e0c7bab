"""Guarded generators that are left early, whoever closes or forgets them: neutral, nothing stays taken."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from contextvars import copy_context
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench
from tests.unit.resilience.streams import anumbers, collected, in_flight, numbers

from seawall.resilience import (
    Breaker,
    Bulkhead,
    BulkheadFull,
    RateLimit,
    Timeout,
    remaining,
)
from seawall.resilience.deadline import current


def test_pybreaker_like_half_open_probe_is_given_back(bench: Callable[..., Bench]) -> None:
    b = bench(breaker=Breaker(minimum_calls=1, window_calls=1, open_for=5, half_open_permits=1))
    with pytest.raises(ConnectionError):
        collected(b, error=ConnectionError())
    b.clock.advance(5)
    for _ in range(3):
        probe = numbers(b)
        next(probe)
        probe.close()
    assert b.guard.state == "half_open"
    assert collected(b) == [0, 1, 2]
    assert b.guard.state == "closed"


def test_closed_in_another_context_and_in_another_task() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1), timeout=Timeout(attempt=5))

    async def main() -> None:
        rows = anumbers(b)
        await asyncio.create_task(rows.__anext__())  # type: ignore[arg-type]
        assert in_flight(b) == 1
        await asyncio.create_task(rows.aclose())
        assert in_flight(b) == 0

    b.clock.run(main())
    sync = numbers(b)
    copy_context().run(next, sync)
    copy_context().run(sync.close)
    assert in_flight(b) == 0
    assert remaining() is None


def test_an_abandoned_async_generator_is_closed_by_its_loop() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1))

    async def main() -> None:
        async for _ in anumbers(b):
            break
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert in_flight(b) == 0

    b.clock.run(main())
    assert b.count("attempts", "default", "cancelled") == 1


def test_what_the_loop_closes_at_its_shutdown_is_closed_once() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1))
    kept: list[Any] = []
    problems: list[Any] = []

    @b.guard
    async def rows() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            for _ in range(3):
                await asyncio.sleep(0)

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        kept.append(rows())
        await anext(kept[0])

    b.clock.run(main())
    assert problems == []
    assert b.count("attempts", "default", "cancelled") == 1
    assert in_flight(b) == 0


@pytest.mark.parametrize("cleans_up", [False, True])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_collected_when_its_loop_is_gone(cleans_up: bool) -> None:
    """What the clean-up awaits can't come any more, but the permit does."""
    b = Bench("async", bulkhead=Bulkhead(limit=1), timeout=Timeout(attempt=5))

    @b.guard
    async def source() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            if cleans_up:
                await asyncio.sleep(0)

    rows = source()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(anext(rows))  # type: ignore[arg-type]
    loop.close()
    assert in_flight(b) == 1
    around = current.get()
    del rows
    gc.collect()
    assert in_flight(b) == 0
    assert b.count("calls", "default", "cancelled") == 1
    # Whoever happened to be running then has nothing of it.
    assert current.get() is around


def test_interrupted_between_admission_and_the_first_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a signal's exception: nobody but the collector is left to give the permit back."""
    b = Bench("sync", bulkhead=Bulkhead(limit=1))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("seawall.resilience.generators.Iteration.resume", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(numbers(b))
    gc.collect()
    assert in_flight(b) == 0
    assert b.count("calls", "default", "cancelled") == 1


def test_a_cancelled_step_is_neutral() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1), breaker=Breaker(minimum_calls=1, window_calls=1))

    @b.guard
    async def rows() -> AsyncGenerator[int]:
        yield 1
        await asyncio.sleep(100)

    async def main() -> None:
        async def consume() -> None:
            async for _ in rows():
                pass

        task = asyncio.create_task(consume())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    b.clock.run(main())
    assert b.count("attempts", "default", "cancelled") == 1
    assert (in_flight(b), b.guard.state) == (0, "closed")


def test_frames_die_with_the_exception_that_was_thrown_in() -> None:
    class Big: ...

    b = Bench("sync", breaker=Breaker())
    dead: list[weakref.ref[Big]] = []

    @b.guard
    def rows() -> Generator[int]:
        big = Big()
        dead.append(weakref.ref(big))
        yield 1

    def consume() -> None:
        generator = rows()
        next(generator)
        generator.throw(ConnectionError())

    gc.disable()
    try:
        with pytest.raises(ConnectionError):
            consume()
        sys.exc_info()
        assert dead[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_interrupted_while_it_waits_to_be_admitted(
    bench: Callable[..., Bench], error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = bench(rate_limit=RateLimit(rate=1, burst=1, max_wait=5), bulkhead=Bulkhead(limit=1))
    assert collected(b) == [0, 1, 2]

    def interrupt(seconds: float) -> None:
        raise error

    async def ainterrupt(seconds: float) -> None:
        raise error

    monkeypatch.setattr(b.guard, "sleep", interrupt)
    monkeypatch.setattr(b.guard, "asleep", ainterrupt)
    with pytest.raises(type(error)):
        collected(b)
    assert b.count("calls", "default", "cancelled") == 1
    b.clock.advance(1)
    assert collected(b) == [0, 1, 2]
    assert in_flight(b) == 0


def test_an_async_generator_waits_in_the_bulkheads_queue() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=5))

    async def main() -> None:
        first = anumbers(b)
        await anext(first)
        second = asyncio.create_task(_all(anumbers(b)))
        await asyncio.sleep(1)
        assert b.count("bulkhead_queued") == 1
        await first.aclose()
        assert await second == [0, 1, 2]

    b.clock.run(main())
    assert in_flight(b) == 0


def test_a_generator_waits_in_the_bulkheads_queue_no_longer_than_it_may() -> None:
    b = Bench("sync", bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=0.01))
    first = numbers(b)
    next(first)
    with pytest.raises(BulkheadFull):
        next(numbers(b))
    first.close()
    assert collected(b) == [0, 1, 2]


async def _all(source: AsyncGenerator[int]) -> list[int]:
    return [number async for number in source]
