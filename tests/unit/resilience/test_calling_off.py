"""Tasks that are called off: those of a loop that runs, and those of one that is closed."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress

import pytest
from tests.unit.resilience.races import Raced

from seawall.resilience.calling_off import call_off, cancel


def test_tasks_of_a_closed_loop_are_left_to_the_collector() -> None:
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)
    tasks = [loop.create_task(asyncio.sleep(9)) for _ in range(2)]
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    cancel(tasks)
    assert [task.done() for task in tasks] == [False, False]
    del tasks, loop
    gc.collect()


def test_who_is_cancelled_while_others_end_waits_for_them_and_passes_it_on() -> None:
    asked: list[str] = []

    async def stubborn() -> None:
        for turn in ("first", "second"):
            try:
                await asyncio.sleep(9)
            except asyncio.CancelledError as error:
                asked.append(turn + str(error))
                await asyncio.sleep(0)

    async def main() -> tuple[bool, tuple[str, ...]]:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        off = asyncio.create_task(call_off([task]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        off.cancel("enough")
        try:
            await off
        except asyncio.CancelledError as error:
            return task.done(), error.args
        raise AssertionError

    assert asyncio.run(main()) == (True, ("enough",))
    assert asked == ["first", "second"]


def test_nobody_is_waited_for_where_all_have_ended() -> None:
    async def main() -> bool:
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        travel = call_off([task])
        try:
            travel.send(None)
        except StopIteration:
            return task.cancelled()
        raise AssertionError

    assert asyncio.run(main()) is False


class Alarm(BaseException): ...


@pytest.mark.parametrize("cancelled", [False, True])
def test_who_is_interrupted_leaves_no_copy_behind_and_is_not_cancelled_too(cancelled: bool) -> None:
    b = Raced()
    began: list[int] = []
    ended: list[str] = []

    async def work() -> None:
        began.append(1)
        if len(began) == 1:
            await asyncio.sleep(1.5)
            raise Alarm
        try:
            await asyncio.sleep(9)
        finally:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.5)
            ended.append("copy")

    async def call() -> None:
        try:
            await b.guard.acall(work)
        except Alarm:
            ended.append("first")

    async def main() -> None:
        task = asyncio.create_task(call())
        await asyncio.sleep(1.75)
        if cancelled:
            task.cancel()
        await task

    b.clock.run(main())
    assert ended == ["copy", "first"]
    assert b.hedges() == {"lost": 1}
    assert b.clock() == 1001.75 + (not cancelled) * 0.25
