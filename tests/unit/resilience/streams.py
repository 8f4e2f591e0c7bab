"""Guarded generators to iterate, in ``def`` and in ``async def``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

from tests.unit.resilience.bench import Bench


def numbers(b: Bench, count: int = 3, error: Exception | None = None) -> Generator[int]:
    @b.guard
    def rows() -> Generator[int]:
        yield from range(count)
        if error is not None:
            raise error

    return rows()


def anumbers(b: Bench, count: int = 3, error: Exception | None = None) -> AsyncGenerator[int]:
    @b.guard
    async def rows() -> AsyncGenerator[int]:
        for number in range(count):
            await asyncio.sleep(0)
            yield number
        if error is not None:
            raise error

    return rows()


def collected(b: Bench, **settings: Any) -> list[int]:
    """All the items, in the way of the bench."""
    if b.how == "sync":
        return list(numbers(b, **settings))

    async def main() -> list[int]:
        return [number async for number in anumbers(b, **settings)]

    return b.clock.run(main())


def in_flight(b: Bench) -> float:
    return b.count("bulkhead_in_flight")
