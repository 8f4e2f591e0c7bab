"""What a task may be doing when it is cancelled: calls that are hedged, and calls that share an execution."""

from __future__ import annotations

import asyncio

from tests.composition.sweep import Scenario, World
from tests.composition.sweep_calls import BREAKER, CALM, clean_up_that_fails, fail, late, work

from seawall.resilience import Bulkhead, Coalesce, Fallback, Guard, Hedge, Timeout

HEDGE = Hedge(delay=0.25, most=2)
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


def hedged(world: World) -> Guard:
    return world.guard(
        breaker=BREAKER, retry=CALM, timeout=Timeout(attempt=1.25), bulkhead=Bulkhead(limit=4), hedge=HEDGE
    )


@scenario
async def hedge_wins(world: World) -> None:
    await race(world, 9.0, 0.5, 9.0)


@scenario
async def hedge_loses(world: World) -> None:
    await race(world, 0.5, 9.0, 9.0)


@scenario
async def all_answer_in_the_same_turn(world: World) -> None:
    await race(world, 0.75, 0.5, 0.25)


@scenario
async def hedges_are_left_alone(world: World) -> None:
    await race(world, -0.375, 9.0, 0.5)


@scenario
async def all_fail(world: World) -> None:
    await race(world, -0.5, -0.5, -0.5, -0.1)


@scenario
async def hedges_time_out(world: World) -> None:
    await race(world, 9.0, 9.0, 9.0)


async def race(world: World, *runs: float) -> None:
    """Runs of so many seconds, one after the other; those below 0 fail."""
    guard = hedged(world)
    left = list(runs)

    async def run() -> str:
        seconds = left.pop(0) if left else 0.1
        return await (work(seconds) if seconds > 0 else fail(-seconds))

    world.begun[guard.name] += 1
    try:
        await guard.acall(run)
    finally:
        # A race is one attempt: how many there were is the guard's to say.
        at = guard.ledger.layout
        raw = guard.read()
        world.asked[guard.name] = [0.0] * int(sum(raw[i] for i in at.attempts))


def shared(world: World) -> Guard:
    return world.guard(
        breaker=BREAKER,
        retry=CALM,
        timeout=Timeout(attempt=1.25, total=9.0),
        bulkhead=Bulkhead(limit=4),
        fallback=Fallback(default="answer", on=(ConnectionError,)),
        coalesce=Coalesce(),
    )


@scenario
async def alone(world: World) -> None:
    await world.call(shared(world), work)


@scenario
async def first_of_two(world: World) -> None:
    guard = shared(world)
    asyncio.get_running_loop().call_later(0.5, lambda: world.beside(world.call(guard, work)))
    await world.call(guard, work)


@scenario
async def second_of_two(world: World) -> None:
    guard = shared(world)
    world.beside(world.call(guard, work))
    await asyncio.sleep(0.25)
    await world.call(guard, work)


@scenario
async def shared_failure(world: World) -> None:
    guard = shared(world)
    world.beside(world.call(guard, fail, 0.25))
    await asyncio.sleep(0)
    await world.call(guard, fail, 0.25)


@scenario
async def shared_and_late(world: World) -> None:
    await world.call(shared(world), late, 1.25)


@scenario
async def shared_clean_up_that_fails(world: World) -> None:
    await world.call(shared(world), clean_up_that_fails)
