"""Timeouts of coroutines, one event loop timer for all calls with the same limit.

A fixed limit makes deadlines first-in first-out: the timer sleeps until the oldest one, and a call that ends
in
time only marks its entry. The rules of cancellation (who asked, ``uncancel``) are those of
``asyncio.timeout``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

_PRUNE = 256


class Expiry:
    """One running call. ``fired``: its time was over and its task was asked to cancel."""

    __slots__ = ("_owner", "at", "cancelling", "fired", "task")

    def __init__(self, at: float, task: asyncio.Task[Any]) -> None:
        self.at = at
        self.task: asyncio.Task[Any] | None = task
        self.cancelling = task.cancelling()
        self.fired = False
        self._owner: asyncio.Task[Any] | None = None

    def fire(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            self.fired = True
            self._owner = task
            task.cancel()

    def ours(self) -> bool:
        """After the call, if it fired: whether the cancellation that came is this one and no one else's."""
        task, self._owner = self._owner, None
        return task is not None and task.uncancel() <= self.cancelling


class Expiries:
    """The deadlines of one limit on one event loop, oldest first."""

    __slots__ = ("_prune_at", "_queue", "_timer", "limit", "loop")

    def __init__(self, limit: float, loop: asyncio.AbstractEventLoop) -> None:
        self.limit = limit
        self.loop = loop
        self._queue: deque[Expiry] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._prune_at = _PRUNE

    def start(self, task: asyncio.Task[Any]) -> Expiry:
        expiry = Expiry(self.loop.time() + self.limit, task)
        queue = self._queue
        queue.append(expiry)
        if self._timer is None:
            self._timer = self.loop.call_at(expiry.at, self._run)
        elif len(queue) > self._prune_at:
            self._prune()
        return expiry

    def _prune(self) -> None:
        """Drop entries of calls that have ended; twice the live ones may gather until the next time."""
        self._queue = deque(e for e in self._queue if e.task is not None)
        self._prune_at = max(_PRUNE, 2 * len(self._queue))

    def _run(self) -> None:
        self._timer = None
        now = self.loop.time()
        queue = self._queue
        while queue:
            expiry = queue[0]
            if expiry.task is not None:
                if expiry.at > now:
                    self._timer = self.loop.call_at(expiry.at, self._run)
                    return
                expiry.fire()
            queue.popleft()


class ExpiriesByLoop:
    """One :class:`Expiries` per event loop for a limit in seconds; closed loops are forgotten."""

    __slots__ = ("_by_loop", "_last", "limit")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._last: Expiries | None = None
        self._by_loop: dict[asyncio.AbstractEventLoop, Expiries] = {}

    def start(self, task: asyncio.Task[Any]) -> Expiry:
        loop = task.get_loop()
        last = self._last
        if last is None or last.loop is not loop:
            last = self._last = self._on(loop)
        return last.start(task)

    def _on(self, loop: asyncio.AbstractEventLoop) -> Expiries:
        found = self._by_loop.get(loop)
        if found is None:
            self._by_loop = {k: v for k, v in self._by_loop.items() if not k.is_closed()}
            found = self._by_loop[loop] = Expiries(self.limit, loop)
        return found
