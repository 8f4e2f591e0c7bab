"""Races that are cancelled, interrupted, out of time or forgotten: nothing is left of them."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from tests.unit.resilience.races import Dependency, Raced

from seawall.resilience import (
    Bulkhead,
    Fallback,
    Guard,
    Hedge,
    TimedOut,
    Timeout,
)


def test_the_attempt_timeout_bounds_the_whole_race() -> None:
    b = Raced(timeout=Timeout(attempt=2.0))
    error = b.race((9, "first"), (9, "copy"))
    assert isinstance(error, TimedOut)
    assert (b.took, b.dependency.cancelled, b.hedges()) == (2, 2, {"lost": 1})
    assert b.count("attempts", "default", "timeout") == 1


def test_time_may_be_over_while_only_a_copy_is_left() -> None:
    b = Raced(timeout=Timeout(attempt=2.0))
    assert isinstance(b.race((1.5, ConnectionError()), (9, "copy")), TimedOut)
    assert (b.took, b.hedges()) == (2, {"lost": 1})


@pytest.mark.parametrize("when", [0.5, 1.5, 2.5])
def test_who_is_cancelled_takes_all_copies_with_him(when: float) -> None:
    """While the first is alone, while both run, while only the copy is left."""
    b = Raced(bulkhead=Bulkhead(limit=5), fallback=Fallback(default="none"))
    dependency = Dependency(b.clock, (2, ConnectionError()), (9, "copy"))

    async def main() -> None:
        task = asyncio.create_task(b.guard.acall(dependency))
        await asyncio.sleep(when)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelling() == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    b.clock.run(main())
    assert b.hedges() == ({} if when < 1 else {"lost": 1})
    assert b.count("bulkhead_in_flight") == 0
    assert b.count("calls", "default", "cancelled") == 1


def test_a_cancellation_that_comes_with_the_winner_is_not_lost() -> None:
    b = Raced()
    tasks: list[asyncio.Task[Any]] = []

    async def answer() -> str:
        if asyncio.current_task() is tasks[0]:
            await asyncio.sleep(9)
        await asyncio.sleep(0.5)
        # Runs before the race hears of the winner.
        asyncio.get_running_loop().call_soon(tasks[0].cancel)
        return "copy"

    async def main() -> None:
        tasks.append(asyncio.create_task(b.guard.acall(answer)))
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        assert tasks[0].cancelling() == 1

    b.clock.run(main())
    assert b.hedges() == {"won": 1}
    assert b.count("calls", "default", "cancelled") == 1


@pytest.mark.parametrize("answer", ["first", ""])
def test_who_is_cancelled_while_losers_clean_up_waits_for_them_and_is_cancelled(answer: str) -> None:
    b = Raced()
    ended: list[str] = []

    async def slow_to_leave() -> str:
        if not ended:
            ended.append("first")
            await asyncio.sleep(1.5)
            return answer
        try:
            await asyncio.sleep(9)
        except asyncio.CancelledError:
            await asyncio.sleep(3)
            ended.append("copy")
        return "copy"

    async def main() -> None:
        task = asyncio.create_task(b.guard.acall(slow_to_leave))
        await asyncio.sleep(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    b.clock.run(main())
    # Passed on to the copy, whose clean-up it cuts short.
    assert b.clock() == 1002
    assert ended == ["first"]
    assert b.hedges() == {"lost": 1}


def test_a_first_that_swallows_its_cancellation_has_lost_all_the_same() -> None:
    b = Raced()

    async def stubborn() -> str:
        if not b.dependency.began:
            b.dependency.began.append(0)
            try:
                await asyncio.sleep(9)
            except asyncio.CancelledError:
                return "late"
        await asyncio.sleep(1)
        return "copy"

    b.dependency = Dependency(b.clock)
    assert b.clock.run(b.guard.acall(stubborn)) == "copy"
    b.dependency = Dependency(b.clock)

    async def complains() -> str:
        try:
            return await stubborn()
        finally:
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                raise ValueError

    assert b.clock.run(b.guard.acall(complains)) == "copy"
    assert b.hedges() == {"won": 2}


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError("of its own"), GeneratorExit(), Exit := SystemError()]
)
def test_an_interrupt_of_the_first_is_the_callers(error: BaseException) -> None:
    b = Raced()
    expected = {"lost": 1} if not isinstance(error, Exception) else {"won": 1}
    got = b.race((1.5, error), (1, "copy"))
    assert got == "copy" if expected == {"won": 1} else type(got) is type(error)
    assert b.hedges() == expected


class Alarm(BaseException):
    """What a signal handler raises."""


def test_an_interrupt_that_comes_while_the_first_is_called_off() -> None:
    b = Raced()

    async def interrupted() -> str:
        if b.count("attempts", "default", "cancelled") or b.dependency.began:
            await asyncio.sleep(0.5)
            return "copy"
        b.dependency.began.append(0)
        try:
            await asyncio.sleep(9)
        finally:
            raise Alarm

    b.dependency = Dependency(b.clock)
    with pytest.raises(Alarm):
        b.clock.run(b.guard.acall(interrupted))
    assert b.hedges() == {"won": 1}
    assert b.count("calls", "default", "cancelled") == 1


def test_a_copy_that_is_interrupted_or_cancelled_by_itself_has_failed() -> None:
    b = Raced(bulkhead=Bulkhead(limit=9), hedge=Hedge(delay=1, most=2))
    assert b.race((3, "first"), (0.5, asyncio.CancelledError()), (0.5, Alarm())) == "first"
    assert b.hedges() == {"failed": 2}
    failure = KeyError()
    assert b.race((3, failure), (0.5, asyncio.CancelledError()), (0.5, Alarm())) is failure
    assert b.count("bulkhead_in_flight") == 0


def test_a_timeout_around_the_call_is_its_own() -> None:
    b = Raced()
    dependency = Dependency(b.clock, (9, "first"), (9, "copy"))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await b.guard.acall(dependency)

    b.clock.run(main())
    assert (b.clock(), dependency.cancelled, b.hedges()) == (1002, 2, {"lost": 1})


def test_in_a_task_group_a_race_is_nobody_elses() -> None:
    b = Raced()

    async def main() -> list[str]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(b.guard.acall(Dependency(b.clock, (9, "first"), (1, "copy")))) for _ in "ab"
            ]
        return [task.result() for task in tasks]

    assert b.clock.run(main()) == ["copy", "copy"]


def test_driven_by_hand_there_is_no_task_to_call_off() -> None:
    b = Raced()
    answers: list[Any] = []

    async def main() -> None:
        async def answer(*args: int, **kwargs: int) -> Any:
            return args, kwargs

        def step() -> None:
            try:
                b.guard.acall(answer, 1, two=2).send(None)
            except StopIteration as done:
                answers.append(done.value)

        asyncio.get_running_loop().call_soon(step)
        await asyncio.sleep(1)

    b.clock.run(main())
    assert answers == [((1,), {"two": 2})]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_ends_in_the_middle_leaves_no_place_taken() -> None:
    b = Raced(bulkhead=Bulkhead(limit=5))
    loop = asyncio.new_event_loop()
    guard = Guard("short", registry=b.registry, hedge=Hedge(delay=0.001), bulkhead=Bulkhead(limit=5))
    assert guard.bulkhead is not None
    task = loop.create_task(guard.acall(asyncio.sleep, 100))
    while guard.bulkhead.in_flight < 2:
        loop.run_until_complete(asyncio.sleep(0.001))
    loop.close()
    loop.set_exception_handler(lambda *_: None)
    del task, loop
    gc.collect()
    assert guard.bulkhead.in_flight == 0


def test_a_copy_that_can_not_be_started_gives_its_place_back() -> None:
    b = Raced(bulkhead=Bulkhead(limit=5))
    problems: list[Any] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, what: problems.append(what["exception"]))
        task = asyncio.create_task(b.guard.acall(Dependency(b.clock, (3, "first"))))
        await asyncio.sleep(0.5)

        def refuse(*_: Any, **__: Any) -> Any:
            raise MemoryError

        loop.set_task_factory(refuse)
        assert await task == "first"
        loop.set_task_factory(None)

    b.clock.run(main())
    assert [type(problem) for problem in problems] == [MemoryError]
    assert b.count("bulkhead_in_flight") == 0


def test_failures_hold_nothing() -> None:
    """An exception that was raised by a hedged call is freed without the collector."""
    b = Raced()

    class Freed(Exception):
        gone = 0

        def __del__(self) -> None:
            Freed.gone += 1

    async def fail() -> None:
        raise Freed

    async def main() -> None:
        try:
            await b.guard.acall(fail)
        except Freed:
            return

    gc.disable()
    try:
        b.clock.run(main())
        assert Freed.gone == 1
    finally:
        gc.enable()
