"""A guard on trio's mock clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio
from trio.testing import MockClock

from seawall.resilience import (
    Bulkhead,
    Guard,
    Registry,
    Retry,
)

R = TypeVar("R")
CALM = Retry(attempts=3, base_delay=1.0, jitter="none", budget=None)
PLACES = Bulkhead(limit=1, max_queue=5, max_wait=10.0)


class Bench:
    """A guard on trio's mock clock."""

    def __init__(self, **policies: Any) -> None:
        self.clock = MockClock(autojump_threshold=0)
        self.guard = Guard("bank", registry=Registry("t"), clock=self.clock.current_time, **policies)

    def run(self, main: Callable[[], Awaitable[R]]) -> R:
        return trio.run(main, clock=self.clock)

    def count(self, field: str, *labels: str) -> float:
        return self.guard.read()[self.guard.ledger.layout.at(field, *labels)]

    def calls(self) -> dict[str, float]:
        outcomes = ("success", "degraded", "failure", "timeout", "rejected", "cancelled")
        return {o: n for o in outcomes if (n := self.count("calls", "default", o))}

    @property
    def inside(self) -> int:
        assert self.guard.bulkhead is not None
        return self.guard.bulkhead.in_flight


def flaky(*errors: BaseException) -> Callable[[], Awaitable[str]]:
    left = list(errors)

    async def ask() -> str:
        await trio.lowlevel.checkpoint()
        if left:
            raise left.pop(0)
        return "answer"

    return ask
