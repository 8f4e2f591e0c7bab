"""What a task may be doing when it is cancelled: blocks and generators under a guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from tests.composition.sweep import Scenario, World
from tests.composition.sweep_calls import BREAKER, late, work

from seawall.resilience import Bulkhead, Guard, RateLimit, Timeout

SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


@scenario
async def async_with(world: World) -> None:
    guard = world.guard(bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=2.5), timeout=Timeout(total=3.0))
    world.beside(world.call(guard, work))
    await asyncio.sleep(0)
    world.begun["bank"] += 1
    async with guard:
        world.ask(guard)
        await work()


@scenario
async def async_with_times_out(world: World) -> None:
    guard = world.guard(breaker=BREAKER, timeout=Timeout(attempt=0.5))
    world.begun["bank"] += 1
    async with guard:
        world.ask(guard)
        await late(0.5)


@scenario
async def async_with_a_pipeline(world: World) -> None:
    pipeline = world.pipeline(
        Timeout(attempt=9.0),
        Bulkhead(limit=1, max_queue=5, max_wait=60),
        RateLimit(rate=1, burst=1, max_wait=5),
        BREAKER,
    )
    world.beside(world.call(pipeline, work))
    await asyncio.sleep(0)
    world.begun["bank"] += 1
    async with pipeline:
        world.ask(pipeline)
        await work()


@scenario
async def async_context_manager(world: World) -> None:
    guard = world.guard(bulkhead=Bulkhead(limit=1), timeout=Timeout(total=9.0))

    @guard
    @asynccontextmanager
    async def session() -> AsyncIterator[None]:
        world.ask(guard)
        await asyncio.sleep(0.5)
        try:
            yield
        finally:
            await asyncio.sleep(0.5)

    world.begun["bank"] += 1
    async with session():
        await work()


def rows_of(world: World, guard: Guard) -> AsyncGenerator[int]:
    @guard
    async def rows() -> AsyncGenerator[int]:
        world.ask(guard)
        try:
            for i in range(3):
                await asyncio.sleep(0.25)
                yield i
        finally:
            await asyncio.sleep(0.25)

    world.begun[guard.name] += 1
    return rows()


@scenario
async def async_generator(world: World) -> None:
    guard = world.guard(bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60), timeout=Timeout(attempt=90.0))
    world.beside(world.call(guard, work))
    await asyncio.sleep(0)
    async with aclosing(rows_of(world, guard)) as rows:
        async for _ in rows:
            await asyncio.sleep(0.25)


@scenario
async def async_generator_times_out(world: World) -> None:
    guard = world.guard(bulkhead=Bulkhead(limit=1), timeout=Timeout(attempt=0.5))
    async with aclosing(rows_of(world, guard)) as rows:
        async for _ in rows:
            await asyncio.sleep(0.25)


@scenario
async def async_generator_that_nobody_closes(world: World) -> None:
    guard = world.guard(bulkhead=Bulkhead(limit=1), timeout=Timeout(attempt=9.0))
    async for _ in rows_of(world, guard):
        await asyncio.sleep(0.25)
