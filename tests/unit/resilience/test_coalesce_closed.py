"""Tasks that share an execution, closed from outside or left before it began: each call is counted once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.resilience.shared import CANCELLED, Shared


async def turns(number: int = 3) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def test_an_execution_that_is_closed_with_its_only_caller_counts_his_call() -> None:
    b = Shared()

    async def main() -> None:
        coroutine = b.ask()
        coroutine.send(None)
        await turns()
        assert b.runs == ["began"]
        coroutine.close()
        # Asked to end, and not ended yet.
        assert b.calls() == {}
        await turns()

    b.clock.run(main())
    assert b.runs == ["CancelledError"]
    assert b.calls() == {"cancelled": 1}
    assert b.count("attempts", "default", "cancelled") == 1


def test_a_first_caller_who_is_closed_is_cancelled_and_the_others_get_their_answer() -> None:
    b = Shared()

    async def main() -> None:
        first = b.ask()
        first.send(None)
        second = asyncio.create_task(b.ask())
        await turns()
        first.close()
        assert b.calls() == {"cancelled": 1}
        assert await second == "answer"

    b.clock.run(main())
    assert b.runs == ["ended"]
    assert b.calls() == {"cancelled": 1, "success": 1}


def test_who_is_cancelled_before_his_execution_began_is_counted() -> None:
    b = Shared()

    def slow(loop: asyncio.AbstractEventLoop, work: Any, **_: Any) -> asyncio.Task[Any]:
        async def later() -> Any:
            try:
                await asyncio.sleep(1)
            finally:
                work.close()

        return asyncio.Task(later(), loop=loop)

    async def main() -> None:
        task = asyncio.create_task(b.ask())
        asyncio.get_running_loop().set_task_factory(slow)
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(CANCELLED):
            await task

    b.clock.run(main())
    assert b.runs == []
    assert b.calls() == {"cancelled": 1}


def test_who_began_what_was_cancelled_before_it_ran_is_cancelled() -> None:
    b = Shared()

    async def main() -> None:
        before = asyncio.all_tasks()
        task = asyncio.create_task(b.ask())
        asyncio.get_running_loop().call_soon(
            lambda: [other.cancel() for other in asyncio.all_tasks() - before - {task}]
        )
        await asyncio.wait([task])
        assert task.cancelled()

    b.clock.run(main())
    assert b.calls() == {"cancelled": 1}
