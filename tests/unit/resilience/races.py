"""A guard that hedges, and a dependency that answers as planned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.unit.resilience.bench import Bench

from seawall.resilience import (
    Hedge,
)

HEDGE = Hedge(delay=1.0)
#: What a run is to do: seconds, then an answer or an exception.
Plan = tuple[float, Any]


class Dependency:
    """Answers as planned, one plan a run, and notes when each run began and how it ended."""

    def __init__(self, clock: Callable[[], float], *plans: Plan) -> None:
        self.clock = clock
        self.plans = list(plans)
        self.began: list[float] = []
        self.cancelled = 0

    async def __call__(self) -> Any:
        self.began.append(self.clock())
        seconds, answer = self.plans[len(self.began) - 1]
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Raced(Bench):
    """A bench whose dependency is given as plans."""

    def __init__(self, **policies: Any) -> None:
        super().__init__("async", **({"hedge": HEDGE} | policies))

    def race(self, *plans: Plan) -> Any:
        """What a call comes to; exceptions are returned."""
        self.dependency = Dependency(self.clock, *plans)
        self.began = self.clock()

        async def call() -> Any:
            try:
                return await self.guard.acall(self.dependency)
            except BaseException as error:
                return error
            finally:
                # Those that ended in the same turn are counted in the next.
                await asyncio.sleep(0)

        return self.clock.run(call())

    @property
    def took(self) -> float:
        return self.clock() - self.began

    @property
    def starts(self) -> list[float]:
        return [at - self.began for at in self.dependency.began]

    def hedges(self) -> dict[str, float]:
        counted = {x: self.count("hedges", "default", x) for x in ("won", "lost", "failed", "refused")}
        return {outcome: n for outcome, n in counted.items() if n}
