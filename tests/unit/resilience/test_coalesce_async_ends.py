"""Tasks that leave what they share: the execution is nobody's, and ends with the last who waits."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from tests.unit.resilience.shared import CANCELLED, Shared

from seawall.resilience import (
    Bulkhead,
    Coalesce,
    Fallback,
    Guard,
    Registry,
    TimedOut,
    Timeout,
    remaining,
)


def test_the_first_to_ask_may_leave_and_the_others_get_their_answer() -> None:
    b = Shared()
    first, *others = b.crowd(0.5, None, None)
    assert type(first) is CANCELLED
    assert others == ["answer", "answer"]
    assert b.runs == ["ended"]
    assert b.calls() == {"success": 2, "cancelled": 1}
    assert b.count("attempts", "default", "success") == 1


def test_the_last_who_leaves_takes_the_execution_down() -> None:
    b = Shared(fallback=Fallback(default="none"))
    assert [type(error) for error in b.crowd(0.25, 0.5, 0.75)] == [CANCELLED] * 3
    assert b.runs == ["CancelledError"]
    assert b.calls() == {"cancelled": 3}
    assert b.count("attempts", "default", "cancelled") == 1
    assert b.count("bulkhead_in_flight") == 0
    assert b.clock() == 1000.75


def test_whoever_comes_while_it_is_taken_down_begins_anew() -> None:
    b = Shared()

    async def careful() -> str:
        b.runs.append("began")
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(2)
            b.runs.append("left")
        return "answer"

    ask = b.guard(careful)

    async def main() -> None:
        task = asyncio.create_task(ask())
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.sleep(0.5)
        # The clean-up goes on, and is waited for.
        assert not task.done()
        assert await ask() == "answer"
        assert b.clock() == 1004
        assert task.cancelled()

    b.clock.run(main())
    assert b.runs == ["began", "began", "left", "left"]
    assert b.calls() == {"success": 1, "cancelled": 1}


def test_who_is_cancelled_twice_is_cancelled_and_so_is_the_clean_up() -> None:
    b = Shared()

    async def careful() -> str:
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(60)
        return "answer"

    ask = b.guard(careful)

    async def main() -> None:
        task = asyncio.create_task(ask())
        for _ in range(2):
            await asyncio.sleep(0.25)
            task.cancel()
        with pytest.raises(CANCELLED):
            await task
        assert task.cancelling() == 2
        assert asyncio.all_tasks() == {asyncio.current_task()}

    b.clock.run(main())
    assert b.clock() == 1000.5
    assert b.calls() == {"cancelled": 1}


def test_a_timeout_of_a_caller_is_his_alone() -> None:
    b = Shared()

    async def impatient() -> str:
        try:
            async with asyncio.timeout(0.5):
                return str(await b.ask())
        except TimeoutError:
            return "too late"

    async def main() -> Any:
        return await asyncio.gather(impatient(), b.ask())

    assert b.clock.run(main()) == ["too late", "answer"]
    assert b.runs == ["ended"]


def test_the_time_of_him_who_asked_first_is_not_everybodys() -> None:
    b = Shared()
    outer = Guard("outer", timeout=Timeout(total=0.5), registry=b.registry, clock=b.clock)
    given: list[float | None] = []

    @b.guard
    async def work() -> str:
        given.append(remaining())
        async with asyncio.timeout(remaining()):
            await asyncio.sleep(1)
        return "answer"

    async def main() -> Any:
        return await asyncio.gather(outer.acall(work), work(), return_exceptions=True)

    first, second = b.clock.run(main())
    assert isinstance(first, TimedOut)
    assert second == "answer"
    assert given == [0.5, None]
    assert b.calls() == {"success": 1, "cancelled": 1}


class Alarm(BaseException):
    """What a signal handler raises."""


@pytest.mark.parametrize("interrupt", [CANCELLED, Alarm])
def test_what_was_interrupted_is_the_firsts_and_the_others_begin_anew(interrupt: type[BaseException]) -> None:
    b = Shared()

    def once() -> str:
        if len(b.runs) == 1:
            raise interrupt
        return "answer"

    b.answer = once
    first, *others = b.crowd(None, None, None)
    assert type(first) is interrupt
    assert others == ["answer", "answer"]
    assert b.runs == [interrupt.__name__, "ended"]
    assert b.calls() == {"success": 2, "cancelled": 1}
    assert b.count("coalesced_calls", "default") == 1


def test_an_execution_that_is_cancelled_before_it_began() -> None:
    b = Shared()

    async def main() -> list[Any]:
        before = asyncio.all_tasks()
        tasks = [asyncio.create_task(b.ask()) for _ in range(2)]
        asyncio.get_running_loop().call_soon(
            lambda: [task.cancel() for task in asyncio.all_tasks() - before - {*tasks}]
        )
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second = b.clock.run(main())
    assert type(first) is CANCELLED
    assert second == "answer"
    assert b.calls() == {"success": 1, "cancelled": 1}


def test_an_execution_that_can_not_be_started_wedges_nobody() -> None:
    b = Shared()

    async def main() -> None:
        def refuse(loop: Any, work: Any, **_: Any) -> Any:
            work.close()
            raise MemoryError

        loop = asyncio.get_running_loop()
        loop.set_task_factory(refuse)
        with pytest.raises(MemoryError):
            await b.ask()
        loop.set_task_factory(None)
        assert await b.ask() == "answer"

    b.clock.run(main())
    assert b.runs == ["ended"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_ends_in_the_middle_leaves_nothing() -> None:
    guard = Guard("bank", coalesce=Coalesce(), bulkhead=Bulkhead(limit=5), registry=Registry("t"))
    assert guard.bulkhead is not None
    assert guard.flights is not None
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(guard.acall(asyncio.sleep, 100)) for _ in range(2)]
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    assert guard.bulkhead.in_flight == 1
    loop.close()
    loop.set_exception_handler(lambda *_: None)
    del tasks, loop
    gc.collect()
    assert guard.bulkhead.in_flight == 0
    assert len(guard.flights._flying) == 0


def test_failures_hold_nothing() -> None:
    b = Shared()
    gone = []

    class Freed(Exception):
        def __del__(self) -> None:
            gone.append(1)

    @b.guard
    async def fail() -> None:
        await asyncio.sleep(1)
        raise Freed

    async def call() -> None:
        try:
            await fail()
        except Freed:
            return

    async def main() -> None:
        await asyncio.gather(call(), call())

    gc.disable()
    try:
        b.clock.run(main())
        assert gone == [1, 1]
    finally:
        gc.enable()
