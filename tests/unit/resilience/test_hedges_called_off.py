"""Races that are to end while those that run still clean up: nothing is begun, and nobody is told twice."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.resilience.races import Dependency, Raced

from seawall.resilience import Hedge, TimedOut, Timeout


@pytest.mark.parametrize("who", ["caller", "timeout"])
@pytest.mark.parametrize("ending", ["cancelled", "failed"])
def test_nothing_new_is_begun_and_nobody_waited_for_once_it_is_to_end(who: str, ending: str) -> None:
    """However long the first cleans up, and whatever it raises then."""
    b = Raced(hedge=Hedge(delay=1, most=3), timeout=Timeout(attempt=1.5 if who == "timeout" else 60))
    runs: list[str] = []

    async def work() -> None:
        runs.append("began")
        first = len(runs) == 1
        try:
            await asyncio.sleep(99)
        except asyncio.CancelledError:
            if first:
                await asyncio.sleep(2)
                if ending == "failed":
                    raise ConnectionError from None
            raise

    async def main() -> None:
        task = asyncio.create_task(b.guard.acall(work))
        if who == "caller":
            asyncio.get_running_loop().call_later(1.5, task.cancel)
        await asyncio.wait((task,))
        came = asyncio.CancelledError if task.cancelled() else type(task.exception())
        expected = {"caller": asyncio.CancelledError, "timeout": TimedOut}[who]
        assert came is (ConnectionError if ending == "failed" else expected)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    b.clock.run(main())
    assert runs == ["began", "began"]
    assert (b.clock(), b.hedges()) == (1003.5, {"lost": 1})


def test_losers_are_told_once_and_may_clean_up() -> None:
    b = Raced(hedge=Hedge(delay=1, most=2))
    cleaned: list[int] = []

    async def work() -> int:
        b.dependency.began.append(b.clock())
        number = len(b.dependency.began)
        try:
            await asyncio.sleep(0.5 if number == 3 else 9)
        except asyncio.CancelledError:
            await asyncio.sleep(number)
            cleaned.append(number)
            raise
        return number

    b.dependency = Dependency(b.clock)
    assert b.clock.run(b.guard.acall(work)) == 3
    assert (cleaned, b.clock(), b.hedges()) == ([1, 2], 1004.5, {"won": 1, "lost": 1})
