"""What comes between two steps of a call, and between the end of a queue and the wait in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench, fails

from seawall.resilience import Bulkhead, Timeout
from seawall.resilience.bulkhead import Granted
from seawall.resilience.drivers import _TaskWaiter, adrive, aqueue, drive, queue
from seawall.resilience.journey import Journey

Make = Callable[..., Bench]
ONE = Bulkhead(limit=1, max_queue=1, max_wait=60.0)


class Torn:
    """A journey whose driver is interrupted before it can say what came of the first step."""

    def __init__(self, b: Bench, function: Callable[[], Any]) -> None:
        self._travel = Journey(b.guard.operation("default"), function, (), {}).run()

    def __next__(self) -> Any:
        return next(self._travel)

    def send(self, answer: Any) -> Any:
        raise KeyboardInterrupt

    def close(self) -> None:
        self._travel.close()


def test_an_interrupt_between_two_steps_gives_all_places_back_at_once(bench: Make) -> None:
    b = bench(bulkhead=ONE)
    assert b.guard.bulkhead is not None
    inside: list[int] = []

    def body() -> None:
        inside.append(b.guard.bulkhead.in_flight)  # type: ignore[union-attr]

    async def abody() -> None:
        body()

    travel: Any = Torn(b, body)

    def run() -> Any:
        if b.how == "sync":
            return drive(b.guard, travel, body, (), {})
        return b.clock.run(adrive(b.guard, travel, abody, (), {}))

    with pytest.raises(KeyboardInterrupt):
        run()
    assert (inside, b.guard.bulkhead.in_flight) == ([1], 0)
    assert b.count("attempts", "default", "cancelled") == 1
    assert b.count("calls", "default", "cancelled") == 1


def test_nothing_new_begins_in_a_task_that_is_to_end_whatever_came_of_its_cancellation() -> None:
    b = Bench("async", retry=CALM)
    began: list[float] = []

    async def stubborn() -> None:
        began.append(b.clock())
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ConnectionError from None

    async def main() -> None:
        task = asyncio.create_task(b.guard.acall(stubborn))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    b.clock.run(main())
    assert (began, b.clock()) == ([1000.0], 1001.0)
    assert b.count("attempts", "default", "failure") == 1
    assert b.count("retries", "default") == 0
    assert b.count("calls", "default", "cancelled") == 1


def test_a_time_out_of_its_own_is_not_taken_for_that_of_the_guard(bench: Make) -> None:
    b = bench(retry=CALM, timeout=Timeout(attempt=5.0))
    theirs = TimeoutError("of the socket")
    assert b(fails(theirs)) is theirs
    assert b.count("attempts", "default", "timeout") == 3
    assert b.count("timeouts", "default", "attempt") == 0
    assert b.clock() == 1003.0


def test_who_finds_a_place_when_he_queues_up_does_not_wait(bench: Make) -> None:
    b = bench(bulkhead=ONE)
    granted: Granted = []
    asked = (b.guard, 60.0, granted)
    assert (queue(*asked) if b.how == "sync" else b.clock.run(aqueue(*asked))) == (True, "")
    assert b.guard.bulkhead is not None
    assert granted == [b.guard.bulkhead.leave]
    assert (b.guard.bulkhead.in_flight, len(b.guard.bulkhead.waiters)) == (1, 0)
    assert b.clock() == 1000.0


def test_a_task_may_be_woken_twice() -> None:
    b = Bench("async")

    async def main() -> None:
        waiter = _TaskWaiter()
        assert waiter.wake()
        assert waiter.wake()
        await waiter.wait(60)
        await asyncio.sleep(0)

    b.clock.run(main())
    assert b.clock() == 1000.0
