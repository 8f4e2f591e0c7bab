"""The timer of one limit on one event loop: when it wakes, whom it cancels, what it forgets."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from seawall.resilience import Bulkhead, BulkheadFull, Guard, Registry, Timeout
from seawall.resilience.async_timeout import Expiries, Expiry
from seawall.testing import ManualClock


class Loop:
    """Keeps what it is asked to call later."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.closed = False

    def call_later(self, seconds: float, function: Callable[[], None]) -> object:
        self.later.append((seconds, function))
        return object()

    def is_closed(self) -> bool:
        return self.closed


class Task:
    def __init__(self) -> None:
        self.cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


def expiries() -> tuple[Expiries, Loop, ManualClock]:
    loop, clock = Loop(), ManualClock(100.0)
    return Expiries(5.0, clock).on(loop), loop, clock  # type: ignore[arg-type]


def begin(watched: Expiries, clock: ManualClock) -> tuple[Expiry, Task]:
    task = Task()
    expiry: Expiry = [clock() + 5.0, task, 0, None]
    watched.add(expiry)
    return expiry, task


def test_one_timer_sleeps_until_the_oldest_and_then_until_the_next() -> None:
    watched, loop, clock = expiries()
    first, one = begin(watched, clock)
    clock.advance(2.0)
    second, two = begin(watched, clock)
    clock.advance(1.0)
    third, three = begin(watched, clock)
    assert [seconds for seconds, _ in loop.later] == [5.0]
    second[1] = None
    clock.advance(2.0)
    loop.later[0][1]()
    assert (one.cancelled, two.cancelled, three.cancelled) == (1, 0, 0)
    assert (first[1], first[3]) == (None, one)
    assert (second[3], third[1], third[3]) == (None, three, None)
    assert [seconds for seconds, _ in loop.later] == [5.0, 3.0]
    clock.advance(3.0)
    loop.later[1][1]()
    assert (one.cancelled, three.cancelled) == (1, 1)
    assert len(loop.later) == 2
    begin(watched, clock)
    assert [seconds for seconds, _ in loop.later] == [5.0, 3.0, 5.0]


def test_a_call_whose_time_is_over_this_very_moment_is_cancelled() -> None:
    watched, loop, clock = expiries()
    expiry, task = begin(watched, clock)
    clock.advance(4.875)
    loop.later[0][1]()
    assert task.cancelled == 0
    assert [seconds for seconds, _ in loop.later] == [5.0, 0.125]
    clock.advance(0.125)
    assert expiry[0] == clock()
    loop.later[1][1]()
    assert task.cancelled == 1


def test_ended_calls_are_dropped_when_as_many_have_gathered_as_may() -> None:
    watched, _, clock = expiries()
    made: list[tuple[Expiry, Any]] = []
    for _number in range(256):
        made.append(begin(watched, clock))
        if len(made) > 200:
            made[-1][0][1] = None
    assert len(watched._queue) == 256
    begin(watched, clock)
    assert (len(watched._queue), watched._prune_at) == (201, 402)
    for expiry, _task in made:
        expiry[1] = None
    for _number in range(201):
        begin(watched, clock)
    assert len(watched._queue) == 402
    begin(watched, clock)
    assert (len(watched._queue), watched._prune_at) == (203, 406)
    for expiry in watched._queue:
        expiry[1] = None
    for _number in range(204):
        begin(watched, clock)[0][1] = None
    assert (len(watched._queue), watched._prune_at) == (1, 256)


def test_each_loop_has_its_own_and_closed_ones_are_forgotten() -> None:
    watched, loop, clock = expiries()
    other, third = Loop(), Loop()
    assert watched.on(loop) is watched  # type: ignore[arg-type]
    apart = watched.on(other)  # type: ignore[arg-type]
    assert apart is not watched
    assert (apart.limit, apart.clock, apart.loop) == (5.0, clock, other)
    assert apart.on(loop) is watched  # type: ignore[arg-type]
    loop.closed = True
    made = apart.on(third)  # type: ignore[arg-type]
    assert set(made._by_loop) == {other, third}
    assert made._by_loop is watched._by_loop
    assert made.on(other) is apart  # type: ignore[arg-type]


