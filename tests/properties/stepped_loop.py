"""An event loop that goes as far as it is told to: to a moment, and until nobody has anything to do then.

A state machine acts between two such steps. Timers fire one after the other, each at its own time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from math import inf

from seawall.testing import ManualClock


class _Steps(selectors.SelectSelector):
    """Where the loop would wait it moves the clock on, or stops when all that is left is due later."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.until = clock.now
        self.stop: Callable[[], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        due = inf if timeout is None else self.clock.now + timeout
        if due > self.until:
            self.clock.now = self.until
            self.stop()
        else:
            self.clock.now = due
        return ready


class SteppedLoop(asyncio.SelectorEventLoop):
    """Its time is the clock. Whatever goes wrong in a callback is in ``problems``."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.steps = _Steps(clock)
        super().__init__(self.steps)
        self.steps.stop = self.stop
        self.problems: list[dict[str, object]] = []
        self.set_exception_handler(lambda _, problem: self.problems.append(problem))

    def time(self) -> float:
        return self.clock.now

    def run_to(self, moment: float) -> None:
        """Everything that happens until then, and then."""
        self.steps.until = moment
        self.run_forever()

    def settle(self) -> None:
        """Everything that happens now."""
        self.run_to(self.clock.now)
