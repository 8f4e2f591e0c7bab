"""Bulkhead: at most so many calls at once, a bounded first-in first-out queue before them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from seawall.resilience.checks import Checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulkhead:
    """Keep one slow dependency from taking every thread and task.

    limit: calls in flight, 1 to 100,000. max_queue: calls that may wait for a place, 0 to 100,000.
    max_wait: seconds they may wait.
    """

    limit: int
    max_queue: int = 0
    max_wait: float = 0.0

    def __post_init__(self) -> None:
        checks = Checks("Bulkhead")
        checks.number("limit", self.limit, at_least=1, at_most=100_000, whole=True)
        queue = checks.number("max_queue", self.max_queue, at_least=0, at_most=100_000, whole=True)
        wait = checks.number("max_wait", self.max_wait, at_least=0)
        if queue and wait and bool(self.max_queue) != bool(self.max_wait):
            checks.fail("max_wait", self.max_wait, "above 0 with a max_queue above 0, and 0 without")
        checks.done()

    def describe(self) -> dict[str, object]:
        return {"limit": self.limit, "max_queue": self.max_queue, "max_wait": self.max_wait}


class Waiter(Protocol):
    def grant(self) -> None:
        """Wake the waiter: it owns a place now. Called under the guard's lock, must not block."""


@dataclass(slots=True)
class BulkheadState:
    """Places are items of ``permits``: taking one is ``pop``, giving it back ``append``, both atomic.

    The fast path does these two in line; whatever concerns ``waiters`` runs under the guard's lock.
    """

    settings: Bulkhead
    permits: list[None] = field(init=False)
    waiters: deque[Waiter] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.permits = [None] * self.settings.limit

    @property
    def in_flight(self) -> int:
        return self.settings.limit - len(self.permits)

    def enter(self) -> bool:
        """Take a place at once; not past those who wait."""
        if self.waiters:
            return False
        return self._pop()

    def join(self, waiter: Waiter) -> str:
        """Queue up: "" when queued, "entered" when a place came free meanwhile, else why not."""
        if len(self.waiters) >= self.settings.max_queue:
            return "queue_full" if self.settings.max_queue else "full"
        self.waiters.append(waiter)
        # Whoever left just before may not have seen us waiting.
        if len(self.waiters) == 1 and self._pop():
            self.waiters.pop()
            return "entered"
        return ""

    def abandon(self, waiter: Waiter) -> bool:
        """Stop waiting. False when a place had been granted already: it is the waiter's to give back."""
        try:
            self.waiters.remove(waiter)
        except ValueError:
            return False
        return True

    def leave(self) -> None:
        self.permits.append(None)
        self.wake()

    def wake(self) -> None:
        """Hand free places to those who wait, first come first served."""
        while self.waiters and self._pop():
            self.waiters.popleft().grant()

    def trim(self) -> None:
        """Drop places beyond the limit: a call that was inside at a fork gives one back in the child too."""
        del self.permits[self.settings.limit :]

    def clear(self) -> None:
        """Nobody is inside and nobody waits; in place, operations hold both."""
        self.permits[:] = [None] * self.settings.limit
        self.waiters.clear()

    def _pop(self) -> bool:
        try:
            self.permits.pop()
        except IndexError:
            return False
        return True
