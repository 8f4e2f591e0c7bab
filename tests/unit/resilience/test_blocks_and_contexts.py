"""Blocks that are left elsewhere than they were entered: each leaving ends one, no permit is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import copy_context

import pytest
from tests.unit.resilience.bench import Bench
from tests.unit.resilience.streams import in_flight

from seawall.resilience import (
    Bulkhead,
    Timeout,
)


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
