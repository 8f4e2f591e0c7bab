"""A guard that coalesces tasks, and its dependency."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.unit.resilience.bench import Bench

from seawall.resilience import (
    Bulkhead,
    Coalesce,
)

CANCELLED = asyncio.CancelledError


class Shared(Bench):
    """A bench whose dependency takes a second. ``runs``: how each execution ended."""

    def __init__(self, **policies: Any) -> None:
        super().__init__("async", **({"coalesce": Coalesce(), "bulkhead": Bulkhead(limit=9)} | policies))
        self.runs: list[str] = []
        self.answer: Callable[[], Any] = lambda: "answer"
        self.ask = self.guard(self.work)

    async def work(self, question: str = "") -> Any:
        self.runs.append("began")
        run = len(self.runs) - 1
        try:
            await asyncio.sleep(1)
            answer = self.answer()
        except BaseException as error:
            self.runs[run] = type(error).__name__
            raise
        self.runs[run] = "ended"
        return answer

    def crowd(self, *waits: float | None) -> list[Any]:
        """What callers come to, each cancelled after so many seconds."""

        async def main() -> list[Any]:
            tasks = [asyncio.create_task(self.ask()) for _ in waits]
            for task, wait in zip(tasks, waits, strict=True):
                if wait is not None:
                    asyncio.get_running_loop().call_later(wait, task.cancel)
            came = await asyncio.gather(*tasks, return_exceptions=True)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return came

        return self.clock.run(main())

    def calls(self) -> dict[str, float]:
        outcomes = ("success", "degraded", "failure", "timeout", "rejected", "cancelled")
        counted = {x: self.count("calls", "default", x) for x in outcomes}
        return {outcome: n for outcome, n in counted.items() if n}
