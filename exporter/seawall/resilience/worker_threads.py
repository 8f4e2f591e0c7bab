"""Worker threads: for attempts of a ``def`` that their callers may stop waiting for.

A thread can't be cancelled. One that nobody waits for any more goes on, is *abandoned* until its function
returns, and its place is taken until then: so there are never more threads than were asked for. They are
daemons, which the interpreter does not wait for at its exit.

Nothing is locked here. What threads contend for is an item of a list, and taking one is a single step: no
signal handler and no fork finds a lock held. A worker takes its seat in its own thread, where no interrupt
comes that could lose it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from threading import TIMEOUT_MAX, Lock, Thread
from typing import Any

from seawall.resilience.attempt import Answer


class Job:
    """A function that runs on a worker, once, and the answer for the one who waits for it."""

    __slots__ = ("_abandoned", "_answer", "_context", "_done", "_open", "_places", "_work")

    def __init__(self, workers: WorkerThreads, context: Context, work: Callable[[], Any]) -> None:
        self._context = context
        self._work = work
        self._places = workers.places
        self._abandoned = workers.abandoned
        self._answer: Answer | None = None
        #: Taken by whoever is first: the worker with its answer, or the caller whose patience ends.
        self._open = [None]
        self._done = Lock()
        self._done.acquire()

    def run(self) -> None:
        """On the worker."""
        try:
            self._answer = True, self._context.run(self._work)
        except BaseException as error:
            self._answer = False, error
        late = not _take(self._open)
        if late:
            self._answer = None
        self._abandoned.discard(self)
        # Before the caller hears of it: its next call needs the place.
        self._places.append(None)
        self._done.release()

    def wait(self, seconds: float) -> Answer | None:
        """What it came to; ``None`` when that was not there in time: from then on nobody waits for it."""
        came = False
        try:
            came = self._done.acquire(timeout=min(max(seconds, 0.0), TIMEOUT_MAX))
        finally:
            if not came:
                self._abandoned.add(self)
                if not _take(self._open):
                    self._abandoned.discard(self)
        # The exception's traceback holds the job: it must not hold the exception.
        answer, self._answer = self._answer, None
        return answer


class WorkerThreads:
    """At most ``size`` threads, each started when it is first needed. They end when this is forgotten.

    places: an item for each job that may still be begun; it is taken by the caller, and given back by the
    worker. jobs: what the next thread that is free takes. abandoned: those that nobody waits for any more.
    """

    __slots__ = ("_name", "_seats", "abandoned", "jobs", "places", "size")

    def __init__(self, size: int, name: str) -> None:
        self.size = size
        self._name = name
        self.restart()

    def restart(self) -> None:
        """No thread and no job, as in a forked child. Those that there were keep to what they began with."""
        self.places: list[None] = [None] * self.size
        self.abandoned: set[Job] = set()
        self._seats: list[None] = [None] * self.size
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()

    def staff(self) -> bool:
        """See to it that there is a thread for each place that is taken. Whether that could be done."""
        if len(self.places) < len(self._seats):
            worker = Thread(target=_serve, args=(self._seats, self.jobs), name=self._name, daemon=True)
            try:
                worker.start()
            except RuntimeError:
                # The system gives no more threads, or the interpreter ends.
                return False
        return True

    def __del__(self) -> None:
        for _ in range(self.size):
            self.jobs.put(None)


def _serve(seats: list[None], jobs: SimpleQueue[Job | None]) -> None:
    """A worker's life. One that was started although all seats are taken ends at once."""
    if not _take(seats):
        return
    while (job := jobs.get()) is not None:
        job.run()
        # Idle, it holds nothing of its last job.
        del job


def _take(items: list[None]) -> bool:
    try:
        items.pop()
    except IndexError:
        return False
    return True
