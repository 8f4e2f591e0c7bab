"""A pipeline on a manual clock, and the two ways to call it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

from seawall.resilience import (
    Breaker,
    Pipeline,
    PolicyWarning,
    Registry,
)
from seawall.testing import ManualClock

TRIP = Breaker(minimum_calls=1, consecutive_failures=1, failure_ratio=1.0, open_for=10.0, half_open_permits=1)


class Stack:
    """A pipeline on a manual clock, and the two ways to call it."""

    def __init__(self, how: str, *policies: Any, **settings: Any) -> None:
        self.how = how
        self.clock = ManualClock()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)
            self.pipeline = Pipeline(
                "bank",
                policies,
                registry=Registry("t"),
                clock=self.clock,
                sleep=self.clock.sleep,
                asleep=self.clock.asleep,
                **settings,
            )

    def __call__(self, body: Callable[[], Any]) -> Any:
        try:
            if self.how == "sync":
                return self.pipeline.call(body)

            async def task() -> Any:
                await asyncio.sleep(0)
                return body()

            return self.clock.run(self.pipeline.acall(task))
        except BaseException as error:
            return error

    def count(self, layer: int, field: str, *labels: str) -> float:
        guard = self.pipeline.layers[layer]
        return guard.read()[guard.ledger.layout.at(field, *labels)]

    def counts(self, field: str, *labels: str) -> list[float]:
        return [self.count(i, field, *labels) for i in range(len(self.pipeline.layers))]
