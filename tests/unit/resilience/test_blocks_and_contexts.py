"""Blocks that are left elsewhere than they were entered: each leaving ends one, no permit is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextvars import copy_context
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench
from tests.unit.resilience.streams import in_flight

from seawall.resilience import (
    Bulkhead,
    BulkheadFull,
    RateLimit,
    TimedOut,
    Timeout,
)
from seawall.resilience.block import Block


def test_a_block_that_is_left_in_another_task_ends_all_the_same() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=2))

    async def rows() -> AsyncGenerator[int]:
        async with b.guard:
            yield 1

    async def main() -> None:
        first, second = rows(), rows()
        for source in (first, second):
            await asyncio.create_task(source.__anext__())  # type: ignore[arg-type]
        assert in_flight(b) == 2
        await asyncio.create_task(first.aclose())
        assert in_flight(b) == 1
        async with b.guard:
            assert in_flight(b) == 2
        await second.aclose()

    b.clock.run(main())
    assert in_flight(b) == 0
    assert b.count("attempts", "default", "cancelled") == 2


def test_each_leaving_ends_one_block_whichever_context_it_comes_from() -> None:
    b = Bench("sync", bulkhead=Bulkhead(limit=2))
    one, other, stranger = (copy_context() for _ in range(3))
    for left_by in (one, other):
        for context in (one, other):
            context.run(b.guard.__enter__)
        assert in_flight(b) == 2
        for context in (stranger, left_by):
            context.run(b.guard.__exit__, None, None, None)
        assert in_flight(b) == 0
    assert b.count("attempts", "default", "success") == 4


def test_a_block_outside_an_event_loops_task_gives_its_permit_back() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1), timeout=Timeout(attempt=1.0))
    with pytest.raises(RuntimeError) as caught:
        b.guard.__aenter__().send(None)
    assert in_flight(b) == 0
    del caught
    assert b.count("attempts", "default", "failure") == 1


@pytest.mark.parametrize(("limits", "scope"), [({"attempt": 1.5}, "attempt"), ({"total": 2.5}, "total")])
def test_an_async_block_says_which_limit_it_outlived(limits: dict[str, float], scope: str) -> None:
    b = Bench("async", timeout=Timeout(**limits))

    async def main() -> None:
        async with b.guard:
            await asyncio.sleep(10)

    with pytest.raises(TimedOut) as caught:
        b.clock.run(main())
    assert (caught.value.dependency, caught.value.scope) == ("bank", scope)
    assert caught.value.limit == limits[scope]
    assert b.clock() == 1000.0 + limits[scope]
    assert b.count("attempts", "default", "timeout") == 1


def test_a_block_waits_for_its_permit(bench: Callable[..., Bench]) -> None:
    b = bench(rate_limit=RateLimit(rate=2, max_wait=1))

    async def main() -> None:
        for _ in range(2):
            async with b.guard:
                pass

    if b.how == "async":
        b.clock.run(main())
    else:
        for _ in range(2):
            with b.guard:
                pass
    assert b.clock() == pytest.approx(1000.5)
    assert b.count("attempts", "default", "success") == 2


def test_an_async_block_queues_as_long_as_it_may() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=2))

    async def second() -> None:
        with pytest.raises(BulkheadFull) as caught:
            async with b.guard:
                raise AssertionError("the block must not run")
        assert caught.value.reason == "wait_exceeded"
        assert b.clock() == 1002.0

    async def main() -> None:
        async with b.guard:
            await asyncio.create_task(second())

    b.clock.run(main())
    assert b.count("attempts", "default", "success") == 1
    assert in_flight(b) == 0


@pytest.mark.parametrize(
    "policies",
    [
        {"rate_limit": RateLimit(rate=0.1, max_wait=10)},
        {"bulkhead": Bulkhead(limit=1, max_queue=1, max_wait=9)},
    ],
)
def test_an_async_block_that_is_cancelled_while_it_waits_never_runs(policies: dict[str, Any]) -> None:
    b = Bench("async", **policies)
    b.guard.asleep = asyncio.sleep

    async def second() -> None:
        async with b.guard:
            raise AssertionError("the block must not run")

    async def main() -> None:
        async with b.guard:
            task = asyncio.create_task(second())
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert b.count("calls", "default", "cancelled") == 1

    b.clock.run(main())
    assert b.count("attempts", "default", "success") == 1


def test_a_block_that_is_interrupted_while_it_waits_never_runs() -> None:
    b = Bench("sync", rate_limit=RateLimit(rate=0.1, max_wait=10))

    def interrupted(seconds: float) -> None:
        assert seconds == pytest.approx(10)
        raise KeyboardInterrupt

    b.guard.sleep = interrupted
    with b.guard:
        pass
    with pytest.raises(KeyboardInterrupt), b.guard:
        raise AssertionError("the block must not run")
    assert b.count("calls", "default", "cancelled") == 1
    assert b.count("attempts", "default", "success") == 1


def test_a_block_gets_the_place_that_another_thread_leaves() -> None:
    b = Bench("sync", bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=60))
    state = b.guard.bulkhead
    assert state is not None
    inside, go = threading.Event(), threading.Event()

    def first() -> None:
        with b.guard:
            inside.set()
            go.wait(60)

    def second() -> None:
        with b.guard:
            pass

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(60)
    threads[1].start()
    while not state.waiters and threads[1].is_alive():
        threads[1].join(0.001)
    go.set()
    for thread in threads:
        thread.join(60)
    assert b.count("attempts", "default", "success") == 2


@pytest.mark.parametrize("admit", ["admit", "aadmit"])
def test_a_block_that_is_interrupted_on_its_way_in_leaves_nothing_taken(
    monkeypatch: pytest.MonkeyPatch, admit: str
) -> None:
    b = Bench("sync", bulkhead=Bulkhead(limit=1))
    real = getattr(Block, admit)
    taken: list[float] = []

    def interrupted(block: Block) -> None:
        real(block)
        taken.append(in_flight(b))
        raise KeyboardInterrupt

    async def ainterrupted(block: Block) -> None:
        await real(block)
        taken.append(in_flight(b))
        raise KeyboardInterrupt

    monkeypatch.setattr(Block, admit, interrupted if admit == "admit" else ainterrupted)
    with pytest.raises(KeyboardInterrupt):
        b.guard.__enter__() if admit == "admit" else b.guard.__aenter__().send(None)
    assert (taken, in_flight(b)) == ([1], 0)
    assert b.count("attempts", "default", "cancelled") == 1
    assert b.count("calls", "default", "cancelled") == 1
