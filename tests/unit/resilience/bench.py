"""A guard on a manual clock, and the two ways to call it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from seawall.resilience import Guard, Registry, Retry
from seawall.testing import ManualClock, Recording

CALM = Retry(attempts=3, base_delay=1.0, jitter="none", budget=None)


class Bench:
    """A guard on a manual clock, and the two ways to call it."""

    def __init__(self, how: str, **policies: Any) -> None:
        self.how = how
        self.clock = ManualClock()
        self.events = Recording()
        self.registry = registry = Registry("t")
        registry.subscribe(self.events)
        self.guard = Guard(
            "bank",
            registry=registry,
            clock=self.clock,
            sleep=self.clock.sleep,
            asleep=self.clock.asleep,
            **policies,
        )

    def __call__(self, body: Callable[[], Any], times: int = 1) -> Any:
        """Run ``body`` under the guard; exceptions are returned, so that outcomes can be compared."""
        result: Any = None
        for _ in range(times):
            try:
                result = self.once(body)
            except BaseException as error:
                result = error
        return result

    def once(self, body: Callable[[], Any]) -> Any:
        if self.how == "sync":
            return self.guard.call(body)

        @self.guard
        async def task() -> Any:
            await asyncio.sleep(0)
            return body()

        return self.clock.run(task())

    def count(self, field: str, *labels: str) -> float:
        return self.guard.read()[self.guard.ledger.layout.at(field, *labels)]


def fails(error: BaseException) -> Callable[[], Any]:
    def body() -> Any:
        raise error

    return body


def flaky(*errors: BaseException) -> Callable[[], str]:
    left = list(errors)

    def body() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return body
