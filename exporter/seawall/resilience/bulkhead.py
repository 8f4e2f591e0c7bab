"""Bulkhead: at most so many calls at once, and a bounded queue before them in the order of priority."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from seawall.resilience.checks import Checks
from seawall.resilience.priorities import PRIORITIES

#: Of so many places that are handed on, one goes to whoever has waited longest. 4: those below get a quarter
#: of the places at least, and three quarters go by priority.
TURN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulkhead:
    """Keep one slow dependency from taking every thread and task.

    limit: calls in flight, 1 to 100,000. max_queue: calls that may wait for a place, 0 to 100,000.
    max_wait: seconds they may wait.

    Who queues is served by priority (:func:`priority`, else the guard's criticality): ``critical``, then
    ``default``, then ``sheddable``; first come first served within each. Nobody starves: every fourth place
    goes to whoever has waited longest. When the queue is full, a call takes the place of the newest of the
    least important that wait, if these are less important than itself; else it is turned away.
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


#: What gives back what a call has been granted, the outermost first.
Granted = list[Callable[[], None]]


class Waiter(Protocol):
    """Who queues. ``placed``: it has been given a place, and has not entered yet."""

    placed: bool

    def wake(self) -> bool:
        """End the waiting; False when there is nobody left to wake. Under the guard's lock: never blocks."""


@dataclass(slots=True)
class BulkheadState:
    """Places are items of ``permits``: taking one is ``pop``, giving it back ``append``, both atomic.

    The fast path does these two in line; whatever concerns ``waiters`` runs under the guard's lock.
    ``waiters``: rank by waiter, all of them, the longest waiting first. ``_lines``: the same by rank.
    ``owed``: places beyond a limit that was lowered while calls were in them. They go as they come back, and
    until then all calls ask here.
    """

    settings: Bulkhead
    permits: list[None] = field(init=False)
    owed: int = 0
    waiters: OrderedDict[Waiter, int] = field(default_factory=OrderedDict)
    _lines: tuple[OrderedDict[Waiter, None], ...] = field(
        default_factory=lambda: tuple(OrderedDict() for _ in PRIORITIES)
    )
    _handed_on: int = 0

    def __post_init__(self) -> None:
        self.permits = [None] * self.settings.limit

    @property
    def in_flight(self) -> int:
        return self.settings.limit + self.owed - len(self.permits)

    def reconfigure(self, settings: Bulkhead) -> None:
        """Other settings: a lower limit holds as soon as enough calls have left. Who queues stays queued."""
        more = settings.limit - self.settings.limit - self.owed
        self.settings, self.owed = settings, max(0, -more)
        self.permits += [None] * more
        self._repay()
        self.wake()

    def enter(self, granted: Granted) -> bool:
        """Take a place at once; not past those who wait. What gives it back is in ``granted`` then.

        An interrupt can come after a call only. At each of them the place is either not taken yet, or given
        back again here, or noted in ``granted``.
        """
        if self.waiters:
            return False
        self._repay()
        try:
            self.permits.pop()
        except IndexError:
            return False
        except BaseException:
            self.permits.append(None)
            raise
        granted.append(self.leave)
        return True

    def join(self, waiter: Waiter, rank: int) -> str:
        """Queue up: "" when queued, or placed already, when a place came free meanwhile; else why not."""
        self.wake()
        if len(self.waiters) >= self.settings.max_queue and not self._displace(rank):
            return "queue_full" if self.settings.max_queue else "full"
        self.waiters[waiter] = rank
        self._lines[rank][waiter] = None
        # Whoever left just before may not have seen us waiting.
        if len(self.waiters) == 1 and self._place(waiter):
            self._drop(waiter)
        return ""

    def waited(self, waiter: Waiter, granted: Granted) -> str:
        """After the wait: "" when it has a place, and what gives it back is in ``granted``; else why not."""
        queued = waiter in self.waiters
        if queued:
            self._drop(waiter)
        if waiter.placed:
            waiter.placed = False
            granted.append(self.leave)
            return ""
        return "wait_exceeded" if queued else "queue_full"

    def abandon(self, waiter: Waiter) -> None:
        """Stop waiting before the time; a place that had been granted already goes on to the next."""
        if waiter in self.waiters:
            self._drop(waiter)
        if waiter.placed:
            waiter.placed = False
            self.leave()

    def leave(self) -> None:
        self.permits.append(None)
        self.wake()

    def wake(self) -> None:
        """Hand free places to those who wait."""
        while self.waiters and self._free():
            waiter = self._next()
            if not waiter.placed and not self._place(waiter):
                return
            self._drop(waiter)
            if not waiter.wake():
                waiter.placed = False
                self.permits.append(None)

    def trim(self) -> None:
        """Drop places beyond the limit: a call that was inside at a fork gives one back in the child too."""
        self._repay()
        del self.permits[self.settings.limit + self.owed :]

    def clear(self) -> None:
        """Nobody is inside and nobody waits; in place, operations hold both."""
        self.permits[:] = [None] * self.settings.limit
        self.owed = 0
        self.waiters.clear()
        for line in self._lines:
            line.clear()

    def _next(self) -> Waiter:
        self._handed_on += 1
        line = self.waiters if self._handed_on % TURN == 0 else next(line for line in self._lines if line)
        return next(iter(line))

    def _displace(self, rank: int) -> bool:
        """Turn the newest of the least important away, if it is less important than ``rank``."""
        for line in reversed(self._lines[rank + 1 :]):
            if line:
                waiter = next(reversed(line))
                self._drop(waiter)
                waiter.wake()
                return True
        return False

    def _drop(self, waiter: Waiter) -> None:
        del self._lines[self.waiters.pop(waiter)][waiter]

    def _repay(self) -> None:
        while self.owed and self._take():
            self.owed -= 1

    def _free(self) -> bool:
        self._repay()
        return bool(self.permits)

    def _place(self, waiter: Waiter) -> bool:
        """Give it a place, whatever interrupt comes meanwhile: see :meth:`enter`."""
        try:
            self.permits.pop()
        except IndexError:
            return False
        except BaseException:
            self.permits.append(None)
            raise
        waiter.placed = True
        return True

    def _take(self) -> bool:
        try:
            self.permits.pop()
        except IndexError:
            return False
        return True
