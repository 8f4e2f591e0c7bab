"""Looks at open breakers when their time is over, so that states, dashboards and listeners tell the truth
although nobody calls and nobody scrapes.

One daemon thread for the whole process, there only while something is open. Nothing depends on it: whoever
calls or looks moves a breaker as well, and a guard with a clock of its own is moved by them alone.

Asking for a look takes no lock, as it may come from a signal handler, from under a guard's lock, or at the
moment of a fork: an inbox that may be filled from anywhere, and a baton that whoever runs the thread holds.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from contextvars import Context
from functools import partial
from heapq import heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol
from weakref import ref

from seawall.resilience.deadline import Clock

if TYPE_CHECKING:
    from seawall.resilience.machinery import Machinery

NAME = "seawall-timer"
#: Seconds of one wait at most: there is a longest time-out that the platform takes.
LONGEST_WAIT = 3600.0

Reminder = tuple[float, int, "ref[Machinery]"]


class Inbox(Protocol):
    """As ``queue.SimpleQueue``."""

    def put(self, item: Reminder | None) -> None: ...
    def get(self, block: bool = ..., timeout: float | None = ...) -> Reminder | None: ...
    def empty(self) -> bool: ...


def in_thread(run: Callable[[], None]) -> None:
    # A context of its own: what the call that opened a breaker had set is none of a later one's.
    threading.Thread(target=Context().run, args=(run,), name=NAME, daemon=True).start()


class Timer:
    """``clock``: only guards on this one are looked at. ``start`` runs a function beside the caller."""

    def __init__(
        self,
        clock: Clock = time.monotonic,
        start: Callable[[Callable[[], None]], None] = in_thread,
        inbox: Callable[[], Inbox] = SimpleQueue,
    ) -> None:
        self._clock = clock
        self._start = start
        self._new_inbox = inbox
        self._numbers = count()
        self.restart()

    def restart(self) -> None:
        """Nobody runs and nothing is due, as in a forked child: its parent's thread is not here."""
        self._inbox = self._new_inbox()
        self._baton = threading.Lock()
        self._stopped = False

    def remind(self, guard: Machinery, at: float) -> None:
        """Look at a guard at this time of its clock. It is not kept alive for that."""
        if self.note(guard, at):
            self._run_if_nobody_does()

    def note(self, guard: Machinery, at: float) -> bool:
        """The same once something else has to be done too. Whether this guard is looked at at all."""
        mine = guard.clock is self._clock
        if mine:
            self._inbox.put((at, next(self._numbers), ref(guard)))
        return mine

    def stop(self) -> None:
        """The interpreter ends: begin nothing, and let the thread end."""
        self._stopped = True
        self._inbox.put(None)

    def _run_if_nobody_does(self) -> None:
        if self._stopped or not self._baton.acquire(blocking=False):
            return
        try:
            self._start(partial(self._run, self._inbox, self._baton))
        except BaseException as error:
            # Whether it began, an interrupt does not say: if it did, it ends with the baton that it has.
            self._baton = threading.Lock()
            # No thread to be had: callers and scrapes move the breaker.
            if not isinstance(error, RuntimeError):
                raise

    def _run(self, inbox: Inbox, baton: threading.Lock) -> None:
        due: list[Reminder] = []
        while not self._stopped:
            try:
                reminder = inbox.get(timeout=self._wait(due))
            except Empty:
                reminder = None
            if reminder is not None:
                heappush(due, reminder)
            while due and due[0][0] <= self._clock():
                self._look(heappop(due)[2])
            if not due and inbox.empty():
                break
        baton.release()
        # Who put something in while the baton was still held has left it to this.
        if not inbox.empty():
            self._run_if_nobody_does()

    def _wait(self, due: list[Reminder]) -> float:
        """Seconds until something is due."""
        return min(max(due[0][0] - self._clock(), 0.0), LONGEST_WAIT) if due else 0.0

    def _look(self, reference: ref[Machinery]) -> None:
        guard = reference()
        if guard is None:
            return
        try:
            guard.pass_time()
        except BaseException as error:
            # SystemExit, say, of a listener: it ends no thread that other guards rely on.
            guard.report.failed("timer", error)


of_process = Timer()
atexit.register(of_process.stop)
