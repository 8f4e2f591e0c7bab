"""Timeouts of coroutines: on the fast lane one event loop timer for all calls with the same limit.

Who is cancelled because his time is over is heard: a result or an exception of his own is what the call
comes to. Only the cancellation itself becomes :class:`TimedOut`.

A fixed limit makes deadlines first-in first-out: the timer sleeps until the oldest one, and a call that ends
in time only marks its entry. The rules of cancellation (who asked, ``uncancel``) are those of
``asyncio.timeout``. Time is the guard's clock; the loop is only asked to wake us after so many seconds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from seawall.resilience.attempt import Answer
from seawall.resilience.errors import TimedOut

if TYPE_CHECKING:
    from seawall.resilience.operation import Operation

_PRUNE = 256

#: [deadline, task or None once it ended, its cancellation requests at the start, task again once fired]:
#: a list, because one is made on every call and a list is the cheapest thing that can be marked.
Expiry = list[Any]
AT, TASK, CANCELLING, FIRED = range(4)


class Expiries:
    """The deadlines of one limit, in seconds, on one event loop, oldest first."""

    __slots__ = ("_by_loop", "_prune_at", "_queue", "_timer", "clock", "limit", "loop")

    def __init__(
        self,
        limit: float,
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop | None = None,
        by_loop: dict[asyncio.AbstractEventLoop, Expiries] | None = None,
    ) -> None:
        self.limit = limit
        self.clock = clock
        self.loop = loop
        self._queue: deque[Expiry] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._prune_at = _PRUNE
        self._by_loop = {} if by_loop is None else by_loop

    def on(self, loop: asyncio.AbstractEventLoop) -> Expiries:
        """Those of another loop; closed loops are forgotten."""
        found = self._by_loop.get(loop)
        if found is None:
            self._forget_closed()
            found = self._by_loop[loop] = Expiries(self.limit, self.clock, loop, self._by_loop)
        return found

    def still_open(self) -> Expiries:
        """These, unless their loop is closed: a task of such a loop must be held by nobody."""
        self._forget_closed()
        if self.loop is not None and self.loop.is_closed():
            return Expiries(self.limit, self.clock, by_loop=self._by_loop)
        return self

    def _forget_closed(self) -> None:
        for known in list(self._by_loop):
            if known.is_closed():
                self._by_loop.pop(known, None)

    def add(self, expiry: Expiry) -> None:
        """Watch a call that begins now."""
        queue = self._queue
        queue.append(expiry)
        if self._timer is None:
            self._wake_in(self.limit)
        elif len(queue) > self._prune_at:
            self._prune()

    def _wake_in(self, seconds: float) -> None:
        assert self.loop is not None
        self._timer = self.loop.call_later(seconds, self._run)

    def _prune(self) -> None:
        """Drop entries of calls that have ended; twice the live ones may gather until the next time."""
        self._queue = deque(e for e in self._queue if e[TASK] is not None)
        self._prune_at = max(_PRUNE, 2 * len(self._queue))

    def _run(self) -> None:
        self._timer = None
        now = self.clock()
        queue = self._queue
        while queue:
            expiry = queue[0]
            task = expiry[TASK]
            if task is not None:
                if expiry[AT] > now:
                    self._wake_in(expiry[AT] - now)
                    return
                expiry[TASK] = None
                expiry[FIRED] = task
                task.cancel()
            queue.popleft()


def expired(op: Operation, expiry: Expiry, answer: Answer | None) -> Answer | None:
    """What a call whose time was over came to: a cancellation that is ours becomes :class:`TimedOut`.

    That of anyone else stays what it is, and so does a result that came all the same.
    """
    task, expiry[FIRED] = expiry[FIRED], None
    ours = task.uncancel() <= expiry[CANCELLING]
    if answer is None or not ours or not isinstance(answer[1], asyncio.CancelledError):
        return answer
    limit, scope = op.limits.first
    return False, TimedOut(op.dependency, scope, limit)


async def cut_off(work: Awaitable[Any], seconds: float, dependency: str, scope: str, limit: float) -> Any:
    """``work``, cancelled after so many seconds, with a timer of its own; ``limit`` is what is told of it."""
    its_own = False
    try:
        async with asyncio.timeout(seconds):
            try:
                return await work
            except TimeoutError:
                its_own = True
                raise
    except TimeoutError:
        if its_own:
            raise
        raise TimedOut(dependency, scope, limit) from None
