"""What a task may be doing when it is cancelled: calls under each policy, under all of them, and nested."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.composition.sweep import Scenario, World

from seawall.resilience import Breaker, Bulkhead, Fallback, Guard, RateLimit, Retry, Timeout

BREAKER = Breaker(window_calls=2, minimum_calls=2, open_for=10, half_open_permits=2)
CALM = Retry(attempts=3, base_delay=0.5, jitter="none", budget=None)
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__] = function
    return function


async def work(seconds: float = 1.0) -> str:
    await asyncio.sleep(0)
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.sleep(0.125)
    return "answer"


async def fail(seconds: float = 1.0) -> str:
    await asyncio.sleep(seconds)
    raise ConnectionError


async def late(seconds: float) -> str:
    """Ends with the timer of its limit, in the same turn of the loop."""
    await asyncio.sleep(seconds)
    return "answer"


async def clean_up_that_fails() -> str:
    """Cancelled, it raises an ordinary exception."""
    try:
        await asyncio.sleep(1.0)
    finally:
        raise ConnectionError("while closing")


@scenario
async def breaker_closed(world: World) -> None:
    await world.call(world.guard(breaker=BREAKER), work)


@scenario
async def breaker_trips(world: World) -> None:
    guard = world.guard(breaker=BREAKER)
    for _ in range(3):
        with suppress(ConnectionError):
            await world.call(guard, fail)


@scenario
async def breaker_half_open(world: World) -> None:
    guard = world.opened(world.guard(breaker=BREAKER))
    await world.call(guard, work)
    await world.call(guard, work)


@scenario
async def timeout_in_time(world: World) -> None:
    await world.call(world.guard(timeout=Timeout(attempt=5.0, total=9.0)), work)


@scenario
async def timeout_fires(world: World) -> None:
    await world.call(world.guard(timeout=Timeout(attempt=0.5)), work)


@scenario
async def timeout_fires_at_the_same_moment(world: World) -> None:
    await world.call(world.guard(timeout=Timeout(attempt=0.5)), late, 0.5)


@scenario
async def timeouts_of_retries_fire(world: World) -> None:
    await world.call(world.guard(timeout=Timeout(attempt=0.5, total=2.5), retry=CALM), work)


@scenario
async def timeouts_of_two_guards_fire_at_the_same_moment(world: World) -> None:
    outer = world.guard("outer", timeout=Timeout(attempt=0.5))
    inner = world.guard("inner", timeout=Timeout(attempt=0.5))
    await world.call(outer, lambda: world.call(inner, late, 0.5))


@scenario
async def retry_back_off(world: World) -> None:
    await world.call(world.guard(retry=CALM), fail)


@scenario
async def retry_after_clean_up_that_fails(world: World) -> None:
    await world.call(world.guard(retry=CALM, fallback=Fallback(alternative=work)), clean_up_that_fails)


@scenario
async def retry_total_ends_during_back_off(world: World) -> None:
    await world.call(world.guard(retry=CALM, timeout=Timeout(total=2.0)), fail)


@scenario
async def bulkhead_queue(world: World) -> None:
    guard = world.guard(bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60))
    world.beside(world.call(guard, work))
    await asyncio.sleep(0)
    world.beside(world.call(guard, work))
    await world.call(guard, work)


@scenario
async def bulkhead_with_others_behind(world: World) -> None:
    guard = world.guard(bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60))

    async def behind() -> str:
        await asyncio.sleep(0)
        answer: str = await world.call(guard, work)
        return answer

    world.beside(behind())
    world.beside(behind())
    await world.call(guard, work)


@scenario
async def bulkhead_wait_is_over_as_a_place_comes_free(world: World) -> None:
    guard = world.guard(bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=1.0))
    world.beside(world.call(guard, late, 1.0))
    await asyncio.sleep(0)
    await world.call(guard, work)


@scenario
async def bulkhead_queue_within_a_total(world: World) -> None:
    guard = world.guard(bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=0.9), timeout=Timeout(total=1.0))
    world.beside(world.call(guard, late, 0.75))
    await asyncio.sleep(0)
    await world.call(guard, work)


@scenario
async def limiter_wait(world: World) -> None:
    guard = world.guard(rate_limit=RateLimit(rate=2, burst=2, max_wait=5))
    for _ in range(4):
        await world.call(guard, late, 0)


@scenario
async def limiter_wait_then_bulkhead_queue(world: World) -> None:
    guard = world.guard(
        rate_limit=RateLimit(rate=2, burst=1, max_wait=5),
        bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60),
        breaker=BREAKER,
    )
    world.beside(world.call(guard, work))
    await asyncio.sleep(0)
    await world.call(guard, work)


@scenario
async def sliding_window_wait(world: World) -> None:
    guard = world.guard(rate_limit=RateLimit(rate=2, burst=2, max_wait=5, kind="sliding_window"))
    for _ in range(4):
        await world.call(guard, late, 0)


@scenario
async def fallback_alternative(world: World) -> None:
    await world.call(world.guard(fallback=Fallback(alternative=work)), fail)


@scenario
async def fallback_times_out_and_queues(world: World) -> None:
    fallback = Fallback(alternative=work, queue=work, default="none", timeout=0.5)
    await world.call(world.guard(fallback=fallback), fail)


@scenario
async def fallback_is_guarded_itself(world: World) -> None:
    spare = world.guard("spare", bulkhead=Bulkhead(limit=1), timeout=Timeout(attempt=5.0))
    guard = world.guard(fallback=Fallback(alternative=lambda: world.call(spare, work), timeout=9.0))
    await world.call(guard, fail)


def everything(world: World, name: str = "bank") -> Guard:
    return world.guard(
        name,
        breaker=BREAKER,
        retry=CALM,
        timeout=Timeout(attempt=1.25, total=9.0),
        bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60),
        rate_limit=RateLimit(rate=2, burst=2, max_wait=5),
        fallback=Fallback(alternative=work, stale_for=60, timeout=2.0, on=(ConnectionError,)),
    )


@scenario
async def everything_works(world: World) -> None:
    guard = everything(world)
    world.beside(world.call(guard, work, 0.5))
    await asyncio.sleep(0)
    await world.call(guard, work)


@scenario
async def everything_fails(world: World) -> None:
    await world.call(everything(world), fail, 0.25)


@scenario
async def nested(world: World) -> None:
    outer, inner = everything(world, "outer"), everything(world, "inner")
    await world.call(outer, lambda: world.call(inner, fail, 0.25))


@scenario
async def probe_that_waits_for_a_place(world: World) -> None:
    guard = world.opened(world.guard(breaker=BREAKER, bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60)))
    world.beside(world.call(guard, work))
    await asyncio.sleep(0)
    await world.call(guard, work)


@scenario
async def pipeline_with_the_limits_outside(world: World) -> None:
    pipeline = world.pipeline(
        Bulkhead(limit=1, max_queue=5, max_wait=60), RateLimit(rate=2, burst=2, max_wait=5), CALM, BREAKER
    )
    world.beside(world.call(pipeline, work))
    await asyncio.sleep(0)
    await world.call(pipeline, fail, 0.25)


@scenario
async def pipeline_of_timeouts_and_retries(world: World) -> None:
    pipeline = world.pipeline(
        Timeout(total=6.0), CALM, Timeout(attempt=2.0), BREAKER, CALM, Timeout(attempt=0.5)
    )
    await world.call(pipeline, work)