def test_a_closed_loop_that_another_thread_forgets_first_is_forgotten() -> None:
    class Gone(Loop):
        def is_closed(self) -> bool:
            del known[self]  # type: ignore[arg-type]
            return True

    gone, loop, known = Gone(), Loop(), {}
    known[gone] = Expiries(5.0, ManualClock(), gone, known)  # type: ignore[arg-type]
    watched = Expiries(5.0, ManualClock(), None, known).on(loop)  # type: ignore[arg-type]
    assert known == {loop: watched}


def test_a_closed_loop_keeps_no_task() -> None:
    watched, loop, clock = expiries()
    begin(watched, clock)
    assert watched.still_open() is watched
    loop.closed = True
    fresh = watched.still_open()
    assert (fresh is watched, fresh.loop, fresh.limit, fresh.clock) == (False, None, 5.0, clock)
    again = Loop()
    assert fresh.on(again) is watched.on(again)  # type: ignore[arg-type]


def test_the_place_of_a_task_whose_loop_was_closed_comes_back() -> None:
    clock = ManualClock()
    guard = Guard(
        "bank", registry=Registry("t"), clock=clock, bulkhead=Bulkhead(limit=1), timeout=Timeout(attempt=5.0)
    )
    loop = asyncio.new_event_loop()
    task = loop.create_task(guard.acall(asyncio.sleep, 100))
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    del task, loop
    clock.advance(2)
    with pytest.raises(BulkheadFull):
        asyncio.run(guard.acall(asyncio.sleep, 0))
    gc.collect()
    assert asyncio.run(guard.acall(asyncio.sleep, 0, "answer")) == "answer"


def test_one_watch_for_all_calls_of_a_loop() -> None:
    guard = Guard("bank", registry=Registry("t"), timeout=Timeout(attempt=5.0))
    seen: list[tuple[Expiries, object]] = []

    @guard
    async def ask() -> None:
        seen.append((guard.operation("default").expiries, asyncio.get_running_loop()))

    async def main() -> None:
        await ask()
        await ask()

    for _ in range(2):
        asyncio.run(main())
    assert [of.loop is loop for of, loop in seen] == [True] * 4
    first, second, third, fourth = [of for of, _ in seen]
    assert (first is second, second is third, third is fourth) == (True, False, True)


def late(answer: Callable[[], Any]) -> tuple[Guard, ManualClock, Callable[[], Any]]:
    """A function that is cancelled after five seconds, and answers it in its own way."""
    clock = ManualClock()
    guard = Guard("bank", registry=Registry("t"), clock=clock, timeout=Timeout(attempt=5.0))

    @guard
    async def ask() -> Any:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return answer()

    return guard, clock, ask


def counted(guard: Guard, field: str, *labels: str) -> float:
    return guard.read()[guard.ledger.layout.at(field, "default", *labels)]


def test_a_result_that_comes_all_the_same_is_the_answer() -> None:
    guard, clock, ask = late(lambda: "late")

    async def main() -> Any:
        return await ask(), asyncio.current_task().cancelling()  # type: ignore[union-attr]

    assert clock.run(main()) == ("late", 0)
    assert clock() == 1005.0
    assert counted(guard, "timeouts", "attempt") == 0
    assert counted(guard, "calls", "success") == 1


def test_an_exception_that_comes_all_the_same_is_raised() -> None:
    error = KeyError()

    def fail() -> None:
        raise error

    guard, clock, ask = late(fail)
    with pytest.raises(KeyError) as caught:
        clock.run(ask())
    assert caught.value is error
    assert counted(guard, "timeouts", "attempt") == 0
    assert counted(guard, "calls", "failure") == 1
