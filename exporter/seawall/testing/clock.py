"""A clock that moves when told to, for guards and for event loops: no test has to wait."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


class ManualClock:
    """Seconds that only :meth:`advance` and sleeping move. Callable, as a guard's ``clock``.

    clock = ManualClock()
    guard = Guard("bank", breaker=Breaker(), clock=clock, sleep=clock.sleep, asleep=clock.asleep)
    clock.advance(30)
    """

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        if not seconds >= 0:
            raise ValueError(f"seconds is {seconds}; allowed: 0 or more, time does not go back")
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        """In place of ``time.sleep``: time has passed at once."""
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """In place of ``asyncio.sleep``: time has passed at once, and other tasks had their turn."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def run(self, main: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine on an event loop whose time is this clock: when all tasks wait, time jumps on."""
        with asyncio.Runner(loop_factory=lambda: _ManualLoop(self)) as runner:
            return runner.run(main)


class _ManualSelector(selectors.SelectSelector):
    """Instead of waiting for a time-out, moves the clock on by it."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is None or timeout > 0 else timeout)
        if not ready and timeout is not None and timeout > 0:
            self._clock.advance(timeout)
        elif not ready and timeout is None:
            ready = super().select(None)
        return ready


class _ManualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: ManualClock) -> None:
        super().__init__(_ManualSelector(clock))
        self._clock = clock

    def time(self) -> float:
        return self._clock.now
