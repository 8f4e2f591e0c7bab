"""Generators under a guard: counted, and counted right.

The reports: pybreaker counts a generator that its consumer leaves early as a failure of the dependency, and
opens; pyresilience takes an async generator and guards nothing, without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from itertools import islice

import pytest

from seawall.resilience import Breaker, BreakerOpen, Bulkhead, BulkheadFull, Guard, Registry
from seawall.testing import ManualClock


def guard() -> Guard:
    return Guard(
        "bank",
        breaker=Breaker(window_calls=2, minimum_calls=2, open_for=10),
        bulkhead=Bulkhead(limit=1),
        registry=Registry("t"),
        clock=ManualClock(),
    )


@pytest.mark.parametrize("leave", ["close", "break", "islice", "throw"])
def test_pybreaker_a_generator_left_early_is_no_failure(leave: str) -> None:
    of = guard()

    @of
    def rows() -> Generator[int]:
        yield from range(10)

    for _ in range(20):
        source = rows()
        if leave == "islice":
            assert list(islice(source, 2)) == [0, 1]
        elif leave == "break":
            for _row in source:
                break
        else:
            next(source)
        if leave == "throw":
            with pytest.raises(GeneratorExit):
                source.throw(GeneratorExit)
        if leave == "close":
            source.close()
        del source
    assert of.state == "closed"
    assert of.snapshot()["failure_ratio"] == 0
    assert of.snapshot()["in_flight"] == 0
    assert list(rows()) == list(range(10))


def test_pyresilience_an_async_generator_is_guarded() -> None:
    of = guard()
    ran = 0

    @of
    async def rows() -> AsyncGenerator[int]:
        nonlocal ran
        ran += 1
        yield 1
        await asyncio.sleep(0)
        raise ConnectionError

    async def consume() -> list[int]:
        return [row async for row in rows()]

    async def main() -> None:
        source = rows()
        assert await anext(source) == 1
        with pytest.raises(BulkheadFull):
            await consume()
        with pytest.raises(ConnectionError):
            await anext(source)
        with pytest.raises(ConnectionError):
            await consume()
        assert of.state == "open"
        with pytest.raises(BreakerOpen):
            await consume()

    asyncio.run(main())
    assert ran == 2
