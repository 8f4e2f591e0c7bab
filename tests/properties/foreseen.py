"""What a model expects of a guard before it is called: what callers get, and every number that is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from tests.properties.adds_up import Key, Sums

from seawall.resilience import ResilienceError
from seawall.testing import ManualClock

#: What rests on the time between two looks, or on how long attempts took lately: asked for in other tests.
NOT_FORESEEN = ("breaker_state_seconds", "avoided_seconds")


class Expected:
    """All counters of a guard, and the seconds in its histograms, by field and labels."""

    def __init__(self) -> None:
        self.numbers: Counter[Key] = Counter()
        self.listener_errors: Counter[str] = Counter()

    def add(self, field: str, *labels: str, by: float = 1) -> None:
        self.numbers[field, *labels] += by  # type: ignore[assignment]

    def same_as(self, sums: Sums, listener_errors: Counter[str] | None = None) -> None:
        """Nothing more, nothing less. Times are eighths of a second and the like, so that sums are exact.

        ``listener_errors``: those of all guards of the registry, where it has several.
        """
        names = sums.guard.ledger.error_names
        found: Counter[Key] = Counter()
        for entry in sums.guard.ledger.layout.entries:
            field, labels = entry.field, entry.labels
            if field.kind != "gauge" and field.name not in NOT_FORESEEN:
                if field.name == "errors":
                    labels = (names[int(labels[0])] or "",)
                found[field.name, *labels] += sums.now[field.name, *entry.labels][-1]  # type: ignore[assignment]
        assert {k: v for k, v in found.items() if v} == {k: v for k, v in self.numbers.items() if v}
        told = sums.guard.registry.listener_errors
        assert {k: v for k, v in told.items() if v} == +(
            self.listener_errors if listener_errors is None else listener_errors
        )


def came_to(call: Callable[[], Any]) -> Any:
    """What a call of a ``def`` returns, or what it raises."""
    try:
        return call()
    except BaseException as error:
        return error


def acame_to(clock: ManualClock, call: Callable[[], Awaitable[Any]], leaves: float | None = None) -> Any:
    """The same of an ``async def``. ``leaves``: seconds after which its task is cancelled from outside."""

    async def caught() -> Any:
        if leaves is not None:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_later(leaves, task.cancel)
        try:
            return await call()
        except BaseException as error:
            return error

    return clock.run(caught())


def same(got: Any, foreseen: Any) -> bool:
    """The very same object; of a guard's own errors, an equal one."""
    if isinstance(foreseen, ResilienceError | asyncio.CancelledError) and got is not foreseen:
        return type(got) is type(foreseen) and got.args == foreseen.args
    return got is foreseen
